"""Steps per second of passo's loop, recording off, against what one would write by hand.

    python benchmarks/single_run.py [--models lenet mlp] [--rounds 9] [--out FILE.json]

For each model, at batch 64, every arm in a process of its own, blocks of steps in turn:

    passo    passo.fit over passo.Batches, the model as passo builds it, the allocator set as passo's commands set it
    lean     (a) the leanest loop over tensors in memory: the same model, optimiser, batch size and allocator
    loader   (b) a DataLoader, and .item() on every loss; nothing set
    stock    (c) lenet alone: lean, but the network as usually written (contiguous, ReLU before max-pool), nothing set

The data are the embedded sample, repeated until a block is one epoch. Ratios are of times, round by round.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import interleaved

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

BATCH = 64
MODELS = ("mlp", "tiny-cnn", "lenet")
OPTIMIZERS = {"sgd": {"lr": 0.01}, "adam": {"lr": 0.001}}
CHECKED = 50  # steps whose losses are compared


def data(steps: int) -> tuple[Tensor, Tensor]:
    """Images (steps · 64, 1, 28, 28) and labels (steps · 64,): the embedded sample, over and over."""
    import passo

    train = passo.load("fashion-mnist-sample", validation=None).train
    times = -(-steps * BATCH // len(train))
    return train.images.repeat(times, 1, 1, 1)[: steps * BATCH], train.labels.repeat(times)[: steps * BATCH]


def stock_lenet() -> nn.Module:
    """LeNet as it is usually written, with the very weights of passo's."""
    from torch import nn

    import passo

    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    shipped = passo.build("lenet", seed=0).state_dict().values()
    model.load_state_dict({name: value.contiguous() for name, value in zip(model.state_dict(), shipped, strict=True)})
    return model


def lean(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """(a): nothing that is not needed. Yields the losses."""
    import torch
    from torch.nn import functional

    for index in torch.randperm(len(images)).split(BATCH):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images[index]), labels[index])
        loss.backward()
        optimizer.step()
        yield loss


def loader(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Iterator[float]:
    """(b): the loop of many a tutorial. Yields the losses as numbers."""
    from torch.nn import functional
    from torch.utils.data import DataLoader, TensorDataset

    for x, y in DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        yield loss.item()


def passo_loop(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Iterator[Tensor]:
    """passo's own loop. Yields the losses."""
    from torch import nn

    import passo

    for record in passo.fit(model, nn.CrossEntropyLoss(), optimizer, passo.Batches(images, labels, BATCH)):
        yield record.loss


LOOPS: dict[str, Callable] = {"passo": passo_loop, "lean": lean, "stock": lean, "loader": loader}


def work(arm: str, name: str, optimizer_name: str, steps: int) -> None:
    """One arm, in its own process."""
    import torch

    import passo
    from passo.training import keep_memory

    if arm in ("passo", "lean"):
        keep_memory()
    images, labels = data(steps)
    model = stock_lenet() if arm == "stock" else passo.build(name, seed=0)
    optimizer = passo.make_optimizer(optimizer_name, model.parameters(), **OPTIMIZERS[optimizer_name])
    run = LOOPS[arm]

    def losses() -> list[float]:
        torch.manual_seed(0)  # one permutation for every arm but `loader` and `passo`, which draw theirs otherwise
        order = torch.randperm(len(images))[: CHECKED * BATCH]
        found = []
        for index in order.split(BATCH):
            for loss in run(model, optimizer, images[index], labels[index]):
                found.append(loss if isinstance(loss, float) else loss.item())
        return found

    def block() -> float:
        begun = time.perf_counter()
        for _ in run(model, optimizer, images, labels):
            pass
        return time.perf_counter() - begun

    interleaved.serve(block, losses)


def compare(name: str, optimizer: str, rounds: int, steps: int) -> tuple[dict, list[list[str]]]:
    """All arms of one model: facts for the JSON, rows for the table."""
    arms = ["lean", "passo", "loader", *(["stock"] if name == "lenet" else [])]
    words = {arm: ["--arm", arm, "--models", name, "--optimizer", optimizer, "--steps", str(steps)] for arm in arms}
    times, losses = interleaved.measure(Path(__file__), words, rounds, steps)
    facts, rows = {}, []
    for arm, timing in times.items():
        low, ratio, high = timing.against(times["passo"])
        apart = max(abs(a - b) / abs(b) for a, b in zip(losses[arm], losses["passo"], strict=True))
        assert all(map(math.isfinite, losses[arm]))
        facts[arm] = {"ms": timing.ms, "steps_per_second": timing.rate, "passo_is_faster_by": ratio,
                      "quartiles": [low, high], "losses_apart": apart, "seconds": timing.seconds}  # fmt: skip
        rows.append([f"{name} {arm}", f"{timing.ms:.3f}", f"{timing.rate:,.0f}", f"{ratio:.2f} ×",
                     f"{low:.2f}–{high:.2f}", f"{apart:.1e}"])  # fmt: skip
    return facts, rows


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    words.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="sgd")
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--steps", type=int, default=300, help="steps in a block")
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    words.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    words.add_argument("--arm", choices=tuple(LOOPS), help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.worker:
        work(given.arm, given.models[0], given.optimizer, given.steps)
        return
    from passo.training import environment

    facts, rows = {}, []
    for name in given.models:
        facts[name], more = compare(name, given.optimizer, given.rounds, given.steps)
        rows += more
    columns = ["arm", "ms a step", "steps/s", "its time / passo's", "quartiles", "losses apart"]
    print(interleaved.table(columns, rows))
    settings = {"optimizer": given.optimizer, "batch": BATCH, "rounds": given.rounds, "steps": given.steps}
    interleaved.write(given.out, {"settings": settings, "environment": environment(), "models": facts})


if __name__ == "__main__":
    main()
