"""Augmentation: other perturbations of each image in each epoch, a function of (seed, epoch, position) alone.

Where a test condition changes every image by exactly its strength, augmentation draws each image's strength anew in
each epoch: uniform in [0, s]; for scale in [−|s|, |s|]; a shift by whole pixels uniform in −s..s along each axis. A run
that is resumed in the middle of an epoch therefore sees what it would have seen, with no generator to restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from passo.data.perturbations import apply, check_images, check_perturbations, moved
from passo.data.scaling import Scaling
from passo.errors import ConfigError
from passo.seeding import derive

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Random perturbations up to `strengths` (see the table of `perturbations`), for images scaled by `scaling`.

    >>> import torch
    >>> jitter = Augmentation({"shift": 1}, Scaling("normalize"), seed=0)
    >>> x = torch.rand(3, 1, 4, 4)
    >>> torch.equal(jitter(x, 2, torch.tensor([5, 6, 7]))[1:], jitter(x[1:], 2, torch.tensor([6, 7])))
    True
    """

    strengths: Mapping[str, Any]
    scaling: Scaling
    seed: int

    def __post_init__(self) -> None:
        chosen = check_perturbations(self.strengths)
        if abs(chosen.get("scale", 0)) > 0.95:
            raise ConfigError(
                f"scale must be from −0.95 to 0.95 as augmentation, which draws it from −s to s, "
                f"got {chosen['scale']:g}"
            )
        object.__setattr__(self, "strengths", chosen)

    def __call__(self, images: Tensor, epoch: int, positions: Tensor) -> Tensor:
        """Scaled images (N, C, H, W) as this epoch sees those at `positions` (N,) of the training part.

        They keep their memory format; those that nothing changes are returned as they are, the very tensor.
        """
        import torch

        if not self.strengths:
            return images
        check_images(images, positions)
        last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
        changed = self.scaling.from_unit(self._changed(self.scaling.to_unit(images), epoch, positions))
        return changed.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)

    def _changed(self, unit: Tensor, epoch: int, positions: Tensor) -> Tensor:
        from passo.data import counters

        seed = derive(self.seed, "augment", epoch)
        positions = positions.to(unit.device)
        for name, most in self.strengths.items():
            draw = counters.uniform(derive(seed, "strength", name), positions, 2)  # (N, 2)
            if name == "shift":
                by = (draw * (2 * most + 1)).long().clamp(max=int(2 * most)) - int(most)  # (N, 2)
                unit = moved(unit, by[:, 0], by[:, 1])
            else:
                strength = (2 * draw[:, 0] - 1) * abs(most) if name == "scale" else draw[:, 0] * most
                unit = apply(unit, {name: strength}, seed, positions)
        return unit
