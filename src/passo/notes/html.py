"""A note as one HTML file that works with no network: styles, charts and equations are all inside it.

Charts are Vega-Lite specifications drawn by Vega's own bundle, which the page carries once; its expressions
are interpreted (`ast`), so that the content policy need not allow `eval`. Equations are MathML, which browsers
draw themselves. The policy names the two scripts by their SHA-256 and forbids every request.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from passo.errors import require
from passo.notes.content import Block, Code, Equation, FigureBlock, Note, Prose, Table
from passo.notes.terms import TERMS

_PAGE = Path(__file__).with_name("page")


def page(note: Note) -> str:
    """The whole page. Bundle included, about 1 MB and the charts' own data."""
    jinja2 = require("jinja2", "notes")
    template = (_PAGE / "page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    driver, library = (_PAGE / "page.js").read_text(encoding="utf-8"), bundle()
    by = note.byline
    specs = {block.figure.name: slimmed(block.figure.spec()) for block in note.figures()}
    return environment.from_string(template).render(
        note=note,
        html=block_html,
        inline=inline,
        terms=TERMS[note.language],
        byline=[told for told in (", ".join(by.authors), by.course, by.date, by.repository) if told],
        left_out=TERMS[note.language].told_left_out(note.left_out),
        plain_title=html.escape(plain(note.title)),
        description=html.escape(plain(note.subtitle), quote=True),
        policy=policy(library, driver),
        css=(_PAGE / "page.css").read_text(encoding="utf-8"),
        charts=json.dumps(specs, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        bundle=library,
        driver=driver,
    )


@functools.cache
def bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script that defines `vegaEmbed`. Made in about a second, once."""
    vl_convert = require("vl_convert", "figures")
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script").replace("<!--", "\\x3c!--")


def policy(*scripts: str) -> str:
    """The content security policy: these scripts, inline styles and inline images; nothing from outside."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )


def slimmed(value: Any) -> Any:
    """A specification with its numbers to six significant digits: what no eye can tell apart is not carried.

    >>> slimmed({"values": [{"x": 0.12345678901}]})
    {'values': [{'x': 0.123457}]}
    """
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: slimmed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [slimmed(item) for item in value]
    return value


# ── Blocks ────────────────────────────────────────────────────────────────────────────────────────────────


def block_html(block: Block) -> str:
    """One block as HTML."""
    writers: dict[type, Callable[[Any], str]] = {
        Prose: lambda b: _markdown().render(b.markdown),
        Equation: lambda b: f'<div class="equation">{mathml(b.latex, display=True)}</div>\n',
        FigureBlock: _figure,
        Table: _table,
        Code: lambda b: f'<pre><code class="language-{b.language}">{html.escape(b.text)}</code></pre>\n',
    }
    return writers[type(block)](block)


def _figure(block: FigureBlock) -> str:
    figure = block.figure
    name, sentence = html.escape(figure.name), html.escape(figure.sentence, quote=True)
    return (
        f'<figure id="figure-{name}">\n'
        f'<div class="chart" role="img" aria-label="{sentence}" data-chart="{name}"></div>\n'
        f'<noscript><p><a href="figures/{name}.svg">The picture, as a file beside this page</a></p></noscript>\n'
        f'<figcaption><p class="caption"><strong>Figure {block.number}.</strong> {inline(block.caption)}</p>\n'
        f"<p>{inline(figure.sentence)}</p></figcaption>\n</figure>\n"
    )


def _table(table: Table) -> str:
    caption = f"<caption>{inline(table.caption)}</caption>" if table.caption else ""
    head = "".join(f'<th scope="col">{inline(cell)}</th>' for cell in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{inline(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows)
    return f'<div class="table"><table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n'


def inline(text: str) -> str:
    """Inline Markdown (emphasis, code, links, mathematics) as HTML."""
    return _markdown().renderInline(text)


def plain(text: str) -> str:
    """Inline Markdown without its marks, for places that take no HTML."""
    return html.unescape(re.sub(r"<[^>]+>", "", inline(text)))


def mathml(latex: str, *, display: bool) -> str:
    """LaTeX as MathML, with the source as its label for tools that read aloud.

    >>> mathml("x^2", display=False).startswith("<math")
    True
    """
    convert = require("latex2mathml.converter", "notes").convert
    # GitHub knows `aligned`, the converter knows `align*`: they look the same.
    source = latex.replace("{aligned}", "{align*}")
    return convert(source, display="block" if display else "inline")


@functools.cache
def _markdown() -> Any:
    reader = require("markdown_it", "notes").MarkdownIt("commonmark", {"html": False, "typographer": True})
    dollars = require("mdit_py_plugins.dollarmath", "notes").dollarmath_plugin
    reader.use(
        dollars,
        allow_digits=True,
        double_inline=False,
        renderer=lambda latex, options: mathml(latex, display=options["display_mode"]),
    )
    return reader.enable(["table", "replacements", "smartquotes"])
