"""The weights that a training left, as distributions: layer by layer for a run, one below the other for a study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo.analysis.compare import Comparison
from passo.analysis.recorded import Recorded
from passo.analysis.weights import (
    PERCENT,
    Configured,
    Weights,
    configured,
    explained,
    outcomes,
    percent,
    together,
)
from passo.analysis.weights import weights as read_weights
from passo.analysis.words import amount, is_share, joined, ranged, seeds, significant, spoken
from passo.errors import StoreError
from passo.figures.curves import about
from passo.figures.style import BLUE, INK, ORANGE, STONE, Figure, altair, colour, data, finished
from passo.language import later, t
from passo.store import StoredStudy

NEARLY, OTHERS = later("nearly 0"), later("others")
_BIN = 0.1  # decades
_LOWEST = -7  # smaller weights, and 0, are drawn at 10⁻⁷
_SMALLER = later("Weights below the axis stand in its first bin.")
_FILL = 0.84  # of a row's height


@dataclass(frozen=True)
class _Row:
    """A row of a panel: the heights of its bins, of nearly zero weights and of the others, and its marked place."""

    name: str
    near: np.ndarray
    far: np.ndarray
    mark: float | None = None


def weights(run: Recorded) -> Figure:
    """The weights of a finished run, a row for each layer: as they are, and their sizes on a logarithmic axis."""
    layers = read_weights(run)
    names = [one.name for one in layers]
    high = max(24, min(46, 420 // len(layers)))
    ends = max(one.largest for one in layers) * 1.001
    signed, sizes = np.linspace(-ends, ends, 102), _decades(layers)
    as_they_are = [_Row(one.name, *_counted(one, signed)) for one in layers]
    by_size = [_Row(one.name, *one.shares(sizes), np.log10(max(one.rms, 10.0**_LOWEST))) for one in layers]
    left = _panel(as_they_are, signed, "w", (255, high), heads=names, own=True)
    right = _panel(by_size, sizes, "|w|", (235, high), log=True, own=True)
    chart = altair().hconcat(left, right, spacing=18)
    shares = t(
        "Shares of each layer's weights in bins of w and of |w| (ten to a decade; the line is the root mean square), "
        "each row with a height of its own."
    )
    title = finished(chart, t("The weights after training"), t("run {run}", run=run.id))
    return Figure("weights", title, f"{shares} {explained()} {t(_SMALLER)}", _told(layers))


def _told(layers: Sequence[Weights]) -> str:
    whole = together(layers)
    told = {"n": whole.size, "near": amount(whole.near_zero, PERCENT), "zero": percent(whole.zero)}
    if len(layers) > 6:
        low, high = (pick(layers, key=lambda one: one.rms) for pick in (min, max))
        least, most = (t("{value} in {layer}", value=significant(o.rms), layer=o.name) for o in (low, high))
        return t(
            "Of {n:,} weights {near} are nearly 0, {zero} exactly 0; their root mean square goes from {least} to "
            "{most}, over {layers} layers.",
            least=least,
            most=most,
            layers=len(layers),
            **told,
        )
    parts = [
        t(
            "{value} in {layer} ({near} nearly 0)",
            value=significant(one.rms),
            layer=one.name,
            near=amount(one.near_zero, PERCENT),
        )
        for one in layers
    ]
    return t(
        "Of {n:,} weights {near} are nearly 0, {zero} exactly 0; their root mean square is {roots}.",
        roots=joined(parts),
        **told,
    )


def study_weights(study: StoredStudy, names: Sequence[str] | None = None, *, layer: str | None = None) -> Figure:
    """The sizes of the weights of several configurations on one axis, beside the share near 0 and the test.

    Of all layers together, or of one `layer`. Raises `StoreError` where a run kept no weights, `UnknownName` for a
    configuration or a layer that is not there.
    """
    found = [configured(study, name, layer) for name in (names or study.names())]
    if not found:
        raise StoreError(f"{study.folder} has no finished training, so there are no weights to see")
    tests = outcomes(study, [one.name for one in found])
    every = [one for config in found for one in config.runs]
    edges = _decades(every)
    rows = [_Row(c.name, *c.shares(edges), np.log10(max(c.rms.mean, 10.0**_LOWEST))) for c in found]
    high = max(24, min(46, 420 // len(rows)))
    side = [_dots(_Column.near(found), high), *(_dots(_Column.test(test, found), high) for test in tests)]
    chart = altair().hconcat(_panel(rows, edges, "|w|", (245, high), log=True, heads=[r.name for r in rows]), *side)
    shares = t(
        "Shares of the weights ({what}) in bins of |w|, ten to a decade, mean over seeds, one height for all rows; the "
        "line is the root mean square.",
        what=t("all layers together") if layer is None else layer,
    )
    beside = t("Beside them means with 95 % intervals over seeds; small dots are the seeds.")
    chart = finished(chart.properties(spacing=16), t("What became of the weights"), about(study))
    caption = f"{shares} {explained()} {t(_SMALLER)} {beside}"
    return Figure("study-weights", chart, caption, _compared(found, tests))


def _compared(found: Sequence[Configured], tests: Sequence[Comparison]) -> str:
    least, most = (pick(found, key=lambda one: one.near_zero.mean) for pick in (min, max))
    small, large = (pick(found, key=lambda one: one.rms.mean) for pick in (min, max))
    zero = max(one.zero.mean for one in found)
    said = t(
        "Nearly 0 are between {few} of the weights ({least}) and {many} ({most}); their root mean square lies between "
        "{low} ({small}) and {high} ({large}){over}.",
        few=ranged(least.near_zero, PERCENT),
        least=least.name,
        many=ranged(most.near_zero, PERCENT),
        most=most.name,
        low=ranged(small.rms),
        small=small.name,
        high=ranged(large.rms),
        large=large.name,
        over="" if tests else f" ({seeds(min(len(one.runs) for one in found))})",
    )
    exact = t("At most {share} of a configuration are exactly 0.", share=percent(zero))
    return " ".join([said, exact if zero else t("No weight is exactly 0."), *(test.sentence() for test in tests)])


# ── Panels ────────────────────────────────────────────────────────────────────────────────────────────────


def _decades(layers: Sequence[Weights]) -> np.ndarray:
    """Edges of bins in log₁₀|w|: from where all but a thousandth of the weights lie, or 10⁻⁷, to the largest."""
    low = min(np.quantile(one.magnitude, 0.001) for one in layers)
    high = max(1e-6, *(one.largest for one in layers))
    first, last = (int(np.floor(np.log10(max(end, 10.0**_LOWEST)) / _BIN)) for end in (low, high))
    return np.arange(first, last + 2) * _BIN


def _counted(one: Weights, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    near, far = (np.histogram(one.values[which], edges)[0] / one.size for which in (one.near, ~one.near))
    return near, far


def _panel(
    rows: Sequence[_Row],
    edges: np.ndarray,
    title: str,
    size: tuple[float, float],
    *,
    heads: Sequence[str] | None = None,
    log: bool = False,
    own: bool = False,
) -> Any:
    """Histograms one below the other: row i stands on i + 1, with its `own` height or one for all."""
    alt = altair()
    peaks = np.array([(row.near + row.far).max() for row in rows])
    tops = np.where(peaks > 0, peaks, 1.0) if own else np.full(len(rows), peaks.max())
    x = alt.X("x:Q", title=title, axis=_axis(edges, log), scale=alt.Scale(domain=_ends(edges), nice=False))
    y = _rows(len(rows), heads)
    shade = colour("which", [t(NEARLY), t(OTHERS)], [ORANGE, BLUE])
    bars = (
        alt.Chart(data(_columns(rows, edges, tops)))
        .mark_rect()
        .encode(x=x, x2="x2", y=y, y2="y2", color=shade, tooltip=_tips(log))
    )
    ground = alt.Chart(data({"y": np.arange(1.0, len(rows) + 1)})).mark_rule(color="#B7BCC2").encode(y=y)
    marked = [(row.mark, i + 1.0) for i, row in enumerate(rows) if row.mark is not None]
    layers = [ground, bars]
    if marked:
        places, feet = np.array(marked).T
        columns = {"x": places, "y": feet, "y2": feet - _FILL}
        layers.append(alt.Chart(data(columns)).mark_rule(color=INK, strokeWidth=1.4).encode(x=x, y=y, y2="y2"))
    return alt.layer(*layers).properties(width=size[0], height=size[1] * len(rows))


def _columns(rows: Sequence[_Row], edges: np.ndarray, tops: np.ndarray) -> dict[str, Any]:
    """Two bars for each bin that holds something: nearly zero weights below, the others on top of them."""
    parts: dict[str, list[Any]] = {key: [] for key in ("x", "x2", "y", "y2", "which", "row", "share")}
    for i, row in enumerate(rows):
        foot = np.zeros(len(row.near))
        for which, heights in ((t(NEARLY), row.near), (t(OTHERS), row.far)):
            there = np.flatnonzero(heights)
            parts["x"] += list(edges[there])
            parts["x2"] += list(edges[there + 1])
            parts["y"] += list(i + 1 - _FILL * foot[there] / tops[i])
            parts["y2"] += list(i + 1 - _FILL * (foot + heights)[there] / tops[i])
            parts["which"] += [which] * len(there)
            parts["row"] += [row.name] * len(there)
            parts["share"] += list(heights[there])
            foot = foot + heights
    return parts


def _rows(count: int, heads: Sequence[str] | None) -> Any:
    """The y axis of rows: row 0 at the top, its name in its middle."""
    alt = altair()
    axis = None
    if heads is not None:
        names = f"{json.dumps(list(heads), ensure_ascii=False)}[floor(datum.value)]"
        middles = [i + 0.62 for i in range(count)]
        look = {"grid": False, "ticks": False, "domain": False, "labelLimit": 150, "labelOverlap": False}
        axis = alt.Axis(title=None, values=middles, labelExpr=names, **look)
    return alt.Y("y:Q", title=None, axis=axis, scale=alt.Scale(domain=[count, 0], nice=False))


def _ends(edges: np.ndarray) -> list[float]:
    return [float(edges[0]), float(edges[-1])]


def _axis(edges: np.ndarray, log: bool) -> Any:
    alt = altair()
    if not log:
        return alt.Axis(tickCount=5, format="~g")
    powers = list(range(int(np.ceil(edges[0])), int(np.floor(edges[-1])) + 1))
    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    words = {str(power): f"10{str(power).translate(raised)}" for power in powers}
    if powers[0] == edges[0] == _LOWEST:
        words[str(_LOWEST)] = f"≤ {words[str(_LOWEST)]}"
    return alt.Axis(values=powers, labelExpr=f"{json.dumps(words, ensure_ascii=False)}[datum.value]")


def _tips(log: bool) -> list[Any]:
    alt = altair()
    place = "log₁₀|w|" if log else "w"
    return [
        alt.Tooltip("row:N", title=t("weights of")),
        alt.Tooltip("x:Q", title=t("{place} from", place=place), format=".3~g"),
        alt.Tooltip("x2:Q", title=t("to"), format=".3~g"),
        alt.Tooltip("which:N", title=t("which")),
        alt.Tooltip("share:Q", title=t("share of all"), format=".2%"),
    ]


@dataclass(frozen=True)
class _Column:
    """Something known of every configuration: mean and interval (rows, 3), and each seed's value."""

    title: str
    metric: str
    ends: np.ndarray
    each: tuple[Sequence[float], ...]

    @staticmethod
    def near(found: Sequence[Configured]) -> _Column:
        ends = np.array([(c.near_zero.mean, c.near_zero.low, c.near_zero.high) for c in found])
        return _Column(t(NEARLY), PERCENT, ends, tuple([one.near_zero for one in c.runs] for c in found))

    @staticmethod
    def test(test: Comparison, found: Sequence[Configured]) -> _Column:
        outs = [test.estimate(c.name) for c in found]
        ends = np.array([(o.mean, o.low, o.high) for o in outs])
        return _Column(spoken(test.metric), test.metric, ends, tuple(o.values for o in outs))


def _dots(column: _Column, high: float) -> Any:
    """Means with intervals and seeds, one to a row, level with the histograms."""
    alt = altair()
    share = is_share(column.metric)
    ends = column.ends.clip(0, 1) if share else column.ends
    middles = np.arange(len(ends)) + 0.62
    look = alt.Axis(title=column.title, tickCount=2, format="~%" if share else "~g")
    x, y = alt.X("x:Q", axis=look, scale=alt.Scale(zero=False)), _rows(len(ends), None)
    base = alt.Chart(data({"x": ends[:, 0], "low": ends[:, 1], "high": ends[:, 2], "y": middles}))
    form = ".1%" if share else ".3~g"
    titles = (("x", t("mean")), ("low", t("from")), ("high", t("to")))
    tips = [alt.Tooltip(f"{field}:Q", title=title, format=form) for field, title in titles]
    each = {
        "x": np.concatenate(column.each),
        "y": np.repeat(middles, [len(values) for values in column.each]),
    }
    layers = [
        base.mark_rule(strokeWidth=2, opacity=0.55, color=STONE).encode(x=alt.X("low:Q"), x2="high:Q", y=y),
        alt.Chart(data(each)).mark_point(filled=True, size=13, color=INK, opacity=0.55).encode(x=x, y=y),
        base.mark_point(filled=True, size=60, opacity=1, color=STONE).encode(x=x, y=y, tooltip=tips),
    ]
    return alt.layer(*layers).properties(width=90, height=high * len(ends))
