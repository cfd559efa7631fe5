"""What goes into a model and comes out of it while it is trained: the data, the answers, and how both are handled.

A training is broken most often where no optimiser can tell: inputs that are not scaled, classes that come sorted,
probabilities where logits are due, images that validate and were trained on. Labels are not asked for: of a
cross-entropy over logits z, with the softmax p,

    ∂L/∂z = (p − y) / N,

so that a row's gradients sum to 0 and its least one stands at its label y.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from passo.recording.blocks import Arrays
from passo.recording.layers import Guard, LastingHook, first_tensor

QUANTITIES = ("examples", "mean", "std", "min", "max", "entropy", "accuracy", "loss", "probabilities")
ROWS = 200_000  # examples that are told apart, of those trained on and of those evaluated on
STEPS = 512  # steps that are kept at most; then every other is dropped
CLASSES = 1000  # outputs beyond which they are taken for no classes
SURE = 0.99  # share of a batch's rows that must look like a cross-entropy's gradient
MINDFUL = ("Dropout", "BatchNorm", "InstanceNorm", "AlphaDropout")  # layers to which the mode makes a difference


class Witness:
    """An instrument on a whole model; `due()` answers the number of the optimiser step that a pass belongs to, or None.
    `rows` is how many examples are told apart at most, of each kind; `guard` is put around every hook.

    Of each step at which it looks, over all its forward passes (`QUANTITIES`): how many examples there were; mean,
    standard deviation, least and greatest value of the inputs; the entropy (nats) of the batch's labels, the share that
    was answered rightly, the mean cross-entropy, and the share of rows that are probabilities (≥ 0, with the sum 1).
    What hangs on labels is NaN where the loss is no cross-entropy over classes.

    - A pass counts as training where its output has a gradient, and else as evaluation.
    - Examples are known again by 64 bits of a random projection, the same in all trainings: two that are equal in every
      bit are one example.
    """

    def __init__(
        self,
        model: nn.Module,
        due: Callable[[], int | None],
        *,
        rows: int = ROWS,
        guard: Guard = lambda hook: hook,
    ) -> None:
        self._model, self._due, self._most, self._guard, self.paused = model, due, rows, guard, False
        self._mindful = sorted({type(m).__name__ for m in model.modules() if type(m).__name__.startswith(MINDFUL)})
        self._now: int | None = None
        self._parts: list[Tensor] = []  # of the step under way: one row of sums a pass
        self._steps: list[int] = []
        self._rows: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []  # (2, C) of a step: its labels, and those that were answered rightly
        self._seen, self._stride = 0, 1
        self._told: tuple[tuple[int, int], Arrays] = ((0, 0), {})  # what was told last
        self._trained: list[Tensor] = []
        self._evaluated: list[Tensor] = []
        self._sizes = {"trained": 0, "evaluated": 0}
        self._passes: dict[str, Any] = {"evaluation": 0, "evaluation_in_train_mode": 0}
        self._projection: Tensor | None = None
        self.open()

    def open(self) -> None:
        """Put the hook on, again where it was taken off."""
        self._handle = self._model.register_forward_hook(LastingHook(self._guard(self._look)))

    def close(self) -> None:
        """Take the hook off; what was seen stays readable."""
        self._handle.remove()
        self._seal()

    # ── during the passes ──

    def _look(self, model: nn.Module, arguments: Any, output: Any) -> None:
        if self.paused or torch.compiler.is_compiling():
            return
        x, z = first_tensor(arguments), first_tensor(output)
        if x is None or z is None or x.ndim < 2 or not x.numel():
            return
        if not (torch.is_grad_enabled() and z.requires_grad):
            self._passes["evaluation"] += 1
            self._passes["evaluation_in_train_mode"] += model.training and bool(self._mindful)
            self._remember("evaluated", self._evaluated, x)
            return
        self._passes["dtype"] = str(z.dtype).removeprefix("torch.")
        self._remember("trained", self._trained, x)
        due = self._due()
        if due is None:
            return
        if due != self._now:
            self._seal()
            self._now = due
        place = len(self._parts)
        self._parts.append(_of_inputs(x))
        if z.ndim == 2 and 2 <= z.shape[1] <= CLASSES and z.grad_fn is not None:
            z.register_hook(self._guard(partial(self._returned, due, place, z.detach())))

    @torch.no_grad()
    def _returned(self, due: int, place: int, logits: Tensor, grad: Tensor) -> None:
        if due == self._now and place < len(self._parts):
            self._parts[place] = torch.cat([self._parts[place][:5], _of_answers(logits, grad)])

    @torch.no_grad()
    def _remember(self, kind: str, known: list[Tensor], x: Tensor) -> None:
        if self._sizes[kind] >= self._most:
            return
        flat = x.detach().flatten(1).double()
        if self._projection is None or len(self._projection) != flat.shape[1]:
            drawn = torch.from_numpy(np.random.default_rng(0).standard_normal(flat.shape[1]))
            self._projection = drawn.to(flat.device)
        known.append((flat @ self._projection.to(flat.device)).view(torch.int64))
        self._sizes[kind] += len(flat)

    # ── from step to step ──

    def _seal(self) -> None:
        """Put what a finished step has shown into one row; a step without examples has none."""
        step, parts, self._now, self._parts = self._now, self._parts, None, []
        if step is None or not parts:
            return
        number, self._seen = self._seen, self._seen + 1
        if number % self._stride:
            return
        if len(self._steps) == STEPS:
            self._steps, self._rows, self._counts = self._steps[::2], self._rows[::2], self._counts[::2]
            self._stride *= 2
            if number % self._stride:
                return
        row, counts = _row([part.double().cpu().numpy() for part in parts])
        self._steps.append(step)
        self._rows.append(row)
        self._counts.append(counts)

    # ── what it saw ──

    def arrays(self) -> Arrays:
        """`witness` (T, Q) at `witness/steps` (T,), and `witness/labels` (T, 2, C): labels, and those answered rightly.

        A step under way is left out, one that is over is not.
        """
        if self._now is not None and self._due() != self._now:
            self._seal()
        if not self._steps:
            return {}
        if self._told[0] == (self._steps[-1], len(self._steps)):
            return self._told[1]
        classes = max(counts.shape[1] for counts in self._counts)
        wide = [np.pad(counts, ((0, 0), (0, classes - counts.shape[1]))) for counts in self._counts]
        arrays: Arrays = {
            "witness": (np.stack(self._rows), {"quantities": list(QUANTITIES)}),
            "witness/steps": (np.array(self._steps), {}),
            "witness/labels": (np.stack(wide), {"axes": ["step", "labels, answered rightly", "class"]}),
        }
        self._told = ((self._steps[-1], len(self._steps)), arrays)
        return arrays

    def facts(self) -> dict[str, Any]:
        """What is known of examples and modes over all passes, as JSON can keep it.

        `trained` and `evaluated`: different examples (of the first `ROWS` passed). `repeats`: the share of a second
        epoch's examples that came at the very place they had in the first; None before there was one. `shared`:
        evaluated examples that were trained on. `mixed`: batches of evaluation that hold both kinds. `dtype`: what the
        model gives in training.
        """
        order, again = _joined(self._trained), _joined(self._evaluated)
        trained, evaluated = np.unique(order), np.unique(again)
        known = np.split(np.isin(again, trained), np.cumsum([len(batch) for batch in self._evaluated], dtype=int)[:-1])
        return {
            **self._passes,
            "mindful": self._mindful,
            "trained": len(trained),
            "evaluated": len(evaluated),
            "passed": len(order),
            "repeats": _repeats(order, len(trained)),
            "shared": int(np.isin(evaluated, trained).sum()),
            "mixed": sum(0 < int(batch.sum()) < len(batch) for batch in known),
        }

    def state_dict(self) -> dict[str, Any]:
        """All that was seen, between two steps."""
        self._seal()
        return {
            "steps": list(self._steps),
            "rows": list(self._rows),
            "counts": list(self._counts),
            "seen": self._seen,
            "stride": self._stride,
            "trained": _joined(self._trained),
            "evaluated": [batch.cpu().numpy() for batch in self._evaluated],
            "sizes": dict(self._sizes),
            "passes": dict(self._passes),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._steps, self._rows, self._counts = (list(state[name]) for name in ("steps", "rows", "counts"))
        self._seen, self._stride = state["seen"], state["stride"]
        self._trained = [torch.from_numpy(state["trained"])]
        self._evaluated = [torch.from_numpy(batch) for batch in state["evaluated"]]
        self._sizes, self._passes = dict(state["sizes"]), dict(state["passes"])


@torch.no_grad()
def _of_inputs(x: Tensor) -> Tensor:
    """(5,): examples, mean, standard deviation, least and greatest value of one batch."""
    values = x.detach().double() if not x.is_floating_point() or x.dtype == torch.float16 else x.detach()
    low, high = values.aminmax()
    numbers = [torch.as_tensor(float(len(x)), device=x.device), values.mean(), values.std(correction=0), low, high]
    return torch.stack([number.double() for number in numbers])


def _of_answers(logits: Tensor, grad: Tensor) -> Tensor:
    """(2 + 2C,): the sum of cross-entropies, rows of probabilities; labels (C,), and those answered rightly (C,).

    Empty where the gradient is not that of a cross-entropy over classes.
    """
    grad, z = grad.double(), logits.double()
    size = grad.abs().sum(1)
    sure = size <= 1e-4 * size.mean()  # p = y but for roundings: answered rightly
    labels = torch.where(sure, z.argmax(1), grad.argmin(1))
    told = sure | ((grad.sum(1).abs() <= 1e-3 * size) & (grad.amin(1) < 0))
    plain = ((z >= 0).all(1) & ((z.sum(1) - 1).abs() < 1e-3)).double().sum()
    if told.double().mean() < SURE:
        return torch.stack([torch.full_like(plain, torch.nan), plain])
    classes = z.shape[1]
    right = labels[z.argmax(1) == labels]
    counts = [torch.bincount(of, minlength=classes).double() for of in (labels, right)]
    return torch.cat([torch.stack([nn.functional.cross_entropy(z, labels, reduction="sum"), plain]), *counts])


def _row(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The quantities of a step (Q,) and its counts (2, C), from those of its passes."""
    examples = np.array([part[0] for part in parts])
    n, share = examples.sum(), examples / examples.sum()
    means, sds = (np.array([part[k] for part in parts]) for k in (1, 2))
    mean = (share * means).sum()
    with np.errstate(invalid="ignore", over="ignore"):  # inputs need not be finite
        sd = np.sqrt((share * (sds**2 + (means - mean) ** 2)).sum())
    row = [n, mean, float(sd), min(part[3] for part in parts), max(part[4] for part in parts)]
    answered = [part[5:] for part in parts if len(part) > 5]
    plain = sum(part[1] for part in answered) / n if answered else np.nan
    labelled = [part for part in answered if len(part) > 2]
    if not labelled or len(labelled) < len(parts) or len({len(part) for part in labelled}) > 1:
        return np.array([*row, np.nan, np.nan, np.nan, plain], np.float32), np.zeros((2, 0), np.int32)
    counts = np.sum([part[2:] for part in labelled], axis=0).reshape(2, -1)
    of = counts[0][counts[0] > 0] / n
    row += [-(of * np.log(of)).sum(), counts[1].sum() / n, sum(part[0] for part in labelled) / n, plain]
    return np.array(row, np.float32), counts.astype(np.int32)


def _joined(known: list[Tensor]) -> np.ndarray:
    return np.concatenate([batch.cpu().numpy() for batch in known]) if known else np.zeros(0, np.int64)


def _repeats(order: np.ndarray, distinct: int) -> float | None:
    """The share of the second epoch's examples that came where they did in the first; None before there are enough."""
    begin = order[:3]
    if len(order) < max(4, 1.5 * distinct):
        return None
    windows = np.lib.stride_tricks.sliding_window_view(order[1:], len(begin))
    again = np.flatnonzero((windows == begin).all(1)) + 1
    if not len(again):
        return 0.0
    epoch = int(again[0])
    second = order[epoch : 2 * epoch]
    return float((order[: len(second)] == second).mean())
