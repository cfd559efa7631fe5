"""Mini-batches of images that stay on the disk: read as they are needed, by processes of their own where asked for.

Which images are in a batch is drawn by `Batches` itself, over positions in the place of images: the same seed gives the
same batches as in memory, bit for bit. torch's DataLoader reads them. All positions of a pass are drawn when it begins,
so that no generator knows how many processes read ahead, or how far; a pass can therefore begin in the middle (`after`)
without reading what lies before.

    process that trains      positions → (pieces of at most 8 MB) → … → device → scaled → augmented
    processes that read                  bytes → pixels, uint8 → changed, where the part is perturbed
"""

from __future__ import annotations

import operator
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from passo.data.batches import Batches
from passo.data.files import ImageFiles
from passo.errors import ConfigError, DataError, PassoError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.utils.data import DataLoader

    from passo.data.parts import Change, Split

_PIECE = 8 * 2**20  # bytes that are handed over at once: /dev/shm has 64 MB in many a container
_IMAGES = 64  # … and images, so that all processes work on a big batch


class FileBatches:
    """Batches (x, y) of a part whose images are on the disk; each `iter()` is one pass over them.

    The arguments are those of `Batches`. `num_workers` processes read ahead; with 0 each batch is read when it is asked
    for. They stay from one pass to the next and end with `close`, or when a pass is left in the middle. Images are
    scaled on `device`. `start_method` is multiprocessing's: "fork" on Linux where none is given (what reads uses one
    thread and no GPU, and a user's script needs no `if __name__ == "__main__"`), the system's own elsewhere.

    Raises `ConfigError`; and while it is read, `DataCorrupt` with the name of a file that cannot be.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        shuffle: bool = True,
        weights: Tensor | Sequence[float] | str | None = None,
        generator: torch.Generator | None = None,
        drop_last: bool = False,
        augment: Callable[[Tensor, int, Tensor], Tensor] | None = None,
        num_workers: int = 0,
        device: str | torch.device = "cpu",
        start_method: str | None = None,
    ) -> None:
        import torch

        self._positions = Batches(
            torch.arange(len(split)),
            split.labels,
            batch_size,
            shuffle=shuffle,
            weights=weights,
            generator=generator,
            drop_last=drop_last,
        )
        self._files, self._scaling = split.files(), split.scaling
        self.generator, self.augment, self.epoch = generator, augment, 0
        self.positions: Tensor | range = range(0)  # of the images in the batch that was handed out last
        self.batch_size, self.device = self._positions.batch_size, torch.device(device)
        self.num_workers = _whole_number(num_workers)
        self._start = start_method or ("fork" if sys.platform == "linux" else None)
        self._piece = max(1, min(_IMAGES, _PIECE // max(1, int(np.prod(self._files.pixels.shape[1:])))))
        self._idle: list[tuple[DataLoader[Any], Any]] = []  # whose processes wait for the next pass
        self._passes: weakref.WeakSet[Generator[Any, None, None]] = weakref.WeakSet()

    def __len__(self) -> int:
        """Batches in a pass."""
        return len(self._positions)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.after(0)

    def after(self, taken: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The pass of this epoch without its first `taken` batches, which are drawn and not read."""
        order = list(self._positions)  # every draw of the pass, here and now
        epoch, self.epoch = self.epoch, self.epoch + 1
        begun = self._read(order[taken:], taken * self.batch_size, epoch)
        self._passes.add(begun)
        return begun

    def close(self) -> None:
        """End the processes that read, those of passes under way too."""
        for one in list(self._passes):
            one.close()
        while self._idle:
            _end(self._idle.pop()[1])

    def _read(
        self, order: list[tuple[Tensor, Tensor]], begin: int, epoch: int
    ) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Read and yield; where the pass is left or fails, its processes end with it."""
        import torch

        loader, found = self._idle.pop() if self._idle else (self._loader(), None)
        sampler: Any = loader.sampler
        sampler[:] = [piece for places, _ in order for piece in self._pieces(places)]
        try:
            with _undisturbed():
                found = iter(loader)
            for places, y in order:
                pieces = [_next(found).to(self.device, non_blocking=True) for _ in self._pieces(places)]
                x = self._scaling.scaled(pieces[0] if len(pieces) == 1 else torch.cat(pieces))
                if self.augment is not None:
                    x = self.augment(x, epoch, torch.arange(begin, begin + len(y)))
                begin += len(y)
                self.positions = places
                yield x, y.to(self.device)
        except BaseException:
            _end(found)  # now, and not once the last traceback that holds them is gone
            raise
        self._idle.append((loader, found))

    def _pieces(self, places: Tensor) -> tuple[Tensor, ...]:
        return places.chunk(-(-len(places) // self._piece))

    def _loader(self) -> DataLoader[Any]:
        import torch
        from torch.utils.data import DataLoader

        return DataLoader(
            self._files,  # type: ignore[arg-type]  # a map from a piece's positions to its pixels
            batch_size=None,
            sampler=[],
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # its own: reading draws nothing from anybody else's
            multiprocessing_context=self._start if self.num_workers else None,
            worker_init_fn=_listen,
        )


class Files:
    """What reads: positions in a part (n,) → its pixels, or the error that they gave, which travels as it is."""

    def __init__(self, pixels: ImageFiles, index: np.ndarray | None, change: Change | None) -> None:
        self.pixels, self._index, self._change = pixels, index, change

    def __getitem__(self, places: Tensor) -> Tensor | PassoError:
        import torch

        index = places.numpy() if self._index is None else self._index[places.numpy()]
        try:
            pixels = self.pixels[index]
        except PassoError as error:  # raised in a worker, it would arrive as that worker's traceback
            return error
        return torch.from_numpy(pixels if self._change is None else self._change(pixels, index))


def _next(found: Iterator[Any]) -> Tensor:
    """The next piece; raises what reading it raised."""
    try:
        piece = next(found)
    except RuntimeError as error:
        raise ended(error) or error from None
    except (ConnectionError, EOFError) as error:  # it was killed while it handed a piece over
        raise _killed(str(error)) from None
    if isinstance(piece, PassoError):
        raise piece
    return piece


def ended(error: BaseException) -> DataError | None:
    """The sentence for a process that was killed while it read; torch may say so at any moment. None for all else."""
    if not isinstance(error, RuntimeError) or "DataLoader worker" not in str(error):
        return None
    return _killed(str(error).strip().rstrip("."))


def _killed(how: str) -> DataError:
    return DataError(
        f"a process that reads images ended by force ({how}): if memory was short, take fewer num_workers; a run whose "
        "state was kept goes on"
    )


def _end(found: Any) -> None:
    """End the processes of a DataLoader's iterator; it has no public way."""
    if hasattr(found, "_shutdown_workers"):
        found._shutdown_workers()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM, which go to a whole group of processes, wait while some start, and never reach these."""
    stops = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops) if hasattr(signal, "pthread_sigmask") else None
    try:
        with warnings.catch_warnings():  # Python ≥ 3.12, of forking beside threads: see FileBatches
            warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
            yield
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _listen(worker: int) -> None:
    """In a process that reads: SIGTERM is heard from the process that trains alone, and ends this one.

    Its errors go to that process through a queue; what it would print of its own is the queue's being gone at the end.
    """
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # as long as this process lives

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    if hasattr(signal, "sigwaitinfo"):
        threading.Thread(target=wait, daemon=True).start()
    elif hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _whole_number(num_workers: Any) -> int:
    try:
        number = -1 if isinstance(num_workers, bool) else operator.index(num_workers)
    except TypeError:
        number = -1
    if number < 0:
        raise ConfigError(f"num_workers must be a whole number ≥ 0, got {num_workers!r}")
    return number
