"""A training of a group that is one network: what it is made of, what looks at it, and what it will write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from passo.data import Data
from passo.experiments.assembling import Parts, assemble
from passo.experiments.instruments import Instruments, instruments
from passo.experiments.sink import Draft
from passo.experiments.stages import Task
from passo.replicas import Replica
from passo.training import TrainConfig

OfSeeds = Data | Mapping[int, Data]
"""The data of a group: the same for all, or each seed's own."""


def of_seeds(tasks: Sequence[Task], loading: Callable[[TrainConfig], Data]) -> OfSeeds:
    """The data of a group: loaded once, or for each seed where each draws its own."""
    firsts = {task.settings["seed"]: task for task in tasks}
    if len({task.settings["dataset"]["seed"] for task in firsts.values()}) == 1:
        return loading(TrainConfig.model_validate(tasks[0].settings))
    return {seed: loading(TrainConfig.model_validate(task.settings)) for seed, task in firsts.items()}


@dataclass
class Member:
    """Such a training, from its configuration to its end."""

    task: Task
    config: TrainConfig
    data: Data
    parts: Parts
    draft: Draft = field(default_factory=Draft)
    instruments: Instruments | None = None
    last: int | None = None  # the step at which it ended
    diverged: bool = False
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def of(cls, task: Task, data: OfSeeds) -> Member:
        config = TrainConfig.model_validate(task.settings)
        own = data if isinstance(data, Data) else data[config.seed]
        return cls(task, config, own, assemble(config, own))

    def replica(self) -> Replica:
        """The member, as the engine takes it."""
        parts, config = self.parts, self.config
        regular = (parts.penalty, config.clip_norm, config.clip_value, config.label_smoothing)
        return Replica(parts.model, parts.optimizer, parts.schedule, config.seed, *regular)

    def watch(self) -> Instruments | None:
        """Put on it what its configuration wants to be recorded; None where that is nothing."""
        config, parts = self.config, self.parts
        if not (config.record.every or config.record.path):
            return None
        total = parts.steps_per_epoch and parts.steps_per_epoch * config.epochs
        wanted = (config.record, parts.model, parts.loss_fn, parts.optimizer, self.draft, total, parts.penalty)
        self.instruments = self._open.enter_context(instruments(*wanted))
        if self.instruments.lens is not None:
            self.instruments.lens.rest()  # a schedule is asked for an epoch's steps before they are made
        return self.instruments

    def end(self, step: int) -> None:
        """It has made its last step: its model has its last weights, and nothing looks at it any more."""
        self.last = step
        self._open.close()
