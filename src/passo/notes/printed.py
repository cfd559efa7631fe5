"""A figure made for paper: laid out anew for the width it gets, in the type of the text, and never too small to read.

A chart that is only scaled down takes its letters with it. Here letters keep their size, and the plots between them
become narrower and lower. Pictures that are placed by the pixel are scaled as they are.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from passo.errors import require
from passo.figures import Figure

POINT = 0.68  # points of paper for a pixel of the chart: letters of 11 pixels are 7.5 pt
LEAST = 6.5  # pt; no letter in a figure should be smaller on paper
FONT = "Libertinus Serif, Liberation Sans, sans-serif"
"""Typst carries the first and draws it; vl-convert carries the second and measures with it: a little wider."""
AXES = 48  # pixels that the axis beside a plot takes, or about so many
_VIEWS = ("mark", "layer", "hconcat", "vconcat", "concat", "facet", "spec", "repeat")
_FONTS = ("font", "labelFont", "titleFont", "subtitleFont")
_SIZES = ("fontSize", "labelFontSize", "titleFontSize")


@dataclass(frozen=True)
class Printed:
    """A figure as SVG, its size on paper in points, and the size of its smallest letters there."""

    svg: str
    width: float
    height: float
    smallest: float


@dataclass
class Press:
    """Prints the figures of one note, again and again: what a chart is, is worked out once."""

    charts: dict[int, tuple[Figure, str]] = field(default_factory=dict)

    def __call__(self, figure: Figure, width: float, tall: float | None = 1.0) -> Printed:
        """The figure, `width` points wide.

        tall: how high its plots are, as a share of what is usual; None keeps their height. What cannot be laid out
        anew is scaled: to the width, times `tall` as far as its letters stay legible.
        """
        if id(figure) not in self.charts:  # the figure is kept beside it, so that no other takes its place in memory
            self.charts[id(figure)] = figure, json.dumps(_prepared(figure.spec()))
        return _printed(self.charts[id(figure)][1], width, tall)


def printed(figure: Figure, width: float, tall: float = 1.0) -> Printed:
    """One figure, printed: see `Press`."""
    return Press()(figure, width, tall)


@functools.lru_cache(256)
def _printed(chart: str, width: float, tall: float | None) -> Printed:
    if _is_placed(json.loads(chart)):
        drawn = _svg(json.loads(chart))
        wide, high = _size(drawn)
        legible = LEAST * wide / _letters(drawn) if _letters(drawn) else 0.0  # pt wide, where letters are the least
        width = min(width, max(POINT * wide * (tall or 1.0), legible))
    else:
        spec, share = _fitted(chart, width / POINT, tall)
        drawn = _svg(_laid_out(spec, share, _height(share, tall)))
        wide, high = _size(drawn)
    return Printed(drawn, width, high * width / wide, _letters(drawn) * width / wide)


@functools.lru_cache(64)
def _fitted(chart: str, wanted: float, tall: float | None) -> tuple[dict[str, Any], float]:
    """The chart, and how much narrower its plots are so that the whole is as wide as wanted, in pixels."""
    for columns in (0, 2, 1):  # of a legend that is wider than there is room for
        spec = _with_legend(json.loads(chart), columns)
        share, wide = _narrowed(spec, wanted, tall)
        if wide <= 1.02 * wanted:
            break
    return spec, share


def _narrowed(spec: dict[str, Any], wanted: float, tall: float | None) -> tuple[float, float]:
    """A share of the plots' width for which the whole is as wide as wanted, and how wide it is.

    Axes and legends keep their size, so that the width grows with the share in a straight line: it is followed from
    two points to the next. Most charts are right at once, since their axes are about as wide as `AXES`.
    """
    plots, beside = _across(spec)
    before, share, wide = (0.0, AXES * max(beside, 1)), 1.0, 0.0
    if plots:
        share = min(2.5, max(0.15, (wanted - before[1]) / plots))
    for _ in range(5):
        wide = _size(_svg(_laid_out(spec, share, _height(share, tall))))[0]
        slope = (wide - before[1]) / (share - before[0])
        ahead = min(2.5, max(0.15, share + (wanted - wide) / slope)) if slope > 0 else share
        if abs(wide - wanted) <= 0.01 * wanted or ahead in (share, before[0]):
            break
        before, share = (share, wide), ahead
    return share, wide


def _across(spec: dict[str, Any]) -> tuple[float, int]:
    """How wide the plots of a chart are together, those that stand side by side, and how many they are."""
    for stacked in ("vconcat", "layer"):
        if stacked in spec and "width" not in spec:
            return max((_across(part) for part in spec[stacked]), default=(0.0, 0))
    columns = spec.get("columns")
    if "spec" in spec:
        width, beside = _across(spec["spec"])
        return width * (columns or 1), beside * (columns or 1)
    if "hconcat" in spec or "concat" in spec:
        widths, counts = zip(*map(_across, spec.get("hconcat") or spec["concat"][:columns]), strict=True)
        return sum(widths), sum(counts)
    width = spec.get("width")
    return (float(width), 1) if isinstance(width, int | float) else (0.0, 0)


def _height(share: float, tall: float | None) -> float:
    """How much lower plots are that are so much narrower: less so, since their axes keep their room."""
    return 1.0 if tall is None else tall * max(0.75, min(1.0, share))


def _prepared(spec: dict[str, Any]) -> dict[str, Any]:
    """Without its title, which the caption says, in the type of the text, on no ground of its own."""
    spec = json.loads(json.dumps({key: value for key, value in spec.items() if key != "title"}))
    config = spec.setdefault("config", {})
    config.update(font=FONT, background=None, padding=1)
    config.setdefault("legend", {}).update(symbolSize=70, columnPadding=10, offset=6)
    small = not _is_placed(spec)
    for node in _nodes(spec):
        for key in _FONTS:
            if isinstance(node.get(key), str):
                node[key] = FONT
        for key in _SIZES:
            if small and isinstance(node.get(key), int | float):
                node[key] = max(node[key], 10)
    return spec


def _with_legend(spec: dict[str, Any], columns: int) -> dict[str, Any]:
    """A copy whose legends have at most so many columns; 0 leaves them as they are."""
    spec = json.loads(json.dumps(spec))
    for node in _nodes(spec) if columns else ():
        if isinstance(node.get("legend"), dict):
            node["legend"]["columns"] = columns
    return spec


def _laid_out(spec: dict[str, Any], wide: float, high: float) -> dict[str, Any]:
    """A copy with every plot's width and height times these, and with them the places that are given in pixels."""
    spec = json.loads(json.dumps(spec))
    for encoding in (node["encoding"] for node in _nodes(spec) if isinstance(node.get("encoding"), dict)):
        for channel, share in (("x", wide), ("x2", wide), ("y", high), ("y2", high)):
            if isinstance(encoding.get(channel), dict) and isinstance(encoding[channel].get("value"), int | float):
                encoding[channel]["value"] *= share
    for view in _views(spec):
        for key, share in (("width", wide), ("height", high)):
            if isinstance(view.get(key), int | float):
                view[key] = view[key] * share
    return spec


def _is_placed(spec: dict[str, Any]) -> bool:
    """Whether things stand at places in pixels: pictures, or an axis that runs from 0 to the plot's own width."""
    if any(node.get("type") == "image" or node.get("mark") == "image" for node in _nodes(spec)):
        return True
    own = {view["width"] for view in _views(spec) if isinstance(view.get("width"), int | float)}
    domains = (node.get("domain") for node in _nodes(spec))
    return any(isinstance(ends, list) and len(ends) == 2 and ends[0] == 0 and ends[1] in own for ends in domains)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a specification, but not its data."""
    if isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key not in ("data", "datasets"):
                yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def _views(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in _nodes(spec) if any(key in node for key in _VIEWS))


def _svg(spec: dict[str, Any]) -> str:
    return _drawn(json.dumps(spec))


@functools.lru_cache(8)
def _drawn(spec: str) -> str:
    """A chart that was measured last is most often the one that is printed: it is not drawn twice."""
    return require("vl_convert", "figures").vegalite_to_svg(spec, vl_version=_version())


def _version() -> str:
    """The Vega-Lite version that altair writes, as vl-convert names it: "6.4"."""
    version: str = require("altair", "figures").SCHEMA_VERSION
    return ".".join(version.lstrip("v").split(".")[:2])


def _size(svg: str) -> tuple[float, float]:
    found = re.match(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', svg) or re.search(
        r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg
    )
    assert found is not None, "vl-convert wrote an SVG without a size"
    return float(found[1]), float(found[2])


def _letters(svg: str) -> float:
    """The size of the smallest letters, in pixels; 0 where there are none."""
    return min(map(float, re.findall(r'font-size="([\d.]+)px"', svg)), default=0.0)
