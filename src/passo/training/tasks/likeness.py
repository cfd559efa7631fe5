"""How like the real images generated ones are, without anybody else's network: distances of distributions.

A GAN's losses do not say how good its images are: each is measured against an opponent that changes. What is told here
is small and honest, and no substitute for looking:

    distance         sliced Wasserstein distance W₁ between generated and unseen real images: both are projected on the
                     same 128 random directions; on each, the mean distance of the sorted values (Bonneel et al. 2015)
    distance_real    the same between two halves of the real images: what chance alone leaves
    spread           √(Σ var(generated) / Σ var(real)) over all values: 1 where they vary as much, near 0 where the
                     generator makes one image over and over

All with black at 0 and white at 1; the first two with half of the images each, so that they can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from passo.seeding import generator
from passo.training.evaluate import evaluating
from passo.training.tasks.span import Span
from passo.training.tasks.task import Kept, Measure

DIRECTIONS = 128


def judged(logits: Tensor, target: float) -> Tensor:
    """Binary cross-entropy of logits (B, 1) with one target for all: the mean, 0-d."""
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def sliced(a: Tensor, b: Tensor) -> float:
    """Sliced W₁ of projections (N, K) and (N, K): the mean over directions of the mean |a₍ᵢ₎ − b₍ᵢ₎|.

    >>> sliced(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]]))
    2.0
    """
    return float((a.sort(0).values - b.sort(0).values).abs().mean())


class Likeness(Measure):
    """What an evaluation tells of a generator and its opponent; the first `samples` generated ones are kept."""

    def __init__(self, discriminator: nn.Module, span: Span, seed: int, samples: int) -> None:
        self._discriminator, self._span, self._seed, self._samples = discriminator, span, seed, samples
        self._logits: list[tuple[Tensor, Tensor]] = []
        self._projected: list[tuple[Tensor, Tensor]] = []
        self._sums: tuple[Tensor, ...] | None = None
        self._directions: Tensor | None = None
        self._first: Tensor | None = None

    def add(self, x: Tensor, output: Tensor, y: Tensor) -> None:
        output = output.to(y.dtype)  # autocast leaves a half precision, which the weights have not
        with evaluating(self._discriminator):
            logits = [self._discriminator(one).float().cpu() for one in (y, output)]
        self._logits.append((logits[0], logits[1]))
        real, fake = (self._span.unit(one).flatten(1) for one in (y, output))  # (B, D)
        if self._directions is None:
            draw = generator(self._seed, "directions")
            ways = torch.randn(real.shape[1], DIRECTIONS, generator=draw)
            self._directions = (ways / ways.norm(dim=0)).to(real.device)
            self._first = self._span.unit(output[: self._samples]).cpu()
        self._projected.append(((real @ self._directions).cpu(), (fake @ self._directions).cpu()))
        sums = tuple(part.cpu().double().sum(0) for one in (real, fake) for part in (one, one.square()))
        self._sums = sums if self._sums is None else tuple(map(torch.add, self._sums, sums))

    def values(self) -> dict[str, float]:
        real, fake = (torch.cat(one) for one in zip(*self._logits, strict=True))
        cost = judged(real, 1.0) + judged(fake, 0.0)
        found = {"loss_discriminator": float(cost)}
        found |= {"d_real": float(real.sigmoid().mean()), "d_fake": float(fake.sigmoid().mean())}
        real, fake = (torch.cat(one) for one in zip(*self._projected, strict=True))
        half = len(real) // 2
        if half:
            found["distance"] = sliced(fake[:half], real[:half])
            found["distance_real"] = sliced(real[half : 2 * half], real[:half])
        assert self._sums is not None
        first, squares, made, made_squares = (one / len(real) for one in self._sums)
        spread, of_made = (squares - first.square()).sum(), (made_squares - made.square()).sum()
        return found | ({"spread": math.sqrt(max(0.0, float(of_made / spread)))} if spread > 0 else {})

    def kept(self) -> Iterator[Kept]:
        assert self._first is not None
        yield "samples", self._first.numpy(), {"axes": ["sample"]}
