"""`passo proof`: every optimiser's equations held to what the optimiser does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passo.cli.show import err, out, progress, table
from passo.language import numeral, t

if TYPE_CHECKING:
    from passo.experiments.proof import Proof


def proof(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", help="Optimizers (adam, muon, keras.ftrl); all if none.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each case.")] = 200,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; if left out, one a core, at most four.")] = None,
    out_: Annotated[Path | None, typer.Option("--out", help="Write every case into a Markdown file.")] = None,
) -> None:
    """Prove that the optimisers do what their equations say: passo proof adam --steps 50"""
    try:
        proved = _proved(names or [], steps, jobs, out_)
    except KeyboardInterrupt:
        err.print(t("interrupted: a proof is told only when it is whole"))
        raise
    _show(proved)
    if out_ is not None:
        _write(proved, out_)
    if not proved.held:
        raise typer.Exit(1)


def _proved(names: list[str], steps: int, jobs: int | None, path: Path | None) -> Proof:
    from passo.errors import StoreError
    from passo.experiments.proof import chosen, prove

    wanted = chosen(names)
    if path is not None and not path.absolute().parent.is_dir():  # said before the minutes are spent
        raise StoreError(f"cannot write {path}: there is no folder {path.absolute().parent}")
    with progress("case") as bar:
        task = bar.add_task(t("proving"), total=len(wanted), case="")
        return prove(
            names,
            steps=steps,
            jobs=jobs,
            each=lambda case: bar.update(task, advance=1, case=f"{case.label} {case.title}"),
        )


def _write(proved: Proof, path: Path) -> None:
    from passo.errors import StoreError
    from passo.experiments.proof_report import markdown

    try:
        path.write_text(markdown(proved), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    out.print(t("written to {path}", path=path))


def _show(proved: Proof) -> None:
    """One line for each optimiser: its cases at their worst, and the bound."""
    from passo.experiments.proof_report import number, summaries

    columns = [t("optimizer"), t("cases"), "float32", "float64", t("new state"), t("bound"), ""]
    rows = []
    for one in summaries(proved):
        cells = [numeral(number(value)) for value in (one.float32, one.float64, one.state, one.bound)]
        verdict = t("measured") if one.bound is None else t("held") if one.held else t("broken")
        rows.append([one.label, one.cases, *cells, verdict])
    table(columns, rows, right=columns[1:-1])
    made = {"n": proved.steps, "torch": proved.torch, "machine": proved.machine}
    out.print(t("largest differences over {n} steps, in roundings; torch {torch}, {machine}", **made))
    for row in proved.broken:
        what = {"optimizer": f"{row.label}({row.options})", "problem": row.problem, "dtype": row.dtype}
        words = t("broken: {optimizer} on {problem} in {dtype}: {worst:.3g} roundings", worst=row.worst, **what)
        out.print(words)
