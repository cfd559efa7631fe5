"""The few words that writers themselves put into a note, in each language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from passo.analysis.words import joined
from passo.notes.content import LeftOut


@dataclass(frozen=True)
class Terms:
    """Headings and labels; `no_room` and `not_there` take the names of passages."""

    figure: str
    sources: str
    colophon: str
    no_room: str
    not_there: str

    def told_left_out(self, left_out: Sequence[LeftOut]) -> str:
        """What is not in a note, in a sentence or two; nothing where all of it is.

        >>> TERMS["en"].told_left_out([LeftOut("calibration", ""), LeftOut("robustness", "no run of it is done")])
        'Left out for want of room: calibration. Not in this study: robustness.'
        """
        told = (
            (self.no_room, [p.name for p in left_out if not p.why]),
            (self.not_there, [p.name for p in left_out if p.why]),
        )
        return " ".join(sentence.format(joined(names)) for sentence, names in told if names)


TERMS = {
    "en": Terms(
        figure="Figure",
        sources="Sources",
        colophon="How this note was made",
        no_room="Left out for want of room: {}.",
        not_there="Not in this study: {}.",
    )
}
