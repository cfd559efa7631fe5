"""What the text on any study may ask: its results by name, and what each analysis finds, computed at the first call.

Values are plain words and numbers, so that a text which somebody sent reaches nothing that writes or runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passo.analysis.batches import batch_sizes
from passo.analysis.budgets import budgets
from passo.analysis.claims import judge
from passo.analysis.convergence import convergences
from passo.analysis.ends import endings
from passo.analysis.importance import importance
from passo.analysis.intervals import CONFIDENCE
from passo.analysis.overfitting import overfitting
from passo.analysis.paired import APART, FairComparison, Paired, fair, gap
from passo.analysis.sensitivity import sensitivity
from passo.analysis.standing import ranking_metric
from passo.analysis.targets import targets
from passo.analysis.tuning import best_of
from passo.analysis.varied import RATE, called, flat, is_number, settings
from passo.analysis.words import higher_is_better, joined, ranged, spoken
from passo.errors import StoreError, UsageError
from passo.language import numeral, t
from passo.notes.doctor import checkup
from passo.notes.spoken import escaped, listed
from passo.notes.unfinished import command
from passo.registry import unknown
from passo.store import StoredRun, StoredStudy

LOSS = "epoch/train_loss"


@dataclass(frozen=True)
class Results:
    """A study, as a text sees it. `metric` is what it compares by; `curve` the same over the epochs, in validation."""

    study: StoredStudy
    metric: str
    curve: str

    @functools.cached_property
    def fair(self) -> FairComparison:
        """All configurations, ranked and corrected for how many they are."""
        return fair(self.study.holding(lasts=[self.metric]), self.metric)

    @functools.cached_property
    def reference(self) -> StoredRun:
        """The run that figures of one run are of: the first seed of what validation puts first."""
        there = [name for name in self.study.names() if all(run.has(self.curve) for run in self.study.select(name))]
        sign = -1 if higher_is_better(self.curve) else 1
        lasts = self.study.lasts(self.curve)
        best = min(there, key=lambda name: sign * _mean([lasts[run.id] for run in self.study.select(name)]))
        return min(self.study.select(best), key=lambda run: -1 if run.seed is None else run.seed)

    @functools.cached_property
    def keys(self) -> tuple[str, ...]:
        """The settings that vary, with dots."""
        return settings(self.study).keys

    @functools.cached_property
    def numbers(self) -> tuple[str, ...]:
        """Of these, positive numbers with three values or more."""
        found = settings(self.study)
        values = {key: found.values(key) for key in found.keys}
        return tuple(k for k, v in values.items() if len(v) > 2 and all(is_number(one) and one > 0 for one in v))

    def setting(self, name: str, key: str) -> Any:
        """A setting of a configuration by its key with dots, or its last part where that is enough; None without it.

        Of a section (optimizer) its name, as it is given. Raises `UnknownName` for what no configuration has.
        """
        value: Any = _run(self.study, name).config
        for part in self._key(name, str(key)).split("."):
            if isinstance(value, list | tuple) and part.isdigit():
                value = value[int(part)] if int(part) < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        return value.get("name") if isinstance(value, Mapping) else value

    def _key(self, name: str, key: str) -> str:
        """The whole key of a setting that some configuration has."""
        if key == "lr" or key in self._settings:
            return RATE if key == "lr" else key
        ends = [known for known in self._settings if known.endswith(f".{key}")]
        if len(ends) == 1:
            return ends[0]
        owner, _, place = key.rpartition(".")
        if f"{key}.name" in self._settings or (place.isdigit() and owner in self._settings):
            return key
        raise unknown(f"setting of {name}", key, self._settings)

    @functools.cached_property
    def _settings(self) -> tuple[str, ...]:
        """Every setting of every configuration, with dots."""
        first = [_run(self.study, name) for name in self.study.names()]
        return tuple(dict.fromkeys(key for run in first for key in flat(run.config)))

    def result(self, name: str, metric: str = "") -> str:
        """The last value of a metric: mean over seeds and 95 % interval."""
        return escaped(ranged(self._ended(name, metric), metric or self.metric))

    def mean(self, name: str, metric: str = "") -> float:
        """The same, the mean alone, as a number."""
        return self._ended(name, metric).mean

    def _ended(self, name: str, metric: str) -> Any:
        wanted = metric or self.metric
        _known(self.study, name, wanted)
        return fair(self.study, wanted, [name]).comparison.outcomes[0]

    def difference(self, first: str, second: str, metric: str = "") -> Paired:
        """`first` minus `second`, paired by seed: one comparison, planned."""
        wanted = metric or self.metric
        for name in (first, second):
            _known(self.study, name, wanted)
        return fair(self.study, wanted, [first, second], second).against[first]

    def gap(self, first: str, second: str, metric: str = "") -> str:
        """The difference in words, with its interval."""
        return escaped(gap(self.difference(first, second, metric), metric or self.metric))

    def verdict(self, first: str, second: str, metric: str = "") -> str:
        """How `first` stands to `second`: "higher", "lower" or "not distinguishable", to choose words by."""
        return self.difference(first, second, metric).verdict

    def compare(self, first: str, second: str, metric: str = "") -> str:
        """The whole comparison, its words chosen by the data, without a full stop."""
        found, named = self.difference(first, second, metric), spoken(metric or self.metric)
        told = {"first": f"`{first}`", "second": f"`{second}`", "metric": escaped(named)}
        told["gap"] = self.gap(first, second, metric)
        if not found.known:
            return t("one seed cannot tell {first} from {second} in {metric} ({gap})", **told)
        if found.verdict == APART:
            return t("{first} and {second} cannot be told apart in {metric} ({gap})", **told)
        if found.verdict == "higher":
            return t("{first} ends with a higher {metric} than {second} ({gap})", **told)
        return t("{first} ends with a lower {metric} than {second} ({gap})", **told)


def results(study: StoredStudy) -> Results:
    """The results of a study; raises `StoreError` where it has no finished training, or none that can be compared."""
    metric = ranking_metric(study)
    if metric is None or not study.select():
        raise StoreError(f"{study.folder} holds no finished training with a result: there is nothing to write about")
    wished = (metric.replace("test/", "validation/"), "validation/loss", LOSS)
    known = study.metrics()
    return Results(study, metric, next((name for name in wished if name in known), metric))


def parts(found: Results) -> dict[str, Callable[[], Any]]:
    """What analyses find, by the names under which a text asks for them; each is computed once, when it is asked."""
    study, metric, curve = found.study, found.metric, found.curve
    made: dict[str, Callable[[], Any]] = {
        "ranked": lambda: found.fair,
        "tuned": lambda: best_of(study, curve if curve.startswith("validation/") else "validation/loss", metric),
        "targets": lambda: targets(study, curve),
        "ends": lambda: endings(study, curve),
        "convergence": lambda: convergences(study, LOSS),
        "rates": lambda: sensitivity(study, curve, RATE),
        "importance": lambda: importance(study, curve),
        "budget": lambda: budgets(study, "validation/loss", metric),
        "batches": lambda: batch_sizes(study, metric),
        "overfitting": lambda: overfitting(found.reference),
        "claims": lambda: judge(study),
    }
    for key in found.numbers:
        made[axis(key)] = functools.partial(sensitivity, study, curve, key)
    return {name: functools.cache(compute) for name, compute in made.items()}


def axis(key: str) -> str:
    """The name of what is found over one setting that varies: of results, tables and figures.

    >>> axis("optimizer.weight_decay"), axis("optimizer.betas.0")
    ('by-weight-decay', 'by-betas-0')
    """
    parts_of = key.split(".")
    words = parts_of[-2:] if parts_of[-1].isdigit() else parts_of[-1:]
    return f"by-{'-'.join(words)}".replace("_", "-")


def vocabulary(found: Results, data: Mapping[str, Any]) -> dict[str, Any]:
    """The names that a text on any study may use."""
    study, there = found.study, parts(found)
    runs, title = study.select(), str(study.config.get("title") or study.facts.get("title") or study.name)
    asked = {name: getattr(found, name) for name in ("setting", "result", "mean", "gap", "verdict", "compare")}
    return {
        **asked,
        "has": lambda name: _has(there, name),
        "told": lambda name: _sentence(there, name),
        "doctor": functools.cache(lambda: checkup(study)),
        "study": study.name,
        "folder": study.folder.name,
        "command": command(study),
        "more_seeds": command(study, seeds=10),
        "title": escaped(_shipped_words(" ".join(title.split()))),  # of one line, as a heading is
        "description": escaped(_shipped_words(str(study.config.get("description") or ""))),
        "metric": escaped(spoken(found.metric)),
        "curve": escaped(spoken(found.curve)),
        "best": found.fair.comparison.names[0],
        "worst": found.fair.comparison.names[-1],
        "ranked": list(found.fair.comparison.names),
        "comparisons": found.fair.count,
        "decided": sum(pair.verdict != APART for pair in found.fair.against.values()),
        "reference": found.reference.id,
        "varied": [escaped(called(key)) for key in found.keys],
        "numbers": [axis(key) for key in found.numbers if key != RATE],
        "seeds": len({run.seed for run in runs}),
        "configurations": len(study.names()),
        "trainings": len(runs),
        "lost": sum(run.status in ("diverged", "failed") for run in study.runs),
        "range_tests": len(study.select(kind="lr_range")),
        "models": _names(runs, "model"),
        "optimizers": _names(runs, "optimizer"),
        "schedules": _names(runs, "schedule"),
        "parameters": _span(run.info.get("parameters") for run in runs),
        "epochs": _span(run.config.get("epochs") for run in runs),
        "batch_size": _span(run.config.get("batch_size") for run in runs),
        "data": dict(data),
        "level": CONFIDENCE,
        "listed": lambda names: listed(list(names)) if names else "",
        "code": lambda names: joined([f"`{name}`" for name in names]),
        "escaped": lambda text: escaped(str(text)),
    }


def _shipped_words(words: str) -> str:
    """The title or the description of a study: that of one of the package in the language that is spoken."""
    return words if set("{}") & set(words) else t(words)  # one's own may hold braces, and is no message


def _sentence(there: Mapping[str, Callable[[], Any]], name: str) -> str:
    """What an analysis says in a sentence or two, as Markdown."""
    if name not in there:
        raise unknown("result", name, there)
    return escaped(there[name]().sentence())


def _has(there: Mapping[str, Callable[[], Any]], name: str) -> bool:
    """Whether the study holds what an analysis reads."""
    if name not in there:
        raise unknown("result", name, there)
    try:
        there[name]()
    except (StoreError, UsageError):
        return False
    return True


def _known(study: StoredStudy, name: str, metric: str) -> None:
    """Raise `UnknownName` for a configuration or a metric that the study lacks."""
    _run(study, name)
    if not any(run.has(metric) for run in study.select(name)):
        raise unknown(f"metric of {name}", metric, sorted({m for run in study.select(name) for m in run.metrics()}))


def _run(study: StoredStudy, name: str) -> StoredRun:
    if name not in study.names():
        raise unknown("configuration", name, study.names())
    return study.select(name)[0]


def _names(runs: Iterable[StoredRun], section: str) -> list[str]:
    """The names of models, optimizers or schedules, each once, in the order of the study."""
    told = [run.config.get(section) or {} for run in runs]
    return list(dict.fromkeys(str(one["name"]) for one in told if one.get("name")))


def _span(values: Iterable[Any]) -> str:
    """One value, or the smallest to the largest of several: "5", "3 to 40"."""
    there = set(values) - {None}
    numbers = sorted(value for value in there if is_number(value))
    words = sorted(str(value) for value in there if not is_number(value))
    few = [numeral(f"{numbers[0]:,}")] if numbers and numbers[0] == numbers[-1] else []
    ends = {"low": numeral(f"{numbers[0]:,}"), "high": numeral(f"{numbers[-1]:,}")} if numbers else {}
    several = [t("{low} to {high}", **ends)] if numbers and not few else []
    return joined([*few, *several, *words]) if there else ""


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
