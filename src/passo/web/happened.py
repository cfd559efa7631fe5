"""What happened to a run: events and what was noticed, the error that ended it, and what is known of a divergence."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from passo.analysis.inspected import noticed
from passo.analysis.lost import Lost, last_layers, lost, steps_before
from passo.analysis.tables import Table
from passo.errors import PassoError
from passo.store import StoredRun
from passo.telling import told

SHOWN = 200  # events, the last ones
SERIOUS = ("diverged", "failed", "not-finite", "lost")


@dataclass(frozen=True)
class Happening:
    """One thing that happened: its step, its message, and whether it did harm."""

    message: str
    step: int | None = None
    serious: bool = False


@dataclass(frozen=True)
class Happenings:
    """All of them, and the report of a divergence with its tables."""

    events: list[Happening]
    report: Lost | None = None
    facts: Table | None = None
    before: Table | None = None
    layers: tuple[int, Table] | None = None
    clean: bool = field(default=True)


def happenings(run: StoredRun) -> Happenings:
    """What a page says; where nothing happened, it says so."""
    events = _events(run)
    report = lost(run)
    if report is None:
        return Happenings(events, clean=not events and not run.error)
    before = None
    with suppress(PassoError):  # a run may end before its first step
        before = steps_before(run, report.seen_at)
    others = [one for one in events if told(report.sentence) not in one.message]  # it stands above them
    return Happenings(others, report, report.table(), before, last_layers(run), clean=False)


def _events(run: StoredRun) -> list[Happening]:
    there = [
        Happening(told(message), step, kind in SERIOUS or data.get("what") in SERIOUS)
        for kind, step, message, data in run.events()
    ]
    if "statistics" not in run.arrays():
        return there[-SHOWN:]
    try:
        said = noticed(run)  # the events with advice, and what nobody noted at the time
    except PassoError:
        return there[-SHOWN:]
    advised = [Happening(words, None, one.serious) for words, one in zip(said, there, strict=False)]
    return [*advised, *(Happening(words, None, True) for words in said[len(there) :])][-SHOWN:]
