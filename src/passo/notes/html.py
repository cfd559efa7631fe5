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
from passo.figures.bundle import bundle, drawing
from passo.language import speaking, t
from passo.notes.content import Block, Code, Equation, FigureBlock, Note, Prose, Table
from passo.notes.linked import Links
from passo.notes.mathematics import mathml
from passo.notes.sourced import around
from passo.notes.terms import told_left_out

_PAGE = Path(__file__).with_name("page")


def page(note: Note) -> str:
    """The whole page. Bundle included, about 1 MB and the charts' own data."""
    with speaking(note.language):
        return _page(note)


def _page(note: Note) -> str:
    jinja2 = require("jinja2", "notes")
    template = (_PAGE / "page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    driver, library = drawing() + (_PAGE / "page.js").read_text(encoding="utf-8"), bundle()
    by, links = note.byline, Links(note)
    write = functools.partial(block_html, links=links)
    specs = {block.figure.name: slimmed(block.figure.spec()) for block in note.figures()}
    return environment.from_string(template).render(
        note=note,
        lead=_raised("".join(map(write, note.lead))),
        sections=[(section, "".join(map(write, section.blocks))) for section in note.sections],
        links=links,
        inline=inline,
        t=t,
        byline=[told for told in (", ".join(by.authors), by.course, by.date, by.repository) if told],
        left_out=told_left_out(note.left_out),
        plain_title=html.escape(plain(note.title)),
        description=html.escape(plain(note.subtitle), quote=True),
        policy=policy(library, driver),
        css=(_PAGE / "page.css").read_text(encoding="utf-8"),
        charts=_json(specs),
        said=_json(_said()),
        bundle=library,
        driver=driver,
    )


def _said() -> dict[str, Any]:
    """What the script may have to say."""
    return {
        "scrolls": t("Scrolls sideways"),
        "failed": t("This chart could not be drawn:"),
        "i18n": {
            "CLICK_TO_VIEW_ACTIONS": t("Save this chart"),
            "PNG_ACTION": t("Save as PNG"),
            "SVG_ACTION": t("Save as SVG"),
        },
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _raised(text: str) -> str:
    """The headings before the first section are of its level, since none may be below what is not there."""
    return re.sub(r"<(/?)h3>", lambda found: "</h2>" if found[1] else '<h2 class="small">', text)


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


def block_html(block: Block, links: Links | None = None) -> str:
    """One block as HTML; its numbers lead to their runs, where there are links."""
    writers: dict[type, Callable[[Any], str]] = {
        Prose: lambda b: _prose(b, links),
        Equation: _equation,
        FigureBlock: _figure,
        Table: lambda b: _table(b, links),
        Code: lambda b: f'<pre><code class="language-{b.language}">{html.escape(b.text)}</code></pre>\n',
    }
    return writers[type(block)](block)


def _prose(prose: Prose, links: Links | None) -> str:
    if links is None:
        return _markdown().render(prose.markdown)
    return links.numbers(_markdown().render(links.signed(prose.markdown, prose.origins)))


def _equation(block: Equation) -> str:
    place = f' id="equation-{block.name}"' if block.name else ""
    number = f'<span class="tag">({block.number})</span>' if block.number else ""
    return f'<div class="equation"{place}>{mathml(block.latex, display=True)}{number}</div>\n'


def _figure(block: FigureBlock) -> str:
    figure = block.figure
    name, sentence = html.escape(figure.name), html.escape(figure.sentence, quote=True)
    return (
        f'<figure id="figure-{name}">\n'
        f'<div class="chart" role="img" aria-label="{sentence}" data-chart="{name}"></div>\n'
        f'<noscript><p><a href="figures/{name}.svg">{t("The picture, as a file beside this page")}</a></p></noscript>\n'
        f'<figcaption><p class="caption"><strong>{t("Figure")} {block.number}.</strong> {inline(block.caption)}</p>\n'
        f"<p>{inline(block.sentence)}</p></figcaption>\n</figure>\n"
    )


def _table(table: Table, links: Links | None) -> str:
    """Each row has its first cell as its heading. What comes from the same runs in all rows is said in the caption."""
    rows = [[inline(cell) for cell in row] for row in table.rows]
    caption = inline(table.caption)
    if links and len(set(table.origins)) == 1:
        caption += f" {links.whole(table.origins[0])}"
    elif links and table.origins:
        rows = [[links.cell(cell, runs) for cell in row] for row, runs in zip(rows, table.origins, strict=True)]
    head = "".join(f'<th scope="col">{inline(cell)}</th>' if cell else "<td></td>" for cell in table.columns)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for first, *cells in rows
    )
    return (
        f'<div class="table"><table>{f"<caption><span>{caption}</span></caption>" if caption else ""}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def inline(text: str) -> str:
    """Inline Markdown (emphasis, code, links, mathematics) as HTML."""
    return _markdown().renderInline(text)


def plain(text: str) -> str:
    """Inline Markdown without its marks, for places that take no HTML."""
    return html.unescape(re.sub(r"<[^>]+>", "", inline(text)))


@functools.cache
def _markdown() -> Any:
    reader = require("markdown_it", "notes").MarkdownIt("commonmark", {"html": False, "typographer": True})
    dollars = require("mdit_py_plugins.dollarmath", "notes").dollarmath_plugin
    reader.use(
        dollars,
        allow_digits=True,
        double_inline=False,
        renderer=lambda latex, options: around(latex, lambda plain: mathml(plain, display=options["display_mode"])),
    )
    return reader.enable(["table", "replacements", "smartquotes"])
