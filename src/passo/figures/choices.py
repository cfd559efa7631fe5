"""One figure for each choice that was explored: the accuracy by setting, and its training where that tells more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from passo.analysis.curves import bands
from passo.analysis.exploration import METRIC, Exploration, exploration
from passo.analysis.intervals import Interval
from passo.analysis.paired_shares import standing
from passo.analysis.words import seeds, shortened, spoken, within
from passo.figures.exploration import dots_by_standing
from passo.figures.panels import heading, x_axis
from passo.figures.style import BLUE, INK, OTHERS, RED, WIDTH, Figure, altair, colour, data, finished
from passo.store import StoredStudy

CHOICES = (
    "parameters",
    "layers",
    "units and filters",
    "kernel size",
    "activation",
    "normalisation",
    "regularisation",
    "initialisation",
    "batch size",
    "learning rate",
    "optimiser",
)
LEARNED = ("activation", "normalisation", "initialisation", "batch size", "learning rate", "optimiser")
"""Choices of how it is learned, of which the loss over training tells more; the loss of others is not one quantity."""
LOSSES = ("validation/loss", "epoch/train_loss")
REFERENCE = "reference"
LINES = OTHERS[2:]  # the first two are the models' own
ROW = 26.0  # points
ASIDE = 0.15  # of a row, each model to its side


def slug(choice: str) -> str:
    """The name of a choice's figure.

    >>> slug("units and filters")
    'choice-units-and-filters'
    """
    return f"choice-{choice.replace(' ', '-')}"


def draw_choice(study: StoredStudy, choice: str) -> Figure:
    """The settings of one choice, the reference among them; raises `StoreError` where the study did not explore it."""
    alt = altair()
    found = exploration(study)
    chart = _accuracies(found, choice)
    metric = _loss(study, found, choice)
    if metric:
        there = [label for label in found.labels if any(e.model == label for e in found.of(choice))]
        panels = [_curves(study, found, choice, label, metric, legend=label == there[0]) for label in there]
        below = alt.hconcat(*panels, spacing=24).resolve_scale(color="independent")
        chart = alt.vconcat(chart, below, spacing=16).resolve_scale(color="independent")
    learned = f" Below: the {spoken(metric)} after each epoch, means over seeds." if metric else ""
    caption = (
        f"Test accuracy by {choice}, all else as in the reference ({seeds(found.n)}). Filled: "
        f"told apart from the reference after Holm's correction for all {len(found.effects)} changes of the "
        f"exploration; pale: only by itself; hollow: neither; diamonds are the reference.{learned}"
    )
    title = finished(chart, f"{choice.capitalize()}", "one choice changed, all else as in the reference")
    return Figure(slug(choice), title, caption, found.choice_sentence(choice))


CHOICE_FIGURES: dict[str, Callable[[StoredStudy], Figure]] = {
    slug(choice): partial(draw_choice, choice=choice) for choice in CHOICES
}
"""By name, the figure of each choice."""


def _order(found: Exploration, choice: str) -> list[str]:
    """The settings as they are drawn, downwards: by their number where that is all that differs, else by accuracy."""
    said = [setting.said for setting in found.settings(choice)]
    last = [_number(word) for word in said]
    stems = {word.rpartition(" ")[0] for word in said}
    if all(math.isfinite(number) for number in last) and len(stems) == 1:
        return [word for _, word in sorted(zip(last, said, strict=True))]
    means = {word: np.mean([e.accuracy.mean for e in found.of(choice) if e.setting.said == word]) for word in said}
    return sorted(means, key=lambda word: -means[word])


def _number(word: str) -> float:
    try:
        return float(word.rpartition(" ")[2])
    except ValueError:
        return math.nan


def _accuracies(found: Exploration, choice: str) -> Any:
    """A row for each setting, a point with its interval for each model; the reference first."""
    alt = altair()
    order = [REFERENCE, *_order(found, choice)]
    rows = [(0, label, accuracy, REFERENCE, "yes") for label, (_, accuracy) in found.reference.items()]
    rows += [
        (order.index(e.setting.said), e.model, e.accuracy, e.setting.said, "yes" if e.apart else standing(e.difference))
        for e in found.of(choice)
    ]
    short = list(shortened(order, 34).values())
    axis = alt.Axis(title=None, values=list(range(len(order))), labelExpr=f"{short}[datum.value]", **_BARE)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[len(order) - 0.5, -0.5], nice=False), axis=axis)
    x = alt.X("mean:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(title=spoken(METRIC), format="~%"))
    shade = colour("model", list(found.labels), [BLUE, RED])
    base = alt.Chart(data(_points(found, rows))).encode(y=y, color=shade)
    shape = alt.condition(f"datum.setting == '{REFERENCE}'", alt.value("diamond"), alt.value("circle"))
    tips = ["setting:N", "model:N", alt.Tooltip("mean:Q", format=".1%"), alt.Tooltip("within:N", title="95 % interval")]
    return alt.layer(
        _levels(found),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        *(
            dots.encode(x=x, shape=shape, tooltip=tips)
            for dots in dots_by_standing(base, "state", _shades(found), size=62)
        ),
    ).properties(width=WIDTH, height=ROW * len(order))


_BARE = {"domain": False, "ticks": False, "labelOverlap": False, "labelLimit": 0, "labelPadding": 6}


def _shades(found: Exploration) -> Any:
    return altair().Scale(domain=list(found.labels), range=[BLUE, RED])


def _levels(found: Exploration) -> Any:
    """Each model's reference as a thin line through all rows."""
    alt = altair()
    there = {label: accuracy.mean for label, (_, accuracy) in found.reference.items()}
    shade = alt.Color("model:N", scale=_shades(found))
    source = alt.Chart(data({"model": list(there), "mean": list(there.values())}))
    return source.mark_rule(strokeDash=[3, 3], opacity=0.55).encode(x="mean:Q", color=shade)


def _points(found: Exploration, rows: Sequence[tuple[int, str, Interval, str, str]]) -> dict[str, list[Any]]:
    told = [
        (
            place + ASIDE * (2 * found.labels.index(model) - 1),
            one.mean,
            max(one.low, 0.0) if one.known else np.nan,
            min(one.high, 1.0) if one.known else np.nan,
            model,
            setting,
            state,
            within(one, METRIC),
        )
        for place, model, one, setting, state in rows
    ]
    names = ("y", "mean", "low", "high", "model", "setting", "state", "within")
    return {name: [row[i] for row in told] for i, name in enumerate(names)}


def _configurations(found: Exploration, choice: str, label: str) -> dict[str, str]:
    """The settings of one model and the configurations that have them, the reference first."""
    there = {e.setting.said: e.name for e in found.of(choice) if e.model == label}
    return {REFERENCE: found.reference[label][0], **{s: there[s] for s in _order(found, choice) if s in there}}


def _loss(study: StoredStudy, found: Exploration, choice: str) -> str:
    """The loss that is drawn: validation's where all have it, else training's; "" where neither tells more."""
    if choice not in LEARNED:
        return ""
    names = [n for label in found.reference for n in _configurations(found, choice, label).values()]
    runs = [run for name in names for run in study.select(name)]
    return next((metric for metric in LOSSES if all(run.has(metric) for run in runs)), "")


def _curves(study: StoredStudy, found: Exploration, choice: str, label: str, metric: str, *, legend: bool) -> Any:
    """One model's loss after each epoch, a line for each setting."""
    alt = altair()
    names = _configurations(found, choice, label)
    drawn = bands(study, metric, list(names.values()))
    columns = {
        "x": np.concatenate([band.epochs for band in drawn]),
        "y": np.concatenate([band.mean for band in drawn]),
        "label": np.concatenate([np.repeat(s, len(band.epochs)) for s, band in zip(names, drawn, strict=True)]),
    }
    order = [REFERENCE, *_order(found, choice)]
    shades = [INK, *(LINES[i % len(LINES)] for i in range(len(order) - 1))]
    look = alt.Legend(orient="top-right", direction="vertical", symbolSize=60, labelFontSize=10, title=None)
    scale = alt.Scale(domain=order, range=shades)
    last = max(float(band.epochs[-1]) for band in drawn)
    y = alt.Y("y:Q", title=spoken(metric), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    x = x_axis("epoch", whole=True, domain=[0, last * 1.02])
    line = alt.Chart(data(columns)).mark_line(strokeWidth=1.7)
    shade = alt.Color("label:N", scale=scale, legend=look if legend else None)
    return line.encode(x=x, y=y, color=shade).properties(width=WIDTH / 2 - 40, height=170, title=heading(label))
