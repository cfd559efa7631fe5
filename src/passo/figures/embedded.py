"""Maps of test images: a point for each, coloured by its class, ringed where a model errs; hovered, it shows its image.

Two models stand side by side on the same images: their pixels, and what each model makes of them.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.classified import percent
from passo.analysis.embedded import Embedded, Mapped, embedded_pair
from passo.analysis.words import significant
from passo.errors import require
from passo.figures.panels import heading
from passo.figures.style import (
    BLUE,
    INK,
    OTHERS,
    RED,
    Figure,
    altair,
    colour,
    data,
    finished,
    interactive,
    legend_look,
    picking,
    shape,
)
from passo.language import later, t
from passo.store import StoredStudy

RINGED = later("ringed: taken for another class")
LEGEND = 32  # classes that a legend can still name
QUALITY, ENLARGED = 75, 112  # of a thumbnail, and its points when hovered
WEBP = "data:image/webp;base64,"


def draw_embedding(found: Embedded) -> Figure:
    """Two maps of one model: the inputs, and its last hidden layer; errors are ringed on both."""
    side = 300
    columns = _columns([found])
    panels = [
        _panel(found, found.inputs, columns, "inputs", 0, side, _head(found.what.capitalize(), found.inputs)),
        _panel(found, found.hidden, columns, "hidden0", 0, side, _head(_layer(found), found.hidden)),
    ]
    subtitle = f"{found.name}, {found.which}; {t(RINGED)}"
    title = finished(_beside(panels), t("Its images, and what it makes of them"), subtitle)
    return Figure("embedding", title, _caption(found, t("the model")), found.sentence())


def embedding_pair(study: StoredStudy) -> Figure:
    """Three maps of the same images: their pixels, and the last hidden layer of each of a study's two models."""
    first, second = both = embedded_pair(study)
    side = 226
    columns = _columns(both)
    panels = [_panel(first, first.inputs, columns, "inputs", None, side, _head(first.what.capitalize(), first.inputs))]
    for number, found in enumerate(both):
        name = t("{name}, before {layer}", name=found.name, layer=found.layer)
        head = _head(name, found.hidden, (BLUE, RED)[number])
        panels.append(_panel(found, found.hidden, columns, f"hidden{number}", number, side, head))
    title = finished(_beside(panels), t("The same images, as two models see them"), f"{first.which}; {t(RINGED)}")
    return Figure("embedding-pair", title, _caption(first, t("that model")), _compared(first, second))


def _beside(panels: Sequence[Any]) -> Any:
    return interactive(altair().hconcat(*panels, spacing=12))


def _compared(first: Embedded, second: Embedded) -> str:
    told = [
        t(
            "{own} by what {name} makes of them ({errors:,} taken for another class)",
            own=percent(found.hidden.own),
            name=found.name,
            errors=found.wrong.sum(),
        )
        for found in (first, second)
    ]
    return t(
        "Among the same {which}, {own} of {item}'s {nearest} nearest are of its own class {by_what}, {first} and "
        "{second}.",
        which=first.which,
        own=percent(first.inputs.own),
        item=first.item,
        nearest=first.hidden.nearest,
        by_what=first.by_what,
        first=told[0],
        second=told[1],
    )


def _layer(found: Embedded) -> str:
    return t("The {width:,} values before {layer}", width=found.hidden.width, layer=found.layer)


def _head(name: str, seen: Mapped, shade: str = INK) -> Any:
    """What stands over a map: what is mapped, in the model's colour, and how well it groups the classes."""
    below = t("nearest of its own class {own}; kept {kept}", own=percent(seen.own), kept=percent(seen.kept))
    look = {"subtitle": below, "subtitleFontSize": 10.5, "color": shade}
    return altair().TitleParams(**{**heading(name).to_dict(), **look})


def _caption(found: Embedded, who: str) -> str:
    hidden = found.hidden
    parts = [
        t(
            "t-SNE (perplexity {perplexity}) of {which}: near neighbours stay near, while sizes and distances of "
            "groups say little. Colours are true classes; a ring marks what {who} takes for another class. Over each "
            "map, by all its numbers: how many of {item}'s {nearest} nearest are of its own class; and how many of "
            "the nearest the map keeps.",
            perplexity=significant(hidden.perplexity),
            which=found.which,
            who=who,
            item=found.item,
            nearest=hidden.nearest,
        )
    ]
    if found.pictured:
        parts.append(t("A pointer on a point shows its image; a click on a class in the legend, that class alone."))
    if len(found.classes) > len(OTHERS):
        parts.append(t("{n} colours are used in turn.", n=len(OTHERS)))
    return " ".join(parts)


# ── Data ──────────────────────────────────────────────────────────────────────────────────────────────────


def _columns(found: Sequence[Embedded]) -> Any:
    """One row for each image: its place on every map, its class, what each model takes it for, its picture."""
    first = found[0]
    names = np.array(first.classes)
    columns: dict[str, Any] = {
        "label": names[first.labels],
        "place": first.positions,
        "inputs_x": first.inputs.xy[:, 0],
        "inputs_y": first.inputs.xy[:, 1],
    }
    for number, one in enumerate(found):
        columns |= {
            f"hidden{number}_x": one.hidden.xy[:, 0],
            f"hidden{number}_y": one.hidden.xy[:, 1],
            f"taken{number}": names[one.predicted],
        }
    if first.pictured:
        columns["picture"] = [_thumbnail(pixels) for pixels in first.thumbnails]
    return data(columns, digits=4)


def _thumbnail(pixels: np.ndarray) -> str:
    """An image (h, w) or (h, w, 3) as WebP, which is about 300 bytes; in base64."""
    image = require("PIL.Image", "figures")
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, "WEBP", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()


# ── Panels ────────────────────────────────────────────────────────────────────────────────────────────────


def _panel(found: Embedded, seen: Mapped, columns: Any, field: str, model: int | None, side: int, head: Any) -> Any:
    """One map, square: the right ones first, and above them, ringed, what `model` errs on; of no model, all alike."""
    alt = altair()
    base = alt.Chart(columns).transform_filter(picking())
    if found.pictured:
        base = base.transform_calculate(image=_enlarged(found))
    base = base.encode(**_places(seen, field), **_told_apart(found.classes))
    taken = f"taken{model}"
    size = min(60.0, max(7.0, 15_000 / len(found) * (side / 300) ** 2))
    right = base if model is None else base.transform_filter(f"datum.{taken} === datum.label")
    tips = [alt.Tooltip("label:N", title="title"), *_tips(found), alt.Tooltip("place:Q", title=t("no."))]
    layers = [right.mark_point(filled=True, size=size, opacity=0.75, aria=False).encode(tooltip=tips)]
    if model is not None:
        wrong = base.transform_filter(f"datum.{taken} !== datum.label")
        ringed = {
            "filled": True,
            "size": 1.8 * size,
            "opacity": 1,
            "stroke": INK,
            "strokeWidth": 0.4 + min(0.7, size / 20),
            "aria": False,
        }
        tips = [tips[0], *_tips(found), alt.Tooltip(f"{taken}:N", title=t("taken for")), tips[-1]]
        layers.append(wrong.mark_point(**ringed).encode(tooltip=tips))
    return alt.layer(*layers).properties(width=side, height=side, title=head, view=alt.ViewConfig(stroke="#DADDE1"))


def _tips(found: Embedded) -> list[Any]:
    return [altair().Tooltip("image:N")] if found.pictured else []


def _enlarged(found: Embedded) -> str:
    """A Vega expression for a thumbnail's address: in an SVG that enlarges its pixels as they are."""
    high, wide = found.thumbnails.shape[1:3]
    larger = ENLARGED / max(high, wide)
    size = f"width='{wide * larger:g}' height='{high * larger:g}' viewBox='0 0 {wide} {high}'"
    look = f"width='{wide}' height='{high}' style='image-rendering:pixelated'"
    before = f"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' {size}%3E%3Cimage {look} href='{WEBP}"
    return f'"{before}" + datum.picture + "\'/%3E%3C/svg%3E"'


def _places(seen: Mapped, field: str) -> dict[str, Any]:
    """Both axes bare, in one scale: a distance is as long across as down."""
    alt = altair()
    bare = alt.Axis(title=None, labels=False, ticks=False, grid=False, domain=False)
    low, high = seen.xy.min(0), seen.xy.max(0)
    middle, half = (low + high) / 2, 0.53 * float((high - low).max()) or 1.0
    ends = [[float(at - half), float(at + half)] for at in middle]
    scales = [alt.Scale(domain=end, nice=False, zero=False) for end in ends]
    return {
        "x": alt.X(f"{field}_x:Q", axis=bare, scale=scales[0]),
        "y": alt.Y(f"{field}_y:Q", axis=bare, scale=scales[1]),
    }


def _told_apart(classes: Sequence[str]) -> dict[str, Any]:
    """Colours and shapes. Of more classes than colours, these are used in turn; of very many, no legend names them."""
    if len(classes) <= LEGEND:
        across = max(2, min(6, int(640 / max(34 + 6.4 * len(name) for name in classes))))
        rows = math.ceil(len(classes) / across)
        look = legend_look(classes) | {"columns": math.ceil(len(classes) / rows)}
        legend = {**look, "symbolSize": 90}
        return {
            "color": colour("label", list(classes), _shades(classes)).legend(**legend),
            "shape": shape("label", list(classes)).legend(**legend),
        }
    alt = altair()
    shades = alt.Scale(domain=list(classes), range=_shades(classes))
    return {"color": alt.Color("label:N", scale=shades, legend=None), "shape": shape("label", classes).legend(None)}


def _shades(classes: Sequence[str]) -> list[str]:
    return list((OTHERS * math.ceil(len(classes) / len(OTHERS)))[: len(classes)])
