"""A figure as a part of a page: an SVG in the page's own letters and colours, light or dark, which needs no script."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from passo.figures import Figure
from passo.figures.raster import flattened
from passo.figures.style import BLUE, INK, RED

SHADES = {"#FFFFFF": "paper", INK: "ink", "#ECEEF0": "grid", "#B7BCC2": "axis", RED: "broken", BLUE: "healthy"}
"""The colours of a picture, and the page's variables that take their place."""
_LOOK = ("class", "role", "pointer-events", "font-family", "aria-hidden", "aria-label", "aria-roledescription")
_PLACES = ("d", "transform", "x2", "y2")
_NUMBER = re.compile(r"-?\d*\.\d+")


def inlined(figure: Figure) -> str:
    """The figure as an SVG element whose description is its sentence; places are kept to a tenth of a point."""
    root = ET.fromstring(flattened(figure.svg()))
    root.remove(root[0])  # the paper
    for node in root.iter():
        for name in _LOOK:
            node.attrib.pop(name, None)
        for name in ("fill", "stroke"):
            if (shade := node.get(name)) in SHADES:
                node.set(name, f"var(--{SHADES[shade]})")
        for name in _PLACES:
            if name in node.attrib:
                node.set(name, _NUMBER.sub(lambda found: f"{round(float(found[0]), 1):g}", node.attrib[name]))
        if node.get("opacity") == "1":
            del node.attrib["opacity"]
    for name in ("width", "height", "version"):
        root.attrib.pop(name)
    root.attrib.update({"role": "img", "aria-label": figure.sentence})
    return ET.tostring(root, encoding="unicode")
