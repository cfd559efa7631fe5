"""A figure as a file: a page that works offline, with its sentence below the picture; or a PNG or SVG."""

from __future__ import annotations

import html
import json
from pathlib import Path

from passo.errors import StoreError, UsageError
from passo.figures.bundle import bundle
from passo.figures.style import FONT, Figure
from passo.language import language, t

ENDINGS = (".html", ".png", ".svg")

_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 {font}; color: #2B2F36; background: #fff; max-width: 720px; margin: 24px auto; padding: 0 16px }}
#chart svg {{ max-width: 100%; height: auto }}
.vega-bind {{ display: block; margin: 4px 0 }}
.vega-bind-name {{ display: inline-block; min-width: 9.5em; font-variant-numeric: tabular-nums }}
.vega-bind input[type=range] {{ width: min(320px, 45vw); vertical-align: middle }}
.caption {{ color: #5B6168 }}
</style>
</head>
<body>
<figure style="margin: 0">
<div id="chart" role="img" aria-label="{sentence}"></div>
<figcaption><p>{sentence}</p><p class="caption">{caption}</p></figcaption>
</figure>
<script>{library}</script>
<script>
const actions = {{ export: true, source: false, compiled: false, editor: false }};
const options = {{ mode: "vega-lite", renderer: "svg", actions, i18n: {i18n} }};
vegaEmbed("#chart", {spec}, options).then((embedded) => {{
  window.view = embedded.view;
  document.documentElement.dataset.chart = "drawn";
}});
</script>
</body>
</html>
"""


def page(figure: Figure) -> str:
    """The figure as one HTML page: Vega's own bundle is inside it, and nothing is asked for from outside."""
    actions = {
        "SVG_ACTION": t("Save as SVG"),
        "PNG_ACTION": t("Save as PNG"),
        "CLICK_TO_VIEW_ACTIONS": t("Click to view actions"),
    }
    return _PAGE.format(
        language=language(),
        i18n=_embedded(actions),
        title=html.escape(figure.name),
        font=FONT,
        sentence=html.escape(figure.sentence, quote=True),
        caption=html.escape(figure.caption),
        library=bundle(),
        spec=_embedded(figure.spec()),
    )


def _embedded(words: object) -> str:
    """JSON as it may stand in a script of a page."""
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as .html, .png or .svg, by the path's ending.

    Raises `UsageError` for another ending, `StoreError` where the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise UsageError(f"a figure is saved as {', '.join(ENDINGS)}, got {path.name!r}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".html":
            path.write_text(page(figure), encoding="utf-8")
        else:
            sharp = {"scale_factor": 2} if path.suffix == ".png" else {}
            figure.chart.properties(description=figure.sentence).save(str(path), **sharp)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error
    return path
