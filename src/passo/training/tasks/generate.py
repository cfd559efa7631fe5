"""`generate`: images like these. A generator against a discriminator, each with an optimizer of its own (GAN).

A step, as in Algorithm 1 of Goodfellow et al. 2014 with one update of the discriminator, each with noise of its own:

    discriminator   minimise  −[ t log D(x) + (1 − t) log(1 − D(x)) ] − log(1 − D(G(z)))     t = 1 − smoothing
    generator       minimise  −log D(G(z))            the non-saturating loss (section 3 there)

D(x) = σ(logit). Where D cannot tell at all it says 1/2: the discriminator's loss is then 2 log 2 ≈ 1.386, the
generator's log 2 ≈ 0.693. `smoothing` is one-sided (Salimans et al. 2016, section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from passo.errors import ConfigError
from passo.seeding import generator
from passo.training.evaluate import autocast, evaluating
from passo.training.penalty import Penalty
from passo.training.step import LossFunction, Manner, Pair, StepRecord, accumulated_step
from passo.training.tasks.likeness import Likeness, judged
from passo.training.tasks.span import Span
from passo.training.tasks.task import Kept, Measure, Task

if TYPE_CHECKING:
    from passo.data import Data
    from passo.training.config import TrainConfig

HALVES = ("generator", "discriminator")
SAMPLES = 25


class Adversarial(nn.Module):
    """The generator's loss of an evaluation: −log D(G(z)), (B, …) → 0-d. The discriminator is not touched."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        with evaluating(self.discriminator):
            return judged(self.discriminator(fake), 1.0)


class Generate(Task):
    """A model with a `generator`, a `discriminator` and `noise(n)`, such as `gan`; labels play no part.

    `smoothing` is taken from the target of real images, `discriminator_lr` is its learning rate where it is to be
    another one, `samples` are made from the same noise after every epoch. Noise is a function of (seed, step,
    mini-batch). The record of a step has the generator's loss, and tells the discriminator's, D(x) and D(G(z)).
    """

    name = "generate"
    metrics = ("loss_discriminator", "d_real", "d_fake", "distance", "distance_real", "spread")
    watched = "distance"
    figures = ("discriminator", "samples")
    predicts = False

    def __init__(
        self,
        config: TrainConfig,
        smoothing: float = 0.0,
        discriminator_lr: float | None = None,
        samples: int = SAMPLES,
    ) -> None:
        super().__init__(config)
        for name, value, right in (
            ("smoothing", smoothing, _number(smoothing) and 0 <= smoothing < 1),
            ("discriminator_lr", discriminator_lr, discriminator_lr is None or _number(discriminator_lr)),
            ("samples", samples, isinstance(samples, int) and not isinstance(samples, bool) and samples >= 1),
        ):
            if not right:
                raise ConfigError(f"task.{name} cannot be {value!r}: see docs/tasks.md")
        self.smoothing, self.discriminator_lr, self.samples = smoothing, discriminator_lr, samples
        self.span = Span.of(None)
        self._model: Any = None
        self._penalties: dict[str, Penalty | None] = {}

    def begin(self, data: Data | None, model: nn.Module) -> None:
        if not all(isinstance(getattr(model, half, None), nn.Module) for half in HALVES) or not hasattr(model, "noise"):
            raise ConfigError(
                "task generate trains a generator against a discriminator: take model=gan, or a module that has both "
                "under these names, and noise(n, generator)"
            )
        self.without_classes("this training makes inputs")
        if data is not None and self.config.model.name == "gan" and data.scaling.name != "symmetric":
            raise ConfigError(
                f"model gan makes values in [−1, 1], and dataset.scale={data.scaling.name} gives others: take "
                "dataset.scale=symmetric"
            )
        self._model, self.span = model, Span.of(data)

    def halves(self) -> dict[str, dict[str, Any]]:
        other = {} if self.discriminator_lr is None else {"lr": self.discriminator_lr}
        return {"generator": {}, "discriminator": other}

    def loss_fn(self, data: Data | None) -> nn.Module:
        if self._model is None:
            raise ConfigError("task generate needs its model before its loss: call begin(data, model)")
        return Adversarial(self._model.discriminator)

    def step(
        self,
        model: Any,
        loss_fn: LossFunction,
        optimizer: Any,
        pairs: Sequence[Pair],
        manner: Manner,
        *,
        step: int,
        epoch: int,
    ) -> StepRecord:
        """The discriminator's update, then the generator's against the new one."""
        seen: list[tuple[Tensor, Tensor]] = []

        def telling(logits: Tensor, fake: Tensor) -> Tensor:
            other = model.discriminator(fake)
            seen.append((logits.detach(), other.detach()))
            return judged(logits, 1 - self.smoothing) + judged(other, 0.0)

        def fooling(fake: Tensor, _: Tensor) -> Tensor:
            return judged(model.discriminator(fake), 1.0)

        with torch.no_grad(), autocast(manner.precision, pairs[0][0].device):
            fakes = [model.generator(z) for z in self._noise(model, pairs, step, "discriminator")]
        real = [(x, fake) for (x, _), fake in zip(pairs, fakes, strict=True)]
        at = {"step": step, "epoch": epoch}
        other = accumulated_step(model.discriminator, telling, optimizer["discriminator"], real,
                                 self._manner(manner, model, "discriminator"), **at)  # fmt: skip
        with frozen(model.discriminator):
            noise = [(z, z) for z in self._noise(model, pairs, step, "generator")]
            made = accumulated_step(model.generator, fooling, optimizer["generator"], noise,
                                    self._manner(manner, model, "generator"), **at)  # fmt: skip
        real_logits, fake_logits = (torch.cat(one).float() for one in zip(*seen[: len(pairs)], strict=True))
        told = {"loss_discriminator": other.loss, "d_real": real_logits.sigmoid().mean()}
        told["d_fake"] = fake_logits.sigmoid().mean()
        if other.penalty is not None:
            told["penalty_discriminator"] = other.penalty
        return made._replace(told=told, skipped=made.skipped or other.skipped)

    def shown(self, x: Tensor, y: Tensor, batch: int) -> Pair:
        """Noise of this evaluation's batch, as much as there are real ones to compare with."""
        return self._model.noise(len(x), generator(self.config.seed, "noise", "evaluation", batch)), x

    def measure(self) -> Measure:
        return Likeness(self._model.discriminator, self.span, self.config.seed, self.samples)

    def at_epoch(self, model: Any) -> Iterator[Kept]:
        """What is made of the same noise, after every epoch."""
        source = model if hasattr(model, "noise") else self._model
        z = source.noise(self.samples, generator(self.config.seed, "samples"))
        with evaluating(model):
            images = self.span.unit(model(z))
        yield "samples", images[None].cpu().numpy(), {"axes": ["epoch", "sample"]}

    def kept(self, outputs: Tensor, targets: Tensor) -> Iterator[Kept]:
        """Nothing more: what the evaluation keeps in every case shows it all."""
        yield from ()

    def _noise(self, model: Any, pairs: Sequence[Pair], step: int, half: str) -> list[Tensor]:
        """z for each mini-batch: (B, latent)."""
        seed = self.config.seed
        return [model.noise(len(x), generator(seed, "noise", half, step, n)) for n, (x, _) in enumerate(pairs)]

    def _manner(self, manner: Manner, model: Any, half: str) -> Manner:
        """The same, with the penalty on this half's weights alone."""
        if not isinstance(manner.penalty, Penalty):
            return manner
        if half not in self._penalties:
            self._penalties[half] = manner.penalty.on(getattr(model, half))
        return manner._replace(penalty=self._penalties[half])


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """No gradient for its parameters inside: gradients go through it, to what came before."""
    held = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
