"""The hooks on an optimiser: when a step is looked at, and what happens before and after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakMethod, WeakSet

import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.recording.activations import Activations
from passo.recording.choosing import Steps
from passo.recording.histograms import Histograms
from passo.recording.noticing import Noticing, held_elsewhere, schedules_of, told_schedule
from passo.recording.records import Records
from passo.recording.remeasured import Remeasured
from passo.recording.seeing import Eye, hyperparameters
from passo.recording.skipping import tell_skips
from passo.recording.witness import Witness

SETTLED = 20  # steps after which a training's schedules are taken to be there
MANNERS = 50  # steps over which a training's manners are looked at; after these, only whether it is in eval mode

WATCHED: WeakSet[torch.optim.Optimizer] = WeakSet()


def unwrapped(optimizer: Any) -> torch.optim.Optimizer:
    """The torch optimizer inside a wrapper (Lightning's, accelerate's)."""
    inner = optimizer
    while not isinstance(inner, torch.optim.Optimizer) or _wraps(inner):
        inner = getattr(inner, "optimizer", None)
        if inner is None:
            told = type(optimizer).__name__
            raise UsageError(f"watch(optimizer, model): the first must be a torch optimizer, got {told}")
    return inner


def _wraps(optimizer: Any) -> bool:
    """Whether it is another library's wrapper, which may say that it is of its optimizer's own class."""
    return any(kind.__name__ in ("AcceleratedOptimizer", "LightningOptimizer") for kind in type(optimizer).__mro__)


class Probe:
    """The hooks: when to look, and what happens around a step that is looked at."""

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module | None,
        steps: Steps,
        eye: Eye,
        records: Records,
        scaler: Any,
        snapshots: frozenset[int],
        histograms: int,
    ) -> None:
        self.optimizer, self.model, self.steps = optimizer, model, steps
        self.eye, self.records, self.scaler, self.snapshots = eye, records, scaler, snapshots
        records.develop, records.layout, records.coordinates = eye.develop, eye.layout(), eye.coordinates
        records.check = weakly(self._check_options)
        self.histograms = Histograms(eye, histograms) if histograms else None
        if self.histograms is not None:
            records.summaries.append(self.histograms.arrays)
        self.loss: Remeasured | None = None
        self.activations: Activations | None = None
        self.witness: Witness | None = None
        self._closed: dict[str, Any] | None = None
        self._schedules: list[Any] = []
        self.step = 0
        self.hyper: list[dict[str, Any]] = []
        sentinel = next((slot.parameter for slot in eye.slots if slot.parameter.requires_grad), None)
        self.noticing = Noticing(optimizer, model, sentinel, scaler, records.note)
        self._groups = len(optimizer.param_groups)
        self._due, self._open, self._skipping, self._spent = False, False, False, 0.0
        self._handles = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]
        self._gradient_handles = [
            _hooked(slot.parameter, self._raw_hook(number))
            for number, slot in enumerate(eye.slots)
            if eye.looks_at(number)
        ]
        self._take_off: Callable[[], None] = lambda: None
        if scaler is not None:
            mine = lambda given: unwrapped(given) is optimizer  # noqa: E731
            self._take_off = tell_skips(scaler, mine, lambda: self.step, self._skipped)
        self._look_forward()

    def activate(self, wanted: bool | Sequence[str]) -> None:
        """Record activations too."""
        if wanted and self.model is not None:
            layers = None if wanted is True else wanted
            scale = None if self.scaler is None else lambda: torch.tensor(float(self.scaler.get_scale()))
            self.activations = Activations(self.model, weakly(self._looked_at), layers, scale=scale)
            self.records.drain, self.records.beside = self.activations.drain, self.activations.arrays

    def attend(self, wanted: bool) -> None:
        """Look at what goes into the model and comes out of it."""
        if wanted and self.model is not None:
            self.witness = Witness(self.model, weakly(self._looked_at))
            self.records.summaries.append(self.witness.arrays)

    def _looked_at(self) -> int | None:
        """The number of the next step where it is due."""
        return self.step + 1 if self._due else None

    @property
    def hooked(self) -> bool:
        """Whether the hooks are still on the optimizer."""
        return bool(self._handles) and all(h.id in (h.hooks_dict_ref() or {}) for h in self._handles)

    @property
    def due(self) -> bool:
        """Whether the next step is looked at."""
        return self._due

    # ── during backward ──

    def _look_forward(self) -> None:
        """Decide whether the next step is due."""
        self._due = self._open = self.steps(self.step + 1) or self.step + 1 in self.snapshots

    def _raw_hook(self, number: int) -> Any:
        def keep(parameter: Tensor) -> None:
            if not self._open:
                return
            begun = time.perf_counter()
            if (grad := parameter.grad) is not None and not grad.is_sparse:
                self.eye.keep_raw(number, grad)
            self._spent += time.perf_counter() - begun

        return keep

    # ── around the step ──

    def _before(self, optimizer: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        begun = time.perf_counter()
        if self._due or self.step < MANNERS:
            self.noticing.before(self.step + 1)
        found_inf = getattr(self.optimizer, "found_inf", None)
        self._skipping = found_inf is not None and bool(found_inf)
        self._spent += time.perf_counter() - begun
        if not self._due or self._skipping:
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")  # args[0] is the optimiser itself
        self._open = True  # also where a step with a closure failed before this one
        if closure is None:
            self._snapshot()
            return None

        taken = False

        def closure_then_snapshot() -> Any:  # with a closure, the gradients exist only once it has run
            nonlocal taken
            loss = closure()
            if not taken:  # LBFGS calls it several times and moves θ in between: the first call is the step's start
                self._snapshot()
                taken, self._open = True, False  # what later calls compute belongs to other weights
            return loss

        if len(args) > 1:
            return (args[0], closure_then_snapshot, *args[2:]), kwargs
        return args, {**kwargs, "closure": closure_then_snapshot}

    def _skipped(self) -> None:
        """The GradScaler did not even call the optimiser: the step counts, and the next one is decided anew."""
        self.step += 1
        self.noticing.skip(self.step)
        self._look_forward()

    def _snapshot(self) -> None:
        """Copy θ, the gradient and the state as they are before the step."""
        begun = time.perf_counter()
        if self.eye.converted:
            self._due = False
            self.steps.stop()
            told = "the parameters have another dtype or device than when they were watched; watch the optimizer anew"
            self.records.note("unwatched", told, self.step + 1)
            return
        inside = getattr(self.optimizer, "grad_scale", None)  # a fused optimiser unscales by itself
        grad_scale = float(inside) if inside is not None else 1.0
        raw_scale = self.noticing.scale if self.scaler is not None else grad_scale
        self.eye.before(raw_scale, grad_scale)
        if not self.hyper:
            self.hyper = hyperparameters(self.optimizer.param_groups)
        if self.loss is not None:
            with self._alone():
                self.loss.before()
        self._spent += time.perf_counter() - begun

    def _after(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        begun = time.perf_counter()
        self.step += 1
        if self._skipping:
            self.noticing.skip(self.step)
        elif self._due:
            self._look()
        if self.step == SETTLED and self.witness is not None:
            self._schedules = schedules_of(self.optimizer)  # held: whoever made them may let go of them
        if self.step <= MANNERS or self.scaler is not None:
            self.noticing.after()
        elif self.noticing.curious:
            self.noticing.rest()
        budget = self.steps.budget
        if budget is not None:
            budget.end(self.step, self._spent + time.perf_counter() - begun, self._due)
            self._spent = 0.0
        self._look_forward()
        if budget is not None:
            budget.begin(time.perf_counter())

    def _look(self) -> None:
        """Record the step that has just been made."""
        self.eye.after()
        if not self.records.known:
            self.records.layout = self.eye.layout()
        with self._alone():
            loss = None if self.loss is None else self.loss.after()
        undecided = self.eye.undecided
        self.records.add(self.eye.look(self.step, loss))
        if undecided:
            self.records.coordinates = self.eye.coordinates
        if self.step in self.snapshots:
            self._keep_whole()
        if self.histograms is not None:
            self.histograms.look(self.step)
        if len(self.optimizer.param_groups) != self._groups:
            self._groups = len(self.optimizer.param_groups)
            told = "a parameter group was added: its parameters are not watched; watch the optimizer anew to see them"
            self.records.note("unwatched", told, self.step)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Passes in here are the microscope's own."""
        if self.witness is not None:
            self.witness.paused = True
        try:
            yield
        finally:
            if self.witness is not None:
                self.witness.paused = False

    def _check_options(self) -> None:
        """An option that is switched on later is explained, but its stages have no place in the records."""
        names = self.eye.untold()
        if names and not any(event.what == "untold" for event in self.records.events):
            told = (
                f"an option was switched on while watching, whose stages are not told ({', '.join(names)}); watch anew"
            )
            self.records.note("untold", told, self.step, stages=names)

    def _keep_whole(self) -> None:
        for number, slot in enumerate(self.eye.slots):
            stages = [self.eye.whole(stage, number).float().cpu() for stage in self.eye.stages]
            meta = {"stages": list(self.eye.stages), "shape": list(slot.shape)}
            self.records.whole(f"snapshot/{self.step}/{slot.name}", torch.stack(stages).numpy(), meta)

    def state_dict(self) -> dict[str, Any]:
        """All that the next look depends on, between two steps: see `Lens.state_dict`."""
        records = self.records.state_dict()  # first: what it develops shows residuals
        return {
            "step": self.step,
            "due": self._due,
            "hyper": self.hyper,
            "groups": self._groups,
            "steps": self.steps.state_dict(),
            "eye": self.eye.state_dict(),
            "noticing": self.noticing.state_dict(),
            "activations": None if self.activations is None else self.activations.state_dict(),
            "histograms": None if self.histograms is None else self.histograms.state_dict(),
            "witness": None if self.witness is None else self.witness.state_dict(),
            "records": records,
        }

    def around(self) -> dict[str, Any]:
        """What is known of the training beside its steps, as JSON can keep it; closed, it tells what was so then."""
        if self._closed is not None:
            return self._closed
        facts: dict[str, Any] = {"taken": self.step, "schedules": []}
        if self.witness is not None or "initial_lr" in self.optimizer.param_groups[0]:  # a schedule leaves that mark
            plans = {id(one): one for one in (*self._schedules, *schedules_of(self.optimizer))}
            facts["schedules"] = [told_schedule(one, self.optimizer) for one in plans.values()]
        if self.model is not None:
            facts |= trained_of(self.optimizer, self.model)
        if self.witness is not None:
            facts["witness"] = self.witness.facts()
        return facts

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`: whether the next step is due is known, and not asked again."""
        if (state["activations"] is None) != (self.activations is None):
            raise ValueError("activations are recorded on one side only")
        for name in ("histograms", "witness"):
            if (state[name] is None) != (getattr(self, name) is None):
                raise ValueError(f"{name}: recorded on one side only")
        self.eye.load_state_dict(state["eye"])
        self.records.load_state_dict(state["records"], self.eye.device)
        self.records.layout, self.records.coordinates = self.eye.layout(), self.eye.coordinates
        self.steps.load_state_dict(state["steps"])
        self.noticing.load_state_dict(state["noticing"])
        if self.activations is not None:
            self.activations.load_state_dict(state["activations"])
        if self.histograms is not None:
            self.histograms.load_state_dict(state["histograms"])
        if self.witness is not None:
            self.witness.load_state_dict(state["witness"])
        self.step, self.hyper, self._groups = state["step"], list(state["hyper"]), state["groups"]
        self._due = self._open = state["due"]

    def close(self) -> None:
        if not self._handles:
            return
        for handle in (*self._handles, *self._gradient_handles):
            handle.remove()
        self._handles = []
        self._take_off()
        self.eye.decide()
        self.records.coordinates = self.eye.coordinates
        self.noticing.close()
        if self.activations is not None:
            self.activations.close()
        if self.witness is not None:
            self.witness.close()
        self._closed = self.around()
        self._schedules = []
        self.records.close()
        WATCHED.discard(self.optimizer)


def trained_of(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, list[str]]:
    """Which of a model's parameters no optimizer holds, and which are frozen; of what kinds they are."""
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    named = list(model.named_parameters())
    lacking = [(name, p) for name, p in named if p.requires_grad and id(p) not in held]
    elsewhere = held_elsewhere(optimizer) if lacking else ()
    return {
        "lacking": [name for name, p in lacking if id(p) not in elsewhere],
        "dtypes": sorted({str(p.dtype) for _, p in named}),
        "frozen": [name for name, p in named if not p.requires_grad],
    }


def weakly(method: Callable[[], Any]) -> Callable[[], Any]:
    """A method that does not keep its object: a lens that nobody holds is gone at once, its model and optimizer too."""
    held = WeakMethod(method)
    return lambda: None if (bound := held()) is None else bound()


def _hooked(parameter: Tensor, hook: Any) -> Any:
    """A hook on a parameter's gradient, on a frozen one too: it may be unfrozen later, and then the hook is there."""
    frozen = not parameter.requires_grad
    if frozen:
        parameter.requires_grad_(True)
    handle = parameter.register_post_accumulate_grad_hook(hook)
    if frozen:
        parameter.requires_grad_(False)
    return handle
