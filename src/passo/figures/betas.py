"""Adam's β₁, β₂ and ε under sliders: what the averages of recorded gradients would have been, recomputed.

The averages are computed here, once for each stop of a slider, and travel with the figure; the page only picks a column
and divides. Stop k stands for β = 1 − 10^(−k/10), so that a stop is as much more memory everywhere, and for
ε = 10^(k/2 − 12). A line of text over the sliders says which values they stand at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.averages import Smoothing, correction, ewma
from passo.analysis.recomputed import Series, series
from passo.analysis.recorded import Recorded, told_run
from passo.analysis.words import joined, significant
from passo.figures.panels import GLYPHS, STEP, stacked, tick_look, x_axis, y_axis
from passo.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    RED,
    WIDTH,
    Figure,
    altair,
    colour,
    dash,
    data,
    drawn,
    finished,
    interactive,
    picking,
    thinned,
)
from passo.language import later, numeral, t

MOST = 400
_STOPS = {"b1": (0.0, 3.0, 0.1), "b2": (0.0, 4.0, 0.1), "e": (-12.0, 0.0, 0.5)}  # first, last, and from stop to stop
_NAMES = {"b1": "β₁", "b2": "β₂", "e": "ε"}
GRADIENT, RAW, CORRECTED = later("gradient"), later("uncorrected: m, √v"), later("corrected: m̂")
DIVISOR, ADAPTED, MEASURED = later("divisor √v̂ + ε"), later("adapted gradient"), later("measured in the run")
SHADES = {GRADIENT: GREY, RAW: "#9C86C4", CORRECTED: BLUE, DIVISOR: RED, ADAPTED: GREEN, MEASURED: INK}


def betas(run: Recorded, *, parameter: str | None = None, index: Sequence[int] | None = None) -> Figure:
    """Sliders for β₁, β₂ and ε over the recorded gradients of one weight, with the run's own values as they start."""
    found = series(run, parameter, index)
    own = dict(zip(_STOPS, (*found.betas, found.eps), strict=True))
    stops = {name: _stops(name, value) for name, value in own.items()}
    source = data(_columns(found, stops), digits=4)
    panels = interactive(stacked(*_panels(source, stops, found.measured is not None), spacing=10), zoom=True)
    chart = altair().vconcat(panels, _words(stops), spacing=6).add_params(*_sliders(own))
    subtitle = t("{weight}, run {run}", weight=found.coordinate, run=found.run)
    chart = finished(chart, t("Adam's β₁, β₂ and ε: recomputed, not measured"), subtitle)
    chart.config.font = GLYPHS
    return Figure("betas", chart, _caption(found) + drawn(len(found.steps), MOST), tell(found))


def _caption(found: Series) -> str:
    first, second = (numeral(f"{beta:g}") for beta in found.betas)
    values = f"β₁ = {first}, β₂ = {second}, ε = {significant(found.eps)}"
    own = t("the run's own values, {values}", values=values)
    return t(
        "What Adam would make of the gradients of {weight} in {run} for other β₁, β₂ and ε, starting at {start}. "
        "Recomputed, not measured: with other values the weights would have gone another way, and met other gradients.",
        weight=found.coordinate,
        run=told_run(found.run),
        start=own if found.measured else t("Adam's usual values, {values}", values=values),
    )


def tell(found: Series) -> str:
    """What the run's own values make of the gradients, and what three others would have made of them."""
    (beta1, beta2), own = found.betas, found.recompute()
    first, second, eps = 0.0 if beta1 else 0.9, 0.9 if beta2 != 0.9 else 0.999, 0.1 if found.eps != 0.1 else 1e-8
    others = {
        numeral(f"β₁ = {first:g}"): found.recompute((first, beta2)),
        numeral(f"β₂ = {second:g}"): found.recompute((beta1, second)),
        f"ε = {significant(eps)}": found.recompute(eps=eps),
    }
    each = [
        t("{size} and {turns:.0f} % with {value}", size=significant(it.size), turns=100 * it.turns, value=value)
        for value, it in others.items()
    ]
    told = {
        "n": len(found.grad),
        "weight": found.coordinate,
        "run": told_run(found.run),
        "size": significant(own.size),
        "turns": 100 * own.turns,
        "others": joined(each),
    }
    if found.measured:
        return t(
            "On {n:,} recorded gradients of {weight} in {run} the adapted gradient has a mean size of {size} and turns "
            "its sign at {turns:.0f} % of the steps; recomputed, not measured, that would have been {others}.",
            **told,
        )
    return t(
        "On {n:,} recorded gradients of {weight} in {run} Adam's adapted gradient, with its usual values, would have a "
        "mean size of {size} and turn its sign at {turns:.0f} % of the steps; recomputed, not measured, that would "
        "have been {others}.",
        **told,
    )


# ── Stops ─────────────────────────────────────────────────────────────────────────────────────────────────


def _stops(name: str, own: float) -> np.ndarray:
    """What each stop of a slider stands for; the stop nearest to the run's own value is that value."""
    first, last, every = _STOPS[name]
    powers = np.linspace(first, last, round((last - first) / every) + 1)
    values = 10.0**powers if name == "e" else 1 - 10.0**-powers
    values[_nearest(name, own)] = own
    return values


def _nearest(name: str, own: float) -> int:
    """The number of the stop nearest to a value."""
    first, last, every = _STOPS[name]
    x = (math.log10(own) if own > 0 else first) if name == "e" else -math.log10(max(1 - own, 1e-12))
    return round((min(max(x, first), last) - first) / every)


def _sliders(own: dict[str, float]) -> list[Any]:
    alt = altair()
    made = []
    for name, value in own.items():
        first, last, every = _STOPS[name]
        told = t("{symbol}, stop", symbol=_NAMES[name])
        bound = alt.binding_range(min=0, max=round((last - first) / every), step=1, name=told)
        made.append(alt.param(name=name, value=_nearest(name, value), bind=bound))
    return made


def _chosen(name: str, stops: dict[str, np.ndarray]) -> str:
    """The value of the chosen stop, as an expression of the page."""
    return f"[{', '.join(f'{value:.9g}' for value in stops[name])}][{name}]"


# ── What travels with the figure, and what the page makes of it ───────────────────────────────────────────


def _columns(found: Series, stops: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A row for each drawn step: the gradient, m̂ for every β₁ (m0, …), √v̂ for every β₂ (v0, …), the run's own."""
    kept = thinned(len(found.steps), MOST)
    columns = {"x": found.steps, "t": np.arange(1, len(found.steps) + 1), "g": found.grad}
    for letter, name, of in (("m", "b1", found.grad), ("v", "b2", found.grad**2)):
        for k, beta in enumerate(stops[name]):
            smoothing = Smoothing(beta=float(beta))
            average = ewma(of, smoothing) / correction(smoothing, len(of))
            columns[f"{letter}{k}"] = average if letter == "m" else np.sqrt(average)
    if found.measured is not None:
        root = np.sqrt(found.measured["exp_avg_sq_hat"]) + found.eps
        columns |= {"mm": found.measured["exp_avg_hat"], "mv": root, "ma": found.measured["adapted"]}
    return {name: column[kept] for name, column in columns.items()}


def _panels(source: Any, stops: dict[str, np.ndarray], measured: bool) -> list[Any]:
    """What is averaged, what divides, and the direction that comes out; the run's own beside each, dashed."""
    m, v, eps = "datum['m' + b1]", "datum['v' + b2]", _chosen("e", stops)
    kept = [f"(1 - pow({_chosen(name, stops)}, datum.t))" for name in ("b1", "b2")]
    first = {GRADIENT: "datum.g", RAW: f"{m} * {kept[0]}", CORRECTED: m, MEASURED: "datum.mm"}
    second = {GRADIENT: "abs(datum.g)", RAW: f"{v} * sqrt({kept[1]})", DIVISOR: f"{v} + {eps}", MEASURED: "datum.mv"}
    third = {ADAPTED: f"{m} / ({v} + {eps})", MEASURED: "datum.ma"}
    panels = (
        (first, t("gradient"), 150, False),
        (second, t("size (log)"), 130, True),
        (third, t("direction"), 150, False),
    )
    return [
        _panel(source, series_, title, height, log, None if series_ is not third else STEP, measured)
        for series_, title, height, log in panels
    ]


def _panel(
    source: Any, expressions: dict[str, str], title: str, height: float, log: bool, x_title: str | None, measured: bool
) -> Any:
    alt = altair()
    scale = {"type": "log", "nice": False} if log else {}
    axis = y_axis(title, ticks=4, **scale)
    if log:  # the sliders move the range: ticks for every range that they can reach
        ticks = [float(f"{digit}e{power}") for power in range(-14, 6) for digit in (1, 2, 5)]
        axis = axis.axis(title=title, **tick_look(ticks), labelOverlap="greedy")
    looks: dict[str, dict[str, Any]] = {GRADIENT: {"strokeWidth": 1}, RAW: {"strokeWidth": 1.2}}
    looks[MEASURED] = {"strokeWidth": 1.4}
    layers, names = [], [t(label) for label in SHADES]
    for label, expression in sorted(expressions.items(), key=lambda one: one[0] != MEASURED):  # dashed ones lie on it
        if label == MEASURED and not measured:
            continue
        chart = alt.Chart(source).transform_calculate(y=expression, label=json.dumps(t(label), ensure_ascii=False))
        chart = chart.transform_filter("isValid(datum.y) && datum.y > 0") if log else chart
        layers.append(
            chart.mark_line(clip=True, **looks.get(label, {"strokeWidth": 2})).encode(
                x=x_axis(x_title),
                y=axis,
                color=colour("label", names, list(SHADES.values())),
                strokeDash=dash("label", names, solid=[t(GRADIENT), t(MEASURED)]),
                opacity=alt.condition(picking(), alt.value(1.0), alt.value(0.12)),
            )
        )
    return alt.layer(*layers).properties(width=WIDTH, height=height)


def _expression(told: str, *values: str) -> str:
    """A told message as an expression of the page, «0», «1», … in it being expressions themselves."""
    expression = json.dumps(told, ensure_ascii=False)
    for place, value in enumerate(values):
        expression = expression.replace(f"«{place}»", f'" + {value} + "')
    return expression


def _words(stops: dict[str, np.ndarray]) -> Any:
    """A line for each slider, in their order: the value that it stands at, and how long such an average remembers."""
    alt = altair()

    def memory(name: str) -> str:
        beta, symbol = _chosen(name, stops), _NAMES[name]
        value, half = f"format({beta}, '.6~f')", f"format(log(0.5) / log({beta}), '.3~r')"
        lasting = t("{symbol} = {value}, forgets half of a gradient in {n} steps", symbol=symbol, value="«0»", n="«1»")
        nothing = t("{symbol} = {value}, remembers nothing", symbol=symbol, value="«0»")
        return f"({beta}) > 0 ? {_expression(lasting, value, half)} : {_expression(nothing, value)}"

    parts = (memory("b1"), memory("b2"), f"'ε = ' + format({_chosen('e', stops)}, '.1~e')")
    lines = [
        alt.Chart(data({"z": [0]}))
        .transform_calculate(told=told)
        .mark_text(align="left", baseline="middle", fontSize=12, fontWeight=600, color=INK)
        .encode(x=alt.value(0), y=alt.value(9 + 18 * row), text="told:N")
        for row, told in enumerate(parts)
    ]
    return alt.layer(*lines).properties(width=WIDTH, height=54)
