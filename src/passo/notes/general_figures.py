"""The figures that any study may have, by the names under which a text places them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from passo.analysis.curves import bands
from passo.analysis.curves import tell as tell_bands
from passo.analysis.varied import RATE
from passo.analysis.words import spoken
from passo.errors import PassoError
from passo.figures import FIGURES, PAIR_FIGURES, RUN_FIGURES, Wish, curves_chart, draw, draw_compared, draw_run
from passo.figures import study_weights as weights
from passo.figures.starts import losses, starts
from passo.figures.style import Figure
from passo.language import t
from passo.notes.general import Results, axis
from passo.store import StoredStudy

COMPARED = ("ranked", "heatmap", "parallel", "importance", "budget", "batch-size")
CURVES = {
    "curves": "",
    "training-loss": "epoch/train_loss",
    "validation-loss": "validation/loss",
    "validation-accuracy": "validation/accuracy",
}
FTRL = "why-ftrl-loses"  # the study whose first steps have figures of their own
NOISE = "gradient-noise"  # the study of weights that do not move
TOLD = 6  # curves that a sentence tells


def figures(found: Results) -> dict[str, Callable[[StoredStudy], Figure]]:
    """Every figure by its name, drawn when it is placed; what the study lacks for one is said then."""
    wish = Wish(metric=found.metric, curve=found.curve)
    made: dict[str, Callable[[StoredStudy], Figure]] = {}
    for name in COMPARED:
        made[name] = functools.partial(_compared, name, name, wish)
    made["rates"] = functools.partial(_compared, "rates", "sensitivity", replace(wish, over=(RATE,)))
    for key in found.numbers:
        if key != RATE:
            made[axis(key)] = functools.partial(_compared, axis(key), "sensitivity", replace(wish, over=(key,)))
    for name, metric in CURVES.items():
        made[name] = functools.partial(curves, name, metric or found.curve)
    for name in RUN_FIGURES:
        made.setdefault(name, functools.partial(_of_run, name, found))
    made["all-weights"] = lambda study: replace(weights(study), name="all-weights")
    if found.study.name == FTRL:
        made["starts"], made["start-losses"] = starts, lambda study: replace(losses(study), name="start-losses")
    if found.study.name == NOISE:
        made["gradient-noise"] = lambda study: replace(
            draw_compared("batch-size", at_rest(study), wish), name="gradient-noise"
        )
    known = PAIR_FIGURES if found.study.facts.get("pair") else FIGURES if found.study.name == "optimizers" else ()
    for name in known:
        made.setdefault(name, functools.partial(draw, name))
    return made


def curves(name: str, metric: str, study: StoredStudy) -> Figure:
    """A metric of all configurations over the epochs, with bands over seeds."""
    chart = curves_chart(study, metric)
    found = bands(study, metric)
    few = found if len(found) <= TOLD else []
    said = tell_bands(few) if few else _spread(metric, len(found), study)
    named = _begun(spoken(metric))
    caption = t("{metric} over the epochs: means over seeds, with 95 % intervals as bands.", metric=named)
    return Figure(name, chart, caption, said)


def possible(study: StoredStudy, made: dict[str, Callable[[StoredStudy], Figure]]) -> dict[str, Figure | str]:
    """Each figure, or what the study lacks for it."""
    found: dict[str, Figure | str] = {}
    for name, draw_it in made.items():
        try:
            found[name] = draw_it(study)
        except PassoError as why:
            found[name] = str(why)
        except (LookupError, ValueError, TypeError, AttributeError):  # made for another kind of run
            found[name] = t("it is not for runs of this kind")
    return found


def at_rest(study: StoredStudy) -> StoredStudy:
    """A study of weights that do not move: how many epochs a run looks on is no setting that changes a result."""
    return replace(study, runs=tuple(replace(run, config={**run.config, "epochs": 1}) for run in study.runs))


def _compared(name: str, of: str, wish: Wish, study: StoredStudy) -> Figure:
    return replace(draw_compared(of, study, wish), name=name)


def _of_run(name: str, found: Results, study: StoredStudy) -> Figure:
    return replace(draw_run(name, found.reference), name=name)


def _spread(metric: str, count: int, study: StoredStudy) -> str:
    """What many curves show: between which values they end."""
    from passo.analysis.compare import compare
    from passo.analysis.words import ranged

    ended = compare(study, metric).outcomes
    return t(
        "Of {count} configurations {best} ends best, at {top}, and {worst} worst, at {bottom}.",
        count=count,
        best=ended[0].name,
        top=ranged(ended[0], metric),
        worst=ended[-1].name,
        bottom=ranged(ended[-1], metric),
    )


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]
