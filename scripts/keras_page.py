"""Rebuild every picture of docs/keras.md, and print the sentences below them.

python scripts/keras_page.py                      into docs/images; studies are kept in out/keras-page
python scripts/keras_page.py --studies S --out O  elsewhere; a study that is there and done is not run again
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from passo import store
from passo.experiments.assembling import assemble, load_data
from passo.experiments.sweep import Study
from passo.figures.definitions import default_steps, equal_arguments
from passo.figures.starts import losses, starts
from passo.optim import keras
from passo.training import fit, train_config

PAIRS: dict[str, tuple[type[Optimizer], type[Optimizer]]] = {
    "sgd": (torch.optim.SGD, keras.SGD),
    "rmsprop": (torch.optim.RMSprop, keras.RMSprop),
    "adam": (torch.optim.Adam, keras.Adam),
    "adadelta": (torch.optim.Adadelta, keras.Adadelta),
    "adagrad": (torch.optim.Adagrad, keras.Adagrad),
    "adamax": (torch.optim.Adamax, keras.Adamax),
    "nadam": (torch.optim.NAdam, keras.Nadam),
}
TRAINING = {
    "dataset": "fashion-mnist-sample",
    "model": "tiny-cnn",
    "optimizer": {"name": "adam", "lr": 0.003},
    "epochs": 5,
    "batch_size": 64,
    "seed": 0,
}
DROP, DROPPED_AFTER = 0.1, 120


def recorded() -> tuple[list[Tensor], list[list[Tensor]]]:
    """The weights at the start of a real training, and their gradients at every step; float64."""
    config = train_config(TRAINING)
    parts = assemble(config, load_data(config))
    weights = list(parts.model.parameters())
    start = [w.detach().double() for w in weights]
    gradients: list[list[Tensor]] = []

    def keep(*_: Any) -> None:
        gradients.append([torch.zeros_like(w).double() if w.grad is None else w.grad.double() for w in weights])

    parts.optimizer.register_step_pre_hook(keep)
    for _ in fit(parts.model, parts.loss_fn, parts.optimizer, parts.train, epochs=config.epochs, seed=config.seed):
        pass
    return start, gradients


def walked(
    cls: Callable[..., Optimizer],
    options: Mapping[str, Any],
    start: Iterable[Tensor],
    gradients: list[list[Tensor]],
    drop: float = 1.0,
) -> np.ndarray:
    """The update of every step along given gradients: (T, P)."""
    weights = [nn.Parameter(w.clone()) for w in start]
    optimizer = cls(weights, **options)
    places, updates = _flat(weights), []
    for step, grads in enumerate(gradients):
        if step == DROPPED_AFTER:
            for group in optimizer.param_groups:
                group["lr"] *= drop
        for weight, grad in zip(weights, grads, strict=True):
            weight.grad = grad.clone()
        optimizer.step()
        places, before = _flat(weights), places
        updates.append((places - before).numpy())
    return np.stack(updates)


def _flat(weights: Iterable[Tensor]) -> Tensor:
    return torch.cat([w.detach().flatten() for w in weights]).clone()


def alike(pytorch: type[Optimizer], own: type[Optimizer]) -> dict[str, Any]:
    """Keras' values for the arguments that both classes take; SGD with momentum, or there would be nothing to see."""
    theirs = inspect.signature(pytorch).parameters
    mine = inspect.signature(own).parameters
    shared = {n: p.default for n, p in mine.items() if n in theirs and n not in ("params", "weight_decay")}
    return {**shared, "momentum": 0.9} if own is keras.SGD else shared


def write(folder: Path) -> None:
    """Walk every pair along the recorded gradients, with defaults and with equal arguments."""
    start, gradients = recorded()
    with store.Store.create(folder, name="definitions", config={"training": TRAINING}, force=True) as study:
        for name, (pytorch, own) in PAIRS.items():
            equal = alike(pytorch, own)
            config = {"alike": equal, "drop": DROP, "dropped_after": DROPPED_AFTER}
            run = study.add_run(name, config=config, kind="definition")
            for side, cls in (("pytorch", pytorch), ("keras", own)):
                run.array(f"rms/{side}", np.sqrt((walked(cls, {}, start, gradients) ** 2).mean(1)))
            theirs, mine = (walked(cls, equal, start, gradients, DROP) for cls in (pytorch, own))
            run.array("apart", np.linalg.norm(mine - theirs, axis=1) / np.linalg.norm(theirs, axis=1))
            run.finish()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=Path, default=Path("out/keras-page"), help="where the studies are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="where the pictures go")
    arguments = parser.parse_args()
    folder = arguments.studies / "definitions"
    if not (folder / "study.sqlite").exists():
        write(folder)
    ftrl = arguments.studies / "why-ftrl-loses"
    if not (ftrl / "study.sqlite").exists():
        Study("why-ftrl-loses").run(ftrl)
    definitions, trained = store.open_study(folder), store.open_study(ftrl)
    figures = default_steps(definitions), equal_arguments(definitions), starts(trained), losses(trained)
    for figure in figures:
        png, svg = figure.save(arguments.out)
        svg.unlink()  # the page shows the PNG
        print(f"{png}\n  {figure.caption}\n  {figure.sentence}\n")


if __name__ == "__main__":
    main()
