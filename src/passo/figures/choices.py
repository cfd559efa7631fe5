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
from passo.analysis.paired_shares import apart
from passo.analysis.words import seeds, shortened, spoken, within
from passo.figures.exploration import dots_by_standing
from passo.figures.panels import EPOCH, heading, x_axis
from passo.figures.style import BLUE, INK, OTHERS, RED, WIDTH, Figure, altair, colour, dash, data, finished, shape
from passo.language import later, numeral, t
from passo.store import StoredStudy

CHOICES = (
    later("parameters"),
    later("layers"),
    later("units and filters"),
    later("kernel size"),
    later("activation"),
    later("normalisation"),
    later("regularisation"),
    later("initialisation"),
    later("batch size"),
    later("learning rate"),
    later("optimiser"),
)
LEARNED = ("activation", "normalisation", "initialisation", "batch size", "learning rate", "optimiser")
"""Choices of how it is learned, of which the loss over training tells more; the loss of others is not one quantity."""
LOSSES = ("validation/loss", "epoch/train_loss")
REFERENCE = later("reference")
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
        below = alt.hconcat(*panels, spacing=24).resolve_scale(color="independent", strokeDash="independent")
        chart = alt.vconcat(chart, below, spacing=16)
        chart = chart.resolve_scale(color="independent", shape="independent", strokeDash="independent")
    title = finished(chart, t(choice).capitalize(), t("one choice changed, all else as in the reference"))
    return Figure(slug(choice), title, _caption(found, choice, metric), found.choice_sentence(choice))


def _caption(found: Exploration, choice: str, metric: str) -> str:
    said = t(
        "Test accuracy by {choice}, all else as in the reference ({seeds}). Filled: told apart from the reference "
        "after Holm's correction for all {count} changes of the exploration; pale: only by itself; hollow: neither; "
        "diamonds are the reference.",
        choice=t(choice),
        seeds=seeds(found.n),
        count=len(found.effects),
    )
    if not metric:
        return said
    return f"{said} {t('Below: the {metric} after each epoch, means over seeds.', metric=spoken(metric))}"


CHOICE_FIGURES: dict[str, Callable[[StoredStudy], Figure]] = {
    slug(choice): partial(draw_choice, choice=choice) for choice in CHOICES
}
"""By name, the figure of each choice."""


def _order(found: Exploration, choice: str) -> list[str]:
    """What is drawn, downwards, the reference among it: by number where that is all that differs, else by accuracy."""
    said = [setting.said for setting in found.settings(choice)]
    base = _reference(found, choice)
    means = {word: np.mean([e.accuracy.mean for e in found.of(choice) if e.setting.said == word]) for word in said}
    numbers = {word: _number(word) for word in (*said, found.at_reference(choice))}
    numbers = {(base if word not in said else word): number for word, number in numbers.items() if word}
    stems = {word.removesuffix(f" ({t(REFERENCE)})").rpartition(" ")[0] for word in numbers}
    if all(map(math.isfinite, numbers.values())) and len(stems) == 1:
        return [*([] if base in numbers else [base]), *sorted(numbers, key=lambda word: numbers[word])]
    return [base, *sorted(said, key=lambda word: -means[word])]


def _reference(found: Exploration, choice: str) -> str:
    """How the reference is called beside the settings of a choice: by its own value where that is known."""
    value = found.at_reference(choice)
    return f"{value} ({t(REFERENCE)})" if value else t(REFERENCE)


def _models(found: Exploration, choice: str) -> list[str]:
    """The models that were given a setting of this choice."""
    return [label for label in found.labels if any(e.model == label for e in found.of(choice))]


def _number(word: str) -> float:
    try:
        return float(numeral(word.rpartition(" ")[2]))  # marks of the language, swapped back
    except ValueError:
        return math.nan


def _accuracies(found: Exploration, choice: str) -> Any:
    """A row for each setting, a point with its interval for each model; the reference first."""
    alt = altair()
    order, base_name, there = _order(found, choice), _reference(found, choice), _models(found, choice)
    rows = [(order.index(base_name), label, found.reference[label][1], base_name, t("yes")) for label in there]
    rows += [
        (order.index(e.setting.said), e.model, e.accuracy, e.setting.said, apart(e.difference))
        for e in found.of(choice)
    ]
    short = list(shortened(order, 34).values())
    axis = alt.Axis(title=None, values=list(range(len(order))), labelExpr=f"{short}[datum.value]", **_BARE)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[len(order) - 0.5, -0.5], nice=False), axis=axis)
    x = alt.X("mean:Q", scale=alt.Scale(zero=False, padding=12), axis=alt.Axis(title=spoken(METRIC), format="~%"))
    shades = [(BLUE, RED)[found.labels.index(label)] for label in there]
    base = alt.Chart(data(_points(found, rows))).encode(y=y, color=colour("model", there, shades))
    at_reference = f"indexof(datum.setting, '{t(REFERENCE)}') >= 0"
    marks = alt.condition(at_reference, alt.value("diamond"), shape("model", there))
    tips = [alt.Tooltip("setting:N", title=t("setting")), alt.Tooltip("model:N", title=t("model"))]
    tips += [alt.Tooltip("mean:Q", title=t("mean"), format=".1%"), alt.Tooltip("within:N", title=t("95 % interval"))]
    return alt.layer(
        _levels(found, there, shades),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        *(
            dots.encode(x=x, shape=marks, tooltip=tips)
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
    look = alt.Legend(orient="top-right", direction="vertical", symbolSize=140, labelFontSize=10, title=None)
    scale = alt.Scale(domain=order, range=shades)
    last = max(float(band.epochs[-1]) for band in drawn)
    y = alt.Y("y:Q", title=spoken(metric), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    x = x_axis(EPOCH, whole=True, domain=[0, last * 1.02])
    line = alt.Chart(data(columns)).mark_line(strokeWidth=1.7)
    shade = alt.Color("label:N", scale=scale, legend=look if legend else None)
    solid = [said for said in order if said == _reference(found, choice)]
    dashes = dash("label", order, solid=solid).legend(look if legend else None)
    return line.encode(x=x, y=y, color=shade, strokeDash=dashes).properties(
        width=WIDTH / 2 - 40, height=170, title=heading(label)
    )
