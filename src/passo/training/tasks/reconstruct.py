"""`reconstruct`: can it be given back? An autoencoder is shown x, or x with noise, and should give x."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from passo.errors import ConfigError
from passo.seeding import generator
from passo.training.evaluate import evaluating
from passo.training.step import Pair
from passo.training.tasks.losses import loss_named
from passo.training.tasks.noise import NOISES, check_noise
from passo.training.tasks.span import Span
from passo.training.tasks.task import Kept, Measure, Task

if TYPE_CHECKING:
    from passo.data import Data
    from passo.training.config import TrainConfig

SHOWN, WORST = 10, 10
SCALES = {"sigmoid": "normalize", "tanh": "symmetric"}  # what an autoencoder's last layer can reach


def decibel(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of values whose range is 1: −10 log₁₀ mse. Infinite where there is no error.

    >>> decibel(0.01)
    20.0
    """
    return -10 * math.log10(mse) if mse > 0 else math.inf


class Distances(Measure):
    """How far outputs are from what they should be, black to white being 1: mse, mae and psnr over all values.

    Where the inputs are noisy: `psnr_noisy`, theirs, and `gain_db` = psnr − psnr_noisy = 10 log₁₀ (mse of the inputs /
    mse of the outputs). Each image's own mse, the first images and the worst ones are kept: inputs as they were shown,
    outputs and targets, all with black at 0 and white at 1.
    """

    def __init__(self, span: Span, *, noisy: bool) -> None:
        self._span, self._noisy = span, noisy
        self._squared: list[Tensor] = []  # (B,) each, per image
        self._absolute: list[Tensor] = []
        self._before: list[Tensor] = []
        self._first: Tensor | None = None  # (≤ SHOWN, 3, …): shown, output, target
        self._worst: tuple[Tensor, Tensor, Tensor] | None = None  # errors, places, images

    def add(self, x: Tensor, output: Tensor, y: Tensor) -> None:
        shown, given, wanted = (self._span.unit(one) for one in (x, output, y))
        squared = (given - wanted).square().flatten(1).mean(1)  # (B,)
        place = sum(map(len, self._squared))
        self._squared.append(squared.double().cpu() if squared.device.type != "mps" else squared.cpu().double())
        self._absolute.append((given - wanted).abs().flatten(1).mean(1).cpu().double())
        if self._noisy:
            self._before.append((shown - wanted).square().flatten(1).mean(1).cpu().double())
        if self._first is None:
            self._first = torch.stack([shown[:SHOWN], given[:SHOWN], wanted[:SHOWN]], 1).cpu()
        self._keep_worst(squared, place, (shown, given, wanted))

    def _keep_worst(self, squared: Tensor, place: int, images: tuple[Tensor, Tensor, Tensor]) -> None:
        errors, index = squared.topk(min(WORST, len(squared)))
        found = (errors.cpu(), place + index.cpu(), torch.stack([one[index] for one in images], 1).cpu())
        if self._worst is not None:
            found = tuple(torch.cat(both) for both in zip(self._worst, found, strict=True))
        _, order = found[0].topk(min(WORST, len(found[0])))
        self._worst = (found[0][order], found[1][order], found[2][order])

    def values(self) -> dict[str, float]:
        mse = float(torch.cat(self._squared).mean())
        found = {"mse": mse, "mae": float(torch.cat(self._absolute).mean()), "psnr": decibel(mse)}
        if self._noisy:
            before = decibel(float(torch.cat(self._before).mean()))
            found |= {"psnr_noisy": before, "gain_db": found["psnr"] - before}
        return found

    def kept(self) -> Iterator[Kept]:
        assert self._first is not None and self._worst is not None
        axes = {"axes": ["image", "shown, output, target"], "noisy": self._noisy}
        yield "errors", torch.cat(self._squared).float().numpy(), {"axes": ["image"], "unit": "mse, white being 1"}
        yield "first", self._first.numpy(), axes
        yield "worst", self._worst[2].numpy(), axes
        yield "worst/places", self._worst[1].numpy(), {"axes": ["image"]}


class Reconstruct(Task):
    """Outputs of the inputs' own shape against the inputs, (B, …). `noise` of a `strength` is laid over what is shown.

    Noise is a function of (seed, step, mini-batch) in training, and of (seed, batch) in an evaluation, which therefore
    is the same after every epoch. `loss` is mse or mae, in the units that the data are scaled to; the metrics are in
    units of the range from black to white (see `Span`).
    """

    name = "reconstruct"
    metrics = ("mse", "mae", "psnr", "psnr_noisy", "gain_db")
    higher = ("psnr", "gain_db")
    figures = ("reconstructions", "errors", "overfitting")
    predicts = False

    def __init__(self, config: TrainConfig, noise: str = "none", strength: float = 0.3, loss: str = "mse") -> None:
        super().__init__(config)
        loss_named(loss)
        if noise != "none":
            check_noise(noise, strength)
        self.noise, self.strength, self.loss = noise, strength, loss
        self.span = Span.of(None)
        self._fixed: Tensor | None = None

    def begin(self, data: Data | None, model: nn.Module) -> None:
        self.without_classes("this training gives inputs back")
        if data is None:
            return
        output = self.config.model.options.get("output") if self.config.model.name == "autoencoder" else None
        wanted = SCALES.get(str(output))
        if wanted is not None and data.scaling.name != wanted:
            raise ConfigError(
                f"an autoencoder with output={output} cannot reach what dataset.scale={data.scaling.name} gives: take "
                f"dataset.scale={wanted}"
            )
        self.span = Span.of(data)
        images = (data.train if data.validation is None else data.validation).images[:SHOWN]
        where = next(model.parameters())
        self._fixed = images.to(where.device)
        with evaluating(model):
            given = model(self.shown(self._fixed, self._fixed, 0)[0])
        if given.shape != self._fixed.shape:
            raise ConfigError(
                f"task reconstruct gives inputs back, {tuple(images.shape[1:])}, and model {self.config.model.name} "
                f"gives {tuple(given.shape[1:])}: take model=autoencoder"
            )

    def loss_fn(self, data: Data | None) -> nn.Module:
        return loss_named(self.loss)

    def prepare(self, x: Tensor, y: Tensor, step: int, part: int = 0) -> Pair:
        return self._noisy(x, step, part), x

    def shown(self, x: Tensor, y: Tensor, batch: int) -> Pair:
        return self._noisy(x, "evaluation", batch), x

    def measure(self) -> Measure:
        return Distances(self.span, noisy=self.noise != "none")

    def at_epoch(self, model: nn.Module) -> Iterator[Kept]:
        """Some fixed images (of the validation part, where there is one), as they are given back now."""
        if self._fixed is None:
            return
        x, y = self.shown(self._fixed, self._fixed, 0)
        with evaluating(model):
            images = torch.stack([self.span.unit(one) for one in (x, model(x), y)], 1)
        axes = ["epoch", "image", "shown, output, target"]
        yield "reconstructions", images[None].cpu().numpy(), {"axes": axes, "noisy": self.noise != "none"}

    def _noisy(self, x: Tensor, *moment: object) -> Tensor:
        if self.noise == "none":
            return x
        return NOISES[self.noise](x, self.strength, self.span, generator(self.config.seed, "noise", *moment))
