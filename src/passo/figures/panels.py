"""The parts that several figures are made of: lines over steps, bands over epochs, stacked panels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis import Band, runs_of
from passo.analysis.words import is_share, spoken, within
from passo.figures.style import FONT, INK, WIDTH, altair, colour, dash, data, long, picking, shape, thinned
from passo.language import later, numeral, t
from passo.store import StoredStudy

STEP = later("optimiser step")
EPOCH = later("epoch")
GLYPHS = f"'DejaVu Sans', {FONT}"  # has β₁, m̂ and 10⁻³, which many fonts lack
DOTTED = 40  # records of a curve, up to which each has a point
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def x_axis(title: str | None, *, whole: bool = False, **scale: Any) -> Any:
    """The x axis; without a title it is bare (a panel below carries it); `whole` puts ticks at whole numbers only.

    A title may be a constant, as `STEP`: it is told here.
    """
    alt = altair()
    look: dict[str, Any] = {"grid": False, "tickCount": 8}
    if whole:
        look |= {"tickMinStep": 1, "format": "d"}
    if whole and "domain" in scale:
        look["values"] = whole_ticks(*scale["domain"])
    axis = alt.Axis(title=t(title), **look) if title else alt.Axis(title=None, labels=False, ticks=False, **look)
    return alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False, **scale))


def whole_ticks(low: float, high: float, most: int = 8) -> list[int]:
    """At most so many whole numbers within a range, evenly apart: Vega's own least step between ticks is no promise.

    >>> whole_ticks(0.95, 3.05), whole_ticks(0.5, 40.2), whole_ticks(1.0, 1.0)
    ([1, 2, 3], [5, 10, 15, 20, 25, 30, 35, 40], [1])
    """
    step = next(
        size * 10**power for power in range(12) for size in (1, 2, 5) if (high - low) / (size * 10**power) <= most
    )
    return list(range(math.ceil(low / step) * step, math.floor(high) + 1, step))


def y_axis(title: str, *, share: bool = False, field: str = "y", ticks: int = 5, **scale: Any) -> Any:
    alt = altair()
    axis = alt.Axis(title=title, tickCount=ticks, **({"format": "~%"} if share else {}))
    return alt.Y(f"{field}:Q", axis=axis, scale=alt.Scale(**scale))


def lines(
    x: np.ndarray,
    series: Mapping[str, np.ndarray],
    shades: Mapping[str, str],
    *,
    y: str,
    x_title: str | None = STEP,
    width: float = WIDTH,
    height: float = 130,
    title: str | None = None,
    thin: Sequence[str] = (),
    measured: Sequence[str] = (),
    scale: Mapping[str, Any] | None = None,
    x_scale: Mapping[str, Any] | None = None,
    over: Sequence[Any] = (),
    reach: Sequence[float] = (),
) -> Any:
    """Series (T,) over x (T,), one line each, told by colour and dash: `thin` ones behind, layers `over` on top.

    Solid is the first of all `shades`, or those that were `measured`, on which dashed ones lie. The legend is that of
    all `shades`, so that stacked panels share one. A logarithmic axis has room for `reach` too.
    """
    alt = altair()
    shown = [*series.values(), np.array(reach, np.float64)]
    encoding = {
        "x": _logarithmic(x_axis(x_title, **(x_scale or {})), x_scale, [x]),
        "y": _logarithmic(y_axis(y, ticks=4 if height < 150 else 5, **(scale or {})), scale, shown),
        "color": colour("label", list(shades), list(shades.values())),
        "strokeDash": dash("label", list(shades), solid=measured),
        "opacity": alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
    }
    groups = (
        ([n for n in series if n in thin], {"strokeWidth": 1}),
        ([n for n in series if n in measured and n not in thin], {"strokeWidth": 1.4}),
        ([n for n in series if n not in thin and n not in measured], {"strokeWidth": 2}),
    )
    layers = [
        alt.Chart(data(long(x, {n: series[n] for n in names}))).mark_line(clip=True, **look).encode(**encoding)
        for names, look in groups
        if names
    ]
    extra = {"title": heading(title)} if title else {}
    return alt.layer(*layers, *over).properties(width=width, height=height, **extra)


def _logarithmic(channel: Any, scale: Mapping[str, Any] | None, columns: Sequence[np.ndarray]) -> Any:
    """A logarithmic axis with ticks at 1, 2 and 5 of each power of ten, or at the powers alone."""
    if not scale or scale.get("type") != "log":
        return channel
    values = np.concatenate([np.asarray(column, np.float64) for column in columns])
    values = values[np.isfinite(values) & (values > 0)]
    low, high = 0.95 * float(values.min()), 1.05 * float(values.max())
    channel = channel.scale(type="log", nice=False, domain=[low, high])
    kept = {key: value for key, value in channel["axis"].to_dict().items() if key not in ("tickCount", "format")}
    return channel.axis(**{**kept, **tick_look(log_ticks(low, high)), "labelOverlap": False})


def log_ticks(low: float, high: float, most: int = 12) -> list[float]:
    """Ticks from `low` to `high`: 1, 2 and 5 of each power of ten, the powers alone, or every second, third, … of them.

    >>> log_ticks(0.004, 0.3), log_ticks(1e-9, 1.0, most=5)
    ([0.005, 0.01, 0.02, 0.05, 0.1, 0.2], [1e-09, 1e-07, 1e-05, 0.001, 0.1])
    """
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        ticks = [tick for e in exponents for d in digits if low <= (tick := float(f"{d}e{e}")) <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def tick_look(ticks: Sequence[float]) -> dict[str, Any]:
    """What an axis or a legend needs to show these ticks, and no others, all written in one way."""
    words = tick_words(ticks)
    told = f"{json.dumps(words, ensure_ascii=False)}[indexof({json.dumps(list(ticks))}, datum.value)]"
    font = {"labelFont": GLYPHS} if any("10" in word and not word.isdigit() for word in words) else {}
    return {"values": list(ticks), "labelExpr": told, **font}


def tick_words(ticks: Sequence[float]) -> list[str]:
    """Ticks of one logarithmic axis in words: all as plain numbers, or all as powers of ten where one is far from 1.

    >>> tick_words([0.01, 0.5, 100.0]), tick_words([2e-6, 1e-3, 1.0, 10.0])
    (['0.01', '0.5', '100'], ['2·10⁻⁶', '10⁻³', '1', '10'])
    """
    parts = [f"{tick:.0e}".split("e") for tick in ticks]
    if all(-5 < int(exponent) < 5 for _, exponent in parts):
        return [numeral(f"{tick:g}") for tick in ticks]
    return [_power(digit, int(exponent)) for digit, exponent in parts]


def _power(digit: str, exponent: int) -> str:
    if exponent in (0, 1):
        return digit + "0" * exponent
    raised = f"10{str(exponent).translate(RAISED)}"
    return raised if digit == "1" else f"{digit}·{raised}"


def heading(text: str) -> Any:
    """A small heading over a panel."""
    return altair().TitleParams(text=text, fontSize=11.5, fontWeight=600, anchor="start", offset=4, color=INK)


def stacked(*panels: Any, spacing: float = 12) -> Any:
    """Panels below each other, over one x axis."""
    return altair().vconcat(*panels, spacing=spacing).resolve_scale(x="shared")


HALO = {"stroke": "#FFFFFF", "strokeWidth": 3, "strokeOpacity": 0.85}
"""Drawn once below a word, it keeps the word legible over lines."""


def level(value: float, text: str) -> tuple[Any, ...]:
    """Layers for a dashed horizontal line with a word at its right end."""
    alt = altair()
    source = data({"y": [float(value)], "label": [text]})
    rule = alt.Chart(source).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6).encode(y="y:Q")
    words = [
        alt.Chart(source)
        .mark_text(align="right", baseline="bottom", dy=-3, fontSize=11, color=INK, **look)
        .encode(y="y:Q", x=alt.value("width"), text="label:N")
        for look in (HALO, {})
    ]
    return rule, *words


def band_panel(
    bands: Sequence[Band],
    *,
    x_title: str | None = EPOCH,
    width: float = WIDTH,
    height: float = 260,
    x_domain: tuple[float, float] | None = None,
) -> Any:
    """Mean per epoch as a line with points; the 95 % intervals over seeds as bands, for more than four as whiskers."""
    alt = altair()
    metric, names = bands[0].metric, [band.name for band in bands]
    share, window = is_share(metric), _window(bands)
    many = len(bands) > 4
    dotted = all(len(band.mean) <= DOTTED for band in bands)
    base = alt.Chart(data(_columns(bands, _apart(bands) if many else 0.0, dotted))).encode(
        x=x_axis(x_title, whole=True, domain=list(x_domain or epoch_range(bands))),
        color=colour("label", names),
    )
    y = y_axis(spoken(metric), share=share, **window)
    front, behind = (alt.condition(picking(), alt.value(v), alt.value(v / 8)) for v in (1.0, 0.45 if many else 0.13))
    layers = [base.mark_line(clip=True).encode(y=y, opacity=front, strokeDash=dash("label", names, told=not dotted))]
    if any(band.low is not None for band in bands):
        known = base.transform_filter("isValid(datum.low)")
        spread = known.mark_rule(clip=True, strokeWidth=1.6) if many else known.mark_area(clip=True)
        low = y_axis(spoken(metric), share=share, field="low", **window)
        layers.insert(0, spread.encode(y=low, y2="high:Q", opacity=behind))
    if dotted:
        dots = base.mark_point(filled=True, size=40, clip=True, opacity=1)
        layers.append(dots.encode(y=y, opacity=front, shape=shape("label", names), tooltip=_tips(metric)))
    return alt.layer(*layers).properties(width=width, height=height)


def epoch_range(bands: Sequence[Band], start: float | None = None) -> tuple[float, float]:
    """From the first record (or `start`) to the last, with air for points and for whiskers that are set apart."""
    first = min(float(band.epochs[0]) for band in bands) if start is None else start
    last = max(float(band.epochs[-1]) for band in bands)
    air = max(0.025 * (last - first), 0.6 * len(bands) * _apart(bands) if len(bands) > 4 else 0.0) or 0.5
    return first - air, last + air


def _apart(bands: Sequence[Band]) -> float:
    """Epochs between the whiskers of neighbours: all together at most a third of the way to the next record."""
    gaps = [float(np.diff(band.epochs).min()) for band in bands if len(band.epochs) > 1]
    return min(0.06, 0.33 / len(bands)) * min(gaps, default=1.0)


def _tips(metric: str) -> list[Any]:
    alt = altair()
    form = ".1%" if is_share(metric) else ".4~f"
    return [
        alt.Tooltip("label:N", title=t("configuration")),
        alt.Tooltip("epoch:Q", title=t(EPOCH), format=".3~f"),
        alt.Tooltip("y:Q", title=spoken(metric), format=form),
        alt.Tooltip("within:N", title=t("95 % interval")),
    ]


def _columns(bands: Sequence[Band], dodge: float, told: bool) -> dict[str, Any]:
    """What is drawn of all bands, one below the other; their ends in words too where a reader can point at them."""
    names = ("x", "epoch", "y", "low", "high", "label", *(["within"] if told else []))
    parts = []
    for i, band in enumerate(bands):
        nothing = np.full(len(band.mean), np.nan)
        low, high = (nothing if end is None else end for end in (band.low, band.high))
        kept = thinned(len(band.mean))
        shifted = band.epochs + dodge * (i - (len(bands) - 1) / 2)
        columns = (shifted, band.epochs, band.mean, low, high)
        words = [[within(band.at(i), band.metric) for i in kept]] if told else []
        parts.append((*(column[kept] for column in columns), np.repeat(band.name, len(kept)), *words))
    return dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True))


def _window(bands: Sequence[Band]) -> dict[str, Any]:
    """The y range: all means, and the bands as far as they do not dwarf the means (a wide one is cut)."""
    means = np.concatenate([band.mean for band in bands])
    means = means[np.isfinite(means)]
    low, high = float(means.min()), float(means.max())
    margin = 0.35 * (high - low) or abs(high) * 0.1 or 1.0
    lows = [band.low.min() for band in bands if band.low is not None]
    highs = [band.high.max() for band in bands if band.high is not None]
    bottom = max(low - margin, min(map(float, lows), default=low))
    top = min(high + margin, max(map(float, highs), default=high))
    pad = 0.04 * (top - bottom) or margin
    limits = [bottom - pad, top + pad]
    if is_share(bands[0].metric):
        limits = [max(0.0, limits[0]), min(1.0, limits[1])]
    return {"domain": limits, "nice": False, "zero": False}


def learning_rates(study: StoredStudy, names: Sequence[str], x_domain: tuple[float, float], height: float = 100) -> Any:
    """The learning rate of each configuration's first seed, per step, over the epochs."""
    alt = altair()
    rates = [runs_of(study, name)[0].metric("lr") for name in names]
    kept = [thinned(len(rate.values)) for rate in rates]
    columns = {
        "x": np.concatenate([rate.epochs[k] for rate, k in zip(rates, kept, strict=True)]),
        "y": np.concatenate([rate.values[k] for rate, k in zip(rates, kept, strict=True)]),
        "label": np.concatenate([np.repeat(name, len(k)) for name, k in zip(names, kept, strict=True)]),
    }
    return (
        alt.Chart(data(columns))
        .mark_line(clip=True)
        .encode(
            x=x_axis(EPOCH, whole=True, domain=list(x_domain)),
            y=y_axis(t("learning rate"), ticks=4),
            color=colour("label", names),
            strokeDash=dash("label", names, told=False),
            opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
        )
        .properties(width=WIDTH, height=height)
    )
