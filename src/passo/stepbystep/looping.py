"""The half of the book's class that trains: loaders, scheduler, seed, clipping, the step, the epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, ReduceLROnPlateau

from passo import seeding
from passo.data import Batches
from passo.errors import ConfigError, TrainingError
from passo.models.dropout import dropouts, set_step
from passo.optim.stepping import Schedule, When, as_schedule, check_same_optimizer
from passo.stepbystep import kept, rangetest
from passo.training.loop import length

StepFunction = Callable[[Tensor, Tensor], float]
SEED = 42


class _Made:
    """`train_step_fn`, as `_make_train_step_fn` makes it: once, and anew where the class was given another maker."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._maker, self._key = f"_make_{name}", f"_{name}"

    def __get__(self, one: Any, kind: type | None = None) -> Any:
        if one is None:
            return self
        maker, made = getattr(one, self._maker), one.__dict__.get(self._key)
        if made is None or made[0] not in (None, maker):
            made = one.__dict__[self._key] = (maker, maker())
        return made[1]

    def __set__(self, one: Any, value: StepFunction) -> None:
        one.__dict__[self._key] = (None, value)


class Loop:
    """What `StepByStep` is before it watches, keeps and draws."""

    train_step_fn: ClassVar[Any] = _Made()
    val_step_fn: ClassVar[Any] = _Made()

    def __init__(self, model: nn.Module, loss_fn: Any, optimizer: Optimizer) -> None:
        self.model, self.loss_fn, self.optimizer = model, loss_fn, optimizer
        self.device: Any = "cuda" if torch.cuda.is_available() else "cpu"
        self.model.to(self.device)
        self.train_loader: Any = None
        self.val_loader: Any = None
        self.scheduler: Any = None
        self.writer: Any = None  # TensorBoard's
        self.is_batch_lr_scheduler = False
        self.clipping: Any = None  # a function, or the handles of hooks, or None
        self.losses: list[float | None] = []
        self.val_losses: list[float | None] = []
        self.learning_rates: list[list[float]] = []
        self.total_epochs = 0
        self._clip: rangetest.Clip | None = None
        self._seed: int | None = None  # of the training so far
        self._batches = 0  # mini-batches trained so far
        self._since = 0  # epochs that were complete when the scheduler was set
        self._kept: kept.State | None = None  # a checkpoint, until the training goes on from it

    # ── setting up ────────────────────────────────────────────────────────────────────────────────────────

    def to(self, device: Any) -> None:
        """Move the model, and what the optimizer remembers; where that device is not there, to one that is."""
        try:
            self.device = device
            self.model.to(device)
        except (RuntimeError, AssertionError):  # the latter from a torch without CUDA
            self.device = "cuda" if torch.cuda.is_available() else "cpu"
            print(f"The model cannot be sent to {device}; it is on {self.device}.")
            self.model.to(self.device)
        if self.optimizer.state:
            self.optimizer.load_state_dict(self.optimizer.state_dict())  # puts states where their weights are

    def set_loaders(self, train_loader: Any, val_loader: Any = None) -> None:
        """What to train on and to validate on: anything of (x, y) pairs that can be walked once an epoch."""
        self.train_loader, self.val_loader = train_loader, val_loader

    def set_lr_scheduler(self, scheduler: Any, when: When | None = None) -> None:
        """Step a scheduler when it needs to be (`optim.stepping.as_schedule`), or as told: `when="step"` or `"epoch"`.

        Raises `ConfigError` for one that was built on another optimizer.
        """
        plan = as_schedule(scheduler, when, steps_per_epoch=1)  # warm restarts move within an epoch
        check_same_optimizer(plan, self.optimizer)
        self.scheduler = None if plan is None else plan.scheduler
        self.is_batch_lr_scheduler = plan is not None and plan.when == "step"
        self._since = self.total_epochs
        if self._kept is not None and self._kept["scheduler"] is not None and plan is not None:
            self._put_scheduler(self._kept)

    def _put_scheduler(self, state: kept.State) -> None:
        self._since, self.is_batch_lr_scheduler = kept.put_scheduler(state, self.scheduler, self.optimizer)

    def set_seed(self, seed: int = SEED) -> None:
        """Seed Python's, NumPy's and torch's generators, and the training sampler's own where it has one."""
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        seeding.seed_everything(seed)
        own = getattr(getattr(self.train_loader, "sampler", None), "generator", None)
        if isinstance(own, torch.Generator):
            own.manual_seed(seed)

    def set_clip_grad_value(self, clip_value: float) -> None:
        """Clip each element of the gradient to ±`clip_value` before every step."""
        self._set_clip(lambda parameters: nn.utils.clip_grad_value_(parameters, clip_value))

    def set_clip_grad_norm(self, max_norm: float, norm_type: float = 2) -> None:
        """Scale the whole gradient down to `max_norm` before every step, where its norm is larger."""
        self._set_clip(lambda parameters: nn.utils.clip_grad_norm_(parameters, max_norm, norm_type))

    def set_clip_backprop(self, clip_value: float) -> None:
        """Clip each element as it arrives in the backward pass, by hooks on the parameters."""
        self.set_clip_grad_value(clip_value)  # so that a range test clips too
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.clipping = [one.register_hook(lambda grad: grad.clamp(-clip_value, clip_value)) for one in trained]

    def remove_clip(self) -> None:
        """Clip no more."""
        for handle in self.clipping if isinstance(self.clipping, list) else ():
            handle.remove()
        self.clipping = self._clip = None

    def _set_clip(self, clip: rangetest.Clip) -> None:
        self.remove_clip()
        self._clip, self.clipping = clip, lambda: clip(self.model.parameters())

    # ── training ──────────────────────────────────────────────────────────────────────────────────────────

    def train(self, n_epochs: int, seed: int | None = None) -> None:
        """Train so many epochs more. The first call sets the seed, 42 unless told; later ones go on.

        A later call sets a seed only where it names another one than the training has.
        """
        self._begin(seed)
        for _ in range(n_epochs):
            self._epoch()
            self._epoch_schedulers(self.val_losses[-1])
            if self.writer:
                told = {"training": self.losses[-1], "validation": self.val_losses[-1]}
                told = {name: loss for name, loss in told.items() if loss is not None}
                self.writer.add_scalars("loss", told, self.total_epochs - 1)
        if self.writer:
            self.writer.flush()  # not closed: a file opened again within the second would be written over

    def _begin(self, seed: int | None) -> None:
        if self.train_loader is None:
            raise ConfigError("there is nothing to train on: set_loaders(train_loader, val_loader) first")
        check_same_optimizer(as_schedule(self.scheduler), self.optimizer)
        state = self._kept
        if state is not None and state["scheduler"] is not None and self.scheduler is None:
            name = state["scheduler"]["name"]
            raise ConfigError(f"the checkpoint was trained with {name}: set_lr_scheduler({name}(…)) before going on")
        self.optimizer.zero_grad()  # what a backward pass of the reader's own has left
        if self._seed is None or seed not in (None, self._seed):
            self._seed = SEED if seed is None else seed
            self.set_seed(self._seed)
        elif state is not None:
            kept.put_generators(state["generators"], self.train_loader, self.val_loader)
        self._kept = None

    def _epoch(self) -> None:
        self.total_epochs += 1  # schedulers within the epoch want to know it
        try:
            loss = self._mini_batch(validation=False)
            with torch.no_grad():
                val_loss = self._mini_batch(validation=True)
        except BaseException:  # Ctrl-C too: an epoch that was not finished does not count
            self.total_epochs -= 1
            raise
        self.losses.append(loss)
        self.val_losses.append(val_loss)

    def _mini_batch(self, validation: bool = False) -> float | None:
        """One pass over a loader; the mean of its mini-batches' losses."""
        loader, step = (self.val_loader, self.val_step_fn) if validation else (self.train_loader, self.train_step_fn)
        if loader is None:
            return None
        if isinstance(loader, Batches) and not validation:
            loader.epoch = self.total_epochs - 1  # what its augmentation draws depends on it
        count, losses, layers = length(loader), [], dropouts(self.model)
        for number, (x, y) in enumerate(loader):
            if not validation:
                self._batches += 1
                set_step(layers, self._seed or 0, self._batches)
            losses.append(step(x.to(self.device), y.to(self.device)))
            if not validation:
                self._mini_batch_schedulers(number / count if count else 0.0)
        if not losses:
            raise TrainingError(f"the {'validation' if validation else 'training'} loader has no mini-batches")
        return float(np.mean(losses))

    def _make_train_step_fn(self) -> StepFunction:
        def step(x: Tensor, y: Tensor) -> float:
            self.model.train()
            loss = self.loss_fn(self.model(x), y)
            loss.backward()
            if callable(self.clipping):
                self.clipping()
            self.optimizer.step()
            self.optimizer.zero_grad()
            return loss.item()

        return step

    def _make_val_step_fn(self) -> StepFunction:
        def step(x: Tensor, y: Tensor) -> float:
            self.model.eval()
            return self.loss_fn(self.model(x), y).item()

        return step

    def _mini_batch_schedulers(self, frac_epoch: float) -> None:
        """After each mini-batch; `frac_epoch` in [0, 1) is how far into the epoch it began."""
        if self.scheduler is None or not self.is_batch_lr_scheduler:
            return
        if isinstance(self.scheduler, CosineAnnealingWarmRestarts):
            where: Any = self.total_epochs - 1 - self._since + frac_epoch
            self.scheduler.step(where)
        else:
            Schedule(self.scheduler, "step").after_step()
        self._tell_rates()

    def _epoch_schedulers(self, val_loss: float | None) -> None:
        """After each epoch, with its validation loss."""
        if self.scheduler is None or self.is_batch_lr_scheduler:
            return
        when = "plateau" if isinstance(self.scheduler, ReduceLROnPlateau) else "epoch"
        Schedule(self.scheduler, when).after_epoch(val_loss)
        self._tell_rates()

    def _tell_rates(self) -> None:
        self.learning_rates.append([float(group["lr"]) for group in self.optimizer.param_groups])
