"""A doctor who looks in on a training while it runs, and says what is wrong with it as soon as it can be told.

Few steps are looked at, ever fewer of them (`recording.glimpses`), and a diagnosis is made after step 50, at the ends
of epochs, and at the end. Neither changes a bit of the training. A training that cannot be looked at goes without.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from passo.errors import Diverged, TrainingWarning
from passo.language import ENGLISH, speaking, t
from passo.recording.glimpses import Glimpses
from passo.recording.held import HeldRun
from passo.store import RunWriter, Series, open_study

if TYPE_CHECKING:
    from passo.diagnosis import Diagnosed
    from passo.experiments.assembling import Parts
    from passo.training import StepRecord, TrainConfig

FIRST = 50  # steps before the first diagnosis
SOONER, LATER = 1.5, 4.0  # times the steps of the last one before the next: at an epoch's end, and inside of it
SPARSER = 3  # a look, and then a third of the steps so far without one

Doctor = Callable[[Any], "Sequence[Diagnosed]"]
Tell = Callable[["Diagnosed", int, str], None]


@dataclass(frozen=True)
class Living(HeldRun):
    """What was glimpsed of a run, with the curves that it has stored so far, what was told of it, and how it stands."""

    status: str = "running"
    read: Callable[[str], Series | None] = lambda name: None
    curves: dict[str, Series | None] = field(default_factory=dict)  # those that were asked for already

    def has(self, metric: str) -> bool:
        if metric not in self.curves:
            self.curves[metric] = self.read(metric)
        return self.curves[metric] is not None

    def metric(self, name: str) -> Series:
        found = self.curves[name] if self.has(name) else None
        assert found is not None, f"{name} is asked for where `has` says so"
        return found


class Attending:
    """Asks a doctor, such as `passo.diagnosis.live`, about one run, and tells each of its findings once.

    `tell(finding, step, place)` says it; without one it is a `TrainingWarning`. The run keeps it as an event. `place`
    is the run as a command line takes it, empty where nothing is recorded that could be drawn.
    """

    def __init__(self, doctor: Doctor, tell: Tell | None = None) -> None:
        self._doctor, self._tell = doctor, tell or _warn
        self._glimpses: Glimpses | None = None
        self._known: set[str] = set()

    def begin(self, config: TrainConfig, parts: Parts, writer: RunWriter, folder: Path) -> None:
        """Put it beside a run that is about to begin, or to go on."""
        self._writer, self._place = writer, f"{folder}/{writer.id}" if config.record.every else ""
        with suppress(Exception):  # what cannot be looked at is trained all the same
            events = open_study(folder).run(writer.id).events()
            self._known = {data["detector"] for *_, data in events if "detector" in data}
            self._glimpses = None if config.devices > 1 else Glimpses(parts.optimizer, parts.model, parts.scaler)

    def of(self, records: Iterator[StepRecord], done: int) -> Generator[StepRecord, None, None]:
        """The same records, the first of them after `done` steps; what there is to tell is told between two of them."""
        glimpses = self._glimpses
        if glimpses is None:
            yield from records
            return
        step, look, asked = done, done + 1, done
        try:
            glimpses.open(look)
            for record in records:
                step, made = record.step, record.step - done
                if step == look:
                    glimpses.close()
                    look += max(1, made // SPARSER)
                grown = LATER if record.end is None else SOONER
                if made >= FIRST and made >= grown * (asked - done):
                    asked = step
                    self._ask(step)
                if step + 1 == look:
                    glimpses.open(look)
                yield record
            glimpses.close()
            if step > asked:
                self._ask(step)
        except Diverged as error:
            glimpses.close()
            self._ask(error.step, error)
            raise
        finally:
            glimpses.close()

    def _ask(self, step: int, lost: Diverged | None = None) -> None:
        new: Sequence[Diagnosed] = ()
        with suppress(Exception):  # the training is worth more
            run = self._run(lost)
            new = [one for one in self._doctor(run) if one.name not in self._known]
            with speaking(ENGLISH):  # as all messages are kept
                english = self._doctor(run) if new else ()
            self._known |= {one.name for one in new}
            for one in english:
                if one.name in {told.name for told in new}:
                    message = f"{one.detector.title}: {one.evidence}"
                    self._writer.event("warning", message, step, what="doctor", detector=one.name)
        for one in new:
            with suppress(Exception):  # where warnings are errors, too
                self._tell(one, step, self._place)

    def _run(self, lost: Diverged | None) -> Living:
        assert self._glimpses is not None
        seen = self._glimpses.run(self._writer.id)
        events: list[tuple[str, int | None, str, dict[str, Any]]]
        events = [("warning", None, "", {"what": "doctor", "detector": name}) for name in self._known]
        if lost is not None:
            events.append(("watch", lost.step, str(lost), {"what": "not-finite"}))
        status = "running" if lost is None else "diverged"
        return Living(seen.id, seen.held, seen.info, tuple(events), status, self._writer.curve)


def _warn(finding: Diagnosed, step: int, _: str) -> None:
    said = f"{t(finding.detector.title)}. {finding.evidence} {t(finding.detector.cure)}"
    warnings.warn(f"step {step:,}: {said}", TrainingWarning, stacklevel=2)
