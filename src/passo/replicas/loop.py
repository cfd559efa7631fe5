"""The loop for replicas: as `training.fit`, but one step is a step of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from passo.errors import ConfigError, TrainingError
from passo.optim import Schedule
from passo.optim.stepping import check_same_optimizer
from passo.replicas.losses import losses
from passo.replicas.network import LONG, Fused
from passo.replicas.shells import Due, Shell, Shells
from passo.replicas.updates import MOVED, Updates, numbers_of
from passo.training import Progress
from passo.training.evaluate import Evaluation
from passo.training.loop import Pairs
from passo.training.penalty import Penalty
from passo.training.step import EpochEnd
from passo.training.tasks import Task


class Replica(NamedTuple):
    """One training among those that are fused: what `fit` takes, and the seed whose batches it sees."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule | None = None
    seed: int = 0
    penalty: Penalty | None = None
    clip_norm: float | None = None
    clip_value: float | None = None
    smoothing: float = 0.0


class ReplicaStep(NamedTuple):
    """One step of R replicas: `loss` (R,) at the weights before it, NaN for those that have ended.

    `lr` and `momentum` (β₁ in Adam's family) are (R,), NaN where an optimizer has none; `penalty` is (R,). `ends` are
    there at the last step of an epoch, one for each replica. `diverged` are those whose loss was first not finite.
    """

    step: int
    epoch: int
    loss: Tensor
    lr: np.ndarray
    momentum: np.ndarray
    size: int
    penalty: Tensor | None = None
    ends: Sequence[EpochEnd] | None = None
    diverged: Sequence[int] = ()


class Replicas:
    """R trainings as one network. Walk `fit` for their steps; `put` writes the weights into the replicas' own models.

    Replicas come ordered by seed, equally many of each. A replica whose loss is not finite has ended before that step,
    as has one that is told to `end`: its weights go into its model and stay there. Raises `NotFused` or `NotStepped`
    for what the engine does not compute, and `ConfigError` where replicas do not belong together.

    >>> models = [nn.Linear(1, 1) for _ in range(2)]
    >>> replicas = [Replica(m, torch.optim.SGD(m.parameters(), lr=lr)) for m, lr in zip(models, (0.1, 0.2))]
    >>> batches = [(torch.ones(1, 4, 1), torch.ones(1, 4, 1))]
    >>> [tuple(record.loss.shape) for record in Replicas(replicas, nn.MSELoss()).fit(batches)]
    [(2,)]
    """

    def __init__(self, replicas: Sequence[Replica], loss_fn: nn.Module) -> None:
        self.replicas, self.loss_fn = replicas, loss_fn
        self.ended: dict[int, int] = {}  # replica → the last step that it made
        self._shells = Shells()
        self.network = Fused([one.model for one in replicas], _seeds(replicas))
        for one in replicas:
            check_same_optimizer(one.schedule, one.optimizer)
            one.optimizer.step()  # without gradients: it changes nothing, and torch's schedulers ask for it
        decays = [np.array([_decay(one, sheet.names[0]) for one in replicas]) for sheet in self.network.sheets]
        optimizers = [one.optimizer for one in replicas]
        self.updates = Updates(optimizers, self.sheets, decays, long=self.network.size >= LONG)
        self._l1, self._l2 = (
            self._column(getattr(one.penalty, name, 0.0) for one in replicas) for name in ("l1", "l2")
        )
        self._norm = self._column(one.clip_norm or np.inf for one in replicas)
        self._value = self._column(one.clip_value or np.inf for one in replicas)
        smoothing = self._column(one.smoothing for one in replicas)
        self._smoothing = None if smoothing is None else smoothing[:, 0]
        self._moved: dict[str, np.ndarray] = {}  # of this epoch: name → (steps, R)

    @property
    def sheets(self) -> list[Tensor]:
        """The weights: (R, n) each."""
        return [sheet.values for sheet in self.network.sheets]

    def show(self, row: int, due: Due) -> None:
        """Let the hooks on a replica's model and optimizer see its steps: those before which `due()` is true."""
        self._shells.put(row, Shell(self.replicas[row].model, self.replicas[row].optimizer, due))

    @property
    def going(self) -> list[int]:
        """Replicas that have to stay: those of a seed that goes on and of a place among its seed that does.

        A place is what each seed has one of; where R / S = C, replica r has place r mod C.
        """
        seeds = len(self.network.seeds)
        alive = np.array([row not in self.ended for row in range(len(self.replicas))]).reshape(seeds, -1)
        return np.flatnonzero(alive.any(axis=1, keepdims=True) & alive.any(axis=0, keepdims=True)).tolist()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these replicas alone, between two epochs; they are numbered anew. `going` says which can.

        What ended and is left out has its weights in its own model.
        """
        at = list(rows)
        self.network.keep(at)
        self.updates.keep(at, self.sheets)
        self.replicas = [self.replicas[row] for row in at]
        for name in ("_l1", "_l2", "_norm", "_value", "_smoothing"):
            column = getattr(self, name)
            setattr(self, name, None if column is None else column[at])
        self._moved = {name: table[:, at] for name, table in self._moved.items()}
        self.ended = {number: self.ended[row] for number, row in enumerate(at) if row in self.ended}
        self._shells.keep(at)

    def fit(
        self,
        batches: Pairs,
        epochs: int = 1,
        *,
        validation: Pairs | None = None,
        tasks: Sequence[Task] = (),
        progress: Progress | None = None,
    ) -> Iterator[ReplicaStep]:
        """Train, and yield a `ReplicaStep` after every step. `batches` are x (S, B, …) and y (S, B, …): `Together`.

        `validation` is evaluated at the end of every epoch. `tasks`, one for each seed, say what is shown and measured.
        `progress` is where the training goes on, and is kept true at every record.
        """
        at, steps = progress or Progress(), len(batches)  # type: ignore[arg-type]
        for epoch in range(at.epoch, epochs + 1):
            begun = time.perf_counter() - at.seconds
            if not at.taken:
                self._moved = self._schedules(steps)
            record: ReplicaStep | None = None
            for x, y in at.walk(batches):
                if tasks:
                    shown = [task.prepare(x[s], y[s], at.step + 1) for s, task in enumerate(tasks)]
                    x, y = _stacked(shown)
                record = self._step(x, y, {name: table[at.taken] for name, table in self._moved.items()}, at)
                at.step, at.taken = at.step + 1, at.taken + 1
                at.total = record.loss if at.total is None else at.total + record.loss
                at.seconds = time.perf_counter() - begun
                if at.taken < steps:
                    yield record
            if at.total is None or record is None:
                raise TrainingError(f"epoch {epoch} has no batches: the data are empty, or were used up by an iterator")
            seen = None if validation is None else self.evaluate(validation, tasks)
            for row, one in enumerate(self.replicas):
                if one.schedule is not None and row not in self.ended:
                    one.schedule.after_epoch(None if seen is None else seen[row].loss)
            means, seconds = (at.total / steps).tolist(), time.perf_counter() - begun
            at.after_epoch()
            ends = [EpochEnd(mean, None if seen is None else seen[row], seconds) for row, mean in enumerate(means)]
            yield record._replace(ends=ends)

    def _step(self, x: Tensor, y: Tensor, moved: Mapping[str, np.ndarray], at: Progress) -> ReplicaStep:
        for sheet in self.sheets:
            sheet.grad = None
        output = self.network(x, step=at.step + 1)
        each = len(output) // len(y)
        loss = losses(self.loss_fn, output, y.repeat_interleave(each, 0) if each > 1 else y, self._smoothing)
        loss.sum().backward()
        told = loss.detach()
        with torch.no_grad():
            diverged = self._diverged(told)
            for row in diverged:
                self.end(row, at.step)
            penalty = self._penalise()
            opened = self._shells.opened(self.network)
            self._clip([sheet.grad for sheet in self.sheets if sheet.grad is not None])
            clipped = self._norm is not None or self._value is not None
            self._shells.before(opened, self.network, self.updates, clipped=clipped)
            self.updates.step(moved)
            self._shells.after(opened, self.network, moved)
            if self.ended:
                told = told.index_fill(0, torch.tensor(list(self.ended)), torch.nan)
        momentum = np.where(np.isnan(moved["momentum"]), moved["beta1"], moved["momentum"])
        return ReplicaStep(at.step + 1, at.epoch, told, moved["lr"], momentum, y.shape[1], penalty,
                           diverged=diverged)  # fmt: skip

    def _diverged(self, loss: Tensor) -> list[int]:
        if torch.isfinite(loss).all():
            return []
        return [row for row in (~torch.isfinite(loss)).nonzero()[:, 0].tolist() if row not in self.ended]

    @torch.no_grad()
    def end(self, row: int, step: int) -> None:
        """Replica `row` has made its last step: its model keeps its weights, and its row goes on from 0, unseen."""
        self.ended[row] = step
        self._shells.drop(row)
        self.network.put_one(row, self.replicas[row].model)
        for sheet in self.sheets:
            sheet[row] = 0
            if sheet.grad is not None:
                sheet.grad[row] = 0
        for name, buffer in self.network.buffers.items():
            buffer[row] = float(name.endswith("running_var"))
        self.updates.forget(row)

    @torch.no_grad()
    def evaluate(self, batches: Pairs, tasks: Sequence[Task] = ()) -> list[Evaluation]:
        """Every replica over the same batches of (x, y), as `training.evaluate` would; `tasks` are one a seed."""
        total = torch.zeros(len(self.replicas), dtype=torch.float64)
        right, count, classes = torch.zeros(len(self.replicas), dtype=torch.int64), 0, True
        each = len(self.replicas) // max(1, len(tasks))
        measures = [tasks[row // each].measure() for row in range(len(self.replicas))] if tasks else None
        for number, (x, y) in enumerate(batches):
            shown = [task.shown(x, y, number) for task in tasks] or [(x, y)]
            x, y = _stacked(shown if any(one[0] is not shown[0][0] for one in shown) else shown[:1])
            output = self.network(x, training=False)
            y = y.repeat_interleave(len(output) // len(y), 0)
            total += losses(self.loss_fn, output, y) * y.shape[1]
            classes = classes and not y.is_floating_point() and output.dim() == 3 and y.dim() == 2
            if classes:
                right += (output.argmax(-1) == y).sum(1)
            count += y.shape[1]
            for row, measure in enumerate(measures or ()):
                measure.add(x[row * len(x) // len(output)], output[row], y[row])
        if not count:
            raise TrainingError("cannot evaluate: there are no batches")
        told = [measure.values() for measure in measures] if measures is not None else [{}] * len(self.replicas)
        return [
            Evaluation(loss / count, hits / count if classes else None, count, metrics=own, measure=measure)
            for loss, hits, own, measure in zip(
                total.tolist(), right.tolist(), told, measures or [None] * len(told), strict=True
            )
        ]

    def put(self) -> None:
        """Write every replica's weights and buffers into its own model."""
        for row, one in enumerate(self.replicas):
            if row not in self.ended:
                self.network.put_one(row, one.model)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on beside the batches, as a checkpoint keeps it."""
        return {
            "sheets": [sheet.detach() for sheet in self.sheets],
            "buffers": self.network.buffers,
            "updates": self.updates.state(),
            "schedules": [None if one.schedule is None else one.schedule.state_dict() for one in self.replicas],
            "options": [[_moving(group) for group in one.optimizer.param_groups] for one in self.replicas],
            "moved": {name: torch.from_numpy(table) for name, table in self._moved.items()},
            "ended": [[row, step] for row, step in self.ended.items()],
        }

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        for sheet, kept in zip(self.sheets, state["sheets"], strict=True):
            sheet.copy_(kept)
        for name, kept in state["buffers"].items():
            self.network.buffers[name].copy_(kept)
        self.updates.load_state(state["updates"])
        for one, schedule, options in zip(self.replicas, state["schedules"], state["options"], strict=True):
            if one.schedule is not None:
                one.schedule.load_state_dict(schedule)
            for group, kept in zip(one.optimizer.param_groups, options, strict=True):
                group |= {name: tuple(value) if name == "betas" else value for name, value in kept.items()}
        self._moved = {name: table.numpy() for name, table in state["moved"].items()}
        self.ended = dict(state["ended"])

    def _penalise(self) -> Tensor | None:
        """Add the penalties' gradients; what they are, (R,)."""
        prices: list[Tensor] = []
        for w in (sheet.values for sheet in self.network.sheets if sheet.kernel):
            assert w.grad is not None
            if self._l1 is not None:
                w.grad += self._l1 * w.sign()
                prices.append(self._l1[:, 0] * w.abs().sum(1))
            if self._l2 is not None:
                w.grad += 2 * self._l2 * w
                prices.append(self._l2[:, 0] * w.square().sum(1))
        return torch.stack(prices).sum(0) if prices else None

    def _clip(self, grads: Sequence[Tensor]) -> None:
        if self._value is not None:
            for grad in grads:
                torch.minimum(torch.maximum(grad, -self._value, out=grad), self._value, out=grad)
        if self._norm is not None:
            norms = torch.stack([torch.linalg.vector_norm(grad, dim=1, keepdim=True) for grad in grads])
            factor = (self._norm / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp_max_(1.0)
            for grad in grads:
                grad.mul_(factor)

    def _schedules(self, steps: int) -> dict[str, np.ndarray]:
        """What schedules say for each step of the epoch that begins: name → (steps, R)."""
        tables = {name: np.full((steps, len(self.replicas)), np.nan) for name in MOVED}
        for row, one in enumerate(self.replicas):
            for number in range(steps):
                now = numbers_of(one.optimizer)
                for name in MOVED:
                    tables[name][number:, row] = now.get(name, np.nan)
                if one.schedule is None or one.schedule.when != "step":
                    break
                one.schedule.after_step()
        return tables

    def _column(self, values: Iterable[float]) -> Tensor | None:
        """(R, 1); None where it would change nothing."""
        found = list(values)
        if not any(found) or all(np.isinf(found)):
            return None
        return self.sheets[0].new_tensor(found)[:, None]


def _stacked(pairs: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """x (S, B, …) and y (S, B, …); a single pair is not copied."""
    if len(pairs) == 1:
        return pairs[0][0][None], pairs[0][1][None]
    return torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs])


def _seeds(replicas: Sequence[Replica]) -> list[int]:
    seeds = list(dict.fromkeys(one.seed for one in replicas))
    each = len(replicas) // len(seeds)
    if [one.seed for one in replicas] != [seed for seed in seeds for _ in range(each)]:
        raise ConfigError("replicas come ordered by their seed, equally many of each")
    return seeds


def _moving(group: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a parameter group that schedules move."""
    return {name: group[name] for name in ("lr", "momentum", "betas") if name in group}


def _decay(one: Replica, name: str) -> float:
    """The weight decay of a parameter in its replica's optimizer."""
    wanted = one.model.get_parameter(name)
    return next(float(group.get("weight_decay", 0)) for group in one.optimizer.param_groups
                if any(parameter is wanted for parameter in group["params"]))  # fmt: skip
