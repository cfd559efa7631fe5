"""Equations and tables as pictures: all are set at once, on sheets as wide as a column of text, at double resolution.

A reader shows a picture at the width that it has, up to that of the column. On sheets of one width, letters have one
size in all of them, whatever is written there.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from passo.language import t
from passo.notes.content import Equation, FigureBlock, Table
from passo.notes.markup import inline
from passo.notes.mathematics import INK, PPI
from passo.notes.mathematics import typst as typeset
from passo.notes.medium_text import led_out, readable, rewritten, spoken
from passo.notes.pdf import align, compiling

COLUMN = 700  # pixels, of a story on Medium
_POINTS = 72 / 96  # of a pixel
_LETTERS = {"equation": 16, "table": 12}  # pt
_LINE = "#b7bcc2"
# A table that is somewhat too wide gets smaller letters; one that is much too wide, cells of several lines.
_FIT = """#let fit(body) = layout(room => {
  let wide = measure(body).width
  if wide <= room.width or wide > 1.4 * room.width { return align(center, body) }
  let share = room.width / wide * 100%
  scale(x: share, y: share, reflow: true, box(width: wide, body))
})
#let numbered(size, bare, whole) = layout(room => {
  let share = calc.min(1, (room.width - 90pt) / measure(bare).width)
  set text(size: size * share)
  whole
})"""


@dataclass(frozen=True)
class Picture:
    """A picture of the article: its file's name without ending, its kind, its words, and what stands below it.

    `alt` is plain text and holds the numbers; `caption` is inline Markdown without mathematics.
    """

    name: str
    kind: str
    alt: str
    caption: str = ""
    ending: str = "png"

    @property
    def file(self) -> str:
        return f"{self.name}.{self.ending}"


def of_figure(block: FigureBlock) -> Picture:
    """A figure, as it is saved for the page."""
    caption = f"**{t('Figure')} {block.number}.** {rewritten(block.caption)}"
    return Picture(block.figure.name, "figure", " ".join(block.figure.sentence.split()), caption)


def of_equation(block: Equation, place: int) -> Picture:
    """An equation; its words are the equation itself, in letters."""
    told = readable(block.latex).replace("\N{NO-BREAK SPACE}", " ")
    alt = t("Equation ({n}): {words}", n=block.number, words=told) if block.number else told
    return Picture(f"equation-{block.name or block.number or place}", "equation", alt)


def of_table(table: Table, place: int) -> Picture:
    """A table; its words are its cells, each with the name of its column."""
    columns, rows = [spoken(cell) for cell in table.columns], []
    for row in table.rows:
        first, *rest = (spoken(cell) for cell in row)
        cells = "; ".join(f"{column} {cell}".strip() for column, cell in zip(columns[1:], rest, strict=True) if cell)
        rows.append(f"{first or '–'}: {cells}." if cells else f"{first}.")
    head = spoken(table.caption) or t("Table")
    return Picture(f"table-{place}", "table", " ".join([head, *rows]), rewritten(table.caption))


# ── Setting ───────────────────────────────────────────────────────────────────────────────────────────────


def pictured(blocks: Sequence[Equation | Table]) -> list[tuple[bytes, bytes]]:
    """Each equation and table as a PNG and an SVG; Typst reads the whole once."""
    if not blocks:
        return []
    sheets = [_equation(block) if isinstance(block, Equation) else _table(block) for block in blocks]
    with compiling({"note.typ": _document(sheets).encode()}) as typst:
        found = [typst.compile(format=kind, ppi=PPI) for kind in ("png", "svg")]
    pngs, svgs = ([one] if isinstance(one, bytes) else list(one) for one in found)
    return list(zip(pngs, svgs, strict=True))


def _document(sheets: Sequence[str]) -> str:
    head = [
        f"#set page(width: {COLUMN * _POINTS}pt, height: auto, margin: (x: 4pt, y: 8pt), fill: white)",
        f'#set text(font: "Libertinus Serif", fill: rgb("{INK}"))',
        "#set par(justify: false)",
        '#show raw: set text(font: "DejaVu Sans Mono")',
        "#set table(stroke: none, inset: (x: 0.4em, y: 0.38em))",
        _FIT,
    ]
    return "\n".join([*head, "\n#pagebreak()\n".join(sheets)])


def _equation(block: Equation) -> str:
    """An equation with its number; where it would meet the number, its letters are smaller."""
    bare, numbered = (typeset(block.latex, display=True, number=n).rstrip(";") for n in (0, block.number))
    size = _LETTERS["equation"]
    return f"#[#set text(size: {size}pt)\n#numbered({size}pt, [{bare}], [{numbered}])]"


def _table(table: Table) -> str:
    header = ", ".join(f"strong[{inline(led_out(cell))}]" for cell in table.columns)
    sides = "".join(f"{align(column)}, " for column in zip(*table.rows, strict=True)) or "left, " * len(table.columns)
    cells = "".join(f"[{inline(led_out(cell))}], " for row in table.rows for cell in row)
    rules = "table.hline(stroke: 0.9pt)", f'table.hline(stroke: rgb("{_LINE}"))'
    return (
        f'#[#set text(size: {_LETTERS["table"]}pt, number-width: "tabular")\n#fit(table(columns: {len(table.columns)}, '
        f"align: ({sides}), {rules[0]}, table.header({header}), {rules[1]}, {cells}{rules[0]}))]"
    )


def size(picture: bytes) -> tuple[int, int]:
    """Width and height of a PNG or a GIF in pixels."""
    if picture[:3] == b"GIF":
        wide, high = struct.unpack("<HH", picture[6:10])
    else:
        wide, high = struct.unpack(">II", picture[16:24])
    return wide, high
