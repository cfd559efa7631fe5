"""What of the start Ftrl's first step takes away: its length, or its direction? (docs/keras.md)

    python scripts/ftrl_lengths.py

Four starts for the same training (Keras' Adagrad at lr 0.1, which is what Ftrl is from its second step on):
kept (the random start), erased (what Ftrl's first step makes of it), shrunk (the random start, each tensor as long as
the erased one) and stretched (the erased start, each tensor as long as the random one). Prints the test accuracies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from passo.experiments.assembling import assemble, load_data
from passo.optim.keras import Ftrl
from passo.training import evaluate, fit, train_config

STARTS = {
    "kept": lambda kept, erased: kept,
    "erased": lambda kept, erased: erased,
    "shrunk": lambda kept, erased: kept * (erased.norm() / kept.norm()),
    "stretched": lambda kept, erased: erased * (kept.norm() / erased.norm()),
}


def accuracy(model: str, start: str, seed: int) -> float:
    """The test accuracy after five epochs from one of the starts."""
    settings = {"dataset": "fashion-mnist-sample", "model": model, "epochs": 5, "batch_size": 64, "seed": seed}
    config = train_config({**settings, "optimizer": {"name": "keras-adagrad", "lr": 0.1}})
    data = load_data(config)
    parts = assemble(config, data)
    weights = list(parts.model.parameters())
    kept = [w.detach().clone() for w in weights]
    images, labels = next(iter(parts.train))
    parts.loss_fn(parts.model(images), labels).backward()
    Ftrl(weights, lr=0.1).step()
    _set(weights, [STARTS[start](a, b.detach().clone()) for a, b in zip(kept, weights, strict=True)])
    parts = assemble(config, data, parts.model)  # the same batches again, from the first
    for _ in fit(parts.model, parts.loss_fn, parts.optimizer, parts.train, epochs=config.epochs, seed=seed):
        pass
    return evaluate(parts.model, parts.loss_fn, parts.test).accuracy or 0.0


@torch.no_grad()
def _set(weights: list[torch.nn.Parameter], values: list[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)
        weight.grad = None


def main() -> None:
    for model in ("mlp", "lenet"):
        for start in STARTS:
            ends = [accuracy(model, start, seed) for seed in (0, 1, 2)]
            print(f"{model:6} {start:10} " + "  ".join(f"{100 * end:.1f} %" for end in ends), flush=True)


if __name__ == "__main__":
    main()
