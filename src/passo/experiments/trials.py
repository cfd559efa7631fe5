"""`[tpe]` and `[successive_halving]`: trials that are drawn, and what becomes of them.

`[tpe]` is the tree-structured Parzen estimator of Optuna (Bergstra et al. 2011, algorithm 1; `optuna.samplers`): trials
are asked for in batches of `parallel`, so that they can train together; those of a batch that are under way count as
bad meanwhile (`constant_liar`), which keeps them apart.

`[successive_halving]` (Jamieson & Talwalkar 2016, algorithm 1) draws its trials at random, trains all of them for a
few epochs, keeps the best 1/`reduction`, trains these anew for more epochs, and so on. It is synchronous: Optuna's own
pruner decides as results arrive, so that another order of finishing gives other survivors, and a study that is
repeated would not come to the same ones.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from pydantic import Field, field_validator, model_validator

from passo.errors import ConfigError, require
from passo.experiments.distributions import Distribution, distribution
from passo.experiments.searching import Proposal, Scores, Search, Verdict, Walk, mean, ranking, swept
from passo.experiments.varying import RandomEntry
from passo.seeding import derive

MOST = 100_000  # trials


class Trials(Search):
    """A search over distributions of its keys."""

    trials: int = Field(ge=1, le=MOST)
    seed: int = 0

    @model_validator(mode="after")
    def _distributed(self) -> Trials:
        self.distributions()
        return self

    def distributions(self) -> dict[str, Distribution]:
        return {key: distribution(key, told) for key, told in self.keys.items()}

    def corners(self) -> list[Proposal]:
        return swept({key: one.ends for key, one in self.distributions().items()}, self.label(1))

    def label(self, number: int) -> str:
        return f"trial-{number:0{len(str(self.trials))}d}"


class Tpe(Trials):
    """Optuna's TPE: `trials` in batches of `parallel`."""

    parallel: int = Field(default=4, ge=1, le=MOST)

    @property
    def count(self) -> int:
        return self.trials

    def walk(self, stream: str) -> Walk:
        study, state = _optuna_study(derive(self.seed, "tpe", stream) % 2**32, self.higher)
        keys = self.distributions()
        spaces = {key: _space(one) for key, one in keys.items()}
        made: list[Proposal] = []
        found: list[Any] = []
        while len(made) < self.trials:
            asked = [study.ask(spaces) for _ in range(min(self.parallel, self.trials - len(made)))]
            batch = []
            for trial in asked:
                values = {key: _value(one, trial.params[key]) for key, one in keys.items()}
                batch.append(Proposal(self.label(len(made) + len(batch) + 1), values))
            scores: Scores = yield batch
            for trial, one in zip(asked, scores, strict=True):
                value = mean(one)
                if math.isfinite(value):
                    study.tell(trial, value)
                else:  # TPE counts it as worse than all that ended
                    study.tell(trial, state=state.PRUNED)
            made += batch
            found += scores
        return _best(made, found, self.higher, self.metric, f"all {self.trials} trials are used up")


class SuccessiveHalving(Trials):
    """Many trials for few epochs, few for many: `epochs` lists those of each rung."""

    epochs: tuple[int, ...] = (1, 3, 9)
    reduction: int = Field(default=3, ge=2, le=1000)

    @field_validator("epochs")
    @classmethod
    def _rise(cls, epochs: tuple[int, ...]) -> tuple[int, ...]:
        if not epochs or epochs[0] < 1 or list(epochs) != sorted(set(epochs)):
            raise ConfigError(f"epochs must be whole numbers that rise, such as [1, 3, 9], got {list(epochs)}")
        return epochs

    @model_validator(mode="after")
    def _epochs_are_its_own(self) -> SuccessiveHalving:
        if "epochs" in self.keys:
            raise ConfigError("epochs are those of the rungs, and cannot vary")
        return self

    def rungs(self) -> list[int]:
        """How many trials each rung has.

        >>> SuccessiveHalving.model_validate({"trials": 27, "lr": {"uniform": [0.1, 1]}}).rungs()
        [27, 9, 3]
        """
        return [max(1, self.trials // self.reduction**rung) for rung in range(len(self.epochs))]

    @property
    def count(self) -> int:
        return sum(self.rungs())

    def drawn(self) -> list[Proposal]:
        """All trials; every configuration of the study meets the same."""
        draw = RandomEntry.model_validate({"samples": self.trials, "seed": self.seed, "keys": self.keys})
        return [Proposal(self.label(number), changes) for number, changes in enumerate(draw.draws(), start=1)]

    def corners(self) -> list[Proposal]:
        return self.drawn()

    def walk(self, stream: str) -> Walk:
        alive, told, batch, scores = self.drawn(), [], [], []
        for rung, (epochs, keep) in enumerate(zip(self.epochs, self.rungs(), strict=True), start=1):
            alive = alive[:keep]
            batch = [Proposal(f"{one.label},rung-{rung}", {"epochs": epochs, **one.changes}) for one in alive]
            scores = yield batch
            places = ranking(scores, self.higher)
            if not places:
                break
            best = {"best": batch[places[0]].changes, "value": mean(scores[places[0]])}
            told.append({"rung": rung, "runs": len(batch), **best})
            alive = [alive[place] for place in places]
        return _best(batch, scores, self.higher, self.metric, f"all {len(told)} rungs are done", tuple(told))


def _best(made: list[Proposal], scores: Scores, higher: bool, metric: str, why: str, told: tuple = ()) -> Verdict:
    places = ranking(scores, higher)
    if not places:
        return Verdict(None, math.nan, f"no trial ended with a finite {metric}", told)
    return Verdict(made[places[0]], mean(scores[places[0]]), why, told)


def _optuna_study(seed: int, higher: bool) -> tuple[Any, Any]:
    """An Optuna study in memory, quiet, and the states of its trials."""
    optuna: Any = require("optuna", "search")
    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        study = optuna.create_study(direction="maximize" if higher else "minimize", sampler=sampler)
    finally:
        optuna.logging.set_verbosity(loud)
    return study, optuna.trial.TrialState


def _space(one: Distribution) -> Any:
    """A distribution in Optuna's words; of a choice, the places, since its values may be lists and tables."""
    distributions: Any = require("optuna.distributions", "search")
    if one.kind == "choice":
        return distributions.CategoricalDistribution(range(len(one.values)))
    low, high = one.values
    if one.kind == "int":
        return distributions.IntDistribution(low, high)
    return distributions.FloatDistribution(low, high, log=one.kind == "loguniform")


def _value(one: Distribution, told: Any) -> Any:
    """What Optuna chose, as a study has it."""
    if one.kind == "choice":
        return one.values[told]
    return int(told) if one.kind == "int" else one.rounded(told)
