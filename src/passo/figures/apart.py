"""One step of one weight, taken apart: a waterfall from the gradient to the update.

The parts of a step differ by orders of magnitude and each multiplies the one before it. So the axis is the size, in
logarithms: there a factor is a distance, the same wherever it stands, and the distances add up from the gradient to the
update. The sign, which a logarithm has not, is the colour of the point.

The specification is written here as it is: who scrubs through steps waits for each of them, and altair, which copies
a chart whenever it is composed, takes ten times as long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from passo.analysis.apart import Apart
from passo.analysis.apart import apart as taken_apart
from passo.analysis.parts import Part
from passo.analysis.recorded import Recorded
from passo.analysis.words import significant
from passo.figures.panels import GLYPHS, log_ticks, tick_look
from passo.figures.style import BLUE, FONT, INK, RED, SHAPES, Figure, Written, columns_of, themed
from passo.language import later, t

ROW, PLOT, WORDS, NUMBERS = 44, 230, 342, 78
POSITIVE, NEGATIVE = later("positive"), later("negative")
_QUIET = "#5B6168"


def apart(
    run: Recorded, *, parameter: str | None = None, index: Sequence[int] | None = None, step: int | None = None
) -> Figure:
    """The waterfall of one step of one weight: the equation of each part, its size and sign, and its value."""
    return draw_apart(taken_apart(run, parameter, index, step))


def draw_apart(found: Apart) -> Figure:
    """The same of a step that was taken apart already."""
    panels = [_panel(parts, title) for parts, title in zip(found.lists, found.headings, strict=False)]
    caption = t(
        "From top to bottom, each row is one operation on the number above it. The axis is the number's size, "
        "logarithmic, so a factor is a distance: to the right it grows, to the left it shrinks. Parts that changed "
        "nothing are left out."
    )
    subtitle = t(
        "{optimizer}, learning rate {rate}, run {run}",
        optimizer=found.optimizer,
        rate=significant(found.now.lr),
        run=found.run,
    )
    title = t("Step {step:,} of {weight}, taken apart", step=found.step, weight=found.coordinate)
    spec = {
        "vconcat": panels,
        "spacing": 22,
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
        "usermeta": {"whole": True},  # its words stand beside its marks
    }
    return Written("apart", themed(spec, title, subtitle), caption, found.sentence())


def _panel(parts: Sequence[Part], title: str) -> dict[str, Any]:
    """Words and equation, the waterfall, and the value with its factor: three columns of the same rows."""
    n = len(parts)
    left = (("words", -8, 13, 600, INK, FONT), ("equation", 8, 11, 400, _QUIET, GLYPHS))
    right = (("told", -8, 12, 600, INK, GLYPHS), ("factor", 8, 11, 400, _QUIET, GLYPHS))
    columns = [_texts(n, WORDS, left, "left"), _waterfall(parts), _texts(n, NUMBERS, right, "right")]
    heading = {"text": title, "fontSize": 11.5, "fontWeight": 600, "anchor": "start", "offset": 4, "color": INK}
    return {"hconcat": columns, "spacing": 6, "title": heading, "data": columns_of(_columns(parts))}


def _columns(parts: Sequence[Part]) -> dict[str, Any]:
    """One row for each part; `from` is the size before it, where the two are a factor apart."""
    sizes = [abs(part.value) if math.isfinite(part.value) and part.value else math.nan for part in parts]
    linked = [math.isfinite(part.factor) and part.factor != 0 for part in parts]
    return {
        "row": np.arange(len(parts)),
        "words": [part.words for part in parts],
        "equation": [part.equation for part in parts],
        "size": np.array(sizes),
        "from": np.array([sizes[i - 1] if linked[i] else math.nan for i in range(len(parts))]),
        "above": np.array([i - 1 if linked[i] else math.nan for i in range(len(parts))]),
        "sign": [t(POSITIVE) if part.value > 0 else t(NEGATIVE) for part in parts],
        "told": [significant(part.value) for part in parts],
        "factor": [" " if math.isnan(part.factor) else f"× {significant(part.factor)}" for part in parts],
    }


def _waterfall(parts: Sequence[Part]) -> dict[str, Any]:
    """A bar from the size before to the size after, a point with the sign at its end, a thin line from row to row."""
    x, y = _sizes(parts), _rows(len(parts))
    before = {**x, "field": "from"}
    bar = {"type": "bar", "size": 15, "color": "#DDE1E6", "cornerRadius": 2}
    rule = {"type": "rule", "color": "#9AA1A9", "strokeWidth": 1}
    names = (("words", t("part")), ("equation", t("equation")), ("told", t("value")), ("factor", t("factor")))
    signs = {"field": "sign", "type": "nominal", "legend": {}}
    domain = [t(POSITIVE), t(NEGATIVE)]
    point = {
        "x": x,
        "y": y,
        "color": {**signs, "scale": {"domain": domain, "range": [BLUE, RED]}},
        "shape": {**signs, "scale": {"domain": domain, "range": list(SHAPES[:2])}},
        "tooltip": [{"field": field, "title": title, "type": "nominal"} for field, title in names],
    }
    layers = [
        {"mark": bar, "encoding": {"x": before, "x2": {"field": "size"}, "y": y}},
        {"mark": rule, "encoding": {"x": before, "y": y, "y2": {"field": "above"}}},
        {"mark": {"type": "point", "filled": True, "size": 110, "opacity": 1}, "encoding": point},
    ]
    return {"layer": layers, "width": PLOT, "height": ROW * len(parts)}


def _sizes(parts: Sequence[Part]) -> dict[str, Any]:
    """The logarithmic axis, with whole powers of ten."""
    sizes = [abs(part.value) for part in parts if math.isfinite(part.value) and part.value] or [1.0]
    low, high = math.floor(math.log10(min(sizes)) - 0.15), math.ceil(math.log10(max(sizes)) + 0.15)
    domain = [float(f"1e{low}"), float(f"1e{high}")]
    look = {"labelFlush": False, "labelOverlap": False, **tick_look(log_ticks(*domain, most=6))}
    axis = {"title": t("size, logarithmic"), **look}
    scale = {"type": "log", "domain": domain, "nice": False}
    return {"field": "size", "type": "quantitative", "axis": axis, "scale": scale}


def _rows(n: int) -> dict[str, Any]:
    scale = {"domain": [n - 0.5, -0.5], "nice": False, "zero": False, "padding": 0}
    return {"field": "row", "type": "quantitative", "axis": None, "scale": scale}


def _texts(
    n: int, width: float, fields: Sequence[tuple[str, float, float, int, str, str]], align: str
) -> dict[str, Any]:
    """Lines of text in each row: (field, offset, size, weight, colour, font)."""
    look = {"type": "text", "align": align, "baseline": "middle"}
    place = {"x": {"value": 0 if align == "left" else width}, "y": _rows(n)}
    layers = [
        {
            "mark": {**look, "dy": offset, "fontSize": size, "fontWeight": weight, "color": shade, "font": font},
            "encoding": {**place, "text": {"field": field, "type": "nominal"}},
        }
        for field, offset, size, weight, shade, font in fields
    ]
    return {"layer": layers, "width": width, "height": ROW * n}
