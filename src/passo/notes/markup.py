"""Markdown as Typst markup. Every word of a note becomes a string literal, so that nothing in it is ever markup.

A study's name, a class or an author may hold `#`, `$`, `]` or a whole Typst program: it is printed as it stands.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from passo.errors import ConfigError, require
from passo.notes import mathematics
from passo.notes.mathset import literal

_AROUND = {
    "strong_open": "#strong[",
    "strong_close": "];",
    "em_open": "#emph[",
    "em_close": "];",
    "link_close": "];",
    "paragraph_open": "",
    "paragraph_close": "\n\n",
    "heading_close": "];\n\n",
    "bullet_list_open": "#list(",
    "ordered_list_open": "#enum(",
    "bullet_list_close": ");\n\n",
    "ordered_list_close": ");\n\n",
    "list_item_open": "[",
    "list_item_close": "],",
    "blockquote_open": "#quote(block: true)[",
    "blockquote_close": "];\n\n",
    "thead_open": "table.header(",
    "thead_close": "),",
    "tbody_open": "",
    "tbody_close": "",
    "tr_open": "",
    "tr_close": "\n",
    "th_open": "[",
    "th_close": "],",
    "td_open": "[",
    "td_close": "],",
    "table_close": ");\n\n",
    "softbreak": " ",
    "hardbreak": "#linebreak();",
    "hr": "#line(length: 100%);\n\n",
}


def words(text: str) -> str:
    """Plain words in Typst's markup. The semicolon ends the expression, whatever follows.

    >>> print(words("1 * 2"))
    #"1 * 2";
    """
    return f"#{literal(text)};"


def inline(markdown: str) -> str:
    """Inline Markdown (emphasis, code, links) as Typst markup.

    >>> print(inline("*so* `x`"))
    #emph[#"so";];#" ";#raw("x");
    """
    return _written(reader().parseInline(markdown)[0].children or [])


def blocks(markdown: str, level: int = 2) -> str:
    """Paragraphs, lists, headings and tables of Markdown as Typst markup; `###` is a heading of this level.

    Raises `ConfigError` for an equation that does not parse, and for pictures.
    """
    return _written(reader().parse(markdown), level)


def _written(tokens: Sequence[Any], level: int = 2) -> str:
    parts = []
    for place, token in enumerate(tokens):
        if token.type == "table_open":
            parts.append(f"#table(columns: {_columns(tokens[place:])},")
        else:
            parts.append(_one(token, level))
    return "".join(parts)


def _one(token: Any, level: int) -> str:
    kind = token.type
    if kind in _AROUND:
        return _AROUND[kind]
    if kind == "inline":
        return _written(token.children or [])
    if kind == "text":
        return words(token.content) if token.content else ""
    if kind == "code_inline":
        return f"#raw({literal(token.content)});"
    if kind in ("fence", "code_block"):
        return code(token.content.rstrip("\n"), token.info)
    if kind == "link_open":
        return f"#link({_target(token.attrGet('href') or '')})["
    if kind == "heading_open":
        return f"#heading(level: {max(level, level + int(token.tag[1:]) - 3)})["
    if kind.startswith("math"):
        return mathematics.typst(token.content.strip(), display=kind.startswith("math_block"))
    raise ConfigError(f"a PDF has no way to show {kind.replace('_', ' ')!r} of Markdown: give --format html")


def code(text: str, language: str = "") -> str:
    """A listing. Its lines stay lines: they are joined in Typst."""
    lines = ", ".join(literal(line) for line in text.split("\n"))
    named = f", lang: {literal(language)}" if language else ""
    return f'#raw(block: true{named}, ({lines},).join("\\n"));\n\n'


def _target(href: str) -> str:
    """A link's target: a place in the note, or an address."""
    return f"label({literal(href[1:])})" if href.startswith("#") else literal(href)


def _columns(tokens: Sequence[Any]) -> int:
    ends = next(place for place, token in enumerate(tokens) if token.type == "tr_close")
    return sum(token.type in ("th_open", "td_open") for token in tokens[:ends])


@functools.cache
def reader() -> Any:
    """Reads Markdown with mathematics between dollars."""
    reader = require("markdown_it", "notes").MarkdownIt("commonmark", {"html": False, "typographer": True})
    reader.use(require("mdit_py_plugins.dollarmath", "notes").dollarmath_plugin, allow_digits=True)
    return reader.enable(["table", "replacements", "smartquotes"])
