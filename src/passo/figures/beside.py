"""A broken run beside its healthy twin: their curves on one scale, and the instrument that shows what is wrong."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.words import amount, joined, significant
from passo.diagnosis.evidence import Evidence
from passo.figures.instruments import Instrument, Reading
from passo.figures.panels import DOTTED, STEP, level, log_ticks, tick_look, x_axis
from passo.figures.style import BLUE, RED, THEME, Figure, altair, colour, dash, data, shape
from passo.language import later, number_marks, t
from passo.store import StoredRun

BROKEN, HEALTHY = later("broken run"), later("healthy twin")
SHADES = (RED, BLUE)
WIDE, HIGH = 316, 180  # of a plot: two stand beside each other on a desk, one fills a phone
FAR = 8.0  # times the greatest healthy loss, from which on a loss is drawn on a logarithmic scale
FINE, COARSE = 250, 60  # steps up to which each is drawn; means that are drawn of more
LISTED = 4  # places that a sentence names one by one
TINY = 1e-3  # below it, an axis counts in powers of ten


@dataclass(frozen=True)
class Beside:
    """A broken run and its healthy twin."""

    broken: StoredRun
    healthy: StoredRun

    @property
    def both(self) -> tuple[tuple[str, StoredRun], tuple[str, StoredRun]]:
        """Each with its name, in the order of every picture."""
        return (t(BROKEN), self.broken), (t(HEALTHY), self.healthy)


def curves(pair: Beside, quantity: str) -> Figure:
    """Loss or accuracy (`quantity`) over the steps: thin in training, thick in validation."""
    share, alt = quantity == "accuracy", altair()
    training, validation = (
        {name: _curve(run, f"{part}/{quantity}") for name, run in pair.both} for part in ("train", "validation")
    )
    together = max(len(xs) for xs, _ in training.values())
    together = 1 if together <= FINE else math.ceil(together / COARSE)
    each, training = training, {name: _means(reading, together) for name, reading in training.items()}
    log = not share and _far(training)
    axes = _axes([*training.values(), *validation.values()], share=share, log=log)
    look = [(training, {"strokeWidth": 1, "opacity": 0.55}), (validation, {"strokeWidth": 2})]
    layers: list[Any] = [alt.Chart(_table(of)).mark_line(**how).encode(**axes, color=_colour()) for of, how in look]
    dotted = {name: (xs, ys) for name, (xs, ys) in validation.items() if 0 < len(xs) <= DOTTED}
    layers += [_points(dotted, axes)] if dotted else []
    layers += _ends(pair, each, training, axes)
    caption = t("{quantity}: thin in training, thick in validation", quantity=t(quantity).capitalize())
    caption += ", " + t("training as means of {n} steps", n=together) if together > 1 else ""
    caption += ", " + t("logarithmic scale") if log else ""
    return Figure(f"{pair.broken.id}-{quantity}", _finished(layers), caption, _told_curves(pair, quantity))


def instrument(pair: Beside, shown: Instrument) -> Figure:
    """The instrument's quantity of both runs: lines over steps and over many layers, bars for a few names.

    Raises `NotSeen` and `StoreError` where a run did not record it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # medians of what is NaN throughout
        found = {name: shown.read(Evidence(run)) for name, run in pair.both}
    bars = shown.axis != STEP and not shown.log
    found = _shared(found) if bars else found
    caption = t(shown.title) + (", " + t("logarithmic scale") if shown.log else "")
    caption = caption[0].upper() + caption[1:]
    chart = _finished(_bars(found, shown) if bars else _lines(found, shown))
    return Figure(f"{pair.broken.id}-instrument", chart, caption, _told(found, shown, bars))


# ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────


def _lines(found: Mapping[str, Reading], shown: Instrument) -> list[Any]:
    levels = shown.levels or {}
    axes = _axes(list(found.values()), share=shown.share, log=shown.log, x=t(shown.axis), reach=list(levels))
    line = altair().Chart(_table(found)).mark_line(strokeWidth=1.8).encode(**axes, color=_colour())
    if shown.axis == STEP:
        line = line.encode(strokeDash=dash("label", [t(BROKEN), t(HEALTHY)]))
    marks = [] if shown.axis == STEP else [_points(found, axes)]
    return [line, *marks, *(layer for value, words in levels.items() for layer in level(value, t(words)))]


def _bars(found: Mapping[str, Reading], shown: Instrument) -> list[Any]:
    alt = altair()
    names = list(dict.fromkeys(str(place) for places, _ in found.values() for place in places))
    look = alt.Axis(labelAngle=0, grid=False, labelOverlap=True)
    encoding = {
        "x": alt.X("x:N", sort=names, title=t(shown.axis), axis=look),
        "xOffset": alt.XOffset("label:N", sort=[t(BROKEN), t(HEALTHY)]),
        "y": _y(_values(found.values()), shown.share, log=False),
    }
    return [alt.Chart(_table(found)).mark_bar().encode(**encoding, color=_colour())]


def _axes(found: Sequence[Reading], *, share: bool, log: bool, x: str = STEP, reach: Sequence[float] = ()) -> Any:
    """One scale for both runs."""
    places = [float(place) for xs, _ in found for place in xs]
    values = np.concatenate([_values(found), np.array(reach, np.float64)])
    return {"x": x_axis(x, whole=True, domain=[min(places), max(places)]), "y": _y(values, share, log)}


def _y(values: np.ndarray, share: bool, log: bool) -> Any:
    """From 0 up, or logarithmic; what is drawn is said above the picture."""
    alt, positive = altair(), values[values > 0]
    if log and len(positive):
        ends = [0.9 * float(positive.min()), 1.1 * float(positive.max())]
        axis = alt.Axis(title=None, **tick_look(log_ticks(*ends, most=6)))
        return alt.Y("y:Q", axis=axis, scale=alt.Scale(type="log", domain=ends, nice=False))
    top = max(1.05 * float(values.max(initial=0.0)) or 1.0, 0.0)
    if share:
        top = 1.0 if top <= 1.05 else top
    form = {"format": "~%"} if share else {"format": "~e"} if top < TINY else {}
    return alt.Y("y:Q", axis=alt.Axis(title=None, tickCount=5, **form), scale=alt.Scale(domain=[0, top]))


def _points(found: Mapping[str, Reading], axes: Any) -> Any:
    chart = altair().Chart(_table(found)).mark_point(filled=True, size=34, opacity=1)
    return chart.encode(**axes, color=_colour(), shape=shape("label", [t(BROKEN), t(HEALTHY)]))


def _ends(pair: Beside, each: Mapping[str, Reading], drawn: Mapping[str, Reading], axes: Any) -> list[Any]:
    """A cross at the end of what is drawn of a run that lost its numbers, and the step after `each` of which it did."""
    layers: list[Any] = []
    for (name, run), shade in zip(pair.both, SHADES, strict=True):
        last, end = _end(each[name]), _end(drawn[name])
        if run.status != "diverged" or last is None or end is None:
            continue
        words = t("no number after step {step:,}", step=int(last[0]))
        there = data({"x": [end[0]], "y": [end[1]], "word": [words]})
        base = altair().Chart(there).encode(**axes)
        layers.append(base.mark_point(shape="cross", filled=True, size=90, angle=45, color=shade, opacity=1))
        layers.append(base.mark_text(align="left", dx=9, fontSize=11, color=shade).encode(text="word:N"))
    return layers


def _end(reading: Reading) -> tuple[float, float] | None:
    """The last place that has a number, and the number."""
    places, values = reading
    finite = np.flatnonzero(np.isfinite(values))
    return (float(places[finite[-1]]), float(values[finite[-1]])) if len(finite) else None


def _table(found: Mapping[str, Reading]) -> Any:
    """What is a number, one run below the other: a line goes on past steps that have none."""
    kept = {name: (np.asarray(xs)[np.isfinite(ys)], ys[np.isfinite(ys)]) for name, (xs, ys) in found.items()}
    return data(
        {
            "x": np.concatenate([xs for xs, _ in kept.values()]),
            "y": np.concatenate([ys for _, ys in kept.values()]),
            "label": np.concatenate([np.repeat(name, len(xs)) for name, (xs, _) in kept.items()]),
        }
    )


def _colour() -> Any:
    return colour("label", [t(BROKEN), t(HEALTHY)], SHADES)


def _finished(layers: list[Any]) -> Any:
    """Without a title: on a page it stands above, in the page's own letters."""
    marks = number_marks()
    chart = altair().layer(*layers).properties(width=WIDE, height=HIGH)
    return chart.configure(**THEME, **({"locale": marks} if marks else {}))


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────


def _curve(run: StoredRun, metric: str) -> Reading:
    """A metric over the steps; empty where the run ended before its first value."""
    if not run.has(metric):
        return [], np.array([])
    found = run.metric(metric)
    return [float(step) for step in found.steps], np.asarray(found.values, np.float64)


def _means(reading: Reading, together: int) -> Reading:
    """Means of so many steps each, and of what is left."""
    xs, ys = (np.asarray(part, np.float64) for part in reading)
    begun = np.arange(0, len(ys), together)
    if not len(ys):
        return reading
    sizes = np.diff(np.append(begun, len(ys)))
    return tuple(np.add.reduceat(part, begun) / sizes for part in (xs, ys))  # type: ignore[return-value]


def _shared(found: Mapping[str, Reading]) -> dict[str, Reading]:
    """The places that both runs have: of what an optimizer lacks, a run knows the names, not which are matrices."""
    both = set.intersection(*(set(places) for places, _ in found.values()))
    kept = {name: [place in both for place in places] for name, (places, _) in found.items()}
    return {
        name: ([place for place in places if place in both], values[kept[name]])
        for name, (places, values) in found.items()
    }


def _values(found: Any) -> np.ndarray:
    values = np.concatenate([ys for _, ys in found])
    return values[np.isfinite(values)]


def _far(training: Mapping[str, Reading]) -> bool:
    """Whether the broken run's loss is so high that nothing of the healthy one's would be seen beside it."""
    broken, healthy = (float(_values([reading]).max(initial=0.0)) for reading in training.values())
    return broken > FAR * healthy > 0


# ── Telling ───────────────────────────────────────────────────────────────────────────────────────────────


def _told_curves(pair: Beside, quantity: str) -> str:
    told = {
        f"{part}_{side}": _last(run, f"{part}/{quantity}")
        for side, run in (("broken", pair.broken), ("healthy", pair.healthy))
        for part in ("train", "validation")
    }
    return t(
        "At the end the broken run has {train_broken} in training and {validation_broken} in validation, the healthy "
        "one {train_healthy} and {validation_healthy}.",
        **told,
    )


def _last(run: StoredRun, metric: str) -> str:
    """The last value, of a mini-batch's loss the mean of the last ones; in words where there is none."""
    if not run.has(metric):
        return t("no value")
    values = np.asarray(run.metric(metric).values, np.float64)
    values = values[-max(1, len(values) // 40) if metric == "train/loss" else -1 :]
    return amount(float(values.mean()), metric) if np.isfinite(values).all() else t("no number")


def _told(found: Mapping[str, Reading], shown: Instrument, bars: bool) -> str:
    broken, healthy = (_listed(reading, shown) if bars else _way(reading[1], shown) for reading in found.values())
    return t("Broken: {broken}. Healthy: {healthy}.", broken=broken, healthy=healthy)


def _way(values: np.ndarray, shown: Instrument) -> str:
    """From the first to the last."""
    values = values[np.isfinite(values)]
    if not len(values):
        return t("no number")
    first, last = (_value(values[place], shown) for place in (0, -1))
    if first == last and float(np.ptp(values)) <= 0.01 * abs(float(values[0])):
        return t("always {value}", value=first)
    return t("from {first} (first) to {last} (last)", first=first, last=last)


def _listed(reading: Reading, shown: Instrument) -> str:
    """Each of a few, or the least and the greatest of many."""
    told = [f"{_value(y, shown)} ({x})" for x, y in zip(*reading, strict=True)]
    if len(told) <= LISTED:
        return joined(told)
    values = reading[1]
    return t("from {low} to {high}", low=told[int(np.nanargmin(values))], high=told[int(np.nanargmax(values))])


def _value(value: float, shown: Instrument) -> str:
    return amount(float(value), "accuracy") if shown.share else significant(float(value))
