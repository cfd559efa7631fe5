"""Two models' reliability in one picture: accuracy over confidence, with intervals over seeds."""

from __future__ import annotations

from typing import Any

from passo.analysis.calibrated import Calibrated, calibrated
from passo.analysis.words import ranged, seeds
from passo.figures.panels import HALO
from passo.figures.style import BLUE, INK, RED, Figure, altair, colour, data, finished, interactive
from passo.store import StoredStudy

SIDE = 400


def calibration_pair(study: StoredStudy) -> Figure:
    """The share that is right over the confidence of both models; on the diagonal a model is as often right as sure."""
    found = calibrated(study)
    first, second = found.labels
    bins = len(next(iter(found.each[0].runs.values())).counts)
    caption = (
        f"Test images by the probability of their likeliest class, in {bins} bins: the share that is right at the mean "
        f"confidence, {seeds(found.n)}; bins that every seed has images in, larger dots hold more. On the dashed line "
        "a model is as often right as it is sure, below it surer than right."
    )
    title = finished(interactive(_panel(found)), f"As often right as sure? The {first} and the {second}", "")
    return Figure("calibration-pair", title, caption, found.sentence())


def _panel(found: Calibrated) -> Any:
    alt = altair()
    rows = [(one.label, *of_bin) for one in found.each for of_bin in one.bins()]
    columns = {
        "label": [label for label, *_ in rows],
        "x": [confidence for _, confidence, _, _ in rows],
        "y": [accuracy.mean for _, _, accuracy, _ in rows],
        "low": [max(accuracy.low, 0.0) for _, _, accuracy, _ in rows],  # in this order: of NaN, which stays NaN
        "high": [min(accuracy.high, 1.0) for _, _, accuracy, _ in rows],
        "images": [images for *_, images in rows],
    }
    scale = alt.Scale(domain=[0, 1], nice=False)
    sure = "confidence: the probability of the likeliest class"
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(title=sure, format="~%", tickCount=6))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(title="accuracy", format="~%", tickCount=6))
    base = alt.Chart(data(columns)).encode(x=x, color=colour("label", list(found.labels), [BLUE, RED]))
    size = alt.Size("images:Q", scale=alt.Scale(domain=[0, max(columns["images"])], range=[25, 200]), legend=None)
    diagonal = alt.Chart(data({"x": [0.0, 1.0], "y": [0.0, 1.0]})).mark_line(strokeDash=[4, 3], color=INK, opacity=0.6)
    tips = ["label:N", alt.Tooltip("x:Q", format=".1%"), alt.Tooltip("y:Q", format=".1%"), "images:Q"]
    return alt.layer(
        diagonal.encode(x=x, y=y),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(strokeWidth=1.5).encode(y=y),
        base.mark_point(filled=True, opacity=1).encode(y=y, size=size, tooltip=tips),
        *_told(found),
    ).properties(width=SIDE, height=SIDE * 0.75)


def _told(found: Calibrated) -> list[Any]:
    """The expected calibration errors, in the corner that points leave free."""
    alt = altair()
    layers = []
    for row, (one, shade) in enumerate(zip(found.each, (BLUE, RED), strict=True)):
        words = f"{one.label}: expected calibration error {ranged(one.error, 'accuracy')}"
        source = alt.Chart(data({"word": [words]}))
        look = {"align": "left", "fontSize": 11.5, "color": shade}
        place = {"x": alt.value(12), "y": alt.value(14 + 17 * row), "text": "word:N"}
        layers += [source.mark_text(**look, **halo).encode(**place) for halo in (HALO, {})]
    return layers
