"""Predicted values against true ones, their residuals over the prediction, and how these are distributed."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.recorded import Recorded
from passo.analysis.regressed import Regressed
from passo.analysis.regressed import regressed as measured
from passo.figures.panels import heading
from passo.figures.style import BLUE, INK, STONE, Figure, altair, data, finished, thinned
from passo.language import t

SIDE, MOST = 256, 2000


def residuals(run: Recorded) -> Figure:
    """Three panels; on the dashed line a prediction is right."""
    found = measured(run)
    chart = altair().hconcat(_against(found), _over(found), _histogram(found), spacing=64, bounds="flush")
    caption = t(
        "Test values of {target} and what {run} predicted for them. Left: a point on the dashed line is predicted "
        "exactly. Middle: residual = true − predicted; a pattern in it is something that the model has not learned. "
        "Right: how many residuals are how large.",
        target=found.told_target,
        run=found.run,
    )
    if (n := len(found)) > MOST:
        kept = t("Of {n:,} values, {most:,} evenly spaced ones are drawn as points.", n=n, most=MOST)
        caption = f"{caption} {kept}"
    subtitle = t("run {run}, {n:,} test values", run=found.run, n=n)
    title = finished(chart, t("How {target} is predicted", target=found.told_target), subtitle)
    return Figure("residuals", title, caption, found.sentence())


def _points(found: Regressed) -> dict[str, np.ndarray]:
    kept = thinned(len(found), MOST)
    return {"true": found.true[kept], "predicted": found.predicted[kept], "residual": found.residuals[kept]}


def _against(found: Regressed) -> Any:
    alt = altair()
    both = np.concatenate([found.true, found.predicted])
    low, high = float(both.min()), float(both.max())
    scale = alt.Scale(domain=_reach(both), nice=False, zero=False)
    x = _axis(alt, alt.X, "true", t("true {target}", target=found.told_target), scale)
    y = _axis(alt, alt.Y, "predicted", t("predicted {target}", target=found.told_target), scale)
    line = alt.Chart(data({"true": [low, high], "predicted": [low, high]})).mark_line(
        strokeDash=[4, 3], strokeWidth=1.4, color=INK
    )
    return _panel(alt.layer(_dots(found).encode(x=x, y=y), line.encode(x=x, y=y)), t("Predicted against true"))


def _over(found: Regressed) -> Any:
    alt = altair()
    x = _axis(alt, alt.X, "predicted", t("predicted {target}", target=found.told_target), alt.Scale(zero=False))
    reach = _reach(np.append(found.residuals, 0.0))  # the rule at 0 is in it where all errors are of one sign
    y = _axis(alt, alt.Y, "residual", t("true − predicted"), alt.Scale(domain=reach, nice=False))
    rule = alt.Chart(data({"residual": [0.0]})).mark_rule(strokeDash=[4, 3], strokeWidth=1.4, color=INK).encode(y=y)
    return _panel(alt.layer(_dots(found).encode(x=x, y=y), rule), t("Residuals"))


def _histogram(found: Regressed) -> Any:
    alt = altair()
    bins = int(np.clip(np.sqrt(len(found)) * 1.2, 8, 40))
    counts, edges = np.histogram(found.residuals, bins)
    bars = data({"low": edges[:-1], "high": edges[1:], "count": counts, "none": np.zeros(bins)})
    x = alt.X(
        "low:Q",
        axis=alt.Axis(title=t("true − predicted"), tickCount=5, grid=False),
        scale=alt.Scale(nice=False, zero=False),
    )
    top = alt.Scale(domain=[0, 1.1 * int(counts.max())], nice=False)
    y = alt.Y("count:Q", axis=alt.Axis(title=t("test values"), tickCount=5, titleColor=STONE), scale=top)
    base = alt.Chart(bars).mark_rect(color=BLUE, opacity=0.85, stroke="white", strokeWidth=0.5)
    tips = [
        alt.Tooltip("low:Q", title=t("low"), format=".3g"),
        alt.Tooltip("high:Q", title=t("high"), format=".3g"),
        alt.Tooltip("count:Q", title=t("count")),
    ]
    zero = alt.Chart(data({"low": [0.0]})).mark_rule(strokeDash=[4, 3], strokeWidth=1.4, color=INK).encode(x=x)
    return _panel(
        alt.layer(base.encode(x=x, x2="high:Q", y=y, y2="none:Q", tooltip=tips), zero), t("How large they are")
    )


def _reach(values: np.ndarray) -> list[float]:
    """From the least to the greatest, with air for the points at the ends."""
    low, high = float(values.min()), float(values.max())
    air = 0.06 * (high - low) or 1.0
    return [low - air, high + air]


def _dots(found: Regressed) -> Any:
    titles = {"true": t("true"), "predicted": t("predicted"), "residual": t("residual")}
    tips = [altair().Tooltip(f"{name}:Q", title=title, format=".4g") for name, title in titles.items()]
    look = {"filled": True, "size": 22, "opacity": 0.55 if len(found) < 500 else 0.3, "color": BLUE}
    return altair().Chart(data(_points(found))).mark_point(**look).encode(tooltip=tips)


def _axis(alt: Any, channel: Any, field: str, title: str, scale: Any) -> Any:
    return channel(f"{field}:Q", axis=alt.Axis(title=title, tickCount=5, titleColor=STONE), scale=scale)


def _panel(chart: Any, title: str) -> Any:
    return chart.properties(width=SIDE, height=SIDE, title=heading(title))
