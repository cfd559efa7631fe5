"""What a note is: a title, sections, blocks of five kinds, and sources. How it looks is decided elsewhere.

Note ── lead ──┬─ Prose        Markdown, with inline mathematics between single dollars
     └ sections├─ Equation     LaTeX, displayed and numbered
               ├─ FigureBlock  a numbered `passo.figures.Figure`
               ├─ Table        columns and rows of words
               └─ Code         a listing
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from passo.figures import Figure

_MARKS = re.compile(r"([\\`*_{}\[\]<>#$|~&])")


def escaped(text: str) -> str:
    r"""Words as Markdown that prints them as they stand.

    >>> print(escaped("a_b [1]"))
    a\_b \[1\]
    """
    return _MARKS.sub(r"\\\1", text)


@dataclass(frozen=True)
class Origin:
    """Which runs some characters of a text came from: those from `start` to before `end`."""

    start: int
    end: int
    runs: frozenset[str]


@dataclass(frozen=True)
class Prose:
    """Markdown paragraphs, lists or headings; `origins` are of the values in it, in their order."""

    markdown: str
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Equation:
    """A displayed equation, as LaTeX without its dollars; its number, from 1, and a name to refer to it by."""

    latex: str
    number: int = 0
    name: str = ""


@dataclass(frozen=True)
class FigureBlock:
    """A figure and its number in the note, counted from 1.

    `words` is a caption of the note's own, in the place of the figure's. On paper a figure is as wide as a column,
    or, `wide`, as the page; one with `rows` of words keeps its height.
    """

    number: int
    figure: Figure
    words: str = ""
    wide: bool = False
    rows: bool = False

    @property
    def caption(self) -> str:
        """What stands below it, as inline Markdown; the figure's own is plain words, and may hold any name."""
        return self.words or escaped(self.figure.caption)

    @property
    def sentence(self) -> str:
        """What the figure shows on these data, as inline Markdown."""
        return escaped(self.figure.sentence)


@dataclass(frozen=True)
class Table:
    """Words in rows; each row has one cell per column. Cells are inline Markdown.

    `origins` has the runs that each row came from, where that is known.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    origins: tuple[frozenset[str], ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row}")
        if len(self.origins) not in (0, len(self.rows)):
            raise ValueError(f"origins of {len(self.origins)} rows in a table of {len(self.rows)}")


@dataclass(frozen=True)
class Code:
    """A listing, and the language it is written in; `name` is that of the tested program it is a part of."""

    language: str
    text: str
    name: str = ""


Block = Prose | Equation | FigureBlock | Table | Code


@dataclass(frozen=True)
class Section:
    """One part of a note. `id` is its anchor."""

    id: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Byline:
    """Who wrote a note, for which course, when, and where its code is: plain words, not Markdown."""

    authors: tuple[str, ...] = ()
    course: str = ""
    date: str = ""
    repository: str = ""


@dataclass(frozen=True)
class Source:
    """Something that the note cites, by its number from 1. `words` is inline Markdown; `key` makes its anchor."""

    number: int
    key: str
    words: str


@dataclass(frozen=True)
class Group:
    """Runs that belong together: those of a configuration, or of a part of a study of two models.

    `ids` are the runs by seed, as `passo runs show` knows them; `configurations` is how many there are among them.
    """

    name: str
    kind: str
    seeds: tuple[int, ...]
    ids: tuple[str, ...]
    configurations: int = 1


@dataclass(frozen=True)
class Passage:
    """A named part of a text. Rank 0 stays whatever the room; of the others, the high ranks go first."""

    name: str
    rank: int


@dataclass(frozen=True)
class LeftOut:
    """A passage that is not in the note: `why` is what the study lacks, empty where there was no room."""

    name: str
    why: str


@dataclass(frozen=True)
class Note:
    """A whole note.

    `notice` is what the reader must know before anything else (say, that a small sample was used);
    `colophon` is how it was made, as (label, words) pairs; `passages` are those that are there, `left_out` those that
    are not; `groups` are all runs of the study in `folder`, for what came from them.
    """

    title: str
    subtitle: str
    language: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]
    notice: str = ""
    colophon: tuple[tuple[str, str], ...] = ()
    byline: Byline = Byline()
    sources: tuple[Source, ...] = ()
    keywords: tuple[str, ...] = ()
    passages: tuple[Passage, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    groups: tuple[Group, ...] = ()
    folder: str = ""

    def blocks(self) -> Iterator[Block]:
        """Every block, in reading order."""
        yield from self.lead
        for section in self.sections:
            yield from section.blocks

    def figures(self) -> list[FigureBlock]:
        """The figures, in the order of their numbers."""
        return [block for block in self.blocks() if isinstance(block, FigureBlock)]
