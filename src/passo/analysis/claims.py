"""What the published note's numbers say, as claims: which hold over many seeds, which do not, which cannot be told.

A claim names two runs and says that the first ends better, that the two differ, or that they are the same. Its
statistic is the paired difference of the last values, first − second, seed by seed, with its interval and its p
(Student's t below 20 seeds, the studentised bootstrap from there), corrected by Holm for all claims of the list:

    better      holds where the difference is told apart from 0 and is the better way round; does not hold where it is
                told apart and is the other way round
    different   holds where it is told apart from 0
    same        holds where every seed gives the same value twice; does not hold where it is told apart

Everything else cannot be told, and the seeds that would be needed are named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from passo.analysis.compare import Comparison, Outcome, compare
from passo.analysis.needed import LEVEL
from passo.analysis.paired import Paired, all_pairs, gap, told_p
from passo.analysis.sentences import Verdict, told
from passo.analysis.tables import Table
from passo.analysis.words import amount, higher_is_better, is_share, joined, ranged, spoken
from passo.errors import StoreError
from passo.language import later, numeral, t
from passo.store import StoredStudy
from passo.studies.published import METRICS, published_note


@dataclass(frozen=True)
class Claim:
    """`first` against `second`: it ends "better", they are "different", or the "same"."""

    words: str
    first: str
    says: Literal["better", "different", "same"]
    second: str


CLAIMS = (
    Claim(later("momentum beats plain SGD"), "optimisers-momentum", "better", "optimisers-sgd"),
    Claim(
        later("Nesterov's momentum and the plain one differ"), "optimisers-nesterov", "different", "optimisers-momentum"
    ),
    Claim(later("Adam beats plain SGD"), "optimisers-adam", "better", "optimisers-sgd"),
    Claim(later("SGD with momentum beats Adam"), "optimisers-momentum", "better", "optimisers-adam"),
    Claim(later("10 epochs of momentum beat 30 of plain SGD"), "optimisers-momentum", "better", "ewma-sgd"),
    Claim(
        later("a step decay after 5 epochs hurts a 10-epoch Adam"), "10-epochs-adam", "better", "10-epochs-adam-step"
    ),
    Claim(later("in 10 epochs a plateau schedule does nothing"), "10-epochs-adam-plateau", "same", "10-epochs-adam"),
    Claim(
        later("a step decay every 3 epochs hurts a 20-epoch Adam"), "20-epochs-adam", "better", "20-epochs-adam-step"
    ),
    Claim(
        later("a decay by 1 / (1 + 0.1 epoch) hurts a 20-epoch Adam"),
        "20-epochs-adam",
        "better",
        "20-epochs-adam-lambda",
    ),
    Claim(
        later("a decay by 1 / (1 + 0.1 epoch) beats the step decay"),
        "20-epochs-adam-lambda",
        "better",
        "20-epochs-adam-step",
    ),
    Claim(later("Adam gains from 10 more epochs"), "20-epochs-adam", "better", "10-epochs-adam"),
)
"""What one seed of the note shows, each as a sentence that more seeds can bear out or not."""


@dataclass(frozen=True)
class Judged:
    """A claim, the note's own difference (one seed; NaN for none), ours, and in how many seeds it went as claimed."""

    claim: Claim
    published: float
    pair: Paired
    agreeing: int
    verdict: Verdict


@dataclass(frozen=True)
class Claims:
    """All claims that a study can judge, by one metric; `missing` are those whose runs it lacks."""

    metric: str
    judged: tuple[Judged, ...]
    missing: tuple[Claim, ...]

    def of(self, verdict: Verdict) -> tuple[Judged, ...]:
        return tuple(one for one in self.judged if one.verdict == verdict)

    def table(self) -> Table:
        """A row for each claim: what the note saw, what we see, and the verdict."""
        metric = spoken(self.metric)
        published = t("{metric}: published difference", metric=metric)
        columns = (t("claim"), published, t("ours"), t("seeds"), t("as claimed"), t("p (Holm)"), t("verdict"))
        note = t(
            "Differences of the last {metric}, first minus second. The note: one seed, on the test split. Ours: paired "
            "by seed on images held back from training, 95 % intervals each by itself; p corrected by Holm for "
            "{count} claims, told apart at {level:g}.",
            metric=metric,
            count=len(self.judged),
            level=LEVEL,
        )
        return Table(columns, tuple(map(self._row, self.judged)), note)

    def _row(self, one: Judged) -> tuple[str, ...]:
        pair = one.pair
        verdict = told(one.verdict)
        if one.verdict == "cannot be told" and pair.known and one.claim.says != "same":
            verdict = t("cannot be told; seeds needed: {needed}", needed=pair.needed.words())
        return (
            t(one.claim.words),
            _printed(one.published, self.metric),
            "0" if pair.mean == pair.half == 0 else gap(pair, self.metric),
            str(pair.n),
            t("{part} of {whole}", part=one.agreeing, whole=pair.n),
            told_p(pair.adjusted),
            verdict,
        )

    def sentence(self) -> str:
        """How many hold, which do not, and which cannot be told."""
        if not self.judged:
            return t("No claim can be judged: the study lacks the runs.")
        parts = [
            t(
                "Of {count} claims, {holds} hold over {seeds} seeds",
                count=len(self.judged),
                holds=len(self.of("holds")),
                seeds=min(one.pair.n for one in self.judged),
            )
        ]
        if fails := self.of("does not hold"):
            parts.append(t("not borne out: {claims}", claims=joined([t(one.claim.words) for one in fails])))
        if untold := self.of("cannot be told"):
            parts.append(t("not to be told: {claims}", claims=joined([t(one.claim.words) for one in untold])))
        return "; ".join(parts) + "."


def _printed(difference: float, metric: str) -> str:
    """A published difference to its printed digits, with its sign."""
    if math.isnan(difference):
        return "—"
    text = f"{100 * difference:+.2f} {t('points')}" if is_share(metric) else f"{difference:+.4f}"
    return numeral(text.replace("-", "−")) if difference else "0"


def judge(study: StoredStudy, metric: str = "validation/loss", claims: Sequence[Claim] = CLAIMS) -> Claims:
    """Hold claims to a study of the same runs over seeds; raises `StoreError` where it has none of their runs.

    Claims about runs that are not there, or that share no seed, are `missing`; one seed tells nothing.
    """
    there = set(study.names())
    asked = [one for one in claims if {one.first, one.second} <= there]
    if not asked:
        raise StoreError(f"{study.folder} has no two runs of the published note: passo study run published-note")
    names = list(dict.fromkeys(name for one in asked for name in (one.first, one.second)))
    comparison = compare(study, metric, names)
    paired = [one for one in asked if _differences(comparison, one)]
    pairs = all_pairs(comparison, [(one.first, one.second) for one in paired])
    judged = [_judged(one, pair, comparison) for one, pair in zip(paired, pairs, strict=True)]
    return Claims(metric, tuple(judged), tuple(one for one in claims if one not in paired))


def beside(study: StoredStudy) -> Table:
    """Each run of the note beside ours over seeds, on the test split: printed, our interval, and our seeds' range.

    Runs that the study lacks are left out; raises `StoreError` where it has none.
    """
    names = [name for name in published_note().names if name in study.names()]
    if not names:
        raise StoreError(f"{study.folder} has no run of the published note: passo study run published-note")
    loss, accuracy = (compare(study, metric, names) for metric in ("test/loss", "test/accuracy"))
    rows = []
    for run in published_note().chosen(names):
        cells = [numeral(f"{run.printed['val_loss'][-1]:.4f}"), *_ours(loss.estimate(run.name), loss.metric)]
        cells += [
            numeral(f"{100 * run.printed['val_accuracy'][-1]:.2f} %"),
            *_ours(accuracy.estimate(run.name), accuracy.metric),
        ]
        rows.append((run.name, *cells, str(loss.estimate(run.name).n)))
    ours = (t("ours"), t("seeds' range"))
    columns = (t("run"), t("loss, published"), *ours, t("accuracy, published"), *ours, t("seeds"))
    note = t("Test split, after the last epoch: one seed of the note's, and ours with 95 %.")
    return Table(columns, tuple(rows), note)


def _ours(found: Outcome, metric: str) -> tuple[str, str]:
    low, high = amount(min(found.values), metric), amount(max(found.values), metric)
    return ranged(found, metric), t("{low} to {high}", low=low, high=high)


def _judged(claim: Claim, pair: Paired, comparison: Comparison) -> Judged:
    sign = 1 if higher_is_better(comparison.metric) else -1
    values = _differences(comparison, claim)
    same = all(value == 0 for value in values)
    if claim.says == "same":
        agreeing = sum(value == 0 for value in values)
        verdict = "holds" if same and len(values) > 1 else "does not hold" if _apart(pair) else "cannot be told"
    elif claim.says == "different":
        agreeing = sum(value != 0 for value in values)
        verdict = "holds" if _apart(pair) else "cannot be told"
    else:
        agreeing = sum(sign * value > 0 for value in values)
        borne = "holds" if sign * pair.mean > 0 else "does not hold"
        verdict = borne if _apart(pair) else "cannot be told"
    return Judged(claim, _published(claim, comparison.metric), pair, agreeing, verdict)


def _apart(pair: Paired) -> bool:
    return pair.verdict in ("higher", "lower")


def _differences(comparison: Comparison, claim: Claim) -> list[float]:
    """first − second over the seeds that both have."""
    first, second = (comparison.estimate(name) for name in (claim.first, claim.second))
    of_second = dict(zip(second.seeds, second.values, strict=True))
    return [v - of_second[s] for s, v in zip(first.seeds, first.values, strict=True) if s in of_second]


def _published(claim: Claim, metric: str) -> float:
    """The note's own difference of the last printed values; NaN where it has none."""
    printed = {run.name: run.printed for run in published_note().runs}
    column = next((column for column, name in METRICS.items() if name == metric), "")
    ends = [printed.get(name, {}).get(column, [math.nan])[-1] for name in (claim.first, claim.second)]
    return ends[0] - ends[1]
