"""A small table that shows itself: in a terminal, in a notebook, in Markdown."""

from __future__ import annotations

import html
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Column heads, rows of text and a note below. The first column is text, the others are set to the right.

    >>> print(Table(("name", "n"), (("adam", "3"),), ""))
    name  n
    ───────
    adam  3
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [self._line(cells, widths) for cells in (self.columns, *self.rows)]
        lines.insert(1, "─" * (sum(widths) + 2 * (len(widths) - 1)))
        return "\n".join([*lines, *([self.note] if self.note else [])])

    @staticmethod
    def _line(cells: tuple[str, ...], widths: list[int]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]).rstrip()

    def markdown(self) -> str:
        """The table in GitHub's Markdown."""
        rule = ("---", *("---:" for _ in self.columns[1:]))
        escaped = [[cell.replace("|", r"\|") for cell in row] for row in (self.columns, rule, *self.rows)]
        rows = [f"| {' | '.join(cells)} |" for cells in escaped]
        return "\n".join([*rows, *(["", self.note] if self.note else [])])

    def _repr_html_(self) -> str:
        def row(tag: str, cells: tuple[str, ...]) -> str:
            sides = ("left", *("right" for _ in cells[1:]))
            inner = "".join(
                f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )
            return f"<tr>{inner}</tr>"

        body = "".join(row("td", cells) for cells in self.rows)
        note = f"<caption style='caption-side:bottom'>{html.escape(self.note)}</caption>" if self.note else ""
        return f"<table>{note}<thead>{row('th', self.columns)}</thead><tbody>{body}</tbody></table>"
