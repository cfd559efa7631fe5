"""Notes and figures of nothing, for tests of how they are set on paper."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair

from passo.figures import Figure
from passo.figures.style import finished
from passo.notes.content import Note
from passo.notes.text import compose

LOREM = "Both networks are shown the same images in the same order, so that what is left is what their layers do. "


def lines(name: str = "lines", sentence: str = "Two lines rise from 1 to 4.") -> Figure:
    """A chart of the usual size: 560 pixels wide, with axes, a legend and a title."""
    rows = [{"x": x, "y": x * k, "label": label} for x in (1, 2, 3) for k, label in ((1, "first"), (1.3, "second"))]
    chart = altair.Chart(altair.Data(values=rows)).mark_line().encode(x="x:Q", y="y:Q", color="label:N")
    return Figure(name, finished(chart.properties(width=560, height=240), "A title"), "Two lines.", sentence)


def composed(
    passages: int, *, length: int = 12, draw: Callable[[str], Any] = lines, must: int = 1
) -> Callable[..., Note]:
    """A composer of `passages` passages of equal length, ranked 1, 2, …, after one of rank 0 that is `must` long."""
    body = "\n\n".join(
        f'{{% call passage("part {rank}", {rank}) %}}{LOREM * length}{{% endcall %}}' for rank in range(1, passages + 1)
    )
    texts = [("00-title.md", "# Title\n\nSubtitle."), ("10-a.md", f"# A\n\n{LOREM * must}\n\n{body}")]

    def make(without: frozenset[str] = frozenset()) -> Note:
        return compose(texts, {}, draw=draw, tables={}, without=without)

    return make
