"""Brief trainings at three learning rates: their losses, and where they end."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis import RangeCheck, ewma
from passo.analysis.intervals import intervals
from passo.analysis.words import significant
from passo.figures.panels import STEP, heading
from passo.figures.style import INK, ORANGE, RED, SKY, altair, colour, data, thinned
from passo.language import t

SMOOTHING = 0.9  # for the eye alone: no verdict rests on it
SHADES = (SKY, INK, ORANGE)  # below, at, above


def verified(check: RangeCheck, width: float = 300, height: float = 190) -> Any:
    """The losses over the steps, and beside them the losses at the end."""
    below, _, above = check.names
    title = heading(
        t("Trained for {n} steps at the suggestion, {below} and {above}", n=check.steps, below=below, above=above)
    )
    row = altair().hconcat(_losses(check, width, height), _ends(check, 0.5 * width, height), spacing=34)
    return row.properties(title=title)


def _labels(check: RangeCheck) -> list[str]:
    return [significant(rate) for rate in check.rates]


def _losses(check: RangeCheck, width: float, height: float) -> Any:
    alt = altair()
    names, parts, top = _labels(check), [], 0.0
    for name, runs in zip(names, check.losses, strict=True):
        n = min(len(run) for run in runs)
        smooth = [ewma(run[:n], beta=SMOOTHING, bias_correction=True) for run in runs]
        mean, low, high = intervals(np.stack(smooth))
        kept = thinned(n, 300)
        parts.append((kept + 1, mean[kept], low[kept], high[kept], np.repeat(name, len(kept))))
        top = max(top, float(np.nanmax(mean[: max(1, n // 10)])))
    columns: dict[str, Any] = dict(
        zip(("x", "y", "low", "high", "label"), map(np.concatenate, zip(*parts, strict=True)), strict=True)
    )
    least = float(np.nanmin(columns["y"]))
    limits = [least - 0.1 * (top - least), top + 0.1 * (top - least)]
    scale = alt.Scale(domain=limits, nice=False, zero=False)
    x = alt.X("x:Q", axis=alt.Axis(title=t(STEP), grid=False, tickCount=5), scale=alt.Scale(nice=False))
    base = alt.Chart(data(columns)).encode(x=x, color=colour("label", names, SHADES))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(title=t("mini-batch loss"), tickCount=5, format="~g"))
    layers = [base.mark_line(clip=True).encode(y=y)]
    if len(check.seeds) > 1:
        area = base.mark_area(clip=True, opacity=0.16)
        layers.insert(0, area.encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"))
    return alt.layer(*layers).properties(width=width, height=height)


def _ends(check: RangeCheck, width: float, height: float) -> Any:
    """Final losses: mean and interval for each rate, and a line through those of one seed."""
    alt = altair()
    names = _labels(check)
    ends = [(name, end) for name, end in zip(names, check.ends, strict=True) if end is not None]
    x = alt.X(
        "label:N", sort=names, scale=alt.Scale(domain=names), axis=alt.Axis(title=t("learning rate"), labelAngle=0)
    )
    scale = alt.Scale(zero=False)
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(title=_short(check), tickCount=5, format="~g"))
    rows = [(name, str(s), check.final[i][j]) for i, name in enumerate(names) for j, s in enumerate(check.seeds)]
    label, seed, value = (list(column) for column in zip(*rows, strict=True))
    kept = [i for i, v in enumerate(value) if np.isfinite(v)]
    each = {"label": [label[i] for i in kept], "seed": [seed[i] for i in kept], "y": [value[i] for i in kept]}
    means = {
        "label": [name for name, _ in ends],
        "y": [end.mean for _, end in ends],
        "low": [end.low for _, end in ends],
        "high": [end.high for _, end in ends],
    }
    paths = alt.Chart(data(each)).encode(x=x, y=y, detail="seed:N")
    base = alt.Chart(data(means)).encode(x=x, color=colour("label", names, SHADES))
    layers = [
        paths.mark_line(strokeWidth=0.8, color=INK, opacity=0.3),
        paths.mark_point(filled=True, size=12, color=INK, opacity=0.45),
        base.mark_rule(strokeWidth=2.4).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        base.mark_point(filled=True, size=85, opacity=1).encode(y=y),
        *_lost(check, names, x),
    ]
    return alt.layer(*layers).properties(width=width, height=height)


def _lost(check: RangeCheck, names: list[str], x: Any) -> list[Any]:
    """How many trainings diverged, above the rate at which they did."""
    alt = altair()
    lost = {name: n for name, n in zip(names, check.diverged, strict=True) if n}
    if not lost:
        return []
    columns = {"label": list(lost), "text": [t("{n} × diverged", n=n) for n in lost.values()]}
    text = alt.Chart(data(columns)).mark_text(fontSize=10.5, fontWeight=600, color=RED, baseline="top")
    return [text.encode(x=x, y=alt.value(2), text="text:N")]


def _short(check: RangeCheck) -> str:
    return check.told_measured if len(check.measured) < 24 else t("loss of the last steps")
