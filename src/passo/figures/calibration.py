"""A reliability diagram above a histogram of confidence: is a run as often right as it is sure?"""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.calibration import BINS, Calibration
from passo.analysis.calibration import calibration as measured
from passo.analysis.recorded import Recorded
from passo.figures.panels import heading
from passo.figures.style import BLUE, INK, RED, STONE, Figure, altair, colour, data, finished
from passo.language import numeral, t

SIDE = 420


def calibration(run: Recorded, *, bins: int = BINS) -> Figure:
    """Accuracy over confidence, with intervals; below, how many images each bin holds, right ones and wrong ones."""
    found = measured(answers(run), bins)
    chart = altair().vconcat(_reliability(found), _histogram(found), spacing=10).resolve_scale(x="shared")
    caption = t(
        "{count:,} test images of {run} by the probability of their likeliest class, in {bins} bins. Above: the share "
        "that is right, at the bin's mean confidence, with its 95 % interval (Wilson); on the dashed line a run is as "
        "often right as it is sure, below it surer than right. Below: the images in each bin.",
        count=int(found.counts.sum()),
        run=run.id,
        bins=bins,
    )
    title = finished(chart, t("As often right as it is sure?"), t("run {run}", run=run.id))
    return Figure("calibration", title, caption, found.sentence())


def _x(title: str | None) -> Any:
    alt = altair()
    look = {"format": "~%", "tickCount": 6, "labels": title is not None, "ticks": title is not None}
    return alt.X("x:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=alt.Axis(title=title, **look))


def _reliability(found: Calibration) -> Any:
    alt = altair()
    there = found.counts > 0
    columns = {
        "x": found.confidence[there],
        "y": found.accuracy[there],
        "low": found.low[there],
        "high": found.high[there],
        "images": found.counts[there],
    }
    y = alt.Y(
        "y:Q", scale=alt.Scale(domain=[0, 1], nice=False), axis=alt.Axis(title=t("accuracy"), format="~%", tickCount=6)
    )
    base = alt.Chart(data(columns)).encode(x=_x(None))
    line = alt.Chart(data({"x": [0.0, 1.0], "y": [0.0, 1.0]})).encode(x=_x(None), y=y)
    tips = [
        alt.Tooltip("x:Q", title=t("confidence"), format=".1%"),
        alt.Tooltip("y:Q", title=t("accuracy"), format=".1%"),
        alt.Tooltip("low:Q", title=t("95 % from"), format=".1%"),
        alt.Tooltip("high:Q", title=t("to"), format=".1%"),
        alt.Tooltip("images:Q", title=t("images")),
    ]
    size = alt.Size("images:Q", scale=alt.Scale(domain=[0, int(found.counts.max())], range=[25, 200]), legend=None)
    return alt.layer(
        line.mark_line(strokeDash=[4, 3], color=INK, opacity=0.6),
        base.transform_calculate(on="datum.x").mark_rule(color=RED, strokeWidth=6, opacity=0.45).encode(y=y, y2="on:Q"),
        base.mark_rule(color=BLUE, strokeWidth=1.4).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(filled=True, color=BLUE, opacity=1).encode(y=y, size=size, tooltip=tips),
        *_told(found),
    ).properties(width=SIDE, height=300, title=heading(t("Reliability: larger dots hold more images, red is the gap")))


def _told(found: Calibration) -> list[Any]:
    """The expected calibration error, in the corner that points leave free."""
    words = (
        t("expected calibration error {error:.1f} %", error=100 * found.error),
        t("by chance alone about {error:.1f} %", error=100 * found.chance),
    )
    return [
        altair()
        .Chart(data({"word": [word]}))
        .mark_text(align="left", fontSize=12 if row == 0 else 11, color=INK if row == 0 else STONE)
        .encode(x=altair().value(12), y=altair().value(16 + 17 * row), text="word:N")
        for row, word in enumerate(words)
    ]


def _histogram(found: Calibration) -> Any:
    alt = altair()
    wrong = found.counts - found.right
    n, sides = len(found.counts), [t("right"), t("wrong")]
    columns = {
        "x": np.tile(found.edges[:-1] + 0.004, 2),
        "x2": np.tile(found.edges[1:] - 0.004, 2),
        "low": np.concatenate([np.zeros(n), found.right]),
        "high": np.concatenate([found.right, found.counts]),
        "images": np.concatenate([found.right, wrong]),
        "which": np.repeat(sides, n),
    }
    y = alt.Y("low:Q", axis=alt.Axis(title=t("test images"), tickCount=4))
    bars = alt.Chart(data(columns)).mark_bar(opacity=0.85)
    middle = (found.edges[1:] + found.edges[:-1]) / 2
    there = found.counts > 0
    counts = {
        "x": middle[there],
        "low": found.counts[there],
        "word": [numeral(f"{count:,}") for count in found.counts[there]],
    }
    return alt.layer(
        bars.encode(
            x=_x(t("confidence: the probability of the likeliest class")),
            x2="x2:Q",
            y=y,
            y2="high:Q",
            color=colour("which", sides, [BLUE, RED]),
            tooltip=[alt.Tooltip("which:N", title=t("which")), alt.Tooltip("images:Q", title=t("images"))],
        ),
        alt.Chart(data(counts))
        .mark_text(dy=-7, fontSize=10 if n <= 15 else 8, color=INK)
        .encode(x="x:Q", y="low:Q", text="word:N"),
    ).properties(width=SIDE, height=120)
