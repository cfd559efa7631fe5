"""How Sphinx makes the site: `make docs`. A page fetches nothing: equations are MathML, fonts the reader's own."""

from __future__ import annotations

from typing import Any

from docutils.nodes import SkipNode

from passo.notes.mathematics import mathml

project = "passo"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "passo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = html_show_copyright = False


def setup(app: Any) -> None:
    """Browsers draw equations themselves; the renderers that Sphinx brings fetch a script."""

    def inline(self: Any, node: Any) -> None:
        self.body.append(mathml(node.astext(), display=False))
        raise SkipNode

    def block(self: Any, node: Any) -> None:
        self.body.append(f'<div class="math">{mathml(node.astext(), display=True)}</div>')
        raise SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
