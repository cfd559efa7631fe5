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
        there = _models(found, choice)
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
    """What is drawn, downwards, the reference among it: by number where that is all that differs, else by accuracy."""
    said = [setting.said for setting in found.settings(choice)]
    base = _reference(found, choice)
    means = {word: np.mean([e.accuracy.mean for e in found.of(choice) if e.setting.said == word]) for word in said}
    numbers = {word: _number(word) for word in (*said, found.unchanged.get(choice, ""))}
    numbers = {(base if word not in said else word): number for word, number in numbers.items() if word}
    stems = {word.removesuffix(f" ({REFERENCE})").rpartition(" ")[0] for word in numbers}
    if all(map(math.isfinite, numbers.values())) and len(stems) == 1:
        return [*([] if base in numbers else [base]), *sorted(numbers, key=lambda word: numbers[word])]
    return [base, *sorted(said, key=lambda word: -means[word])]


def _reference(found: Exploration, choice: str) -> str:
    """How the reference is called beside the settings of a choice: by its own value where that is known."""
    value = found.unchanged.get(choice, "")
    return f"{value} ({REFERENCE})" if value else REFERENCE


def _models(found: Exploration, choice: str) -> list[str]:
    """The models that were given a setting of this choice."""
    return [label for label in found.labels if any(e.model == label for e in found.of(choice))]


def _number(word: str) -> float:
    try:
        return float(word.rpartition(" ")[2])
    except ValueError:
        return math.nan


def _accuracies(found: Exploration, choice: str) -> Any:
    """A row for each setting, a point with its interval for each model; the reference first."""
    alt = altair()
    order, base_name, there = _order(found, choice), _reference(found, choice), _models(found, choice)
    rows = [(order.index(base_name), label, found.reference[label][1], base_name, "yes") for label in there]
    rows += [
        (order.index(e.setting.said), e.model, e.accuracy, e.setting.said, "yes" if e.apart else standing(e.difference))
        for e in found.of(choice)
    ]
    short = list(shortened(order, 34).values())
    axis = alt.Axis(title=None, values=list(range(len(order))), labelExpr=f"{short}[datum.value]", **_BARE)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[len(order) - 0.5, -0.5], nice=False), axis=axis)
    x = alt.X("mean:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(title=spoken(METRIC), format="~%"))
    shades = [(BLUE, RED)[found.labels.index(label)] for label in there]
    base = alt.Chart(data(_points(found, rows))).encode(y=y, color=colour("model", there, shades))
    shape = alt.condition(f"indexof(datum.setting, '{REFERENCE}') >= 0", alt.value("diamond"), alt.value("circle"))
    tips = ["setting:N", "model:N", alt.Tooltip("mean:Q", format=".1%"), alt.Tooltip("within:N", title="95 % interval")]
    return alt.layer(
        _levels(found, there, shades),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        *(
            dots.encode(x=x, shape=shape, tooltip=tips)
            for dots in dots_by_standing(base, "state", alt.Scale(domain=there, range=shades), size=62)
        ),
    ).properties(width=WIDTH, height=ROW * len(order))


_BARE = {"domain": False, "ticks": False, "labelOverlap": False, "labelLimit": 0, "labelPadding": 6}


def _levels(found: Exploration, models: Sequence[str], shades: Sequence[str]) -> Any:
    """Each model's reference as a thin line through all rows."""
    alt = altair()
    there = {label: found.reference[label][1].mean for label in models}
    shade = alt.Color("model:N", scale=alt.Scale(domain=list(models), range=list(shades)))
    source = alt.Chart(data({"model": list(there), "mean": list(there.values())}))
    return source.mark_rule(strokeDash=[3, 3], opacity=0.55).encode(x="mean:Q", color=shade)


def _points(found: Exploration, rows: Sequence[tuple[int, str, Interval, str, str]]) -> dict[str, list[Any]]:
    both = len({model for _, model, *_ in rows}) > 1
    told = [
        (
            place + (ASIDE * (2 * found.labels.index(model) - 1) if both else 0.0),
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
    """The settings of one model, the reference among them, and the configurations that have them."""
    there = {e.setting.said: e.name for e in found.of(choice) if e.model == label}
    there[_reference(found, choice)] = found.reference[label][0]
    return {said: there[said] for said in _order(found, choice) if said in there}


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
    order, others = _order(found, choice), iter(LINES * 3)
    shades = [INK if said == _reference(found, choice) else next(others) for said in order]
    look = alt.Legend(orient="top-right", direction="vertical", symbolSize=60, labelFontSize=10, title=None)
    scale = alt.Scale(domain=order, range=shades)
    last = max(float(band.epochs[-1]) for band in drawn)
    y = alt.Y("y:Q", title=spoken(metric), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    x = x_axis("epoch", whole=True, domain=[0, last * 1.02])
    line = alt.Chart(data(columns)).mark_line(strokeWidth=1.7)
    shade = alt.Color("label:N", scale=scale, legend=look if legend else None)
    return line.encode(x=x, y=y, color=shade).properties(width=WIDTH / 2 - 40, height=170, title=heading(label))
