"""A note that keeps to a number of pages: the least important passages go first, and what went is said.

Letters keep their size. First every passage that there is room for is kept, with plots as low as they may be; then the
plots grow as far as the pages allow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from passo.errors import ConfigError
from passo.notes.content import LeftOut, Note, Passage
from passo.notes.pdf import Layout, Paper, paper

LOWEST = 0.62  # how high plots are at least, as a share of what is usual
STEPS = 4  # of the search for the highest plots that fit: to about a fortieth


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


def fit(compose: Callable[[frozenset[str]], Note], pages: int, *, size: float = 10.0, columns: int = 2) -> Fitted:
    """The fullest note that keeps to so many pages, at letters of `size` pt.

    compose: makes the note without the passages of these names.

    Raises `ConfigError` where not even the passages of rank 0 fit, with how many pages they take.
    """
    if pages < 1:
        raise ConfigError(f"--pages must be 1 or more, got {pages}")
    low = Layout(size, columns, LOWEST)
    order = [passage.name for passage in _expendable(compose(frozenset()))]

    def attempt(dropped: int, layout: Layout = low) -> Fitted:
        note = compose(frozenset(order[:dropped]))
        return Fitted(note, paper(note, layout), layout)

    least = attempt(len(order))
    if least.paper.pages > pages:
        takes = least.paper.pages
        raise ConfigError(
            f"--pages {pages} cannot hold the report: its least takes {takes} pages at {size:g} pt; "
            f"give --pages {takes} or leave --pages out"
        )
    return _grown(_fullest(attempt, len(order), least, pages), attempt, pages)


def _expendable(note: Note) -> list[Passage]:
    """What may go, in the order in which it goes: the highest rank first, of equals the later one."""
    numbered = list(enumerate(note.passages))
    return [p for _, p in sorted(numbered, key=lambda one: (-one[1].rank, -one[0])) if p.rank > 0]


def _fullest(attempt: Callable[..., Fitted], most: int, least: Fitted, pages: int) -> tuple[int, Fitted]:
    """The fewest passages to drop, by halving: with less text there are never more pages."""
    fits, found, fails = most, least, -1
    while fits - fails > 1:
        middle = (fits + fails) // 2
        tried = attempt(middle)
        if tried.paper.pages <= pages:
            fits, found = middle, tried
        else:
            fails = middle
    return fits, found


def _grown(start: tuple[int, Fitted], attempt: Callable[..., Fitted], pages: int) -> Fitted:
    """The same passages with plots as high as there is room for."""
    dropped, found = start
    low, high = found.layout.tall, 1.0
    whole = attempt(dropped, replace(found.layout, tall=high))
    if whole.paper.pages <= pages:
        return whole
    for _ in range(STEPS):
        middle = (low + high) / 2
        tried = attempt(dropped, replace(found.layout, tall=middle))
        if tried.paper.pages <= pages:
            found, low = tried, middle
        else:
            high = middle
    return found
