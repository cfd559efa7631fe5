"""One name in two libraries: trainings with the defaults of either, and a rate that drops under two definitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis import Band, bands
from passo.analysis.coasting import coasting as analysed
from passo.analysis.words import joined, ranged, significant
from passo.errors import StoreError
from passo.figures.curves import about
from passo.figures.panels import epoch_range, lines, whole_ticks
from passo.figures.style import BLUE, INK, RED, Figure, altair, dash, data, finished, interactive
from passo.language import t
from passo.store import StoredStudy

SIDES = {"torch": "PyTorch", "keras": "Keras"}
SHADES = {"PyTorch": RED, "Keras": BLUE}
NAMES = {
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adam": "Adam",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "ftrl": "Ftrl",
}


def library_defaults(study: StoredStudy) -> Figure:
    """The validation loss of each name with the defaults of either library, on one scale."""
    there = [f"{name}-{side}" for name in NAMES for side in SIDES if f"{name}-{side}" in study.names()]
    if not there:
        raise StoreError(f"{study.folder} has no training with the defaults of a library, as adam-torch or adam-keras")
    found = bands(study, "validation/loss", there)
    known = [name for name in NAMES if any(band.name.startswith(f"{name}-") for band in found)]
    sentence = t(
        "With nothing given but its name, an optimiser ends at a validation loss of: {ends}.",
        ends="; ".join(_told(name, found) for name in known),
    )
    caption = t(
        "Validation loss with the defaults of either library, means over seeds; bands are 95 % intervals, cut at the "
        "frame. PyTorch has no Ftrl."
    )
    title = finished(_panels(found), t("The name alone: defaults of two libraries"), about(study))
    return Figure("library-defaults", title, caption, sentence)


def _told(name: str, found: Sequence[Band]) -> str:
    ends = {_side(band): ranged(band.last, band.metric) for band in found if band.name.startswith(f"{name}-")}
    told = [t("{value} with {library}", value=value, library=side) for side, value in ends.items()]
    return t("{name} {values}", name=NAMES[name], values=joined(told))


def _side(band: Band) -> str:
    return SIDES[band.name.rpartition("-")[2]]


def _panels(found: Sequence[Band]) -> Any:
    alt = altair()
    means = np.concatenate([band.mean for band in found])
    room = 0.08 * float(means.max() - means.min())
    domain = [max(0.0, float(means.min()) - room), float(means.max()) + room]
    epochs = whole_ticks(*epoch_range(found), most=5)
    x = alt.X("x:Q", title=t("epoch"), axis=alt.Axis(grid=False, values=epochs, format="d"))
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    y, low = (
        alt.Y(f"{field}:Q", title=t("validation loss"), axis=alt.Axis(tickCount=4), scale=scale)
        for field in ("y", "low")
    )
    shade = alt.Color("side:N", scale=alt.Scale(domain=list(SHADES), range=list(SHADES.values())), title=None)
    shape = alt.Shape("side:N", scale=alt.Scale(domain=list(SHADES), range=["circle", "square"]), title=None)
    base = alt.Chart().encode(x=x, color=shade)
    spread = base.transform_filter("isValid(datum.low)").mark_area(clip=True, opacity=0.13).encode(y=low, y2="high:Q")
    dots = base.mark_point(filled=True, size=34, opacity=1).encode(y=y, shape=shape)
    layered = alt.layer(
        spread,
        base.mark_line().encode(y=y, strokeDash=dash("side", list(SHADES), told=False)),
        dots,
        data=data(_columns(found)),
    )
    header = alt.Header(labelAnchor="start", labelPadding=3)
    kept = [name for name in NAMES.values() if name in {NAMES[b.name.rpartition("-")[0]] for b in found}]
    return layered.properties(width=168, height=112).facet(
        alt.Facet("name:N", sort=kept, header=header, title=None), columns=3
    )


def _columns(found: Sequence[Band]) -> dict[str, Any]:
    def ends(band: Band, side: np.ndarray | None) -> np.ndarray:
        return np.full(len(band.mean), np.nan) if side is None else side

    return {
        "x": np.concatenate([band.epochs for band in found]),
        "y": np.concatenate([band.mean for band in found]),
        "low": np.concatenate([ends(band, band.low) for band in found]),
        "high": np.concatenate([ends(band, band.high) for band in found]),
        "side": np.concatenate([np.repeat(_side(band), len(band.mean)) for band in found]),
        "name": np.concatenate([np.repeat(NAMES[band.name.rpartition("-")[0]], len(band.mean)) for band in found]),
    }


def coasting(study: StoredStudy) -> Figure:
    """The size of each step of one schedule under PyTorch's and under Keras' momentum."""
    found = analysed(study)
    rules = [_rule(step) for step in found.drops]
    told = t("update (root mean square)")
    chart = lines(found.steps, found.sizes, SHADES, y=told, height=230, scale={"type": "log"}, over=rules)
    caption = t(
        "Root mean square of each update over all weights, first seed, same learning rates and momentum; dashed where "
        "the rate drops. Logarithmic."
    )
    shares = [
        t("{value} with {library}", value=significant(found.kept(library), 2), library=library)
        for library in found.sizes
    ]
    sentence = t(
        "At step {step} the learning rate falls to {factor:.2g} of what it was. That step is so large, measured by the "
        "ten before it: {shares}.",
        step=found.drops[0],
        factor=found.factor,
        shares=joined(shares),
    )
    title = finished(interactive(chart, zoom=True), t("After the rate has dropped"), about(study))
    return Figure("coasting", title, caption, sentence)


def _rule(step: int) -> Any:
    alt = altair()
    return alt.Chart(data({"x": [step - 0.5]})).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6).encode(x="x:Q")
