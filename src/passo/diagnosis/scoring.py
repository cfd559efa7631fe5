"""How well the detectors do: what they told of runs whose defect is known, and of healthy ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from passo.diagnosis.diagnosing import MOST, diagnose
from passo.diagnosis.findings import FOUND, share
from passo.language import t
from passo.store import StoredRun

ACCURACY = "test/accuracy"


@dataclass(frozen=True)
class Case:
    """A run to judge: `wrong` is the name of the detector that should tell of it, None where nothing is wrong.

    `kind` is the row that it is counted in. Thresholds were chosen without those that are `held_out`.
    """

    run: StoredRun
    kind: str
    wrong: str | None
    held_out: bool


@dataclass(frozen=True)
class Judged:
    """A case, and what was told of it: names of detectors with their levels, the surest first, `MOST` at most."""

    case: Case
    told: Mapping[str, str]

    @property
    def right(self) -> bool:
        """Whether the defect was told, or nothing where there is none."""
        return self.case.wrong in self.told if self.case.wrong else not self.told

    @property
    def others(self) -> list[str]:
        """What was told and is not the defect."""
        return [name for name in self.told if name != self.case.wrong]


def judged(case: Case) -> Judged:
    """The diagnosis of a case, as a reader gets it."""
    return Judged(case, {one.name: one.level for one in diagnose(case.run).findings[:MOST]})


def score_lines(all_: Sequence[Judged]) -> Iterator[str]:
    """The score as lines of Markdown: totals, every defect, every kind of healthy training, and what else was told."""
    broken, healthy = ([one for one in all_ if bool(one.case.wrong) == wrong] for wrong in (True, False))
    yield from _table(
        ("", t("runs that thresholds were chosen on"), t("runs that were held out")),
        [
            (t("defects recognised"), *_halves(broken, lambda ones: _of(ones, lambda one: one.right))),
            (t("… as the surest finding"), *_halves(broken, lambda ones: _of(ones, _first))),
            (t("… as found, not suspected alone"), *_halves(broken, lambda ones: _of(ones, _sure))),
            (t("false alarms on healthy runs"), *_halves(healthy, lambda ones: _of(ones, lambda one: not one.right))),
        ],
    )
    yield from ("", f"## {t('Broken runs')}", "")
    yield from _table(
        (t("defect"), t("detector"), t("recognised"), t("recognised, held out"), t("missed")),
        [
            (
                f"`{kind}`",
                f"`{ones[0].case.wrong}`",
                *_halves(ones, _right),
                ", ".join(_told(one) for one in ones if not one.right),
            )
            for kind, ones in _by_kind(broken)
        ],
    )
    yield from ("", f"## {t('Healthy runs')}", "")
    yield from _table(
        (
            t("trainings"),
            t("with a false alarm"),
            t("with a false alarm, held out"),
            t("which ones"),
            t("least test accuracy"),
        ),
        [
            (
                f"`{kind}`",
                *_halves(ones, _wrong),
                ", ".join(_told(one) for one in ones if not one.right),
                _least(ones),
            )
            for kind, ones in _by_kind(healthy)
        ],
    )
    besides = Counter((one.case.kind, name) for one in broken for name in one.others)
    yield from ("", f"## {t('Told besides, on broken runs')}", "")
    yield from _table(
        (t("defect"), t("also told"), t("runs")),
        [(f"`{kind}`", f"`{name}`", str(count)) for (kind, name), count in sorted(besides.items())],
    )


def _told(one: Judged) -> str:
    """A run and what was told of it.

    >>> from types import SimpleNamespace as Run
    >>> _told(Judged(Case(Run(id="adam-s0"), "adam", None, False), {"dead": FOUND}))
    'adam-s0 (dead)'
    """
    return f"{one.case.run.id} ({', '.join(one.told) or '–'})"


def _first(one: Judged) -> bool:
    return next(iter(one.told), None) == one.case.wrong


def _sure(one: Judged) -> bool:
    return bool(one.case.wrong) and one.told.get(str(one.case.wrong)) == FOUND


def _least(ones: Iterable[Judged]) -> str:
    """How well the worst of them does: a training that is called healthy should have learned something."""
    found = [one.case.run.metric(ACCURACY).values[-1] for one in ones if one.case.run.has(ACCURACY)]
    return share(float(min(found))) if found else "–"


def _halves(ones: Sequence[Judged], tell: Callable[[Sequence[Judged]], str]) -> tuple[str, str]:
    """Something told of those that thresholds were chosen on, and of the others."""
    known, unseen = ([one for one in ones if one.case.held_out == held] for held in (False, True))
    return tell(known), tell(unseen)


def _right(ones: Sequence[Judged]) -> str:
    return f"{sum(one.right for one in ones)}/{len(ones)}" if ones else "–"


def _wrong(ones: Sequence[Judged]) -> str:
    return f"{sum(not one.right for one in ones)}/{len(ones)}" if ones else "–"


def _of(ones: Sequence[Judged], is_so: Callable[[Judged], bool]) -> str:
    many = sum(map(is_so, ones))
    return t("{many:,} of {all:,} ({share})", many=many, all=len(ones), share=share(many / len(ones))) if ones else "–"


def _by_kind(ones: Iterable[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    kinds: dict[str, list[Judged]] = {}
    for one in ones:
        kinds.setdefault(one.case.kind, []).append(one)
    yield from kinds.items()


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"
