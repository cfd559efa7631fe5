"""What becomes of a prediction as pixels are taken away, or put in, in the order of a map.

Deletion begins with the image and replaces the most important pixels first; insertion begins without it and puts the
most important ones in first. Source: Petsiuk, Das and Saenko 2018 (RISE), section 4.3: removed pixels are a constant,
and insertion begins with a blurred image, so that it draws no sharp edges of its own.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from passo.training.evaluate import evaluating


def random_maps(count: int, grain: tuple[int, int], size: tuple[int, int], generator: Generator) -> np.ndarray:
    """Uniform noise of `grain` (h, w), interpolated to `size` (H, W) as Grad-CAM's maps are: (count, H, W).

    A random order of single pixels would not be a fair opponent of a smooth map: scattered pixels harm a convolution
    in another way than a patch does. So a random map is as coarse as the map that it is compared with.
    """
    noise = torch.rand(count, 1, *grain, generator=generator)
    return functional.interpolate(noise, size, mode="bilinear")[:, 0].numpy()


def order(values: np.ndarray, ties: np.ndarray) -> Tensor:
    """Each pixel's turn, from 0 for the greatest value: (N, H, W) → (N, H, W); `ties` decides among equal values.

    >>> order(np.array([[[0.0, 2.0], [0.0, 1.0]]]), np.array([[[0.1, 0.0], [0.9, 0.0]]])).tolist()
    [[[3, 0], [2, 1]]]
    """
    flat = values.reshape(len(values), -1)
    falling = np.lexsort((ties.reshape(flat.shape), flat))[:, ::-1]
    turns = np.empty_like(falling)
    np.put_along_axis(turns, falling, np.arange(flat.shape[1])[None], 1)
    return torch.from_numpy(turns.reshape(values.shape))


def blurred(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of `sigma` pixels, cut at 3σ, with the edge's pixels repeated outside: (N, C, H, W)."""
    reach = max(1, math.ceil(3 * sigma))
    kernel = torch.exp(
        -(torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device) ** 2) / (2 * sigma**2)
    )
    kernel /= kernel.sum()
    channels = images.shape[1]
    for shape, around in (((1, -1), (reach, reach, 0, 0)), ((-1, 1), (0, 0, reach, reach))):
        padded = functional.pad(images, around, mode="replicate")
        images = functional.conv2d(padded, kernel.view(1, 1, *shape).repeat(channels, 1, 1, 1), groups=channels)
    return images


def curve(
    model: nn.Module, start: Tensor, end: Tensor, turns: Tensor, target: Tensor, shares: np.ndarray
) -> np.ndarray:
    """The probability of class `target` (N,) when a share of the pixels of `start` is replaced by those of `end`.

    start, end: (N, C, H, W); turns: (N, H, W), whose turn comes when; shares: (S,) of 1 → (N, S).
    """
    size, found = turns[0].numel(), []
    with evaluating(model):
        for share in shares:
            replaced = (turns < round(float(share) * size))[:, None]
            given = model(torch.where(replaced, end, start)).softmax(1)
            found.append(given.gather(1, target[:, None])[:, 0])
    return torch.stack(found, 1).cpu().numpy()
