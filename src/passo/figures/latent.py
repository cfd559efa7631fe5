"""Autoencoders' latent maps, by the size of the bottleneck: where each input's code lies, coloured by its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.analysis.codes import code_map, neighbours_agree
from passo.analysis.words import joined, significant
from passo.errors import UsageError
from passo.figures.panels import heading
from passo.figures.style import OTHERS, Figure, altair, colour, data, finished, thinned
from passo.language import t, tn

if TYPE_CHECKING:
    from passo.explaining import LatentCodes

POINTS, NEIGHBOURS, MOST = 1000, 5, 9


def draw_latent(found: Sequence[LatentCodes]) -> Figure:
    """A map for each autoencoder, the smallest bottleneck first; raises `UsageError` for none, and for more than 9."""
    if not 1 <= len(found) <= MOST:
        raise UsageError(f"latent maps are drawn of 1 to {MOST} autoencoders, got {len(found)}")
    order = sorted(found, key=lambda one: one.bottleneck)
    side = 300 if len(order) == 1 else 210
    across = 2 if len(order) == 4 else 3
    panels = [_map(one, side, _head(one, order)) for one in order]
    alt = altair()
    rows = [alt.hconcat(*panels[begin : begin + across], spacing=14) for begin in range(0, len(panels), across)]
    chart = alt.vconcat(*rows, spacing=14)
    n = len(order[0].labels)
    about = t("{count:,} inputs that were not trained on", count=n)
    title = finished(chart, t("Latent maps by the size of the bottleneck"), about)
    caption = t(
        "Each point is one input's code, its colour the class, which the autoencoder never saw. A code of two numbers "
        "is drawn as it is (turned to its principal axes); of longer ones the first two principal components, with the "
        "share of the variance that they show; of one number, each class has a line of its own. Neighbours: of how "
        "many inputs the {neighbours} nearest others, over the whole code, are mostly of the same class.",
        neighbours=NEIGHBOURS,
    )
    if n > POINTS:
        caption += " " + t("Of {count:,} points {drawn:,} are drawn.", count=n, drawn=POINTS)
    return Figure("latent", title, caption, _told(order))


def _head(one: LatentCodes, order: Sequence[LatentCodes]) -> list[str]:
    """What stands over a map: its bottleneck, its error and its neighbours."""
    same = sum(other.bottleneck == one.bottleneck for other in order) > 1
    shown = sum(code_map(one.codes).shares)
    first = tn("{n} number", "{n} numbers", one.bottleneck) + (f", {one.name}" if same else "")
    if one.bottleneck > 2:
        first = t("{code} ({share:.0f} % shown)", code=first, share=100 * shown)
    error = significant(float(one.errors.mean()))
    return [first, t("error {error}, neighbours {share:.0f} %", error=error, share=100 * _agree(one))]


def _agree(one: LatentCodes) -> float:
    return neighbours_agree(one.codes, one.labels, min(NEIGHBOURS, len(one.labels) - 1))


def _map(one: LatentCodes, side: int, head: Sequence[str]) -> Any:
    alt = altair()
    seen = code_map(one.codes)
    kept = thinned(len(one.labels), POINTS)
    names = [one.classes[label] for label in one.labels[kept]]
    down = seen.points[kept, 1] if one.bottleneck > 1 else -one.labels[kept].astype(np.float64)
    columns = {"x": seen.points[kept, 0], "y": down, "label": names, "place": kept}
    look = alt.Axis(title=None, labels=False, ticks=False, grid=False, domain=False)
    scale = alt.Scale(nice=False, zero=False, padding=8)
    shades = list((OTHERS * (1 + len(one.classes) // len(OTHERS)))[: len(one.classes)])
    words = alt.TitleParams(**{**heading(head[0]).to_dict(), "subtitle": head[1], "subtitleFontSize": 10.5})
    return (
        alt.Chart(data(columns))
        .mark_circle(size=16, opacity=0.75)
        .encode(
            x=alt.X("x:Q", axis=look, scale=scale),
            y=alt.Y("y:Q", axis=look, scale=scale),
            color=colour("label", list(one.classes), shades),
            tooltip=[alt.Tooltip("label:N", title=t("class")), alt.Tooltip("place:Q", title=t("input no."))],
        )
        .properties(width=side, height=side, title=words, view=alt.ViewConfig(stroke="#DADDE1"))
    )


def _told(order: Sequence[LatentCodes]) -> str:
    errors = [f"{one.bottleneck} ({significant(float(one.errors.mean()))})" for one in order]
    agree = [_agree(one) for one in order]
    if len(order) == 1:
        return t(
            "Through a bottleneck of {size}, {name} reconstructs {count:,} inputs with a mean squared error of "
            "{error}; of {share:.0f} % of them the nearest other codes are mostly of the same class.",
            size=order[0].bottleneck,
            name=order[0].name,
            count=len(order[0].labels),
            error=significant(float(order[0].errors.mean())),
            share=100 * agree[0],
        )
    return t(
        "The mean squared error of {count:,} inputs by the size of the bottleneck: {errors}; the share whose nearest "
        "codes are mostly of their own class goes from {first:.0f} % to {last:.0f} %.",
        count=len(order[0].labels),
        errors=joined(errors),
        first=100 * agree[0],
        last=100 * agree[-1],
    )
