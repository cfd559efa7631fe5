"""A fitted line (or curve) with every point's distance from it, and how these distances are spread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.ranges import THIS_MODEL
from passo.analysis.words import significant
from passo.figures.style import BLUE, GREY, INK, RED, WIDTH, Figure, altair, data, finished, thinned
from passo.language import later, t

if TYPE_CHECKING:
    from passo.explaining import Fitted

POINTS, BINS = 400, 24
PARTS = (later("training"), later("validation"), later("test"))  # what `Fitted.part` may be


def draw_fitted(found: Fitted, run: str = THIS_MODEL) -> Figure:
    """The points, the line, and from each point to the line its distance along y; below, all distances."""
    alt = altair()
    chart = alt.vconcat(_line(found), _distances(found), spacing=16)
    n, run = len(found.x), t(run)
    subtitle = t("{run}, {n:,} {part} points", run=run, n=n, part=t(found.part))
    title = finished(chart, t("The fitted line, and every point's distance"), subtitle)
    caption = t(
        "{y} over {x}, with what {run} predicts. Rules go from each point to the prediction: blue where it is above "
        "the line, red where below. The loss is the mean of their squared lengths. Below: how often each length "
        "occurs.",
        y=t(found.y_name),
        x=t(found.x_name),
        run=run,
    )
    if n > POINTS:
        some = t(
            "Of {n:,} points, {most} evenly chosen ones are drawn above; the numbers are of all.", n=n, most=POINTS
        )
        caption = f"{caption} {some}"
    return Figure("line", title, caption, _told(found, run))


def _told(found: Fitted, run: str) -> str:
    far = int(np.abs(found.residuals).argmax())
    off, place = significant(float(abs(found.residuals[far]))), significant(float(found.x[far]))
    above = t("the farthest lies {off} above the line, at {x}", off=off, x=place)
    below = t("the farthest lies {off} below the line, at {x}", off=off, x=place)
    errors = t(
        "{run} predicts {n:,} {part} points with a mean squared error of {mse} (root {root}), a mean distance of {mae}",
        run=run,
        n=len(found.x),
        part=t(found.part),
        mse=significant(found.mse),
        root=significant(math.sqrt(found.mse)),
        mae=significant(found.mae),
    )
    r2 = "" if math.isnan(found.r2) else f", R² {significant(found.r2)}"
    return f"{errors}{r2}; {above if found.residuals[far] > 0 else below}."


def _line(found: Fitted) -> Any:
    alt = altair()
    kept = thinned(len(found.x), POINTS)
    side = np.where(found.residuals[kept] >= 0, "above", "below")
    points = data({"x": found.x[kept], "y": found.y[kept], "fit": found.predicted[kept], "side": side})
    curve = data({"x": found.grid_x, "y": found.grid_y})
    x = alt.X(
        "x:Q", scale=alt.Scale(zero=False, nice=False, padding=8), axis=alt.Axis(title=t(found.x_name), grid=False)
    )
    y = alt.Y("y:Q", scale=alt.Scale(zero=False, padding=8), axis=alt.Axis(title=t(found.y_name), tickCount=6))
    colour = alt.Color("side:N", scale=alt.Scale(domain=["above", "below"], range=[BLUE, RED]), legend=None)
    base = alt.Chart(points)
    return alt.layer(
        base.mark_rule(strokeWidth=1, opacity=0.55).encode(x=x, y=y, y2="fit:Q", color=colour),
        base.mark_circle(size=22, opacity=0.85).encode(x=x, y=y, color=colour, tooltip=["x:Q", "y:Q", "fit:Q"]),
        alt.Chart(curve).mark_line(color=INK, strokeWidth=2.2).encode(x=x, y=y),
    ).properties(width=WIDTH, height=300)


def _distances(found: Fitted) -> Any:
    """How often each distance y − ŷ occurs."""
    alt = altair()
    low, high = float(found.residuals.min()), float(found.residuals.max())
    step = (high - low) / BINS or 1.0
    edges = np.arange(math.floor(low / step), math.ceil(high / step) + 1) * step  # 0 is one of them
    counts, edges = np.histogram(found.residuals, edges)
    side = np.where(edges[:-1] + edges[1:] >= 0, "above", "below")
    source = data({"x": edges[:-1], "x2": edges[1:], "n": counts, "side": side})
    colour = alt.Color("side:N", scale=alt.Scale(domain=["above", "below"], range=[BLUE, RED]), legend=None)
    look = alt.Axis(title=t("distance from the line, y − ŷ"), grid=False)
    bars = alt.Chart(source).mark_rect(opacity=0.75, stroke="#FFFFFF", strokeWidth=0.5)
    shown = bars.encode(
        x=alt.X("x:Q", scale=alt.Scale(nice=False, zero=False), axis=look),
        x2="x2:Q",
        y=alt.Y("n:Q", axis=alt.Axis(title=t("points"), tickCount=3)),
        y2=alt.datum(0),
        color=colour,
    )
    zero = alt.Chart(data({"x": [0.0]})).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="x:Q")
    return alt.layer(shown, zero).properties(width=WIDTH, height=90)
