"""Two models' reliability in one picture: accuracy over confidence, with intervals over seeds."""

from __future__ import annotations

from typing import Any

from passo.analysis.calibrated import Calibrated, calibrated
from passo.analysis.words import ranged, seeds
from passo.figures.panels import HALO
from passo.figures.style import BLUE, INK, RED, Figure, altair, colour, dash, data, finished, interactive, shape
from passo.language import t
from passo.store import StoredStudy

SIDE = 400


def calibration_pair(study: StoredStudy) -> Figure:
    """The share that is right over the confidence of both models; on the diagonal a model is as often right as sure."""
    found = calibrated(study)
    first, second = found.labels
    bins = len(next(iter(found.each[0].runs.values())).counts)
    caption = t(
        "Test images by the probability of their likeliest class, in {bins} bins: the share that is right at the mean "
        "confidence, {seeds}; bins that every seed has images in, larger dots hold more. On the dashed line a model is "
        "as often right as it is sure, below it surer than right.",
        bins=bins,
        seeds=seeds(found.n),
    )
    heading = t("As often right as sure? The {first} and the {second}", first=first, second=second)
    return Figure("calibration-pair", finished(interactive(_panel(found)), heading), caption, found.sentence())


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
    sure = t("confidence: the probability of the likeliest class")
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(title=sure, format="~%", tickCount=6))
    y = alt.Y("y:Q", scale=scale, axis=alt.Axis(title=t("accuracy"), format="~%", tickCount=6))
    base = alt.Chart(data(columns)).encode(x=x, color=colour("label", list(found.labels), [BLUE, RED]))
    size = alt.Size("images:Q", scale=alt.Scale(domain=[0, max(columns["images"])], range=[25, 200]), legend=None)
    diagonal = alt.Chart(data({"x": [0.0, 1.0], "y": [0.0, 1.0]})).mark_line(strokeDash=[4, 3], color=INK, opacity=0.6)
    tips = [alt.Tooltip("label:N", title=t("label")), alt.Tooltip("x:Q", format=".1%")]
    tips += [alt.Tooltip("y:Q", format=".1%"), alt.Tooltip("images:Q", title=t("images"))]
    return alt.layer(
        diagonal.encode(x=x, y=y),
        base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.6).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(strokeWidth=1.5).encode(y=y, strokeDash=dash("label", found.labels, told=False)),
        base.mark_point(filled=True, opacity=1).encode(
            y=y, size=size, shape=shape("label", found.labels), tooltip=tips
        ),
        *_told(found),
    ).properties(width=SIDE, height=SIDE * 0.75)


def _told(found: Calibrated) -> list[Any]:
    """The expected calibration errors, in the corner that points leave free."""
    alt = altair()
    layers = []
    for row, (one, shade) in enumerate(zip(found.each, (BLUE, RED), strict=True)):
        words = t("{label}: expected calibration error {error}", label=one.label, error=ranged(one.error, "accuracy"))
        source = alt.Chart(data({"word": [words]}))
        look = {"align": "left", "fontSize": 11.5, "color": shade}
        place = {"x": alt.value(12), "y": alt.value(14 + 17 * row), "text": "word:N"}
        layers += [source.mark_text(**look, **halo).encode(**place) for halo in (HALO, {})]
    return layers
