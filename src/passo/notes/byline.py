"""Who wrote a note: what is asked for on the command line, then the study file's `[note]`, then nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from passo.language import later, t
from passo.notes.content import Byline
from passo.store import StoredStudy

# Not the machine's locale: a note has a language of its own.
_MONTHS = (
    later("January"),
    later("February"),
    later("March"),
    later("April"),
    later("May"),
    later("June"),
    later("July"),
    later("August"),
    later("September"),
    later("October"),
    later("November"),
    later("December"),
)


def byline(study: StoredStudy, given: Byline | None = None) -> Byline:
    """The byline of a study's note; its date is the day on which the study ended, where none is given."""
    given = given or Byline()
    told: Mapping[str, Any] = study.config.get("note") or {}
    return Byline(
        given.authors or tuple(map(str, told.get("authors") or ())),
        given.course or str(told.get("course") or ""),
        given.date or str(told.get("date") or "") or day(ended(study)),
        given.repository or str(told.get("repository") or ""),
    )


def ended(study: StoredStudy) -> float:
    """When a study ended, in seconds since 1970; when it was begun, where that is all that is known."""
    return float(study.facts.get("finished") or study.facts.get("created") or 0.0)


def day(seconds: float) -> str:
    """A day as one writes it.

    >>> day(1.7e9)
    '14 November 2023'
    """
    when = datetime.fromtimestamp(seconds, UTC)
    return t("{day} {month} {year}", day=when.day, month=t(_MONTHS[when.month - 1]), year=when.year)
