"""A picture of a chart: its SVG as PNG, from an SVG that draws the same with fewer layers.

For each clip and each opacity, the rasteriser (resvg, in vl-convert) fills a layer as large as the picture, and Vega
clips every line by itself: most of the time went there. Here what one rectangle clips is clipped at once, and the
opacity of what is only filled, or only stroked, becomes that of its fill or stroke.
"""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

from passo.errors import require

_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"
_CLIPPED, _UNMOVED = "clip-path", (None, "translate(0,0)")
_PAINTS = ("fill", "stroke")


def png(svg: str, scale: float = 2) -> bytes:
    """The PNG of an SVG that vl-convert drew, at `scale` pixels per point."""
    made: bytes = require("vl_convert", "figures").svg_to_png(flattened(svg), scale=scale)
    return made


def flattened(svg: str) -> str:
    """The same picture with fewer clips and layers.

    >>> clip = '<clipPath id="{}"><rect width="9" height="9"/></clipPath>'
    >>> drawn = "".join(f'<g clip-path="url(#{name})"><path d="M0,0L1,1" stroke="red"/></g>' for name in "ab")
    >>> flattened(f'<svg xmlns="{_SVG}">{drawn}<defs>{clip.format("a")}{clip.format("b")}</defs></svg>').count("url")
    1
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK)
    root = ET.fromstring(svg)
    first: dict[tuple[str, ...], str] = {}  # the first clip of each shape stands for all like it
    same: dict[str, str] = {}
    for clip in root.iter(f"{{{_SVG}}}clipPath"):
        shape = tuple(ET.tostring(part, encoding="unicode") for part in clip)
        same[f"url(#{clip.get('id')})"] = first.setdefault(shape, f"url(#{clip.get('id')})")
    for node in root.iter():
        if node.get(_CLIPPED) in same:
            node.set(_CLIPPED, same[node.attrib[_CLIPPED]])
        _unlayer(node)
    _gather(root)
    return ET.tostring(root, encoding="unicode")


def _unlayer(node: ET.Element) -> None:
    """What is only filled, or only stroked, needs no layer of its own to be seen through."""
    painted = [paint for paint in _PAINTS if node.get(paint, "none") not in ("none", "transparent")]
    if node.tag == f"{{{_SVG}}}path" and node.get("opacity", "1") != "1" and len(painted) == 1:
        share = f"{painted[0]}-opacity"
        node.set(share, f"{float(node.attrib.pop('opacity')) * float(node.get(share, 1)):g}")


def _gather(group: ET.Element) -> None:
    """Neighbours with one clip are clipped together, and a group of nothing else is clipped in their place."""
    for child in list(group):
        if _draws(child):
            _gather(child)
        else:
            group.remove(child)
    gathered: list[ET.Element] = []
    for clip, run in itertools.groupby(list(group), key=lambda child: child.get(_CLIPPED)):
        children = list(run)
        if clip is not None and all(child.get("transform") in _UNMOVED for child in children):
            for child in children:
                del child.attrib[_CLIPPED]
            together = ET.Element(f"{{{_SVG}}}g", {_CLIPPED: clip})
            together.extend(children)
            children = [together]
        gathered += children
    if len(gathered) == 1 and group.get(_CLIPPED) is None and gathered[0].get("transform") in _UNMOVED:
        clip = gathered[0].attrib.pop(_CLIPPED, None)
        if clip is not None:
            group.set(_CLIPPED, clip)
    group[:] = gathered


def _draws(node: ET.Element) -> bool:
    """Whether a node shows anything: Vega's fore- and backgrounds are often paths without paint."""
    if node.get("display") == "none":
        return False
    return node.tag != f"{{{_SVG}}}path" or any(paint in node.attrib for paint in _PAINTS)
