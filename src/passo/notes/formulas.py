"""Every equation of a note, displayed or between words, is read when the note is composed, not when it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from passo.errors import ConfigError
from passo.notes import mathematics
from passo.notes.content import Block, Code, Equation, FigureBlock, Note, Prose
from passo.notes.markup import reader
from passo.notes.rendering import line_of, placed


def check(note: Note, files: Mapping[str, str], written: Mapping[str, str] | None = None) -> None:
    """Raise `ConfigError` for an equation that does not parse, or that one of the formats cannot show, with its place.

    files: the text files of the note's sections, by their anchors; the first is that of the lead. written: what
    stands in them, by their names.
    """
    lead = next(iter(files.values()), "")
    parts: list[tuple[str, tuple[Block, ...]]] = [(lead, (Prose(note.title), Prose(note.subtitle), *note.lead))]
    parts += [(files[section.id], (Prose(section.title), *section.blocks)) for section in note.sections]
    for file, blocks in parts:
        for latex, display in (found for block in blocks for found in equations(block)):
            try:
                mathematics.typst(latex, display=display)
            except ConfigError as error:
                raise placed(error, file, line_of((written or {}).get(file, ""), latex or "$$")) from error


def equations(block: Block) -> Iterator[tuple[str, bool]]:
    """The LaTeX of every equation of a block, and whether it is displayed.

    >>> list(equations(Prose("so $x^2$ is")))
    [('x^2', False)]
    """
    if isinstance(block, Equation):
        yield block.latex, True
    for markdown in markdown_of(block):
        for token in reader().parse(markdown) if "$" in markdown else ():
            for one in (token, *(token.children or ())):
                if one.type.startswith("math"):
                    yield one.content.strip(), one.type.startswith("math_block")


def markdown_of(block: Block) -> Iterator[str]:
    """The Markdown of a block, part by part."""
    if isinstance(block, Prose):
        yield block.markdown
    elif isinstance(block, FigureBlock):
        yield block.caption
    elif not isinstance(block, Code | Equation):
        yield block.caption
        yield from (cell for row in (block.columns, *block.rows) for cell in row)
