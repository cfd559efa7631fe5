"""`passo compare`: which configuration is better, by how much, how surely, how soon; and what tuning makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from passo.cli.show import out, saved_as
from passo.language import later, t, tn
from passo.telling import told

if TYPE_CHECKING:
    from passo.figures.compared import Wish
    from passo.store import StoredStudy

FIGURES = "ranked, sensitivity, heatmap, parallel, profiles, importance, budget, batch-size"
BY = ("all", "tuned", "defaults")
ROWS = 40  # of a table that are printed
UNFINISHED = {
    "interrupted": later(
        "{folder} was interrupted: what has not ended yet is not in what follows; "
        "the command that ran it goes on with it."
    ),
    "running": later("{folder} is still running, or was killed: what has not ended yet is not in what follows."),
}


def compare(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY…", help="A study; several are problems, profiled.")],
    metric: Annotated[
        str | None, typer.Option(help="What is compared, by its last value (default: the study's own, test/accuracy).")
    ] = None,
    names: Annotated[
        list[str] | None, typer.Option("--names", help="Only these configurations: a,b,c; may be repeated.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="A configuration that you named before: fewer comparisons to correct for.")
    ] = None,
    by: Annotated[
        str, typer.Option(help="all; tuned: what validation chooses for each group; defaults: untuned ones.")
    ] = "all",
    choose: Annotated[str, typer.Option(help="The validation metric that tuning chooses by.")] = "validation/loss",
    group: Annotated[
        str | None, typer.Option(metavar="KEY", help="What is tuned apart, a setting that varies (optimizer.name).")
    ] = None,
    target: Annotated[
        float | None, typer.Option(help="How soon is it reached? 0.8 (default: half of them end there).")
    ] = None,
    curve: Annotated[
        str | None, typer.Option(help="The metric over training for targets and areas (default: in validation).")
    ] = None,
    problem: Annotated[
        str | None, typer.Option(metavar="KEY", help="Values of this setting are problems: profile over them.")
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(metavar="KEY,KEY", help="The axes: two settings of heatmap (lr,batch_size), one of sensitivity."),
    ] = None,
    unit: Annotated[str, typer.Option(help="What profiles count: epochs, steps or seconds.")] = "epochs",
    figure: Annotated[str | None, typer.Option(help=f"Draw it: {FIGURES}.")] = None,
    out_: Annotated[
        Path | None, typer.Option("--out", help="A .html, .png or .svg file for the figure (default: in the study).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, numbers unrounded.")] = False,
) -> None:
    """Compare the configurations of a study fairly: ranked, paired by seed, corrected for how many were looked at.

    Says what cannot be told apart and about how many seeds that would take; how soon each reaches a target, whether it
    converged, how wide its band of learning rates is, and what tuning by validation makes of it. docs/comparing.md
    defines every number.
    """
    from passo import store
    from passo.errors import UsageError
    from passo.figures.compared import Wish
    from passo.registry import unknown

    if by not in BY:
        raise unknown("--by", by, BY)
    if as_json and figure is not None:
        raise UsageError("--json and --figure are two answers: ask for one")
    if out_ is not None and figure is None:
        raise UsageError(f"--out is where a figure goes: add --figure, one of: {FIGURES}")
    with ExitStack() as understanding:
        for one in studies:
            understanding.enter_context(store.understood(one))
        found = [store.find(one) for one in studies]
        axes = tuple(key.strip() for key in (over or "").split(",") if key.strip())
        shared = Wish(by=choose, against=against, over=axes, group=group, problem=problem, target=target, unit=unit)
        pools = [tuple(n for word in names or [] for n in _split(word, each)) or None for each in found]
        for each in found if curve is not None else ():
            known = sorted({metric for run in each.runs for metric in run.metrics()})
            if curve not in known:
                raise unknown(f"metric in {each.folder}", str(curve), known)
        asked = [
            Asked(each, pool, _wish(each, shared, metric, curve, by, pool))
            for each, pool in zip(found, pools, strict=True)
        ]
        for one in [] if as_json else found:
            if one.status in UNFINISHED:
                out.print(t(UNFINISHED[one.status], folder=one.folder) + "\n", markup=False, soft_wrap=True)
        if figure is not None:
            _draw(figure, asked, out_)
        elif as_json:
            out.print(json.dumps(_data(asked), indent=1, ensure_ascii=False), markup=False, soft_wrap=True)
        else:
            _tell(asked)


class Asked(NamedTuple):
    """A study, the configurations that were named (None: all), and what is wished of those that `--by` leaves."""

    study: StoredStudy
    pool: tuple[str, ...] | None
    wish: Wish


def _wish(
    study: StoredStudy, shared: Wish, metric: str | None, curve: str | None, by: str, pool: tuple[str, ...] | None
) -> Wish:
    """The wish with this study's own metric, curve and configurations."""
    from passo.figures.comparison import curve_of

    chosen = metric or str(study.config.get("metric", "test/accuracy"))
    wish = replace(shared, metric=chosen, curve=curve or curve_of(study, chosen))
    return replace(wish, names=_names(study, by, wish, pool))


def _split(text: str, study: StoredStudy) -> Iterator[str]:
    """The names in "a,b"; a name may hold commas itself (round-1,lr=0.01), so the longest that there is counts."""
    known = {run.name for run in study.runs}
    parts = [part.strip() for part in text.split(",") if part.strip()]
    while parts:
        end = next((k for k in range(len(parts), 1, -1) if ",".join(parts[:k]) in known), 1)
        yield ",".join(parts[:end])
        parts = parts[end:]


def _names(study: StoredStudy, by: str, wish: Wish, pool: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The configurations that are wanted; None for all."""
    from passo.analysis.tuning import best_of
    from passo.analysis.varied import typed_alone
    from passo.errors import StoreError

    if by == "tuned":
        return tuple(each.name for each in best_of(study, wish.by, wish.metric, wish.group, pool).groups)
    if by == "all":
        return pool
    alone = tuple(name for name in typed_alone(study) if pool is None or name in pool)
    if not alone:
        rule = "one whose optimizer is its name alone, or that is called default"
        raise StoreError(f"no configuration in {study.folder} is an optimizer's defaults: {rule}")
    return alone


def _tell(asked: list[Asked]) -> None:
    from passo.errors import StoreError
    from passo.figures.comparison import parts

    for one in asked:
        if len(asked) > 1:
            out.print(f"═══ {one.study.name} ═══\n", markup=False, style="bold")
        for i, (_, heading, compute, _) in enumerate(parts(one.study, one.wish, one.pool)):
            try:
                _part(heading, compute())
            except StoreError as why:
                if i == 0:
                    raise
                out.print(f"[bold]{heading}[/]")
                out.print(t("nothing: {why}", why=told(str(why))) + "\n", markup=False, soft_wrap=True)
    if len(asked) > 1 or asked[0].wish.problem is not None:
        _part(t("Performance profiles"), _profiles(asked))


def _part(heading: str, found: Any) -> None:
    table = found.table()
    left = len(table.rows) - ROWS
    if left > 0:
        more = tn(
            "… and {n:,} row more: --json has all, --names chooses.",
            "… and {n:,} rows more: --json has all, --names chooses.",
            left,
        )
        table = replace(table, rows=table.rows[:ROWS], note=f"{more}\n{table.note}")
    out.print(f"[bold]{heading}[/]")
    out.print(f"{found.sentence()}\n\n{table}\n", markup=False, soft_wrap=True)


def _profiles(asked: list[Asked]) -> Any:
    from passo.analysis.profiles import profiles
    from passo.figures.compared import problems

    wish = asked[0].wish
    there = problems([one.study for one in asked], wish)
    return profiles(there, wish.curve, [wish.target] * len(there), wish.unit)


def _data(asked: list[Asked]) -> dict[str, Any]:
    """All parts as plain data, each with its sentence; what cannot be computed says why."""
    from passo.analysis.plain import said
    from passo.errors import StoreError
    from passo.figures.comparison import parts

    found: dict[str, Any] = {"studies": []}
    for one in asked:
        told_of: dict[str, Any] = {"study": one.study.name, "folder": str(one.study.folder)}
        told_of |= {"status": one.study.status, "metric": one.wish.metric, "curve": one.wish.curve}
        for i, (key, _, compute, _) in enumerate(parts(one.study, one.wish, one.pool)):
            try:
                told_of[key] = said(compute())
            except StoreError as why:
                if i == 0:
                    raise
                told_of[key] = {"nothing": told(str(why))}
        found["studies"].append(told_of)
    if len(asked) > 1 or asked[0].wish.problem is not None:
        found["profiles"] = said(_profiles(asked))
    return found


def _draw(name: str, asked: list[Asked], path: Path | None) -> None:
    from passo.figures.compared import draw_compared
    from passo.figures.page import save_figure

    drawn = draw_compared(name, [one.study for one in asked], asked[0].wish)
    saved = save_figure(drawn, path if path is not None else asked[0].study.folder / f"{drawn.name}.png")
    out.print(drawn.sentence, markup=False, soft_wrap=True)
    out.print(saved_as(saved), markup=False, soft_wrap=True)
