"""Mini-batches of tensors that are in memory: an epoch is a permutation of their positions.

The batches are, bit for bit, those of `torch.utils.data.DataLoader(TensorDataset(images, labels), ...)`, and
so is what a pass takes from the random generator, and when (source: torch 2.13, `utils/data/sampler.py` and
`utils/data/dataloader.py`):

    iter()            one int64, the DataLoader's base seed, shuffled or not
    the first batch   weights: one multinomial of N draws
                      shuffled, default generator: one int64, which seeds a generator for the permutation
                      shuffled, a generator given: one permutation
    after the last image, shuffled with a generator given: a second permutation, which is thrown away
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from passo.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Batches:
    """Batches (x, y) of `images` (N, ...) and `labels` (N, ...); each `iter()` is one pass over them.

    `weights` draws N images a pass with replacement, each as likely as its weight: a sequence (N,), or
    "balanced" for 1 / (images of its class); it takes the place of `shuffle`. `generator` is torch's default
    one where none is given. A pass in order yields slices of the tensors, so writing into a batch of it
    writes into the data; other batches are copies. Images that are channels-last stay so. Tensors may be on
    any device; positions are drawn on the CPU.

    `augment` changes each batch: (images, epoch, places (B,) of the images in this pass) → images, so that an image
    drawn twice in a pass is changed twice (`augment.Augmentation`). `epoch` is the number of the next pass, from 0; who
    goes on with a run sets it. `positions` (B,) are those of the images in the batch that was handed out last.

    Raises `ConfigError` where the arguments do not fit each other.

    >>> import torch
    >>> for x, y in Batches(torch.arange(5.0), torch.arange(5), 2, shuffle=False):
    ...     print(x.tolist(), y.tolist())
    [0.0, 1.0] [0, 1]
    [2.0, 3.0] [2, 3]
    [4.0] [4]
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        *,
        shuffle: bool = True,
        weights: Tensor | Sequence[float] | str | None = None,
        generator: torch.Generator | None = None,
        drop_last: bool = False,
        augment: Callable[[Tensor, int, Tensor], Tensor] | None = None,
    ) -> None:
        if len(images) != len(labels) or len(images) == 0:
            raise ConfigError(f"batches need one label for each image, got {len(images)} images, {len(labels)} labels")
        if generator is not None and generator.device.type != "cpu":
            raise ConfigError(f"positions are drawn on the CPU: give a CPU generator, got {generator.device}")
        self.images, self.labels = images, labels
        self.shuffle, self.generator, self.drop_last = shuffle, generator, drop_last
        self.augment, self.epoch = augment, 0
        self.positions: Tensor | range = range(0)
        self.weights = None if weights is None else _weights(weights, labels)
        self.batch_size = _batch_size(batch_size, len(images), any_size=self.weights is None and not shuffle)
        # index_select forgets channels-last; seen as (N, H, W, C), such a tensor has nothing to forget
        # (a plain (N, 1, H, W) tensor would pass for both: its own strides decide, as they do in a DataLoader)
        last = images.dim() == 4 and images.stride(1) == 1 and images.permute(0, 2, 3, 1).is_contiguous()
        self._channels_last = last

    def __len__(self) -> int:
        """Batches in a pass."""
        full, rest = divmod(len(self.images), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        _draw_seed(self.generator)  # at iter(), not at the first batch: as the DataLoader does
        batches = self._in_order() if self.weights is None and not self.shuffle else self._gathered()
        self.epoch += 1
        return batches if self.augment is None else self._augmented(batches, self.augment, self.epoch - 1)

    def to(self, device: str | torch.device) -> Batches:
        """The same batches, drawn by the same generator, with the data on another device."""
        moved = Batches(
            self.images.to(device),
            self.labels.to(device),
            self.batch_size,
            shuffle=self.shuffle,
            weights=self.weights,
            generator=self.generator,
            drop_last=self.drop_last,
            augment=self.augment,
        )
        moved.epoch = self.epoch
        return moved

    @staticmethod
    def _augmented(
        batches: Iterator[tuple[Tensor, Tensor]], augment: Callable[[Tensor, int, Tensor], Tensor], epoch: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        begin = 0
        for x, y in batches:
            yield augment(x, epoch, torch.arange(begin, begin + len(x))), y
            begin += len(x)

    def _in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        end = len(self) * self.batch_size
        batches = zip(self.images[:end].split(self.batch_size), self.labels[:end].split(self.batch_size), strict=True)
        begin = 0
        for x, y in batches if end else ():
            self.positions = range(begin, begin + len(x))
            yield x, y
            begin += len(x)

    def _gathered(self) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        n, size = len(self.images), self.batch_size
        order = self._order().to(self.images.device)  # (N,)
        images = self.images.permute(0, 2, 3, 1) if self._channels_last else self.images
        full = n - n % size
        for index in order[:full].split(size) if full else ():
            yield self._take(images, index)
        if self.weights is None and self.generator is not None:
            # RandomSampler draws a second permutation, of which it uses the first N % N = 0 positions
            torch.randperm(n, generator=self.generator)
        if full < n and not self.drop_last:
            yield self._take(images, order[full:])

    def _take(self, images: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        self.positions = index
        x = images.index_select(0, index)
        return x.permute(0, 3, 1, 2) if self._channels_last else x, self.labels.index_select(0, index)

    def _order(self) -> Tensor:
        """The positions of one pass: (N,) int64, on the CPU."""
        import torch

        n = len(self.images)
        if self.weights is not None:
            return torch.multinomial(self.weights, n, replacement=True, generator=self.generator)
        if self.generator is not None:
            return torch.randperm(n, generator=self.generator)
        return torch.randperm(n, generator=torch.Generator().manual_seed(_draw_seed(None)))


class Together:
    """Several `Batches` of one length and size side by side: x (S, B, …) and y (S, B, …), a batch of each.

    >>> import torch
    >>> one, two = (Batches(torch.arange(2.0) + n, torch.arange(2), 2, shuffle=False) for n in (0, 10))
    >>> [x.tolist() for x, _ in Together([one, two])]
    [[[0.0, 1.0], [10.0, 11.0]]]
    """

    def __init__(self, parts: Sequence[Batches]) -> None:
        self.parts = parts
        if len({(len(part), part.batch_size) for part in parts}) != 1:
            raise ConfigError("batches side by side have one number and one size")

    def __len__(self) -> int:
        """Batches in a pass."""
        return len(self.parts[0])

    @property
    def epoch(self) -> int:
        """The number of the next pass, from 0."""
        return self.parts[0].epoch

    @epoch.setter
    def epoch(self, number: int) -> None:
        for part in self.parts:
            part.epoch = number

    @property
    def generators(self) -> list[torch.Generator]:
        """Those that the parts draw from."""
        return [part.generator for part in self.parts if part.generator is not None]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        for pairs in zip(*self.parts, strict=True):
            if len(pairs) == 1:  # no copy
                yield pairs[0][0][None], pairs[0][1][None]
            else:
                yield torch.stack([x for x, _ in pairs]), torch.stack([y for _, y in pairs])


def _draw_seed(generator: torch.Generator | None) -> int:
    import torch

    return int(torch.empty((), dtype=torch.int64).random_(generator=generator))


def _batch_size(batch_size: Any, n: int, any_size: bool) -> int:
    """A whole number from 1 to N; a pass in order, where it is only a chunk, may ask for more."""
    try:
        size = 0 if isinstance(batch_size, bool) else operator.index(batch_size)
    except TypeError:
        size = 0
    if size < 1 or (size > n and not any_size):
        raise ConfigError(f"batch_size must be a whole number from 1 to {n}, the whole set, got {batch_size!r}")
    return size


def _weights(weights: Tensor | Sequence[float] | str, labels: Tensor) -> Tensor:
    """One weight for each image: (N,) float64 on the CPU."""
    import torch

    if isinstance(weights, str):
        if weights != "balanced":
            raise ConfigError(f"weights must be 'balanced' or one number for each image, got {weights!r}")
        return balanced(labels)
    values = torch.as_tensor(weights, dtype=torch.float64, device="cpu")
    if values.shape != labels.shape[:1]:
        raise ConfigError(f"weights must be one number for each of the {len(labels)} images, got {list(values.shape)}")
    if not (torch.isfinite(values).all() and (values >= 0).all() and values.sum() > 0):
        raise ConfigError("weights must be finite, none below 0 and not all 0")
    return values


def balanced(labels: Tensor) -> Tensor:
    """1 / (images of its class) for each image, rounded to float32 as is common, then float64: (N,).

    >>> import torch
    >>> balanced(torch.tensor([0, 1, 1, 1, 1])).tolist()
    [1.0, 0.25, 0.25, 0.25, 0.25]
    """
    import torch

    if labels.dim() != 1 or labels.is_floating_point():
        raise ConfigError("weights='balanced' needs class numbers (N,) as labels: give a weight for each image")
    labels = labels.cpu().long()
    counts = torch.bincount(labels)
    return (1.0 / counts.float())[labels].double()
