"""Change images by a chosen strength: size, position, turn, occlusion, noise; each fixed by a seed per image.

    name             strength                                          drawn for each image
    scale            relative change of size, > −1: factor 1 + s       nothing
    rotation         degrees                                           clockwise or not
    shift            whole pixels                                      left, right, up or down
    occlusion        side of a black square / shorter side, 0 to 1     where it is
    gaussian-noise   standard deviation, white being 1                 each value; then cut to [0, 1]
    salt-and-pepper  share of the pixels that become black or white    which ones, and black or white

Images are (N, C, H, W) in [0, 1]; what comes in from outside is black (0). With strength 0 each is the identity, bit
for bit. Several are applied in the order of this table, whatever order they are named in. What is drawn for an image
depends on the key and on the image's position alone (`counters`): not on the batch, the order, the device or another
perturbation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.errors import ConfigError
from passo.registry import unknown
from passo.seeding import derive

if TYPE_CHECKING:
    from torch import Tensor

_CHUNK = 512  # images at a time: what is drawn for each pixel takes 8 bytes
Change = Callable[["Tensor", "Tensor", int, "Tensor"], "Tensor"]  # images, strength (N,), key, positions (N,) → images


@dataclass(frozen=True)
class Perturbation:
    """A way of changing images: its name, the unit of its strength, the strengths it takes, and the change itself."""

    name: str
    unit: str
    low: float
    high: float
    whole: bool
    change: Change

    def check(self, strength: Any) -> float:
        """The strength as a number; raises `ConfigError` where it is none, or is out of range."""
        number = not isinstance(strength, bool) and isinstance(strength, int | float) and math.isfinite(strength)
        if not number or not self.low <= strength <= self.high or (self.whole and strength != int(strength)):
            kind = "a whole number" if self.whole else "a number"
            if self.high == math.inf:
                raise ConfigError(f"{self.name} must be {kind} ≥ {self.low:g} ({self.unit}), got {strength!r}")
            raise ConfigError(
                f"{self.name} must be {kind} from {self.low:g} to {self.high:g} ({self.unit}), got {strength!r}"
            )
        return float(strength)


def check_perturbations(wanted: Mapping[str, Any] | None) -> dict[str, float]:
    """Names and strengths, in the order in which they are applied; those of strength 0 are left out.

    Raises `UnknownName` and `ConfigError`.

    >>> check_perturbations({"shift": 2, "scale": -0.5, "rotation": 0})
    {'scale': -0.5, 'shift': 2.0}
    """
    wanted = {} if wanted is None else wanted
    if not isinstance(wanted, Mapping):
        raise ConfigError(f"perturb must be names with strengths, as perturb.shift=2, got {wanted!r}")
    for name in wanted:
        if name not in PERTURBATIONS:
            raise unknown("perturbation", name, PERTURBATIONS)
    strengths = {name: way.check(wanted[name]) for name, way in PERTURBATIONS.items() if name in wanted}
    return {name: strength for name, strength in strengths.items() if strength != 0}


def perturb(images: Tensor, strengths: Mapping[str, float], *, seed: int, positions: Tensor | None = None) -> Tensor:
    """Images (N, C, H, W) in [0, 1], each changed by exactly these strengths, as a test condition.

    `positions` (N,) int64 name the images; 0 to N − 1 where none are given. Images that nothing changes are returned as
    they are, the very tensor.

    >>> import torch
    >>> perturb(torch.ones(1, 1, 4, 4), {"occlusion": 0.5}, seed=0).sum().item()
    12.0
    """
    import torch

    chosen = check_perturbations(strengths)
    if positions is None:
        positions = torch.arange(len(images))
    check_images(images, positions)
    full = {name: torch.full((len(images),), strength) for name, strength in chosen.items()}
    return apply(images, full, seed, positions)


def perturb_pixels(
    pixels: np.ndarray, strengths: Mapping[str, float], *, seed: int, positions: np.ndarray
) -> np.ndarray:
    """`perturb` for uint8 pixels (N, H, W) or (N, C, H, W), rounded to whole pixel values again: what is exported."""
    import torch

    changed = np.empty_like(pixels)
    for start in range(0, len(pixels), _CHUNK):
        part = slice(start, start + _CHUNK)
        unit = torch.from_numpy(np.array(pixels[part])).float() / 255
        shaped = unit if unit.dim() == 4 else unit[:, None]
        where = torch.from_numpy(np.asarray(positions[part], np.int64))
        found = perturb(shaped, strengths, seed=seed, positions=where)
        changed[part] = (found * 255).round().byte().view(unit.shape).numpy()
    return changed


def apply(images: Tensor, strengths: Mapping[str, Tensor], seed: int, positions: Tensor) -> Tensor:
    """Change each image by its own strengths: name → (N,) float32."""
    positions = positions.to(images.device)
    for name, strength in strengths.items():
        key = derive(seed, "perturb", name)
        images = PERTURBATIONS[name].change(images, strength.to(images.device), key, positions)
    return images


def check_images(images: Tensor, positions: Tensor) -> None:
    """Raise `ConfigError` unless there are (N, C, H, W) numbers and N positions."""
    if images.dim() != 4 or not images.is_floating_point() or positions.shape != images.shape[:1]:
        raise ConfigError(
            f"perturbations need images (N, C, H, W) as floating-point numbers and N positions, "
            f"got {list(images.shape)} {images.dtype} and {list(positions.shape)}"
        )


# ── The changes ───────────────────────────────────────────────────────────────────────────────────────────


def _scale(images: Tensor, strength: Tensor, key: int, positions: Tensor) -> Tensor:
    return _resampled(images, 1 / (1 + strength), strength * 0)


def _rotate(images: Tensor, strength: Tensor, key: int, positions: Tensor) -> Tensor:
    return _resampled(images, strength * 0 + 1, strength * _sign(key, positions) * (math.pi / 180))


def _resampled(images: Tensor, factor: Tensor, angle: Tensor) -> Tensor:
    """output(x, y) = input(R(angle)·factor·(x, y)), about the centre, bilinear: factor and angle (N,).

    The grid is in pixels and made number by number: a matrix product may round otherwise in another batch.
    """
    import torch
    import torch.nn.functional as nn

    n, _, height, width = images.shape
    double = angle.double()  # rounded to float32 afterwards, a vector's cosine and a single number's are the same bits
    cos, sin = ((f(double) * factor.double()).float().view(n, 1, 1) for f in (torch.cos, torch.sin))
    y = (torch.arange(height, device=images.device) - (height - 1) / 2).view(1, -1, 1)
    x = (torch.arange(width, device=images.device) - (width - 1) / 2).view(1, 1, -1)
    there = torch.stack([(cos * x - sin * y) * (2 / width), (sin * x + cos * y) * (2 / height)], dim=3)  # (N, H, W, 2)
    moved = nn.grid_sample(images, there.to(images.dtype), align_corners=False).clamp(0, 1)
    still = (factor == 1) & (angle == 0)
    return torch.where(still.view(n, 1, 1, 1), images, moved)


def _shift(images: Tensor, strength: Tensor, key: int, positions: Tensor) -> Tensor:
    from passo.data import counters

    way = counters.numbers(key, positions, 1)[:, 0] & 3  # 0 left, 1 right, 2 up, 3 down
    pixels = strength.long() * ((way & 1) * 2 - 1)
    return moved(images, pixels * (way < 2), pixels * (way >= 2))


def moved(images: Tensor, right: Tensor, down: Tensor) -> Tensor:
    """Each image moved by whole pixels, copied and not interpolated: `right` and `down` (N,) int64."""
    import torch

    n, _, height, width = images.shape
    rows = torch.arange(height, device=images.device) - down[:, None]  # (N, H): the row that comes here
    columns = torch.arange(width, device=images.device) - right[:, None]  # (N, W)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    index = torch.arange(n, device=images.device)[:, None, None]
    rows, columns = rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]
    there = images.permute(0, 2, 3, 1)[index, rows, columns].permute(0, 3, 1, 2)  # (N, C, H, W)
    return torch.where(inside[:, None], there, torch.zeros((), dtype=images.dtype, device=images.device))


def _occlude(images: Tensor, strength: Tensor, key: int, positions: Tensor) -> Tensor:
    import torch

    from passo.data import counters

    height, width = images.shape[2:]
    side = (strength * min(height, width)).round().long()  # (N,)
    draw = counters.uniform(key, positions, 2)
    top = (draw[:, 0] * (height - side + 1)).long().clamp(max=height - 1)[:, None]
    left = (draw[:, 1] * (width - side + 1)).long().clamp(max=width - 1)[:, None]
    y, x = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows, columns = (y >= top) & (y < top + side[:, None]), (x >= left) & (x < left + side[:, None])
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)


def _noise(images: Tensor, strength: Tensor, key: int, positions: Tensor) -> Tensor:
    import torch

    from passo.data import counters

    z = counters.normal(key, positions, math.prod(images.shape[1:])).view(images.shape)  # (N, C, H, W)
    noisy = (images + strength.view(-1, 1, 1, 1) * z).to(images.dtype).clamp(0, 1)
    return torch.where((strength == 0).view(-1, 1, 1, 1), images, noisy)


def _salt_and_pepper(images: Tensor, strength: Tensor, key: int, positions: Tensor) -> Tensor:
    import torch

    from passo.data import counters

    draw = counters.uniform(key, positions, images.shape[2] * images.shape[3])
    draw = draw.view(len(images), 1, *images.shape[2:])  # (N, 1, H, W): a pixel of all channels
    share = strength.view(-1, 1, 1, 1)
    extreme = (draw < share / 2).to(images.dtype)  # the lower half of the share is salt, the upper pepper
    return torch.where(draw < share, extreme, images)


def _sign(key: int, positions: Tensor) -> Tensor:
    from passo.data import counters

    return ((counters.numbers(key, positions, 1)[:, 0] & 1) * 2 - 1).float()


_NEARLY_NOTHING = -0.95  # at −1 an image has no size
PERTURBATIONS: dict[str, Perturbation] = {
    way.name: way
    for way in (
        Perturbation("scale", "relative change of size", _NEARLY_NOTHING, 10.0, False, _scale),
        Perturbation("rotation", "degrees", 0.0, 180.0, False, _rotate),
        Perturbation("shift", "pixels", 0.0, math.inf, True, _shift),
        Perturbation("occlusion", "side of the square as a share of the shorter side", 0.0, 1.0, False, _occlude),
        Perturbation("gaussian-noise", "standard deviation, white being 1", 0.0, math.inf, False, _noise),
        Perturbation("salt-and-pepper", "share of the pixels", 0.0, 1.0, False, _salt_and_pepper),
    )
}
