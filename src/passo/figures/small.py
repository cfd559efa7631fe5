"""Two models on little data: their training losses and when these converge; validation, over-fitting and stopping."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from passo.analysis.curves import Band, bands
from passo.analysis.small import LOSS, Small, both, over_seeds
from passo.analysis.small import small as paces
from passo.analysis.validated import Stopping, Validated
from passo.analysis.validated import validated as stopped
from passo.analysis.words import seeds
from passo.figures.panels import EPOCH, HALO, band_panel, heading, x_axis, y_axis
from passo.figures.sizes import on_data
from passo.figures.style import BLUE, INK, RED, STONE, WIDTH, Figure, altair, data, finished, interactive
from passo.language import later, numeral, t
from passo.store import StoredStudy

SHADES = (BLUE, RED)
TRAINING, VALIDATION = later("training"), later("validation")
HIGH, ROW = 260, 15  # pixels of a panel, and between lines of words


def small_losses(study: StoredStudy) -> Figure:
    """The training loss of both models over the epochs, with bands, and by when 95 % of the fall were done."""
    found = paces(study)
    drawn = _bands(study, "small", LOSS)
    panel = band_panel(drawn, height=HIGH)
    panel.layer = [*_converged(found), *panel.layer]
    n = min(band.seeds for band in drawn)
    caption = t(
        "Training loss on little data, without validation: the mean over each epoch, {seeds}. Dashed: the epoch from "
        "which on a loss stays within 5 % of its fall above its final value, in the mean over seeds.",
        seeds=seeds(n),
    )
    title = finished(interactive(panel), t("Little data: does the training converge?"), on_data(study))
    return Figure("small-losses", title, caption, found.sentence())


def _bands(study: StoredStudy, entry: str, metric: str) -> tuple[Band, ...]:
    """A metric of an entry for both models, under their labels."""
    names = {label: runs[0].name for label, runs in both(study, entry).items()}
    return tuple(
        replace(band, name=label) for label, band in zip(names, bands(study, metric, [*names.values()]), strict=True)
    )


def _converged(found: Small) -> list[Any]:
    """For each model that converged a dashed line where 95 % of the fall were done; for the others words alone."""
    end = max(run.epochs for pace in found.each for run in pace.runs.values())
    told = [(pace.over_seeds("fast").mean, pace, shade) for pace, shade in zip(found.each, SHADES, strict=True)]
    marks = sorted((one for one in told if one[1].converged), key=lambda one: one[0])
    late = bool(marks) and marks[0][0] > 0.6 * end  # words go to the left of such lines, and the later one's on top
    layers = []
    for row, (fast, pace, shade) in enumerate(reversed(marks) if late else marks):
        words = t("{label}: 95 % by epoch {epoch} ({states})", label=pace.label, epoch=_short(fast), states=pace.words)
        layers += _upright(fast, words, shade, row, HIGH, left=fast > 0.6 * end)
    rest = [(f"{pace.label}: {pace.words}", shade) for _, pace, shade in told if not pace.converged]
    for row, (words, shade) in enumerate(rest, len(marks)):
        source = altair().Chart(data({"word": [words]}))
        place = {"x": altair().value("width"), "y": altair().value(ROW * row + 8), "text": "word:N"}
        look = {"align": "right", "fontSize": 11, "color": shade}
        layers += [source.mark_text(**look, **halo).encode(**place) for halo in (HALO, {})]
    return layers


def _short(epoch: float) -> str:
    return numeral(f"{epoch:.1f}".removesuffix(".0"))


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
    """Training and validation loss of each model and seed, since when the gap grows, and where early stopping came."""
    found = stopped(study)
    losses = [value for one in found.each for run in one.runs.values() for value in (*run.training, *run.validation)]
    low, high = float(min(losses)), float(max(losses))
    y = max(0.0, low - 0.08 * (high - low)), high + 0.05 * (high - low)
    end = max(max(one.ended.values()) for one in found.each)
    panels = [_panel(found, m, y, end) for m in (0, 1)]
    caption = t(
        "Losses with a validation part and early stopping: thin lines are seeds, thick ones their means as far as all "
        "have them; training as the mean over an epoch, drawn at its middle, validation at its end, the rings where it "
        "was best. Dotted: since when the gap between both grows; dashed: where early stopping came, both in the mean; "
        "strokes below: where it came for each seed."
    )
    chart = altair().hconcat(*panels, spacing=20)
    title = finished(chart, t("Little data: training against validation"), on_data(study))
    return Figure("small-validation", title, caption, found.sentence())


def _panel(found: Validated, m: int, y: tuple[float, float], end: float) -> Any:
    alt = altair()
    one, shade = found.each[m], SHADES[m]
    x = x_axis(EPOCH, whole=True, domain=[0.0, 1.03 * end])
    axis = y_axis(t("loss") if m == 0 else "", domain=list(y), nice=False, zero=False)
    legend = alt.Legend(title=None, symbolStrokeColor=INK)  # the same in both panels, which share it
    scale = alt.Scale(domain=[t(TRAINING), t(VALIDATION)], range=[[4, 3], [1, 0]])
    dash = alt.StrokeDash("label:N", scale=scale, legend=legend)
    seeds, mean = (alt.Chart(data(columns)).encode(x=x, y=axis, strokeDash=dash) for columns in _columns(one))
    return alt.layer(
        seeds.mark_line(color=shade, strokeWidth=1, opacity=0.4, clip=True).encode(detail="seed:N"),
        mean.mark_line(color=shade, strokeWidth=2.2, clip=True),
        *_moments(one, shade, x, axis),
    ).properties(width=WIDTH / 2 - 10, height=HIGH, title=heading(one.label))


def _columns(one: Stopping) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both losses over the epochs: of every seed, and their means over the epochs that all have."""
    lines = [
        (str(seed), name, run.epochs - (0.5 if name == TRAINING else 0.0), values)
        for seed, run in one.runs.items()
        for name, values in ((TRAINING, run.training), (VALIDATION, run.validation))
    ]
    names: list[str] = ["x", "y", "label", "seed"]
    parts = [(x, values, np.repeat(t(name), len(x)), np.repeat(seed, len(x))) for seed, name, x, values in lines]
    shared = min(len(run.epochs) for run in one.runs.values())
    means = []
    for name in (TRAINING, VALIDATION):
        mine = [(x[:shared], values[:shared]) for _, own, x, values in lines if own == name]
        means.append((mine[0][0], np.mean([values for _, values in mine], 0), np.repeat(t(name), shared)))
    columns = [*map(np.concatenate, zip(*parts, strict=True))], [*map(np.concatenate, zip(*means, strict=True))]
    seeds, mean = (dict(zip(names, each, strict=False)) for each in columns)
    return seeds, mean


def _moments(one: Stopping, shade: str, x: Any, y: Any) -> list[Any]:
    """Rings at the best epochs, the line since when the gap grows, and where the training of each seed was ended."""
    alt = altair()
    values = {seed: dict(zip(run.epochs, run.validation, strict=True)) for seed, run in one.runs.items()}
    rings = [(best, values[seed][best]) for seed, best in one.best.items() if best in values[seed]]
    ring = {"x": [at for at, _ in rings], "y": [value for _, value in rings]}
    layers = [alt.Chart(data(ring)).mark_point(size=60, strokeWidth=1.6, color=INK, opacity=1).encode(x=x, y=y)]
    since = over_seeds(one.since.values()).mean
    if math.isfinite(since):
        words = t("gap grows since epoch {epoch}", epoch=_short(since))
        layers += _upright(since, words, INK, 0, HIGH, strokeDash=[1, 3])
    ended = [one.ended[seed] for seed in one.ended if seed in one.early]
    if ended:
        stop = float(np.mean(ended))
        layers += _upright(stop, t("stopped after {epoch}", epoch=_short(stop)), STONE, 2, HIGH, left=True)
        strokes = alt.Chart(data({"x": ended})).mark_tick(color=shade, thickness=2, size=12, opacity=0.8)
        layers.append(strokes.encode(x=x, y=alt.value(HIGH - 6)))
    return layers
