"""Vega, Vega-Lite and vega-embed as one script, from the package that draws charts: pages carry it, or serve it."""

from __future__ import annotations

import functools

from passo.errors import require


@functools.cache
def bundle() -> str:
    """The script, which defines `vegaEmbed` and may stand inside a page. Made in about a second, once."""
    script: str = require("vl_convert", "figures").javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")
