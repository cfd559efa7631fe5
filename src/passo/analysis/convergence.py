"""Whether a loss converged, how fast, to what value, and whether it settled: each word defined, to be argued with.

Of a curve y₁ … yₙ over epochs, the last third (at least 4 records) is the *end*; a line a + b·e is fitted to it by
least squares, s is the standard deviation about it.

    value      the median of the end
    fall       y₁ − value: what was learned between the first record and the end
    drift      b · (length of the end): what still happens within it
    error      half of the drift's 95 % interval (Student's t of b)
    moving     |drift| exceeds both 2 % of the fall and the error
    swings     s
    fast       the epoch from which on y stays within 5 % of the fall above the value (control's settling time)
    half       the first epoch with half of the fall behind it

and in words, the first that applies:

    diverged       a value is not finite, or the run says so
    too short      fewer than 6 records
    still falling  moving, downwards: it has not converged, and the value is an upper bound
    did not fall   the fall is below 0, or inside the swings (2 s)
    rising         moving, upwards
    unclear        |drift| exceeds 2 % of the fall, and may exceed 10 % (with its error): its swings hide it
    restless       it converged, and swings by more than 2.5 % of the fall: it did not settle
    settled        it converged and stays

"Converged" (settled or restless) means that nothing more was happening at the end of this training, at this learning
rate; a smaller rate may start it again. Means over epochs suit these rules, single mini-batches swing too much. The
5 % settling time is that of K. Ogata, Modern Control Engineering (5th ed., 2010), chapter 5.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from passo.analysis.intervals import Interval, interval, t_quantile
from passo.analysis.tables import Table
from passo.analysis.varied import ended, listed
from passo.analysis.words import ranged, significant, spoken
from passo.errors import StoreError
from passo.language import later, t
from passo.store import StoredRun, StoredStudy

FEWEST, END = 6, 4  # records of a curve, and of its end
MOVING, NEAR, SWINGS, HIDDEN = 0.02, 0.05, 0.025, 0.1  # shares of the fall
CONVERGED = (later("settled"), later("restless"))
FALLING, RISING, UNCLEAR = later("still falling"), later("rising"), later("unclear")
UNMOVED, DIVERGED, SHORT = later("did not fall"), later("diverged"), later("too short")


@dataclass(frozen=True)
class Converged:
    """One curve's answer: `state` in English words (see the module), and the numbers; NaN where they make no sense."""

    run: str
    metric: str
    state: str
    value: float
    fall: float
    drift: float
    swings: float
    half: float
    fast: float
    epochs: float

    @property
    def converged(self) -> bool:
        return self.state in CONVERGED

    def sentence(self) -> str:
        """All four answers."""
        message = _SENTENCES[self.state]
        if self.state == DIVERGED and not self.epochs:
            message = later("The {metric} of {run} diverged in its first epoch.")
        numbers = {name: significant(getattr(self, name)) for name in ("value", "half", "fast", "epochs")}
        numbers |= {"drift": significant(abs(self.drift), 2), "swings": significant(self.swings, 2)}
        return t(message, metric=spoken(self.metric), run=self.run, fewest=FEWEST, **numbers)


_SENTENCES = {
    DIVERGED: later("The {metric} of {run} diverged after {epochs} epochs."),
    SHORT: later(
        "The {metric} of {run} has too few records to tell whether it converged: train for {fewest} epochs or more."
    ),
    UNMOVED: later("The {metric} of {run} did not fall: it ends at {value}."),
    UNCLEAR: later("The {metric} of {run} swings too much at its end ({value}) to tell whether it converged."),
    FALLING: later(
        "The {metric} of {run} has not converged: after {epochs} epochs it is still falling, by {drift} over the last "
        "third, where it is about {value}, and goes lower."
    ),
    RISING: later(
        "The {metric} of {run} has not converged: after {epochs} epochs it is still rising, by {drift} over the last "
        "third, where it is about {value}."
    ),
    "settled": later(
        "The {metric} of {run} converged to {value}, and settled: from epoch {fast} on it stays within 5 % of its "
        "fall, and at the end it swings by {swings} about a line."
    ),
    "restless": later(
        "The {metric} of {run} converged to {value}, but did not settle: half of its fall was done by epoch {half}, "
        "and at the end it swings by {swings} about a line."
    ),
}


def converged(epochs: np.ndarray, values: np.ndarray, run: str = "it", metric: str = "epoch/train_loss") -> Converged:
    """What is to be said of a loss `values` (n,) at `epochs` (n,)."""
    if not np.isfinite(values).all():
        return _nothing(run, metric, "diverged", float(epochs[-1]))
    if len(values) < FEWEST:
        return replace(_nothing(run, metric, "too short", float(epochs[-1])), value=float(values[-1]))
    last = max(END, math.ceil(len(values) / 3))
    value = float(np.median(values[-last:]))
    drift, error, swings = _line(epochs[-last:], values[-last:])
    fall = float(values[0]) - value
    half, fast = _speed(epochs, values, value, fall)
    state = _state(fall, drift, error, swings)
    return Converged(run, metric, state, value, fall, drift, swings, half, fast, float(epochs[-1]))


def _nothing(run: str, metric: str, state: str, epochs: float) -> Converged:
    """A curve of which no number can be given but its length."""
    return Converged(run, metric, state, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, epochs)


def _line(epochs: np.ndarray, values: np.ndarray) -> tuple[float, float, float]:
    """Of a fitted line: the change over its length, half of that change's 95 % interval, the deviation about it."""
    at = epochs - epochs.mean()
    slope = float(at @ values / (at @ at))
    freedom = len(values) - 2
    deviation = math.sqrt(float(((values - values.mean() - slope * at) ** 2).sum()) / freedom)
    length = float(epochs[-1] - epochs[0])
    return slope * length, t_quantile(0.975, freedom) * deviation / math.sqrt(float(at @ at)) * length, deviation


def _state(fall: float, drift: float, error: float, swings: float) -> str:
    moving = abs(drift) > max(MOVING * abs(fall), error)
    if moving and drift < 0:
        return "still falling"
    if fall <= 2 * swings or fall <= 0:
        return "did not fall"
    if moving:
        return "rising"
    if abs(drift) > MOVING * fall and abs(drift) + error > HIDDEN * fall:
        return "unclear"
    return "restless" if swings > SWINGS * fall else "settled"


def _speed(epochs: np.ndarray, values: np.ndarray, value: float, fall: float) -> tuple[float, float]:
    """The epochs at which half of the fall is done, and from which 95 % of it are, for good."""
    if fall <= 0:
        return math.nan, math.nan
    halved = np.flatnonzero(values <= value + 0.5 * fall)
    outside = np.flatnonzero(values > value + NEAR * fall)
    after = int(outside[-1]) + 1
    return float(epochs[halved[0]]), float(epochs[after]) if after < len(epochs) else math.nan


def run_convergence(run: StoredRun, metric: str = "epoch/train_loss") -> Converged:
    """Whether a stored run's loss converged; raises `StoreError` where it was not recorded and nothing diverged."""
    if run.status == "diverged" and not run.has(metric):
        return _nothing(run.id, metric, "diverged", 0.0)
    series = run.metric(metric)
    found = converged(series.epochs, series.values, run.id, metric)
    if run.status == "diverged" and found.state != "diverged":
        return _nothing(run.id, metric, "diverged", float(series.epochs[-1]))
    return found


@dataclass(frozen=True)
class Convergence:
    """One configuration: each run's answer."""

    name: str
    runs: tuple[Converged, ...]

    @property
    def words(self) -> str:
        """ "settled" where all runs are; else how many of each."""
        states = Counter(run.state for run in self.runs)
        if len(states) == 1:
            return t(next(iter(states)))
        return ", ".join(f"{n} {t(state)}" for state, n in states.most_common())

    @property
    def value(self) -> Interval:
        """To what value, over the runs that did not diverge."""
        return interval([run.value for run in self.runs if run.state != "diverged"] or [math.nan])

    def median(self, what: str) -> float:
        """The median over runs of one of their numbers, without those that have none."""
        found = [number for run in self.runs if math.isfinite(number := getattr(run, what))]
        return float(np.median(found)) if found else math.nan


@dataclass(frozen=True)
class Convergences:
    """All configurations of a study."""

    metric: str
    each: tuple[Convergence, ...]

    def table(self) -> Table:
        columns = (t("configuration"), t("did it converge"), t("to"), t("half by epoch"), t("95 % by epoch"))
        columns += (t("drift"), t("swings"))
        rows = [
            (
                c.name,
                c.words,
                "—" if math.isnan(c.value.mean) else ranged(c.value),
                *(_short(c.median(what)) for what in ("half", "fast", "drift", "swings")),
            )
            for c in self.each
        ]
        note = t(
            "Of the {metric}; medians over runs. Drift: the change within the last third of the epochs; swings: the "
            "standard deviation about a line there. docs/comparing.md defines the words.",
            metric=spoken(self.metric),
        )
        return Table(columns, tuple(rows), note)

    def sentence(self) -> str:
        """How many runs converged, and which configurations did not."""
        runs = [run for each in self.each for run in each.runs]
        if len(runs) == 1:
            return runs[0].sentence()
        by_state = {
            state: [each.name for each in self.each if any(run.state == state for run in each.runs)]
            for state in ("restless", UNCLEAR, FALLING, RISING, UNMOVED, DIVERGED, SHORT)
        }
        parts = [
            f"{t(state)}: {t('all') if len(names) == len(self.each) else listed(names)}"
            for state, names in by_state.items()
            if names
        ]
        told = t(
            "The {metric} converged in {done} of {n} runs{others}.",
            metric=spoken(self.metric),
            done=sum(run.converged for run in runs),
            n=len(runs),
            others=f" ({'; '.join(parts)})" if parts else "",
        )
        if not by_state[SHORT]:
            return told
        return f"{told} {t('Fewer than {n} epochs cannot tell: train for more.', n=FEWEST)}"


def _short(value: float) -> str:
    return "—" if math.isnan(value) else significant(value, 2)


def convergences(
    study: StoredStudy, metric: str = "epoch/train_loss", names: Sequence[str] | None = None
) -> Convergences:
    """Whether the losses of a study converged, diverged runs included.

    Raises `UnknownName` for a configuration that the study lacks, `StoreError` where none recorded the metric.
    """
    study = study.holding(metric)
    chosen = names or list(dict.fromkeys(r.name for r in study.runs if r.kind == "train"))
    have = {
        name: [run for run in ended(study, name) if run.status == "diverged" or run.has(metric)]
        for name in chosen
        if _ran(study, name)
    }
    found = [
        Convergence(name, tuple(run_convergence(run, metric) for run in runs)) for name, runs in have.items() if runs
    ]
    if all(run.state == "diverged" and not run.epochs for each in found for run in each.runs):
        raise StoreError(f"no run in {study.folder} has {metric!r}, so nothing can be said of convergence")
    return Convergences(metric, tuple(found))


def _ran(study: StoredStudy, name: str) -> bool:
    return any(run.status in ("done", "diverged") for run in study.called(name))
