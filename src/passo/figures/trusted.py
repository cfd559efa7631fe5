"""Whether heat maps can be trusted: deletion and insertion against random maps, and what random weights leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.intervals import intervals
from passo.analysis.trusted import LEFT, Removal, Trusted, trusted_pair
from passo.figures.panels import heading
from passo.figures.style import BLUE, INK, RED, STONE, Figure, altair, data, finished
from passo.language import later, t
from passo.store import StoredStudy

WIDE = 250  # points of a panel
SHADES = (BLUE, RED)
OWN, RANDOM = later("{name}, its map"), later("{name}, random maps")


def draw_trusted(found: Trusted) -> Figure:
    """One model's maps: both curves with intervals, in the map's order and in random ones; below, random weights."""
    return _figure("trusted", (found,), t("Can the map be trusted?"), found.where)


def trust(study: StoredStudy) -> Figure:
    """The maps of a study's two models, checked beside each other."""
    first, second = both = trusted_pair(study)
    return _figure("trust", both, t("Can the maps be trusted?"), f"{first.where}; {second.where}")


def _figure(name: str, both: Sequence[Trusted], title: str, subtitle: str) -> Figure:
    alt = altair()
    curves = alt.hconcat(*(_curves([getattr(one, what) for one in both], both) for what in ("deletion", "insertion")))
    likeness = alt.hconcat(*(_likeness(one, shade) for one, shade in zip(both, SHADES, strict=False)))
    chart = finished(alt.vconcat(curves, likeness, spacing=18), title, subtitle)
    caption = t(
        "Above: the mean probability of the predicted class over {images}, with 95 % intervals, as pixels become the "
        "data's mean (deletion), or as a blurred image becomes sharp (insertion), in the order of the map and, dashed, "
        "of random maps of the same grain. Below: the rank correlation of the map with that of a model whose weights "
        "are random from the output down to a layer, with 95 % intervals; grey, random maps. Where the last reaches "
        "±{left:g} (dashed), the map is held not to depend on the weights.",
        images=", ".join(dict.fromkeys(t("{n:,} test images", n=one.count) for one in both)),
        left=LEFT,
    )
    if len({(one.method, one.layer) for one in both}) > 1:
        fair = t("The two maps are of different kinds: each is to be compared with its own random maps.")
        caption = f"{caption} {fair}"
    return Figure(name, chart, caption, " ".join(one.sentence() for one in both))


def _curves(removals: Sequence[Removal], both: Sequence[Trusted]) -> Any:
    """One panel: of each model the map's mean curve with its band, and the random maps' as a dashed line."""
    alt = altair()
    names = [t(kind, name=one.name) for one in both for kind in (OWN, RANDOM)]
    shades = [shade for shade, _ in zip(SHADES, both, strict=False) for _ in range(2)]
    dashes = [[1, 0], [4, 4]] * len(both)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("x", "y", "low", "high", "label")}
    for removal, one in zip(removals, both, strict=True):
        for kind, values in ((OWN, removal.own), (RANDOM, removal.random.mean(0))):
            ends = intervals(values)
            told = (removal.shares, *ends, np.repeat(t(kind, name=one.name), len(removal.shares)))
            for column, part in zip(columns.values(), told, strict=True):
                column.append(part)
    base = alt.Chart(data({name: np.concatenate(parts) for name, parts in columns.items()}))
    deletion = removals[0].what == "deletion"
    across = t("pixels deleted") if deletion else t("pixels inserted")
    x = alt.X("x:Q", axis=alt.Axis(title=across, format="~%", grid=False), scale=alt.Scale(nice=False))
    y_scale, title = alt.Scale(domain=[0, 1], nice=False), t("probability") if deletion else None
    legend = alt.Legend(columns=2, labelLimit=0, symbolType="stroke", symbolSize=500, symbolStrokeWidth=2)
    kept: dict[str, Any] = {
        "color": alt.Color("label:N", scale=alt.Scale(domain=names, range=shades), legend=legend),
        "strokeDash": alt.StrokeDash("label:N", scale=alt.Scale(domain=names, range=dashes), legend=legend),
    }
    band = base.mark_area(opacity=0.16).encode(
        x=x, y=alt.Y("low:Q", scale=y_scale, axis=alt.Axis(title=title, format="~%")), y2="high:Q", color=kept["color"]
    )
    line = base.mark_line(strokeCap="butt").encode(x=x, y=alt.Y("y:Q", scale=y_scale), **kept)
    head = heading((t("deletion") if deletion else t("insertion")).capitalize())
    return alt.layer(band, line).properties(width=WIDE, height=190, title=head)


def _likeness(found: Trusted, shade: str) -> Any:
    """One panel: a row for the trained model, and one for each layer that random weights reach."""
    alt = altair()
    forgetting = found.forgetting
    ends = [(1.0, 1.0, 1.0), *((one.mean, one.low, one.high) for one in forgetting.likeness)]
    names = [t("trained"), *(f"+ {layer}" if at else layer for at, layer in enumerate(forgetting.layers))]
    mean, low, high = (np.array(column) for column in zip(*ends, strict=True))
    source = data({"layer": names, "x": mean, "low": low, "high": high})
    axis = alt.Axis(title=t("rank correlation"), tickCount=5)
    span = alt.Scale(domain=[min(-0.6, float(np.nanmin(low)) - 0.05), 1.02], nice=False)
    y = alt.Y("layer:N", sort=names, title=None, axis=alt.Axis(grid=False, ticks=False, domain=False))
    base = alt.Chart(source).encode(y=y)
    x = alt.X("x:Q", axis=axis, scale=span)
    random = forgetting.random
    ends = [random.low, random.high] if random.known else [random.mean - 0.005, random.mean + 0.005]
    zone = alt.Chart(data({"x": ends[:1], "x2": ends[1:]})).mark_rect(color=STONE, opacity=0.3)
    limits = alt.Chart(data({"x": [-LEFT, LEFT]})).mark_rule(strokeDash=[4, 3], color=INK, opacity=0.5)
    bar = base.mark_bar(color=shade, opacity=0.35, height=10).encode(x=x, x2=alt.datum(0))
    layers = [zone.encode(x=x, x2="x2:Q"), limits.encode(x=x), bar]
    layers.append(base.mark_rule(color=shade, strokeWidth=2).encode(x=alt.X("low:Q", scale=span), x2="high:Q"))
    layers.append(base.mark_point(filled=True, color=shade, size=45, opacity=1).encode(x=x))
    title = heading(t("{name}: random weights from the output down", name=found.name))
    return alt.layer(*layers).properties(width=WIDE - 40, height=26 * len(names), title=title)
