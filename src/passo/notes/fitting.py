"""A note that keeps to a number of pages: the least important passages go first, and what went is said.

Letters keep their size. With plots as low as they may be, one passage after the other is kept for which there is room,
the most important first; then the plots grow as far as the pages allow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from passo.errors import ConfigError
from passo.notes.content import LeftOut, Note
from passo.notes.pdf import Layout, Paper, paper
from passo.notes.printed import Press

LOWEST = 0.62  # how high plots are at least, as a share of what is usual
HEIGHTS = (1.0, 0.92, 0.85, 0.78, 0.7)  # that are tried, once it is known what is shown


@dataclass(frozen=True)
class Fitted:
    """A note that fits, as it was set, and the layout that it took."""

    note: Note
    paper: Paper
    layout: Layout

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Every passage that is not in it, and why."""
        return self.note.left_out


Attempt = Callable[..., Fitted]
"""Sets the note without the passages of these names, with plots of this height."""


def fit(compose: Callable[[frozenset[str]], Note], pages: int, *, size: float = 10.0, columns: int = 2) -> Fitted:
    """The fullest note that keeps to so many pages, at letters of `size` pt.

    compose: makes the note without the passages of these names.

    Raises `ConfigError` where not even the passages of rank 0 fit, with how many pages they take.
    """
    if pages < 1:
        raise ConfigError(f"--pages must be 1 or more, got {pages}")
    press = Press()

    def attempt(dropped: frozenset[str], tall: float = LOWEST) -> Fitted:
        note, layout = compose(dropped), Layout(size, columns, tall)
        return Fitted(note, paper(note, layout, press), layout)

    ranked = _expendable(compose(frozenset()))
    least = attempt(frozenset(ranked))
    if least.paper.pages > pages:
        takes = least.paper.pages
        raise ConfigError(
            f"--pages {pages} cannot hold the report: its least takes {takes} pages at {size:g} pt; "
            f"give --pages {takes} or leave --pages out"
        )
    return _grown(_fullest(attempt, ranked, least, pages), attempt, pages)


def _expendable(note: Note) -> list[str]:
    """The names of what may go, in the order in which it is kept: the lowest rank first, of equals the earlier one."""
    return [passage.name for passage in sorted(note.passages, key=lambda passage: passage.rank) if passage.rank > 0]


def _fullest(attempt: Attempt, ranked: list[str], least: Fitted, pages: int) -> tuple[frozenset[str], Fitted]:
    """Keep one passage after the other for which there still is room; what was left out, and what came of it."""
    whole = attempt(frozenset())
    if whole.paper.pages <= pages:
        return frozenset(), whole
    dropped, found = frozenset(ranked), least
    for name in (*ranked, *ranked):  # twice: where figures go depends on all else, so that one may fit later
        if name in dropped:
            tried = attempt(dropped - {name})
            if tried.paper.pages <= pages:
                dropped, found = dropped - {name}, tried
    return dropped, found


def _grown(start: tuple[frozenset[str], Fitted], attempt: Attempt, pages: int) -> Fitted:
    """The same passages with plots as high as there is room for."""
    dropped, found = start
    for tall in HEIGHTS:
        tried = attempt(dropped, tall)
        if tried.paper.pages <= pages:
            return tried
    return found
