"""Quantities layer by layer over the steps: lines for a few layers, a map of colours for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from passo.analysis.layers import Layers, Quantity, quantity
from passo.analysis.layers import layers as read_layers
from passo.analysis.recorded import Recorded, told_run
from passo.analysis.words import significant
from passo.errors import StoreError
from passo.figures.panels import STEP, heading, level, lines, log_ticks, tick_look
from passo.figures.style import THEME, WIDTH, Figure, altair, colours, data, drawn, finished, interactive, thinned
from passo.language import t

FEW = 8
"""So many lines can be told apart; more layers become a map."""
_CELLS = 200


def layers(run: Recorded, *, quantity: str = "gradient") -> Figure:
    """A quantity of every layer, step by step: one of `analysis.layers.QUANTITIES`, or the rms of any stage."""
    return _of(run, quantity, "layers")


def effective(run: Recorded) -> Figure:
    """The effective learning rate of every layer: how far it moved per unit of gradient."""
    return _of(run, "effective-lr", "effective-lr")


def ratios(run: Recorded) -> Figure:
    """The update-to-weight ratio of every layer, with the rule of thumb of 10⁻³."""
    return _of(run, "update-ratio", "ratios")


def signal(run: Recorded) -> Figure:
    """The signal-to-noise ratio |m̂| / √v̂ of every layer."""
    return _of(run, "signal-to-noise", "signal")


def cosine(run: Recorded) -> Figure:
    """The cosine between gradient and update of every layer."""
    return _of(run, "cosine", "cosine")


def _of(run: Recorded, name: str, figure: str) -> Figure:
    found = read_layers(run)
    shown = quantity(found, name)
    values = shown.of(found)
    if not np.isfinite(values).any():
        raise StoreError(f"the {shown.title} of no layer of run {run.id} could be told at any step")
    levels = {} if shown.level is None else {shown.level: t(shown.level_words)}
    name = t(shown.title)
    scale = suited(values, levels) if shown.log else _linear(shown, values)
    chart = over_steps(found.steps, values, found.names, name, scale, levels=levels)
    chart = interactive(chart, zoom=True) if len(found.names) <= FEW else chart
    caption = t(
        "{quantity}, {equation}, of each parameter tensor of {run}.",
        quantity=name,
        equation=t(shown.equation),
        run=told_run(run.id),
    )
    if shown.source:
        caption = f"{caption} {t('Source: {source}.', source=t(shown.source))}"
    caption += drawn(len(found.steps), 600 if len(found.names) <= FEW else _CELLS)
    chart = finished(chart, name[0].upper() + name[1:], t("layer by layer, run {run}", run=run.id))
    chart = chart.configure_line(**THEME["line"], invalid="filter")  # a line goes on past steps without a gradient
    return Figure(figure, chart, caption, tell(found, shown, values))


def _linear(shown: Quantity, values: np.ndarray) -> Mapping[str, Any]:
    """From straight down (−1) or none (0) to 0 or the largest there is."""
    top = float(np.nanmax(values, initial=0.0))
    return {"domain": [-1.02, max(0.0, top)] if shown.name == "cosine" else [0.0, top or 0.02], "nice": False}


def suited(values: np.ndarray, levels: Mapping[float, str] | None = None) -> Mapping[str, Any]:
    """A logarithmic scale where values differ by a factor of ten or more, else a linear one."""
    shown = np.append(values[np.isfinite(values) & (values > 0)], list(levels or ()))
    return {"type": "log"} if len(shown) and shown.max() >= 10 * shown.min() else {"zero": False}


def tell(found: Layers, shown: Quantity, values: np.ndarray) -> str:
    """Which layers have least and most of a quantity at their median step, and how many are beyond its level."""
    there = np.isfinite(values).any(0)
    middle = np.full(values.shape[1], np.nan)
    middle[there] = np.nanmedian(values[:, there], axis=0)
    low, high = int(np.nanargmin(middle)), int(np.nanargmax(middle))
    told = {
        "n": len(found.steps),
        "run": told_run(found.run),
        "quantity": t(shown.title),
        "low": significant(float(middle[low])),
        "lowest": found.names[low],
    }
    if low == high:
        return t("At the median of {n:,} steps of {run} the {quantity} is {low} in {lowest}.", **told)
    told |= {"high": significant(float(middle[high])), "highest": found.names[high], "layers": int(there.sum())}
    if shown.level is None:
        return t(
            "At the median of {n:,} steps of {run} the {quantity} is {low} in {lowest}, the lowest, and {high} in "
            "{highest}, the highest of {layers} layers.",
            **told,
        )
    return t(
        "At the median of {n:,} steps of {run} the {quantity} is {low} in {lowest}, the lowest, and {high} in "
        "{highest}, the highest; it is above {level} in {above} of {layers} layers.",
        level=significant(shown.level),
        above=int((middle > shown.level).sum()),
        **told,
    )


def over_steps(
    steps: np.ndarray,
    values: np.ndarray,
    names: Sequence[str],
    title: str,
    scale: Mapping[str, Any],
    *,
    height: float = 280,
    levels: Mapping[float, str] | None = None,
    x_title: str | None = STEP,
    width: float = WIDTH,
    titled: bool = False,
) -> Any:
    """values (T, P) over steps: a line for each of a few layers, a map of colours for many.

    `levels` are drawn across the lines, with their words. `titled`: the colours of a map say what they are, where the
    figure's own title does not.
    """
    if len(names) > FEW:
        return layer_map(steps, values, names, title, scale, x_title=x_title, width=width - 40, titled=titled)
    shades = dict(zip(names, colours(names), strict=True))
    columns = dict(zip(names, _clean(values, scale).T, strict=True))
    over = [layer for value, words in (levels or {}).items() for layer in level(value, words)]
    return lines(
        steps,
        columns,
        shades,
        y=title,
        height=height,
        width=width,
        scale=scale,
        over=over,
        reach=list(levels or ()),
        x_title=x_title,
    )


def _clean(values: np.ndarray, scale: Mapping[str, Any]) -> np.ndarray:
    """What a logarithm has no place for is left empty."""
    return np.where(values > 0, values, np.nan) if scale.get("type") == "log" else values


def layer_map(
    steps: np.ndarray,
    values: np.ndarray,
    names: Sequence[str],
    title: str,
    scale: Mapping[str, Any],
    *,
    width: float,
    x_title: str | None = STEP,
    height: float = 420,
    titled: bool = False,
) -> Any:
    """A row for each layer, from the top in the optimiser's order; a cell for each drawn step, which is its middle."""
    alt = altair()
    kept = thinned(len(steps), _CELLS)
    shown = _clean(values, scale)[kept]  # (C, P)
    edges = _edges(steps[kept].astype(np.float64))
    columns = {
        "step": np.tile(steps[kept], len(names)),
        "x": np.tile(edges[:-1], len(names)),
        "x2": np.tile(edges[1:] + 0.06 * np.diff(edges), len(names)),  # a little over, so that no gap shines through
        "layer": np.repeat(list(names), len(kept)),
        "value": shown.T.ravel(),
    }
    across = t(x_title) if x_title else None
    axis = alt.Axis(title=across, grid=False, tickCount=max(3, round(width / 65)), tickMinStep=1)
    x_scale = alt.Scale(nice=False, zero=False, domain=[float(edges[0]), float(edges[-1])])
    tips = [
        alt.Tooltip("layer:N", title=t("layer")),
        alt.Tooltip("step:Q", title=t(STEP)),
        alt.Tooltip("value:Q", title=title, format=".3g"),
    ]
    rows = alt.Axis(grid=False, ticks=False, domain=False)
    chart = alt.Chart(data(columns, digits=4)).mark_rect(clip=True)
    chart = chart.encode(
        x=alt.X("x:Q", axis=axis, scale=x_scale),
        x2="x2",
        y=alt.Y("layer:N", sort=list(names), title=None, axis=rows),
        color=_shades(shown, scale, min(220, width)),
        tooltip=tips,
    )
    rows_height = min(30, max(12, height // len(names))) * len(names)
    return chart.properties(width=width, height=rows_height, **({"title": heading(title)} if titled else {}))


def _edges(steps: np.ndarray) -> np.ndarray:
    """Where the cells of steps (C,) begin and end: half-way between neighbours. (C+1,)"""
    gaps = np.diff(steps) / 2 if len(steps) > 1 else np.array([0.5])
    return np.concatenate([[steps[0] - gaps[0]], steps[:-1] + np.diff(steps) / 2, [steps[-1] + gaps[-1]]])


def _shades(values: np.ndarray, scale: Mapping[str, Any], length: float) -> Any:
    """The colours, with a legend whose ticks leave each other room."""
    alt = altair()
    there = values[np.isfinite(values)]
    ends = {k: v for k, v in scale.items() if k != "nice"}
    look: dict[str, Any] = {"tickCount": 4, "format": "~g"}
    if scale.get("type") == "log" and len(there):
        low, high = float(there.min()), float(there.max())
        ends, look = {"type": "log", "domain": [low, high]}, tick_look(log_ticks(low, high, most=5))
    legend = alt.Legend(title=None, gradientLength=length, labelOverlap=True, **look)
    return alt.Color("value:Q", scale=alt.Scale(scheme="viridis", **ends), legend=legend)
