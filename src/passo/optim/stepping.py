"""A schedule that is stepped exactly when it wants to be, whoever built it."""

from __future__ import annotations

from typing import Any, Literal

from torch.optim import Optimizer, lr_scheduler

from passo.errors import ConfigError, PassoError, TrainingError

When = Literal["step", "epoch", "plateau"]

COMPOSITES = (lr_scheduler.SequentialLR, lr_scheduler.ChainedScheduler)
PER_STEP = (lr_scheduler.CyclicLR, lr_scheduler.OneCycleLR)


class Schedule:
    """A torch scheduler, and the moments at which it is stepped.

    `when` is "step" (after every mini-batch), "epoch" (after every epoch) or "plateau" (after every epoch,
    with its validation loss). The loop calls `after_step()` and `after_epoch(validation_loss)` and need not
    know which it is.

    With `steps_per_epoch`, a CosineAnnealingWarmRestarts that moves per mini-batch is told where it is in
    fractions of an epoch, as torch's documentation does: `scheduler.step(epoch + i / steps)` after
    mini-batch i = 0, 1, …; so the rate of a mini-batch is the curve's one mini-batch earlier.
    """

    def __init__(
        self, scheduler: Any, when: When, *, name: str | None = None, steps_per_epoch: int | None = None
    ) -> None:
        self.scheduler = scheduler
        self.when: When = when
        self.name = name or type(scheduler).__name__
        restarts = isinstance(scheduler, lr_scheduler.CosineAnnealingWarmRestarts) and when == "step"
        self._fraction_of = steps_per_epoch if restarts else None
        self._epoch = 0  # complete epochs
        self._batch = 0  # mini-batches in this epoch

    @property
    def optimizer(self) -> Optimizer:
        return self.scheduler.optimizer

    def after_step(self) -> None:
        """Call after each step of the optimizer."""
        if self.when == "step":
            fraction = () if self._fraction_of is None else (self._epoch + self._batch / self._fraction_of,)
            self._move(*fraction)
        self._batch += 1

    def after_epoch(self, validation_loss: float | None = None) -> None:
        """Call after each epoch, with the validation loss where there is one.

        Raises TrainingError where the schedule follows a validation loss and there is none.
        """
        if self.when == "plateau":
            if validation_loss is None:
                raise TrainingError(
                    f"{self.name} follows the validation loss, and this training has none: keep a part of "
                    "the data for validation, or choose another schedule"
                )
            self._move(validation_loss)
        elif self.when == "epoch":
            self._move()
        self._epoch, self._batch = self._epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on later, with a schedule built in the same way."""
        return {"scheduler": self.scheduler.state_dict(), "epoch": self._epoch, "batch": self._batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state["scheduler"])
        self._epoch, self._batch = state["epoch"], state["batch"]

    def _move(self, *arguments: float) -> None:
        try:
            self.scheduler.step(*arguments)
        except PassoError:
            raise
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            raise TrainingError(f"{self.name} cannot go on: {error}") from error

    def __repr__(self) -> str:
        return f"Schedule({self.name}, when={self.when!r})"


def as_schedule(scheduler: Any, when: When | None = None, *, steps_per_epoch: int | None = None) -> Schedule | None:
    """A user's own torch scheduler (or a Schedule, or None) as a Schedule.

    When it is to be stepped follows from its class: CyclicLR and OneCycleLR after every mini-batch,
    ReduceLROnPlateau with every validation loss, SequentialLR and ChainedScheduler as what they hold, all
    others after every epoch. CosineAnnealingWarmRestarts moves by fractions of an epoch where
    `steps_per_epoch` is known, else per epoch. `when` overrides this. Raises ConfigError for something else
    than a scheduler.
    """
    if scheduler is None or isinstance(scheduler, Schedule):
        return scheduler
    kinds = (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau)
    if not isinstance(scheduler, kinds):
        raise ConfigError(
            f"a schedule must be a torch scheduler or come from make_schedule, got {type(scheduler).__name__}"
        )
    wanted = when or _wants(scheduler, steps_per_epoch)
    if wanted not in ("step", "epoch", "plateau"):
        raise ConfigError(f"when must be 'step', 'epoch' or 'plateau', got {wanted!r}")
    if (wanted == "plateau") != isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        fits = "'epoch' or 'step'" if wanted == "plateau" else "'plateau'"
        raise ConfigError(f"when={wanted!r} does not suit {type(scheduler).__name__}: use {fits}")
    return Schedule(scheduler, wanted, steps_per_epoch=steps_per_epoch)


def check_same_optimizer(schedule: Schedule | None, optimizer: Optimizer) -> None:
    """Raise ConfigError where a schedule moves another optimizer than the one that trains."""
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ConfigError(
            f"{schedule.name} was built on another optimizer ({type(schedule.optimizer).__name__}) than the "
            f"one that trains ({type(optimizer).__name__}), so it would change nothing: build it on that one"
        )


def _wants(scheduler: Any, steps_per_epoch: int | None) -> When:
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
        return "plateau"
    if isinstance(scheduler, lr_scheduler.CosineAnnealingWarmRestarts):
        return "epoch" if steps_per_epoch is None else "step"
    if isinstance(scheduler, COMPOSITES):
        inside = scheduler._schedulers
        return "step" if any(isinstance(child, PER_STEP) for child in inside) else "epoch"
    return "step" if isinstance(scheduler, PER_STEP) else "epoch"
