"""One training by several processes, under torch's own DistributedDataParallel: each takes its share of every batch.

With N processes and n images in a step, of which process r has n_r, and ℓ its mean loss over a micro-batch,

    L_r = N/n · Σ_k n_rk ℓ_rk            1/N Σ_r L_r = 1/n Σ_r Σ_k n_rk ℓ_rk = L

so that DDP's mean of the gradients is the gradient of the whole batch's mean loss, however unequal the shares are.
What follows a gradient (clipping, the scaler, the optimizer, the schedule) every process does for itself, from the same
numbers to the same weights. Every process draws the whole batch, from generators that are seeded alike, and cuts out
its share: nothing but gradients, a loss a step and a validation loss an epoch goes from one to the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from passo.errors import Diverged
from passo.seeding import derive
from passo.training.step import LossFunction, Manner, Pair, StepRecord, accumulated_step


class Ranks:
    """This process's part in a training by `of` processes; process 0 is the one that tells and keeps it.

    Made in every process, once torch's process group is there, on a model that has the same parameters in each (weights
    and buffers are taken from process 0). `threads` are those of the machine, for what one process does while the
    others wait. The model's own names, hooks and mode are not touched: DDP stands around it in the forward pass only.
    """

    def __init__(self, model: nn.Module, *, seed: int = 0, threads: int | None = None) -> None:
        self.rank, self.of = dist.get_rank(), dist.get_world_size()
        self.seed = seed
        self._threads = threads
        self._shared = Shared(model)
        self._device = next(model.parameters()).device

    def step(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        optimizer: torch.optim.Optimizer,
        pairs: Sequence[Pair],
        manner: Manner,
        *,
        step: int,
        epoch: int,
    ) -> StepRecord:
        """`accumulated_step` from this process's share of `pairs`, which are the whole batch's; the whole one's record.

        Raises `Diverged` in every process alike, with the whole micro-batches.
        """
        images = sum(len(y) for _, y in pairs)
        shares = [share(pair, self.rank, self.of) for pair in pairs]
        mine = [part for part, (_, y) in enumerate(shares) if len(y)]
        given = [shares[part] for part in mine] or pairs[:1]  # without an image: all the motions, for a weight of 0
        own = sum(len(y) for _, y in given)
        factors = iter([self._factor(loss_fn, pairs[part][1], shares[part][1], own / images) for part in mine] or [0.0])
        losses: list[Tensor] = []
        if self.rank:  # what draws from torch's own generator draws by process and step, so that it can go on
            torch.manual_seed(derive(self.seed, "rank", self.rank, step))

        def weighted(output: Any, y: Tensor) -> Tensor:
            losses.append(loss_fn(output, y))
            return losses[-1] * next(factors)

        def whole(loss: Tensor) -> Tensor:
            seen_again(model)
            return mean(loss)

        self._shared.left = len(given)
        manner = manner._replace(whole=whole)
        try:
            with warnings.catch_warnings():  # a channels-last weight of one channel has two names for the same strides
                warnings.filterwarnings("ignore", "(?s).*Grad strides do not match bucket view strides")
                warnings.filterwarnings("ignore", "(?s).*find_unused_parameters=True was specified")
                record = accumulated_step(self._shared, weighted, optimizer, given, manner, step=step, epoch=epoch)
        except Diverged as error:  # in every process: they see the same mean
            error.part = self._first(dict(zip(mine, losses, strict=False)), len(pairs))
            error.batch = pairs[error.part]
            raise
        return record._replace(size=images)

    def _factor(self, loss_fn: LossFunction, whole: Tensor, part: Tensor, own: float) -> float:
        """What a share's mean loss is multiplied by, before its process counts each of its `own` (of all) images alike.

        A weighted mean, such as cross-entropy's with class weights, divides by its samples' weights: so do the shares.
        """
        return self.of * own * (mass(loss_fn, part) / len(part)) / (mass(loss_fn, whole) / len(whole))

    def _first(self, losses: dict[int, Tensor], parts: int) -> int:
        """The first micro-batch whose loss is not finite in any process."""
        bad = torch.zeros(parts, device=self._device)
        for part, loss in losses.items():
            bad[part] = float(not torch.isfinite(loss.detach()))
        dist.all_reduce(bad)
        return int(bad.gt(0).int().argmax())

    def told(self, value: float | None) -> float | None:
        """What process 0 says; the others wait for it."""
        said = torch.tensor([float("nan") if value is None else value, value is None], dtype=torch.float64)
        said = said.to(self._device)
        dist.broadcast(said, 0)
        return None if said[1] else float(said[0])

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the others wait, process 0 has all threads."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


class Shared(nn.Module):
    """A model inside DDP whose gradients are averaged in the last of `left` micro-batches, all in one go."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        # After its first step DDP orders gradients anew, and where three or more add up, the order shows in the last
        # bit: a run that goes on would differ from one that never stopped. With unused parameters allowed, it does not.
        several = dist.get_world_size() > 2
        self.inner = DistributedDataParallel(model, gradient_as_bucket_view=True, find_unused_parameters=several)
        self.left = 1

    def forward(self, x: Tensor) -> Any:
        self.left -= 1
        with self.inner.no_sync() if self.left else nullcontext():
            return self.inner(x)


def share(pair: Pair, rank: int, of: int) -> Pair:
    """The rank's part of a batch: neighbours, the first n mod `of` parts with one image more.

    >>> [share((torch.arange(5), torch.arange(5)), rank, 2)[1].tolist() for rank in range(2)]
    [[0, 1, 2], [3, 4]]
    """
    x, y = pair
    each, more = divmod(len(y), of)
    begin = rank * each + min(rank, more)
    part = slice(begin, begin + each + (rank < more))
    return x[part], y[part]


def mass(loss_fn: LossFunction, y: Tensor) -> float:
    """What a mean loss over these samples is divided by: their number, or the sum of their classes' weights."""
    weight = getattr(loss_fn, "weight", None) if isinstance(loss_fn, nn.CrossEntropyLoss | nn.NLLLoss) else None
    return len(y) if weight is None else float(weight[y].sum())


def mean(value: Tensor) -> Tensor:
    """The mean of a 0-d tensor over all processes."""
    total = value.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()


def seen_again(model: nn.Module) -> None:
    """Show whoever looks at gradients as they are computed, such as the microscope, the averaged ones too.

    Post-accumulate-grad hooks run when a process has its own share's gradient, before DDP averages.
    """
    for parameter in model.parameters():
        hooks: dict[int, Callable[[Tensor], None]] | None = parameter._post_accumulate_grad_hooks  # type: ignore[assignment]
        for hook in (hooks or {}).values():
            hook(parameter)
