"""The rate or the name: how far its learning rate moves each optimiser's result, and how far the optimisers lie apart.

Only configurations that differ in nothing else are looked at: a constant learning rate and no option but momentum.
PyTorch's and Keras' optimisers of one name count as one here: what differs between them by default is the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from passo.analysis.compare import Outcome, compare
from passo.errors import StoreError
from passo.store import StoredRun, StoredStudy

_PLAIN = {"name", "lr", "momentum", "nesterov"}


@dataclass(frozen=True)
class Tried:
    """An optimiser at one constant learning rate, and what came of it over seeds."""

    optimizer: str
    lr: float
    outcome: Outcome


@dataclass(frozen=True)
class Rates:
    """All of them, by optimiser and rate."""

    metric: str
    tried: tuple[Tried, ...]

    @property
    def optimizers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.optimizer for one in self.tried))

    def of(self, optimizer: str) -> tuple[Tried, ...]:
        """The rates that an optimiser was tried at, the lowest first."""
        return tuple(sorted((one for one in self.tried if one.optimizer == optimizer), key=lambda one: one.lr))

    def best(self, optimizer: str) -> Tried:
        """The rate with the highest mean."""
        return max(self.of(optimizer), key=lambda one: one.outcome.mean)

    def spread(self, optimizer: str) -> float:
        """The highest mean minus the lowest one, over an optimiser's rates."""
        means = [one.outcome.mean for one in self.of(optimizer)]
        return max(means) - min(means)

    @property
    def tuned(self) -> tuple[str, ...]:
        """The optimisers that were tried at two rates or more."""
        return tuple(name for name in self.optimizers if len({one.lr for one in self.of(name)}) > 1)

    @property
    def widest(self) -> str:
        """The optimiser that its rate moves most."""
        return max(self.tuned, key=self.spread)

    @property
    def between(self) -> float:
        """The highest mean minus the lowest one, over the tuned optimisers, each at the best of its rates."""
        means = [self.best(optimizer).outcome.mean for optimizer in self.tuned]
        return max(means) - min(means)


def rates(study: StoredStudy, metric: str = "test/accuracy") -> Rates:
    """What a study tried at constant rates; raises `StoreError` where no optimiser has two of them."""
    there = {name: study.select(name)[0] for name in study.names()}
    plain = {name: run for name, run in there.items() if _plain(run)}
    if not plain:
        raise StoreError(f"{study.folder} has no configuration with a constant learning rate")
    found = compare(study, metric, list(plain))
    tried = [
        Tried(_called(run), float(run.metric("lr").values[0]), found.estimate(name)) for name, run in plain.items()
    ]
    result = Rates(metric, tuple(sorted(tried, key=lambda one: (one.optimizer, one.lr))))
    if not result.tuned:
        raise StoreError(f"{study.folder} tried no optimiser at two learning rates")
    return result


def _plain(run: StoredRun) -> bool:
    return not run.config.get("schedule") and set(run.config["optimizer"]) <= _PLAIN


def _called(run: StoredRun) -> str:
    optimizer = run.config["optimizer"]
    if optimizer.get("nesterov"):
        return "nesterov"
    return "momentum" if optimizer.get("momentum") else str(optimizer["name"]).removeprefix("keras-")
