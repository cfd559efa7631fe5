"""Two models on little data: their training losses and when these converge; validation, over-fitting and stopping."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from passo.analysis.curves import Band, bands
from passo.analysis.small import LOSS, Small, both, over_seeds
from passo.analysis.small import small as paces
from passo.analysis.validated import Stopping, Validated
from passo.analysis.validated import validated as stopped
from passo.analysis.words import seeds
from passo.figures.panels import HALO, band_panel, heading, x_axis, y_axis
from passo.figures.style import BLUE, INK, RED, STONE, WIDTH, Figure, altair, data, finished, interactive
from passo.store import StoredStudy

SHADES = (BLUE, RED)
TRAINING, VALIDATION = "training", "validation"
HIGH, ROW = 260, 15  # pixels of a panel, and between lines of words


def small_losses(study: StoredStudy) -> Figure:
    """The training loss of both models over the epochs, with bands, and by when 95 % of the fall were done."""
    found = paces(study)
    panel = band_panel(_bands(study, "small", LOSS), height=HIGH)
    panel.layer = [*_converged(found), *panel.layer]
    n = min(len(one.runs) for one in found.each)
    caption = (
        f"Training loss on little data, without validation: the mean over each epoch, {seeds(n)}. Dashed: the epoch "
        "from which on a loss stays within 5 % of its fall above its final value, in the mean over seeds."
    )
    title = finished(interactive(panel), "Little data: does the training converge?", _subtitle(study))
    return Figure("small-losses", title, caption, found.sentence())


def _subtitle(study: StoredStudy) -> str:
    name = study.facts.get("data", {}).get("name")
    return f"on {name}" if name else ""


def _bands(study: StoredStudy, entry: str, metric: str) -> tuple[Band, ...]:
    """A metric of an entry for both models, under their labels."""
    names = {label: runs[0].name for label, runs in both(study, entry).items()}
    return tuple(
        replace(band, name=label) for label, band in zip(names, bands(study, metric, [*names.values()]), strict=True)
    )


def _converged(found: Small) -> list[Any]:
    """For each model a dashed line at the epoch by which 95 % of the fall were done, the earlier one's words on top."""
    end = max(run.epochs for pace in found.each for run in pace.runs.values())
    marks = [(pace.over_seeds("fast").mean, pace, shade) for pace, shade in zip(found.each, SHADES, strict=True)]
    marks = sorted((mark for mark in marks if math.isfinite(mark[0])), key=lambda mark: mark[0])
    return [
        layer
        for row, (fast, pace, shade) in enumerate(marks)
        for layer in _upright(
            fast, f"{pace.label}: 95 % by epoch {fast:.3g} ({pace.words})", shade, row, HIGH, left=fast > 0.6 * end
        )
    ]


def _upright(at: float, words: str, shade: str, row: int, high: float, **look: Any) -> list[Any]:
    """A vertical line through a panel so high, with words beside its upper end, so many rows down."""
    alt = altair()
    left = look.pop("left", False)
    source = alt.Chart(data({"x": [at], "word": [words]}))
    rule = source.mark_rule(color=shade, strokeWidth=1.4, **{"strokeDash": [4, 3], **look})
    place = {"align": "right" if left else "left", "dx": -6 if left else 6, "fontSize": 11, "color": shade}
    y = alt.value(ROW * row + 8)
    text = [source.mark_text(**place, **halo).encode(x="x:Q", y=y, text="word:N") for halo in (HALO, {})]
    return [rule.encode(x="x:Q", y=alt.value(ROW * row), y2=alt.value(high)), *text]


def small_validation(study: StoredStudy) -> Figure:
    """Training and validation loss of each model, since when the gap grows, and where early stopping came."""
    found = stopped(study)
    losses = {name: _bands(study, "validated", metric) for name, metric in METRICS.items()}
    y = _range([band for each in losses.values() for band in each])
    end = max(max(one.ended.values()) for one in found.each)
    panels = [_panel(found, losses, m, y, end) for m in (0, 1)]
    chart = altair().hconcat(*panels, spacing=20)
    n = min(len(one.runs) for one in found.each)
    caption = (
        f"Losses with a validation part and early stopping, {seeds(n)}, up to the earliest end of a seed: training as "
        "the mean over an epoch, drawn at its middle; validation at its end, the ring at the epoch where it was best. "
        "Dotted: since when the gap between both grows; small strokes below: where each seed was ended."
    )
    title = finished(chart, "Little data: training against validation", _subtitle(study))
    return Figure("small-validation", title, caption, found.sentence())


METRICS = {TRAINING: LOSS, VALIDATION: "validation/loss"}


def _range(found: Sequence[Band]) -> tuple[float, float]:
    """From the least to the most of all means and bands, with air."""
    ends = [
        end for band in found for column in (band.mean, band.low, band.high) if column is not None for end in column
    ]
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    return max(0.0, low - 0.05 * (high - low)), high + 0.05 * (high - low)


def _panel(found: Validated, losses: Mapping[str, Sequence[Band]], m: int, y: tuple[float, float], end: float) -> Any:
    alt = altair()
    one, shade = found.each[m], SHADES[m]
    x = x_axis("epoch", whole=True, domain=[0.0, 1.03 * end])
    axis = y_axis("loss" if m == 0 else "", domain=list(y), nice=False, zero=False)
    drawn = {name: each[m] for name, each in losses.items()}
    base = alt.Chart(data(_columns(drawn))).encode(x=x)
    dash = alt.StrokeDash(
        "label:N",
        scale=alt.Scale(domain=[TRAINING, VALIDATION], range=[[4, 3], [1, 0]]),
        legend=alt.Legend(title=None, symbolStrokeColor=INK) if m == 0 else None,
    )
    low = y_axis("loss" if m == 0 else "", field="low", domain=list(y), nice=False, zero=False)
    return alt.layer(
        base.mark_area(color=shade, opacity=0.15, clip=True).encode(y=low, y2="high:Q", detail="label:N"),
        base.mark_line(color=shade, clip=True).encode(y=axis, strokeDash=dash),
        *_moments(one, drawn[VALIDATION], shade, x, axis),
    ).properties(width=WIDTH / 2 - 10, height=HIGH, title=heading(one.label))


def _columns(drawn: Mapping[str, Band]) -> dict[str, Any]:
    """Mean and ends of both losses over the epochs; training stands at the middle of its epoch."""
    parts = []
    for name, band in drawn.items():
        half = float(np.diff(band.epochs).mean()) / 2 if len(band.epochs) > 1 and name == TRAINING else 0.0
        nothing = np.full(len(band.mean), np.nan)
        low, high = (nothing if column is None else column for column in (band.low, band.high))
        parts.append((band.epochs - half, band.mean, low, high, np.repeat(name, len(band.mean))))
    return dict(zip(("x", "y", "low", "high", "label"), map(np.concatenate, zip(*parts, strict=True)), strict=True))


def _moments(one: Stopping, validation: Band, shade: str, x: Any, y: Any) -> list[Any]:
    """The ring at the best epoch, the line since when the gap grows, and a stroke where each seed was ended."""
    alt = altair()
    best = over_seeds(one.best.values()).mean
    ring = {"x": [best], "y": [float(np.interp(best, validation.epochs, validation.mean))]}
    layers = [alt.Chart(data(ring)).mark_point(size=150, strokeWidth=1.8, color=INK, opacity=1).encode(x=x, y=y)]
    since = over_seeds(one.since.values()).mean
    if math.isfinite(since):
        layers += _upright(since, f"gap grows since epoch {since:.3g}", INK, 0, HIGH, strokeDash=[1, 3])
    ended = [one.ended[seed] for seed in one.ended if seed in one.early]
    if ended:
        stop = float(np.mean(ended))
        layers += _upright(stop, f"stopped after {stop:.3g}", STONE, 2, HIGH, left=True)
        strokes = alt.Chart(data({"x": ended})).mark_tick(color=shade, thickness=2, size=12, opacity=0.8)
        layers.append(strokes.encode(x=x, y=alt.value(HIGH - 6)))
    return layers
