"""The figures that compare configurations, by name: what `passo compare --figure` and a notebook draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from passo.analysis.paired import fair
from passo.analysis.profiles import profiles
from passo.analysis.tuning import BY
from passo.analysis.varied import RATE, split
from passo.errors import UsageError
from passo.figures.batches import batch_figure
from passo.figures.curves import about
from passo.figures.parallel import parallel
from passo.figures.planes import heatmap
from passo.figures.profiled import profile_curves
from passo.figures.ranked import ranked
from passo.figures.style import Figure
from passo.figures.tuned import budget_curves, importance_bars, sensitivity_curves
from passo.registry import Registry
from passo.store import StoredStudy


@dataclass(frozen=True)
class Wish:
    """What is asked of a comparing figure; each takes what concerns it.

    metric: what is reported (test/accuracy). curve: the validation metric. by: what configurations are chosen by.
    names: only these. against: the reference. over: the setting on the axis of `sensitivity`, the two of `heatmap`.
    problem: a setting whose values are the problems of `profiles`. group: whose values are tuned apart. target, unit:
    of `profiles`.
    """

    metric: str = "test/accuracy"
    curve: str = "validation/accuracy"
    by: str = BY
    names: tuple[str, ...] | None = None
    against: str | None = None
    over: tuple[str, ...] = ()
    group: str | None = None
    problem: str | None = None
    target: float | None = None
    unit: str = "epochs"


COMPARED: Registry[Callable[[Sequence[StoredStudy], Wish], Figure]] = Registry("figure of a comparison")


def draw_compared(name: str, studies: Sequence[StoredStudy] | StoredStudy, wish: Wish | None = None) -> Figure:
    """One comparing figure of a study (of several, for `profiles`).

    Raises `UnknownName` for a figure that does not exist, `UsageError` for several studies where one is drawn, and what
    the figure's own analysis raises.
    """
    given = [studies] if isinstance(studies, StoredStudy) else list(studies)
    if name in COMPARED and name != "profiles" and len(given) > 1:
        raise UsageError(f"the figure {name} is of one study, got {len(given)}; several are the problems of: profiles")
    return COMPARED[name](given, wish or Wish())


def problems(studies: Sequence[StoredStudy], wish: Wish) -> list[StoredStudy]:
    """Several studies, or one that is split by a setting."""
    if len(studies) == 1 and wish.problem is not None:
        return split(studies[0], wish.problem)
    return list(studies)


def _two(over: tuple[str, ...]) -> tuple[str, str] | None:
    """The axes of a plane, where they were named."""
    if len(over) in (0, 2):
        return (over[0], over[1]) if over else None
    raise UsageError(f"a heatmap is over two settings (lr,batch_size), got {len(over)}: {', '.join(over)}")


def _ranked(studies: Sequence[StoredStudy], wish: Wish) -> Figure:
    return ranked(fair(studies[0], wish.metric, wish.names, wish.against), about(studies[0]))


def _profiles(studies: Sequence[StoredStudy], wish: Wish) -> Figure:
    there = problems(studies, wish)
    return profile_curves(profiles(there, wish.curve, [wish.target] * len(there), wish.unit), about(studies[0]))


def _importance(studies: Sequence[StoredStudy], wish: Wish) -> Figure:
    return importance_bars(studies[0], wish.curve, None if wish.names is None else list(wish.names))


for _name, _draw in (
    ("ranked", _ranked),
    ("sensitivity", lambda studies, wish: sensitivity_curves(studies[0], wish.curve, (*wish.over, RATE)[0])),
    ("heatmap", lambda studies, wish: heatmap(studies[0], wish.curve, _two(wish.over))),
    ("parallel", lambda studies, wish: parallel(studies[0], wish.curve, wish.names)),
    ("profiles", _profiles),
    ("importance", _importance),
    ("budget", lambda studies, wish: budget_curves(studies[0], wish.by, wish.metric, wish.group)),
    ("batch-size", lambda studies, wish: batch_figure(studies[0], wish.metric)),
):
    COMPARED.add(_name, _draw)
