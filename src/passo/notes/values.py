"""What the text may ask a study: settings, results over seeds, and comparisons whose words the data choose."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from passo import analysis
from passo.errors import StoreError
from passo.language import later, t
from passo.notes.formats import fixed, percent, points
from passo.store import StoredRun, StoredStudy

# What torch takes where a configuration is silent (torch 2.13 `torch/optim`); a test compares them with torch's.
DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"momentum": 0, "dampening": 0, "nesterov": False, "weight_decay": 0},
    "adam": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0},
    "adamw": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2},
    "rmsprop": {"alpha": 0.99, "eps": 1e-8, "momentum": 0, "weight_decay": 0},
}
LABELS = {
    "sgd": later("plain SGD"),
    "momentum": later("SGD with momentum"),
    "momentum-dampened": later("SGD with dampened momentum"),
    "nesterov": later("SGD with Nesterov momentum"),
    "adam": "Adam",
    "adam-beta1-0": later("Adam without β₁"),
    "adam-beta2-0.9": later("Adam with a short β₂"),
    "adam-eps-0.1": later("Adam with a large ε"),
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "nesterov-step": later("Nesterov under StepLR"),
    "nesterov-plateau": later("Nesterov under ReduceLROnPlateau"),
    "nesterov-cyclic": later("Nesterov under CyclicLR"),
    "nesterov-onecycle": later("Nesterov under OneCycleLR"),
    "sgd-torch": later("SGD with PyTorch's defaults"),
    "sgd-keras": later("SGD with Keras' defaults"),
    "rmsprop-torch": later("RMSprop with PyTorch's defaults"),
    "rmsprop-keras": later("RMSprop with Keras' defaults"),
    "adam-torch": later("Adam with PyTorch's defaults"),
    "adam-keras": later("Adam with Keras' defaults"),
    "adagrad-torch": later("Adagrad with PyTorch's defaults"),
    "adagrad-keras": later("Adagrad with Keras' defaults"),
    "adadelta-torch": later("Adadelta with PyTorch's defaults"),
    "adadelta-keras": later("Adadelta with Keras' defaults"),
    "ftrl-keras": later("Ftrl with Keras' defaults"),
    "momentum-step": later("PyTorch's momentum under StepLR"),
    "momentum-step-keras": later("Keras' momentum under StepLR"),
    "adam-final": later("Adam at its range test's rate"),
    "nesterov-cyclic-final": later("Nesterov and CyclicLR `triangular2`"),
}


@dataclass(frozen=True)
class Metric:
    """How a recorded metric is spoken of: its name, its unit, and what more of it is called."""

    name: str
    is_fraction: bool


METRICS = {
    "test/accuracy": Metric(later("test accuracy"), True),
    "validation/accuracy": Metric(later("validation accuracy"), True),
    "test/loss": Metric(later("test loss"), False),
    "epoch/train_loss": Metric(later("training loss"), False),
    "validation/loss": Metric(later("validation loss"), False),
}

_BETWEEN = {
    "higher": later("reaches a higher {metric} than"),
    "lower": later("reaches a lower {metric} than"),
    "not distinguishable": later("cannot be told apart in {metric} from"),
}
_SENTENCES = {
    "higher": later("{a} reaches a higher {metric} than {b} ({gap})"),
    "lower": later("{a} reaches a lower {metric} than {b} ({gap})"),
    "not distinguishable": later("{a} cannot be told apart in {metric} from {b} ({gap})"),
}


@dataclass(frozen=True)
class Values:
    """A study, as the text sees it."""

    study: StoredStudy

    def require(self, train: Sequence[str], **others: Sequence[str]) -> None:
        """Raise `StoreError` with the names of the configurations that the study lacks."""
        wanted = {"train": train, **others}
        missing = [
            f"{name} ({kind})" if kind != "train" else name
            for kind, names in wanted.items()
            for name in names
            if name not in self.study.names(kind)
        ]
        if missing:
            raise StoreError(
                f"the note needs runs that {self.study.folder} does not hold (or did not finish): "
                f"{', '.join(missing)}; run the whole study, say `passo study run {self.study.name}`"
            )

    def runs(self, name: str, kind: str = "train") -> tuple[StoredRun, ...]:
        """The finished runs of a configuration, by seed."""
        found = sorted(self.study.select(name, kind), key=lambda run: -1 if run.seed is None else run.seed)
        if not found:
            raise StoreError(f"{self.study.folder} has no finished run {name!r} of kind {kind}")
        return tuple(found)

    def run(self, name: str, kind: str = "train") -> StoredRun:
        """The run of the first seed: the one that was watched."""
        return self.runs(name, kind)[0]

    @functools.cached_property
    def seeds(self) -> list[int]:
        return sorted({run.seed for run in self.study.select() if run.seed is not None})

    @property
    def data(self) -> dict[str, Any]:
        return self.study.facts["data"]

    def setting(self, name: str, path: str) -> Any:
        """A setting of a configuration by its dotted path; torch's default where the configuration is silent.

        A missing optimiser option that torch has no default for is an error.
        """
        value: Any = self.run(name).config
        *parents, last = path.split(".")
        for part in parents:
            value = value[part]
        if parents == ["optimizer"] and last not in value:
            return DEFAULTS[value["name"]][last]
        return value[last]

    def label(self, name: str) -> str:
        """What a configuration is called in a sentence."""
        return t(LABELS[name]) if name in LABELS else f"`{name}`"

    # ── Results over seeds ──

    def estimate(self, name: str, metric: str = "test/accuracy") -> analysis.Outcome:
        """Mean over seeds and its 95 % interval, of a metric's last value."""
        return analysis.compare(self.study, metric, [name]).estimate(name)

    def result(self, name: str, metric: str = "test/accuracy") -> str:
        """A result in words: mean ± half of its interval, in the metric's unit."""
        write = percent if METRICS[metric].is_fraction else fixed
        return write(self.estimate(name, metric))

    def difference(self, a: str, b: str, metric: str = "test/accuracy") -> analysis.Difference:
        """The paired difference a − b over seeds, with its interval and verdict."""
        return analysis.compare(self.study, metric, [a, b]).difference(a, b)

    def compare(self, a: str, b: str, metric: str = "test/accuracy") -> str:
        """The words between a and b, chosen by the data.

        "reaches a higher test accuracy than", "reaches a lower test accuracy than", or "cannot be told apart from".
        """
        return t(_BETWEEN[self.difference(a, b, metric).verdict], metric=t(METRICS[metric].name))

    def gap(self, a: str, b: str, metric: str = "test/accuracy") -> str:
        """The difference a − b in words: mean, and the interval where there is one."""
        found = self.difference(a, b, metric)
        write = _decided(found, *((points, 1) if METRICS[metric].is_fraction else (fixed, 3)))
        mean = f"{'+' if found.mean > 0 else ''}{write(found.mean)}"
        if not found.known:
            return t("{difference}, from one seed", difference=mean)
        low, high = (write(end).removesuffix(f" {t('points')}") for end in (found.low, found.high))
        return t("{difference}, interval {low} to {high}", difference=mean, low=low, high=high)

    def sentence(self, a: str, b: str, metric: str = "test/accuracy") -> str:
        """The whole comparison as one clause.

        "Adam reaches a higher test accuracy than plain SGD (+2.1 points, interval 0.4 to 3.8)".
        """
        message, told = _SENTENCES[self.difference(a, b, metric).verdict], t(METRICS[metric].name)
        words = t(message, a=self.label(a), b=self.label(b), metric=told, gap=self.gap(a, b, metric))
        return words[0].upper() + words[1:]

    def best(self, names: Sequence[str], metric: str = "test/accuracy") -> str:
        """The configuration with the highest mean."""
        return max(names, key=lambda name: self.estimate(name, metric).mean)

    def ranked(self, metric: str = "test/accuracy") -> list[str]:
        """Every trained configuration, the highest mean first."""
        return sorted(self.study.names(), key=lambda name: -self.estimate(name, metric).mean)

    def told_apart(self, pairs: Sequence[tuple[str, str]], metric: str = "test/accuracy") -> int:
        """How many of the pairs the seeds tell apart."""
        return sum(self.difference(a, b, metric).verdict != "not distinguishable" for a, b in pairs)

    # ── What happened on the way ──

    def series(self, name: str, metric: str) -> np.ndarray:
        """A metric of the first seed's run, per record: (n,)."""
        return self.run(name).metric(metric).values

    def changes(self, name: str) -> int:
        """How often the learning rate of the first seed's run changed."""
        return int(np.count_nonzero(np.diff(self.series(name, "lr"))))


def _decided(found: analysis.Difference, write: Callable[..., str], digits: int) -> Callable[[float], str]:
    """Writes a difference; where it is told from zero, with so many digits that none of its numbers is written as 0."""
    ends = (found.mean, found.low, found.high) if found.verdict != "not distinguishable" else ()
    for more in range(digits, digits + 4):
        if all(re.search(r"[1-9]", write(end, more)) for end in ends if end):
            return functools.partial(write, digits=more)
    return functools.partial(write, digits=digits)


def span(values: Sequence[float], write: Any) -> str:
    """The smallest to the largest: "0.1 to 0.3", or one number where they are written alike."""
    low, high = write(min(values)), write(max(values))
    return low if low == high else t("{low}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high}", low=low, high=high)
