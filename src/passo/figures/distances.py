"""Cross-entropy as entropy plus divergence: on the test in three readings, and per epoch on validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.answers import answers
from passo.analysis.distances import NATS_PER_BIT, SMOOTHING, Distances, distances
from passo.analysis.recorded import Recorded
from passo.analysis.words import significant
from passo.figures.panels import EPOCH, heading, level, x_axis
from passo.figures.style import BLUE, INK, ORANGE, Figure, altair, colour, data, finished, thinned
from passo.language import later, t
from passo.store import Series, StoredRun

ENTROPY, DIVERGENCE = later("entropy, in the targets themselves"), later("divergence, which training can lower")
SHADES = {ENTROPY: ORANGE, DIVERGENCE: BLUE}


def run_cross_entropy(run: Recorded, *, smoothing: float = SMOOTHING) -> Figure:
    """Entropy and divergence of labels, smoothed labels and shares of classes; below, the divergence per epoch."""
    found = distances(answers(run), smoothing)
    panels = [_readings(found)]
    if isinstance(run, StoredRun) and "validation/loss" in run.metrics():
        panels.append(_epochs(found, run.metric("validation/loss")))
    chart = altair().vconcat(*panels, spacing=22).resolve_scale(color="independent")
    caption = t(
        "H(p, q) = H(p) + KL(p ‖ q) on {count:,} test images of {run}. Labels and labels smoothed by {smoothing:g}: "
        "means over images; shares of the classes: the mean label against the mean prediction.",
        count=found.count,
        run=run.id,
        smoothing=smoothing,
    )
    if len(panels) > 1:
        caption += " " + t(
            "Below: the validation loss after each epoch; labels have no entropy, so it is a divergence as well. "
            "Dashed: what knowing the shares of the classes costs."
        )
    title = finished(chart, t("Cross-entropy is entropy plus a distance"), t("run {run}", run=run.id))
    return Figure("cross-entropy", title, caption, found.sentence())


def _readings(found: Distances) -> Any:
    alt = altair()
    names, kinds = [one.target for one in found.parts], [t(kind) for kind in SHADES]
    entropies = np.array([one.entropy for one in found.parts])
    wholes = np.array([one.cross_entropy for one in found.parts])
    bars = {
        "p": names * 2,
        "which": np.repeat(kinds, len(names)),
        "low": np.concatenate([np.zeros(len(names)), entropies]),
        "high": np.concatenate([entropies, wholes]),
    }
    told = [
        t("{nats} nats = {bits} bits", nats=significant(one.cross_entropy), bits=significant(one.bits))
        for one in found.parts
    ]
    y = alt.Y("p:N", sort=names, axis=alt.Axis(title=None, domain=False, ticks=False, labelLimit=170, labelFontSize=12))
    room = alt.Scale(domain=[0, 1.42 * float(wholes.max())], nice=False)
    x = alt.X("low:Q", scale=room, axis=alt.Axis(title=t("cross-entropy H(p, q) (nats)"), tickCount=6))
    return alt.layer(
        alt.Chart(data(bars))
        .mark_bar(height=20, opacity=0.88)
        .encode(y=y, x=x, x2="high:Q", color=colour("which", kinds, list(SHADES.values()))),
        alt.Chart(data({"p": names, "low": wholes, "word": told}))
        .mark_text(align="left", dx=6, fontSize=11, color=INK)
        .encode(y=y, x="low:Q", text="word:N"),
    ).properties(width=440, height=34 * len(names), title=heading(t("The test, in three readings of p")))


def _epochs(found: Distances, series: Series) -> Any:
    """Nats on the left, the same in bits on the right."""
    alt = altair()
    kept = thinned(len(series.values))
    losses, known = series.values[kept], found.shares.entropy
    top = 1.1 * max(known, float(np.nanmax(losses)))
    columns = {"x": series.epochs[kept], "y": losses, "bits": losses / NATS_PER_BIT}
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(title=t("nats"), tickCount=5))
    span = [float(series.epochs[0]) - 0.5, float(series.epochs[-1]) + 0.5]
    base = alt.Chart(data(columns)).encode(x=x_axis(EPOCH, whole=True, domain=span))
    tips = [alt.Tooltip("x:Q", title=t(EPOCH)), alt.Tooltip("y:Q", title=t("nats"))]
    tips.append(alt.Tooltip("bits:Q", title=t("bits")))
    right = alt.Y(
        "bits:Q",
        scale=alt.Scale(domain=[0, top / NATS_PER_BIT], nice=False),
        axis=alt.Axis(title=t("bits"), tickCount=5, grid=False, orient="right"),
    )
    left = alt.layer(
        base.mark_line(color=BLUE).encode(y=y),
        base.mark_point(color=BLUE, filled=True, opacity=1, size=36).encode(y=y, tooltip=tips),
        *level(known, t("shares of the classes alone: {nats} nats", nats=significant(known))),
    )
    return (
        alt.layer(left, base.mark_point(opacity=0).encode(y=right))
        .resolve_scale(y="independent")
        .properties(width=440, height=190, title=heading(t("Validation, per epoch: the labels' entropy is 0")))
    )
