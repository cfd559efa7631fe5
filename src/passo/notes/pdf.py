"""A note as a PDF, by Typst: vector figures in the type of the text, embedded fonts, tags, alt texts.

The same note gives the same bytes on every machine: only fonts that Typst and vl-convert carry are used, and the time
in the file is the study's. Equations are Typst's own, made by `mathematics` from the note's LaTeX.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passo.errors import ConfigError, require
from passo.language import speaking, t
from passo.notes.content import Block, Code, Equation, FigureBlock, Note, Prose, Section, Table
from passo.notes.markup import blocks, code, inline, words
from passo.notes.mathematics import typst as typeset
from passo.notes.mathset import literal
from passo.notes.printed import Press, Printed
from passo.notes.terms import told_left_out

_PAPER = Path(__file__).with_name("page") / "paper.typ"
POINTS_PER_MM = 72 / 25.4
MARGIN = 17  # mm, left and right; as `paper.typ` has it
GUTTER = 6  # mm between columns
_NUMBER = re.compile(r"^(?:\*\*)?[−+±~<≤>≥]?\s?[\d.,]+(\s|$|%|\s?±|–)|^–?$|^—$")


@dataclass(frozen=True)
class Layout:
    """How a note is set: the size of its letters in pt, how many columns, how high its plots are (1: as usual)."""

    size: float = 10.0
    columns: int = 2
    tall: float = 1.0

    def __post_init__(self) -> None:
        if self.columns not in (1, 2):
            raise ConfigError(f"a page has one or two columns, got {self.columns}")

    def width(self, wide: bool) -> float:
        """The width of a figure in points: a column's, or the page's."""
        text = (210 - 2 * MARGIN) * POINTS_PER_MM
        return text if wide or self.columns == 1 else (text - GUTTER * POINTS_PER_MM) / 2


LONG = Layout(columns=1, tall=0.85)
"""The long note's: one column, as equations and code want it; plots as wide as the page, and so a little lower."""


@dataclass(frozen=True)
class Paper:
    """A note set on pages: how many there are, its figures as printed, and its files, ready for Typst."""

    pages: int
    figures: dict[str, Printed]
    files: dict[str, bytes]


def paper(note: Note, layout: Layout = Layout(), press: Press | None = None) -> Paper:
    """Set a note, and count its pages; no PDF is made yet. Raises `ConfigError` for what a PDF cannot show.

    press: that of an earlier call with the same figures, which then are printed faster.
    """
    press = press or Press()
    figures = {
        block.figure.name: press(block.figure, layout.width(block.wide), None if block.rows else layout.tall)
        for block in note.figures()
    }
    files = {f"{name}.svg": drawn.svg.encode() for name, drawn in figures.items()}
    files["note.typ"] = typst(note, layout, figures).encode()
    with compiling(files) as compiler:
        pages = int(compiler.query("<pages>", field="value", one=True))
    return Paper(pages, figures, files)


def pdf(made: Paper, *, when: float = 0.0) -> bytes:
    """The PDF of a note that was set, tagged (PDF/UA-1); `when` is the time it says, in seconds since 1970."""
    with compiling(made.files) as compiler:
        return compiler.compile(pdf_standards="ua-1", timestamp=int(when))


def pictures(made: Paper, ppi: float = 110) -> list[bytes]:
    """Every page as a PNG."""
    with compiling(made.files) as compiler:
        found = compiler.compile(format="png", ppi=ppi)
    return found if isinstance(found, list) else [found]


@contextmanager
def compiling(files: dict[str, bytes]) -> Iterator[Any]:
    module = require("typst", "notes")
    with tempfile.TemporaryDirectory(prefix="passo-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield module.Compiler(str(Path(folder) / "note.typ"), root=folder, ignore_system_fonts=True)


# ── The note in Typst's words ─────────────────────────────────────────────────────────────────────────────


def typst(note: Note, layout: Layout, figures: dict[str, Printed]) -> str:
    """The whole note as one Typst file; its pictures are `<name>.svg` beside it."""
    with speaking(note.language):
        return _typst(note, layout, figures)


def _typst(note: Note, layout: Layout, figures: dict[str, Printed]) -> str:
    by = note.byline
    named = ", ".join(literal(author) for author in by.authors)
    keywords = ", ".join(literal(word) for word in note.keywords)
    parts = [
        _PAPER.read_text(encoding="utf-8"),
        f"#set document(title: [{inline(note.title)}], author: ({named}{',' if named else ''}), "
        f"keywords: ({keywords}{',' if keywords else ''}), description: [{inline(note.subtitle)}])",
        f"#show: paper.with(size: {layout.size}pt, columns: {layout.columns}, language: {literal(note.language)})",
        f"#heading-block([{inline(note.title)}], [{inline(note.subtitle)}], {_byline(note)}, {_notice(note)})",
    ]
    write = functools.partial(_block, figures=figures)
    # Before the first section, the text's own headings are of the first level: none may be below what is not there.
    parts += [blocks(b.markdown, level=1) if isinstance(b, Prose) else write(b) for b in note.lead]
    # In one column, figures that float stay in their section; in two, the pages are too few for that.
    flush = "#place.flush()\n" if layout.columns == 1 else ""
    parts += [flush + _section(section, write) for section in note.sections]
    parts += [flush + _sources(note), _colophon(note), _left_out(note)]
    parts.append("#context [#metadata(counter(page).final().first()) <pages>]")
    return "\n\n".join(part for part in parts if part) + "\n"


def _byline(note: Note) -> str:
    """Authors in bold, then what is known of course, date and repository; none where nothing is."""
    by = note.byline
    authors = [f"#strong[{words(', '.join(by.authors))}];"] if by.authors else []
    link = [f"#link({literal(by.repository)})[{words(by.repository)}];"] if by.repository else []
    known = [*authors, *(words(told) for told in (by.course, by.date) if told), *link]
    return f"[{'#h(0.5em)·#h(0.5em)'.join(known)}]" if known else "none"


def _notice(note: Note) -> str:
    return f"[{inline(note.notice)}]" if note.notice else "none"


def _section(section: Section, write: Callable[[Block], str]) -> str:
    heading = f"#heading(level: 1)[{inline(section.title)}] {_label(section.id)}"
    return "\n\n".join([heading, *map(write, section.blocks)])


def _label(name: str) -> str:
    """A place that links lead to. Names are those of files and figures; what is not a plain name gets no label."""
    return f"<{name}>" if re.fullmatch(r"[\w-]+", name) else ""


def _block(block: Block, figures: dict[str, Printed]) -> str:
    writers: dict[type, Callable[[Any], str]] = {
        Prose: lambda b: blocks(b.markdown),
        Equation: _equation,
        FigureBlock: lambda b: _figure(b, figures[b.figure.name]),
        Table: _table,
        Code: lambda b: code(b.text, b.language),
    }
    return writers[type(block)](block)


def _equation(block: Equation) -> str:
    place = _label(f"equation-{block.name}") if block.name else ""
    return f"{typeset(block.latex, display=True, number=block.number).rstrip(';')} {place}"


def _figure(block: FigureBlock, drawn: Printed) -> str:
    name = block.figure.name
    numbered = words(f"{t('Figure')} {block.number}.")
    caption = f"[#strong[{numbered}] {inline(block.caption)}]"
    return (
        f"#picture({literal(f'{name}.svg')}, {drawn.width:.2f}pt, {literal(block.figure.sentence)}, {caption}, "
        f"wide: {'true' if block.wide else 'false'}) {_label(f'figure-{name}')}"
    )


def _table(table: Table) -> str:
    aligns = ", ".join(align(column) for column in zip(*table.rows, strict=True)) or "left," * len(table.columns)
    header = ", ".join(f"[{inline(cell)}]" for cell in table.columns)
    cells = ", ".join(f"[{inline(cell)}]" for row in table.rows for cell in row)
    caption = f"[{inline(table.caption)}]" if table.caption else "none"
    return f"#numbers(({aligns},), ({header},), ({cells},), {caption})"


def align(column: tuple[str, ...]) -> str:
    """Numbers stand to the right, words to the left."""
    return "right" if all(_NUMBER.match(cell) for cell in column) else "left"


def _sources(note: Note) -> str:
    if not note.sources:
        return ""
    listed = ", ".join(f"({s.number}, {literal(f'source-{s.key}')}, [{inline(s.words)}])" for s in note.sources)
    return f"#heading(level: 1)[{words(t('Sources'))}]\n\n#sources(({listed},))"


def _colophon(note: Note) -> str:
    lines = [f"#strong[{words(label)}]: {inline(told)}" for label, told in note.colophon]
    listed = "#list(" + ", ".join(f"[{line}]" for line in lines) + ")" if lines else ""
    return f"#heading(level: 1)[{words(t('How this note was made'))}]\n\n#ragged[{listed}]" if listed else ""


def _left_out(note: Note) -> str:
    told = told_left_out(note.left_out)
    return f"#par[#emph[{inline(told)}]]" if told else ""
