"""Learning-rate range tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis import RangeCurve, RangeSummary, lr_ranges
from passo.analysis.words import significant
from passo.figures.curves import about
from passo.figures.panels import heading
from passo.figures.style import BLUE, COLOURS, GREY, INK, WIDTH, Figure, altair, data, finished, thinned
from passo.store import StoredStudy


def range_chart(lr: np.ndarray, loss: np.ndarray, smoothed: np.ndarray, suggestion: float) -> Any:
    """One range test: mini-batch loss and its average against the learning rate (T,), the suggestion marked."""
    curve = RangeCurve(None, np.asarray(lr), np.asarray(loss), np.asarray(smoothed), float(suggestion), None)
    chart = _panel(RangeSummary("range test", (curve,)), BLUE, width=WIDTH, height=260)
    subtitle = f"The smoothed loss falls most steeply at {significant(suggestion)}"
    return finished(chart, "Learning-rate range test", subtitle)


def lr_range(study: StoredStudy) -> Figure:
    """The tests of Adam and of SGD with Nesterov, all seeds."""
    found = [lr_ranges(study, name) for name in ("range-adam", "range-nesterov")]
    panels = [
        _panel(summary, COLOURS[summary.name], width=260, height=220, title=summary.name.removeprefix("range-"))
        for summary in found
    ]
    chart = altair().hconcat(*panels, spacing=22)
    caption = (
        "Mini-batch loss while the learning rate rises: grey as measured, coloured smoothed, one line for each seed. "
        "Ticks below are the seeds' suggestions, the dashed line their geometric mean; losses above the frame are cut."
    )
    sentence = " ".join(summary.sentence() for summary in found)
    return Figure("lr-range", finished(chart, "Which learning rate?", about(study)), caption, sentence)


def _panel(summary: RangeSummary, shade: str, *, width: float, height: float, title: str = "") -> Any:
    alt = altair()
    curves = summary.curves
    kept = [thinned(len(curve.lr), 300) for curve in curves]
    columns = {
        "x": np.concatenate([c.lr[k] for c, k in zip(curves, kept, strict=True)]),
        "loss": np.concatenate([c.loss[k] for c, k in zip(curves, kept, strict=True)]),
        "smoothed": np.concatenate([c.smoothed[k] for c, k in zip(curves, kept, strict=True)]),
        "seed": np.concatenate([np.repeat(str(c.seed), len(k)) for c, k in zip(curves, kept, strict=True)]),
    }
    first = max(float(np.nanmax(c.smoothed[: max(3, len(c.lr) // 4)])) for c in curves)
    limits = [0.0, 1.6 * first]
    axis = alt.Axis(title="learning rate (log scale)", format="~e", tickCount=6, grid=False)
    x = alt.X("x:Q", scale=alt.Scale(type="log", nice=False), axis=axis)
    scale = alt.Scale(domain=limits, nice=False)
    base = alt.Chart(data(columns)).encode(x=x, detail="seed:N")
    raw = base.mark_line(clip=True, strokeWidth=0.8, color=GREY, opacity=0.7)
    smooth = base.mark_line(clip=True, strokeWidth=2, color=shade)
    each = data({"x": [c.suggestion for c in curves], "seed": [str(c.seed) for c in curves]})
    mark = data({"x": [summary.suggestion], "label": [significant(summary.suggestion)]})
    layers = [
        raw.encode(y=alt.Y("loss:Q", scale=scale, axis=alt.Axis(title="mini-batch loss", format="~g", tickCount=5))),
        smooth.encode(y=alt.Y("smoothed:Q", scale=scale)),
        alt.Chart(each)
        .mark_tick(orient="vertical", thickness=2, size=11, color=shade)
        .encode(x="x:Q", y=alt.value(height - 6), tooltip=["seed:N", alt.Tooltip("x:Q", title="lr", format=".3~g")]),
        alt.Chart(mark).mark_rule(strokeDash=[4, 3], color=INK).encode(x="x:Q"),
        alt.Chart(mark)
        .mark_text(align="right", dx=-6, fontSize=12, fontWeight=600, color=INK)
        .encode(x="x:Q", y=alt.value(9), text="label:N"),
    ]
    extra = {"title": heading(title)} if title else {}
    return alt.layer(*layers).properties(width=width, height=height, **extra)
