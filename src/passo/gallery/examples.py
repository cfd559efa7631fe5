"""What the gallery trains on: 2,560 images of Fashion-MNIST, 440 to validate on, and 1,000 that no training sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from passo.data import Data, load

SAMPLE, VALIDATION = "fashion-mnist-sample", 440


@dataclass(frozen=True)
class Examples:
    """Images (N, 1, 28, 28) float32 and labels (N,) int64, to train on, to validate on and to test on."""

    x: Tensor
    y: Tensor
    validation_x: Tensor
    validation_y: Tensor
    test_x: Tensor
    test_y: Tensor


@cache
def data() -> Data:
    """The sample that is embedded in passo, in three parts that share nothing."""
    return load(SAMPLE, validation=VALIDATION)


def scaled(generator: torch.Generator) -> Examples:
    """The parts, standardised by the training part's mean and standard deviation."""
    parts = data()
    assert parts.validation is not None
    train, held, test = parts.train, parts.validation, parts.test
    return Examples(train.images, train.labels, held.images, held.labels, test.images, test.labels)


def unscaled(generator: torch.Generator) -> Examples:
    """Grey values from 0 to 255, as they are in the file."""
    parts, plain = data(), scaled(generator)
    assert parts.validation is not None
    x, held, test = (
        torch.from_numpy(part.raw.copy()).float()[:, None] for part in (parts.train, parts.validation, parts.test)
    )
    return replace(plain, x=x, validation_x=held, test_x=test)


def shuffled_labels(generator: torch.Generator) -> Examples:
    plain = scaled(generator)
    return replace(plain, y=plain.y[torch.randperm(len(plain.y), generator=generator)])


def shifted_labels(generator: torch.Generator) -> Examples:
    """Each class of the training part under the number of the next one."""
    plain = scaled(generator)
    return replace(plain, y=(plain.y + 1) % 10)


def leaked(generator: torch.Generator) -> Examples:
    """Images to validate on drawn from the whole file, those to train on included."""
    plain = scaled(generator)
    x, y = torch.cat([plain.x, plain.validation_x]), torch.cat([plain.y, plain.validation_y])
    drawn = torch.randperm(len(x), generator=generator)[:VALIDATION]
    return replace(plain, validation_x=x[drawn], validation_y=y[drawn])


def few(generator: torch.Generator) -> Examples:
    """128 images to train on."""
    plain = scaled(generator)
    kept = torch.randperm(len(plain.x), generator=generator)[:128]
    return replace(plain, x=plain.x[kept], y=plain.y[kept])


def imbalanced(generator: torch.Generator) -> Examples:
    """A fortieth and less of every second class: 10 images of each of 5 classes, all of the others."""
    plain = scaled(generator)
    rare = [torch.nonzero(plain.y == c)[:10, 0] for c in range(0, 10, 2)]
    kept = torch.cat([torch.nonzero(plain.y % 2 == 1)[:, 0], *rare])
    return replace(plain, x=plain.x[kept], y=plain.y[kept])


def shuffled(labels: Tensor, generator: torch.Generator) -> Tensor:
    """An epoch's order: a new one each time (N,)."""
    return torch.randperm(len(labels), generator=generator)


def by_class(labels: Tensor, generator: torch.Generator) -> Tensor:
    """An epoch's order: as in a folder for each class, always the same (N,)."""
    return labels.argsort(stable=True)


def balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """An epoch's order: drawn with replacement, each class as often as any other (N,)."""
    weights = 1 / labels.bincount(minlength=10)[labels].float()
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)
