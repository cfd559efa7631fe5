"""Over-fitting: training and validation loss per epoch, the gap between them, and the accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from passo.analysis.overfitting import FEWEST, Overfitting
from passo.analysis.overfitting import overfitting as measured
from passo.analysis.recorded import Recorded
from passo.figures.panels import EPOCH, HALO, heading, x_axis, y_axis
from passo.figures.style import (
    BLUE,
    INK,
    RED,
    STONE,
    WIDTH,
    Figure,
    altair,
    colour,
    data,
    finished,
    interactive,
    thinned,
)
from passo.language import later, t

TRAINING, VALIDATION = later("training"), later("validation")
SHADES = {TRAINING: BLUE, VALIDATION: RED}


def overfitting(run: Recorded) -> Figure:
    """Losses, their gap with the noise and the epoch since which it grows, and accuracies where they were kept."""
    found = measured(run)
    panels = [_losses(found)]
    if len(found.gaps):
        panels.append(_gaps(found))
    if found.validation_accuracy is not None:
        panels.append(_accuracies(found))
    chart = altair().vconcat(*panels, spacing=14).resolve_scale(x="shared", color="shared")
    parts = [
        t(
            "Losses of {run}: training as the mean over an epoch, drawn at its middle; validation at its end, the ring "
            "around its least. The gap: validation over the epoch (mean of both its ends) less training.",
            run=run.id,
        ),
        _rule(found),
    ]
    if found.validation_accuracy is not None and found.training_accuracy is None:
        parts.append(t("This run kept no accuracy in training."))
    if found.averaged:
        parts.append(t("Validation is of the averaged weights, training is not."))
    title = finished(interactive(chart), t("Does it over-fit?"), t("run {run}", run=run.id))
    return Figure("overfitting", title, " ".join(parts), found.sentence())


def _rule(found: Overfitting) -> str:
    if len(found.gaps) < FEWEST:
        return t("With less than {epochs} epochs its growth cannot be told from noise.", epochs=FEWEST + 1)
    return t(
        "The grey bar is as long as noise may span; the dashed line, where there is one, is since when the gap grows."
    )


def _losses(found: Overfitting) -> Any:
    alt = altair()
    series = {
        TRAINING: (found.epochs - _half(found), found.training),
        VALIDATION: (found.epochs, found.validation),
    }
    y = y_axis(t("loss"), zero=False)
    best = {"x": [float(found.epochs[found.best])], "y": [float(found.validation[found.best])]}
    ring = alt.Chart(data(best)).mark_point(size=150, strokeWidth=1.8, color=INK, opacity=1)
    ring = ring.encode(x=_x(found, None), y=y)
    layers = [*_lines(found, series, y, last=False), ring]
    return alt.layer(*layers).properties(width=WIDTH, height=190, title=heading(t("Loss")))


def _gaps(found: Overfitting) -> Any:
    alt = altair()
    x = _x(found, EPOCH if found.validation_accuracy is None else None)
    y = y_axis(t("gap"), ticks=4, zero=True)
    kept = thinned(len(found.gaps))
    base = alt.Chart(data({"x": (found.epochs[1:] - _half(found))[kept], "y": found.gaps[kept]})).encode(x=x, y=y)
    dots = base.mark_point(color=INK, filled=True, opacity=1, size=26).encode(tooltip=["x:Q", "y:Q"])
    layers = [
        alt.Chart(data({"y": [0.0]})).mark_rule(color=STONE, opacity=0.7).encode(y=y),
        *(_noise(found, x, y) if np.isfinite(found.noise) else []),
        base.mark_line(color=INK),
        *([dots] if len(kept) <= 60 else []),
        *_since(found, x),
    ]
    words = t("Gap: validation loss less training loss")
    return alt.layer(*layers).properties(width=WIDTH, height=140, title=heading(words))


def _noise(found: Overfitting, x: Any, y: Any) -> list[Any]:
    """A bar as long as δ in the first epoch, which has no gap, upwards from the least one; and its name."""
    alt = altair()
    low = float(found.gaps.min())
    middle = float(found.epochs[0]) - _half(found)
    source = alt.Chart(data({"x": [middle], "y": [low], "high": [low + found.noise]}))
    bar = source.mark_rule(color=STONE, opacity=0.4, strokeWidth=7).encode(x=x, y=y, y2="high:Q")
    word = {"align": "left", "dx": 7, "fontSize": 10, "color": STONE, "baseline": "bottom"}
    words = [source.mark_text(text=t("noise"), **word, **look).encode(x=x, y=y) for look in (HALO, {})]
    return [bar, *words]


def _since(found: Overfitting, x: Any) -> list[Any]:
    """A line in the epoch since which the gap grows, at its middle as the gaps are."""
    if found.since is None:
        return []
    alt = altair()
    late = found.since > float(np.mean(found.epochs))
    middle = found.since - _half(found)
    source = alt.Chart(data({"x": [middle], "word": [t("growing since epoch {epoch:g}", epoch=found.since)]}))
    rule = source.mark_rule(strokeDash=[4, 3], color=INK, opacity=0.8).encode(x=x)
    place = {"align": "right" if late else "left", "dx": -6 if late else 6, "fontSize": 11, "color": INK}
    words = [source.mark_text(**place, **look).encode(x=x, y=alt.value(8), text="word:N") for look in (HALO, {})]
    return [rule, *words]


def _accuracies(found: Overfitting) -> Any:
    assert found.validation_accuracy is not None
    series = {VALIDATION: (found.epochs, found.validation_accuracy)}
    if found.training_accuracy is not None:
        series = {TRAINING: (found.epochs - _half(found), found.training_accuracy), **series}
    layers = _lines(found, series, y_axis(t("accuracy"), share=True, ticks=4, zero=False), last=True)
    return altair().layer(*layers).properties(width=WIDTH, height=120, title=heading(t("Accuracy")))


def _lines(found: Overfitting, series: Mapping[str, tuple[np.ndarray, np.ndarray]], y: Any, *, last: bool) -> list[Any]:
    """Lines of their own colour, with points where there are few."""
    alt = altair()
    kept = thinned(len(found.epochs))
    columns = {
        "x": np.concatenate([x[kept] for x, _ in series.values()]),
        "y": np.concatenate([values[kept] for _, values in series.values()]),
        "label": np.repeat([t(name) for name in series], len(kept)),
    }
    base = alt.Chart(data(columns)).encode(
        x=_x(found, EPOCH if last else None),
        y=y,
        color=colour("label", [t(name) for name in SHADES], list(SHADES.values())),
    )
    dots = base.mark_point(filled=True, size=26, opacity=1).encode(tooltip=["label:N", "x:Q", "y:Q"])
    return [base.mark_line(), *([dots] if len(kept) <= 60 else [])]


def _half(found: Overfitting) -> float:
    """Half of the distance from one record to the next, in epochs."""
    return float(np.diff(found.epochs).mean()) / 2 if len(found.epochs) > 1 else 0.5


def _domain(found: Overfitting) -> tuple[float, float]:
    first, last = float(found.epochs[0]) - 2 * _half(found), float(found.epochs[-1])
    return first, last + 0.02 * (last - first)


def _x(found: Overfitting, title: str | None) -> Any:
    return x_axis(title, whole=True, domain=list(_domain(found)))
