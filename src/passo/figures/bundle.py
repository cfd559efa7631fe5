"""The scripts that draw charts in a browser: pages carry them, or serve them."""

from __future__ import annotations

import functools
from pathlib import Path

from passo.errors import require


@functools.cache
def bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script that may stand in a page; it defines `vegaEmbed`."""
    script: str = require("vl_convert", "figures").javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")


@functools.cache
def drawing() -> str:
    """passo's own: specifications as a screen shows them, narrow or wide, in light or dark."""
    return Path(__file__).with_name("drawing.js").read_text(encoding="utf-8")
