"""Links within a note lead to a place that it has, in every format: it is looked up when the note is composed.

A page shows nothing from outside of itself, and a PDF has no file beside it: pictures and files of one's own are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from passo.errors import ConfigError
from passo.notes.content import Block, Equation, FigureBlock, Note
from passo.notes.formulas import markdown_of
from passo.notes.markup import reader
from passo.notes.rendering import line_of, placed
from passo.registry import unknown

_ELSEWHERE = re.compile(r"#|[a-z][a-z0-9+.-]*:|//|$", re.IGNORECASE)  # a place of the note, or an address


def check(note: Note, files: Mapping[str, str], written: Mapping[str, str] | None = None) -> None:
    """Raise `UnknownName`, with the file and the line, for a link to a place that the note lacks.

    Raises `ConfigError` for pictures, and for links to files, which do not go with a note.

    files: the text files of the note's sections, by their anchors; the first is that of the lead. written: what
    stands in them, by their names.
    """
    there = set(_places(note))
    lead = next(iter(files.values()), "")
    parts = [(lead, note.lead), *((files[section.id], section.blocks) for section in note.sections)]
    for file, blocks in parts:
        for target in (target for block in blocks for target in beside(block)):
            line = line_of((written or {}).get(file, ""), f"({target.address})", target.address)
            if target.picture:
                told = f"the picture {target.address!r} cannot be a part of a note: place a figure of the study"
                raise placed(ConfigError(told), file, line)
            told = f"the file {target.address!r} does not go with a note: link to its address on the web, https://…"
            raise placed(ConfigError(told), file, line)
        for target in (target for block in blocks for target in links(block)):
            if target not in there:
                line = line_of((written or {}).get(file, ""), f"(#{target})", f"#{target}")
                raise placed(unknown("place", target, there), file, line)


def _places(note: Note) -> Iterator[str]:
    """The places that every format has."""
    yield from (section.id for section in note.sections)
    yield from (f"source-{source.key}" for source in note.sources)
    for block in note.blocks():
        if isinstance(block, FigureBlock):
            yield f"figure-{block.figure.name}"
        elif isinstance(block, Equation) and block.name:
            yield f"equation-{block.name}"


def links(block: Block) -> Iterator[str]:
    """Where the links of a block lead that stay within the note.

    >>> from passo.notes.content import Prose
    >>> list(links(Prose("see [there](#results) and `[not](#this)`")))
    ['results']
    """
    for markdown in markdown_of(block):
        for token in reader().parse(markdown) if "#" in markdown else ():
            for one in token.children or ():
                if one.type == "link_open" and str(one.attrGet("href")).startswith("#"):
                    yield str(one.attrGet("href"))[1:]


@dataclass(frozen=True)
class Beside:
    """What a text leads to that is no part of a note: a picture, or another file."""

    address: str
    picture: bool


def beside(block: Block) -> Iterator[Beside]:
    """The pictures of a block, wherever they are, and its links that lead to a file: a note is whole without others.

    >>> from passo.notes.content import Prose
    >>> list(beside(Prose("![a](b.png), [c](https://example.org), [d](d.md), [e](#e)")))
    [Beside(address='b.png', picture=True), Beside(address='d.md', picture=False)]
    """
    for markdown in markdown_of(block):
        for token in reader().parse(markdown) if "](" in markdown or "]:" in markdown else ():
            for one in token.children or ():
                if one.type == "image":
                    yield Beside(unquote(str(one.attrGet("src"))), picture=True)
                elif one.type == "link_open" and not _ELSEWHERE.match(str(one.attrGet("href"))):
                    yield Beside(unquote(str(one.attrGet("href"))), picture=False)
