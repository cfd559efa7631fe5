"""What a note is: a title, sections, and blocks of five kinds. How it looks is decided elsewhere.

Note ── lead ──┬─ Prose        Markdown, with inline mathematics between single dollars
     └ sections├─ Equation     LaTeX, displayed
               ├─ FigureBlock  a numbered `passo.figures.Figure`
               ├─ Table        columns and rows of words
               └─ Code         a listing
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from passo.figures import Figure


@dataclass(frozen=True)
class Prose:
    """Markdown paragraphs, lists or headings."""

    markdown: str


@dataclass(frozen=True)
class Equation:
    """A displayed equation, as LaTeX without its dollars."""

    latex: str


@dataclass(frozen=True)
class FigureBlock:
    """A figure and its number in the note, counted from 1."""

    number: int
    figure: Figure


@dataclass(frozen=True)
class Table:
    """Words in rows; each row has one cell per column. Cells are inline Markdown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row}")


@dataclass(frozen=True)
class Code:
    """A listing, and the language it is written in."""

    language: str
    text: str


Block = Prose | Equation | FigureBlock | Table | Code


@dataclass(frozen=True)
class Section:
    """One part of a note. `id` is its anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Note:
    """A whole note.

    `notice` is what the reader must know before anything else (say, that a small sample was used);
    `colophon` is how it was made, as (label, words) pairs.
    """

    title: str
    subtitle: str
    language: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]
    notice: str = ""
    colophon: tuple[tuple[str, str], ...] = ()

    def blocks(self) -> Iterator[Block]:
        """Every block, in reading order."""
        yield from self.lead
        for section in self.sections:
            yield from section.blocks

    def figures(self) -> list[FigureBlock]:
        """The figures, in the order of their numbers."""
        return [block for block in self.blocks() if isinstance(block, FigureBlock)]
