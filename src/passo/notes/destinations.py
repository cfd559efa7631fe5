"""Links within a note lead to a place that it has, in every format: it is looked up when the note is composed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from passo.notes.content import Block, Equation, FigureBlock, Note
from passo.notes.formulas import markdown_of
from passo.notes.markup import reader
from passo.notes.rendering import line_of, placed
from passo.registry import unknown


def check(note: Note, files: Mapping[str, str], written: Mapping[str, str] | None = None) -> None:
    """Raise `UnknownName`, with the file and the line, for a link to a place that the note lacks.

    files: the text files of the note's sections, by their anchors; the first is that of the lead. written: what
    stands in them, by their names.
    """
    there = set(_places(note))
    lead = next(iter(files.values()), "")
    parts = [(lead, note.lead), *((files[section.id], section.blocks) for section in note.sections)]
    for file, blocks in parts:
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
