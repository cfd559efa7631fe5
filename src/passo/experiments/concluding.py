"""The end of a run: the best weights put back where they are wanted, one test, the weights kept and hashed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from passo.errors import Diverged
from passo.experiments.assembling import Parts
from passo.experiments.sink import Sink
from passo.training import (
    Evaluation,
    Progress,
    TrainConfig,
    evaluate,
    weights_sha256,
)
from passo.training.penalty import kernels
from passo.training.stopping import Best


@dataclass(frozen=True)
class Result:
    """What a finished run hands back: the model, its test (where there is one) and the hash of its weights.

    `best` tells of the best epoch, in a sentence; None without a validation set.
    """

    model: nn.Module
    test: Evaluation | None
    weights_sha256: str
    steps: int
    seconds: float
    best: str | None = None


def conclude(
    config: TrainConfig, sink: Sink, parts: Parts, model: nn.Module, at: Progress, seconds: float, speed: float
) -> Result:
    """Put the best weights back where they are wanted, test once, hash and keep the weights, write the summary."""
    best, stopping = parts.best, config.early_stopping
    steps, epochs = at.step, at.epoch - 1  # it may have stopped early
    if best is not None and best.weights:
        if stopping is not None and stopping.restore_best:
            model.load_state_dict(best.weights)
        elif best.step != steps:
            for name, tensor in best.weights.items():
                sink.array(f"best/{name}", _at_least_1d(tensor).cpu().numpy(), shape=list(tensor.shape))
        sink.info(best=best.facts())
    test = None
    if parts.test is not None:
        keep = config.record.predictions
        test = evaluate(
            model,
            parts.loss_fn,
            parts.test,
            device=parts.device,
            keep=keep,
            task=parts.task,
            precision=config.precision,
        )
        sink.scalars(steps, epochs, {f"test/{name}": value for name, value in test.values.items()})
        if not math.isfinite(test.loss):
            raise Diverged(steps, epochs, "the test loss")
        for name, values, meta in () if test.measure is None else test.measure.kept():
            sink.array(f"test/{name}", values, **meta)
        if test.outputs is not None and test.targets is not None:
            for name, values, meta in parts.task.kept(test.outputs, test.targets):
                sink.array(name, values, **meta)
    sha = weights_sha256(model)
    weighty = kernels(model)  # told apart from biases, norms and buffers, for whoever reads the weights
    for place, (name, tensor) in enumerate(model.state_dict().items()):
        meta = {"shape": list(tensor.shape), "kernel": name in weighty, "place": place}
        sink.array(f"weights/{name}", _at_least_1d(tensor).cpu().numpy(), **meta)
    sink.info(weights_sha256=sha, seconds=seconds, steps_per_second=speed)
    return Result(model, test, sha, steps, seconds, _told_best(best, config, steps))


def stopped_early(best: Best, epoch: int) -> str:
    """The sentence of an early end."""
    return (
        f"stopped after epoch {epoch}: {best.waited} epochs without a gain in {best.monitor}, "
        f"which was best ({best.value:.4g}) in epoch {best.epoch}"
    )


def _told_best(best: Best | None, config: TrainConfig, steps: int) -> str | None:
    if best is None or best.value is None:
        return None
    told = f"best in epoch {best.epoch}: {best.monitor} {best.value:.4g}"
    if config.early_stopping is not None and config.early_stopping.restore_best:
        told = f"{told}, after which it waited in vain" if best.stop else told
        return f"{told}; these weights were tested and are kept"
    return told if best.step == steps else f"{told}; those weights are kept as best/, the last ones were tested"


def _at_least_1d(tensor: Tensor) -> Tensor:
    return tensor.detach()[None] if tensor.dim() == 0 else tensor.detach()
