"""What is known of a training that left the finite numbers: where first, in which tensor, on which images, and why.

The step's own batch is shown to the model again, and every module's parameters and output are looked at in the order
of the forward pass. Where a weight itself is no number any more, an earlier update did that: the training is repeated
from the last state that was kept, to the same bits, until the first gradient or update that is not finite.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from passo import seeding
from passo.data import Data
from passo.errors import Diverged
from passo.experiments.assembling import Loaders, Parts, assemble, averaged
from passo.experiments.keeping import put_back
from passo.training import Progress
from passo.training.evaluate import autocast, evaluating

if TYPE_CHECKING:
    from passo.experiments.keeping import Keeper
    from passo.training import StepRecord, TrainConfig

EVALUATED = {"the validation loss": "validation", "the test loss": "test"}
SHOWN = 8  # images that a sentence names
REPEATED = 60.0  # seconds at most that a search for the first step may take


@dataclass(frozen=True)
class Found:
    """The first tensor that is not finite, and how many `elements` of its `size` are not.

    `kind` is "input", "parameter", "output" (of the module `name`), "loss", "gradient" or "update" (of a parameter).
    """

    kind: str
    name: str
    elements: int
    size: int

    def __str__(self) -> str:
        what = {
            "input": "the batch itself",
            "parameter": f"the parameter {self.name}",
            "output": f"the output of {self.name}",
            "loss": "the loss alone",
            "gradient": f"the gradient of {self.name}",
            "update": f"the update of {self.name}",
        }[self.kind]
        return f"{what}: {self.elements:,} of its {self.size:,} elements"


@dataclass(frozen=True)
class Divergence:
    """What is known; `step`, `epoch` and `lr` are those of `found`, the first tensor that was not finite.

    `seen_at` is the step at which `what` (the loss, a weight, the validation loss) showed it. `images` are positions in
    the data set's file: of the batch that gave `found`, and of those of them whose own output is not finite
    (`culprits`), where these are known. `kept` is the step of the last state that can be gone back to.
    """

    step: int
    epoch: int
    lr: float
    seen_at: int
    what: str
    found: Found | None
    images: tuple[int, ...] = ()
    culprits: tuple[int, ...] = ()
    kept: int | None = None
    searched: str = ""

    def sentence(self) -> str:
        """What happened, where, and what to try."""
        told = f"{self.what} is not finite at step {self.seen_at:,} (epoch {self.epoch}, lr {self.lr:g})"
        if self.step != self.seen_at:
            told = (
                f"{self.what} is not finite at step {self.seen_at:,}, because of step {self.step:,} "
                f"(epoch {self.epoch}, lr {self.lr:g})"
            )
        if self.found is not None:
            told += ": " + f"first not finite is {self.found}"
        parts = [told]
        if self._few:
            some = ", ".join(str(one) for one in self.culprits[:SHOWN])
            more = " …" if len(self.culprits) > SHOWN else ""
            parts.append(f"{len(self.culprits)} of the batch's {len(self.images)} images give it: {some}{more}")
        parts += [self.searched] if self.searched else []
        parts += [] if self.kept is None else [f"the state after step {self.kept:,} is kept"]
        return f"{'; '.join(parts)}. {self._advice()}"

    @property
    def _few(self) -> bool:
        """Whether it lies at some of the images: where most give it, it does not."""
        return 0 < len(self.culprits) <= len(self.images) // 4

    def _advice(self) -> str:
        if self.found is not None and self.found.kind == "input":
            return "Try to find out what is wrong with these data, or nonfinite=skip"
        if self._few:
            return "Try nonfinite=skip, clip_norm=1, or look at these images"
        return f"Try a smaller learning rate (lr={self.lr / 10:g}), clip_norm=1 or nonfinite=skip"

    def facts(self) -> dict[str, Any]:
        """All of it, as a run keeps it."""
        return {**asdict(self), "sentence": self.sentence()}


def first_in_forward(model: nn.Module, loss_fn: Any, x: Tensor, y: Tensor) -> tuple[Found | None, Tensor | None]:
    """Show a batch to the model again: the first tensor in forward order that is not finite, and the model's output.

    The model is in the mode that it is in, and is left as it was: its buffers and every generator are put back.
    """
    if bad := _bad("input", "", x):
        return bad, None
    found: list[Found] = []
    output: Tensor | None = None

    def before(module: nn.Module, name: str) -> None:
        for own, parameter in module.named_parameters(name, recurse=False):
            if not found and (bad := _bad("parameter", own, parameter)):
                found.append(bad)

    def after(name: str, kind: str, result: Any) -> None:
        for tensor in _tensors(result):
            if not found and (bad := _bad("output", f"{name} ({kind})" if name else kind, tensor)):
                found.append(bad)

    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda m, _, name=name: before(m, name)))
        handles.append(module.register_forward_hook(lambda m, _, out, name=name: after(name, type(m).__name__, out)))
    try:
        with _untouched(model), torch.no_grad():
            output = model(x)
            loss = loss_fn(output, y)
    finally:
        for handle in handles:
            handle.remove()
    if not found and (bad := _bad("loss", "", loss)):
        found.append(bad)
    return (found[0] if found else None), output


def _first_in_evaluation(parts: Parts, batches: Any) -> Found | None:
    """As `first_in_forward`, over the batches of a validation or a test."""
    with evaluating(parts.model):
        for number, (x, y) in enumerate(batches):
            shown = parts.task.shown(x.to(parts.device), y.to(parts.device), number)
            found, _ = first_in_forward(parts.model, parts.loss_fn, *shown)
            if found is not None:
                return found
    return None


def first_in_update(
    records: Iterator[StepRecord], model: nn.Module, until: int
) -> tuple[StepRecord | None, Found | None]:
    """Walk a repeated training, to step `until` at most: the first step that leaves a gradient or weight not finite."""
    begun = time.monotonic()
    try:
        for record in records:
            for name, parameter in () if record.skipped else model.named_parameters():
                if parameter.grad is not None and (bad := _bad("gradient", name, parameter.grad)):
                    return record, bad
            for name, parameter in model.named_parameters():
                if bad := _bad("update", name, parameter):
                    return record, bad
            if record.step >= until or time.monotonic() - begun > REPEATED:
                break
    except Diverged:
        pass
    return None, None


def report(
    error: Diverged,
    config: TrainConfig,
    data: Data | Loaders,
    parts: Parts,
    keeper: Keeper | None,
    records: Callable[..., Iterator[StepRecord]],
) -> Divergence:
    """All that can be found out; `records(config, parts, average, progress)` trains, as the run did.

    Afterwards the parts are as they were after the last state that was kept, where there is one.
    """
    lr = float(parts.optimizer.param_groups[0]["lr"])
    found, output = None, None
    with suppress(Exception), autocast(config.precision, parts.device):  # a report must not hide what it reports
        if error.batch is not None:
            found, output = first_in_forward(parts.model, parts.loss_fn, *error.batch)
        elif error.what in EVALUATED:
            found = _first_in_evaluation(parts, getattr(parts, EVALUATED[error.what]))
    images = _in_file(data, error.positions)  # none of batches that tell no positions
    bad = culprits(output)
    wrong = [False] * len(images) if bad is None else bad.tolist()
    told = Divergence(
        error.step,
        error.epoch,
        lr,
        error.step,
        error.what,
        found,
        images,
        tuple(image for image, bad in zip(images, wrong, strict=True) if bad) if images else (),
    )
    kept = None if keeper is None else keeper.newest()
    told = replace(told, kept=None if kept is None else kept[0])
    if found is not None and found.kind != "parameter":
        return told
    try:
        return _searched(told, config, data, parts, kept, records)
    except Exception as why:
        return replace(told, searched=f"the step before could not be repeated ({type(why).__name__}: {why})")


def _searched(
    told: Divergence,
    config: TrainConfig,
    data: Data | Loaders,
    parts: Parts,
    kept: tuple[int, Mapping[str, Any]] | None,
    records: Callable[..., Iterator[StepRecord]],
) -> Divergence:
    """Repeat from the last state that was kept, or the beginning, to the first gradient or update that is wrong."""
    if kept is None and (not isinstance(data, Data) or config.model.name.startswith("(")):
        return replace(
            told, searched="no state was kept, and what was trained is the caller's own: which step did it is not known"
        )
    if kept is None:
        parts, progress = assemble(config, data), Progress()
        average = averaged(config, parts)
    else:
        average, progress = averaged(config, parts), Progress.of(kept[1]["progress"], parts.device)
        put_back(deepcopy(kept[1]), parts, average)  # an optimizer takes a state's tensors as its own, to write into
    record, found = first_in_update(records(config, parts, average, progress), parts.model, told.seen_at)
    if kept is not None:
        put_back(kept[1], parts, average)
    if record is None:
        return replace(told, searched="no gradient and no weight was found that is not finite")
    positions = [one for places in record.positions if places is not None for one in _listed(places)]
    images = _in_file(data, positions)
    return replace(told, step=record.step, epoch=record.epoch, lr=record.lr, found=found, images=images, culprits=())


def _in_file(data: Data | Loaders, positions: Any) -> tuple[int, ...]:
    """Positions in the training part as positions in the data set's file."""
    if positions is None or not isinstance(data, Data):
        return ()
    index = data.train.index
    return tuple(int(index[one]) for one in _listed(positions))


def _listed(positions: Any) -> list[int]:
    return positions.tolist() if isinstance(positions, Tensor) else list(positions)


def culprits(output: Tensor | None) -> Tensor | None:
    """Which samples of a batch have an output that is not finite: (B,) bool; None where there is none per sample."""
    if output is None or output.dim() < 2:
        return None
    return ~torch.isfinite(output.flatten(1)).all(1)


def _bad(kind: str, name: str, tensor: Tensor) -> Found | None:
    wrong = tensor.numel() - int(torch.isfinite(tensor.detach()).sum())
    return Found(kind, name, wrong, tensor.numel()) if wrong else None


def _tensors(result: Any) -> Iterator[Tensor]:
    """The tensors in a module's result: one, several, or nested."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for one in result.values():
            yield from _tensors(one)
    elif isinstance(result, tuple | list):
        for one in result:
            yield from _tensors(one)


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Whatever a forward pass changes (running averages, generators) is as it was, afterwards."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state = seeding.capture()
    try:
        yield
    finally:
        seeding.restore(state)
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
