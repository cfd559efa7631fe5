"""Does the size of the images matter to what feeds them? Time of passo's batching against the leanest indexing loop.

    python benchmarks/data_size.py [--rounds 9] [--out FILE.json]

In memory: synthetic images of Fashion-MNIST's size (60,000 × 1 × 28 × 28) and of CIFAR-10's (50,000 × 3 × 32 × 32).
A block is one pass in mini-batches of 64, nothing trained on them, so that all of its time is the feeding:

    lean     torch.randperm, and images[index], labels[index] for each of its pieces
    passo    for x, y in passo.Batches(images, labels, 64)

and the same two with one step of softmax regression on each batch, which is the least that a training does:

    lean step, passo step    … by hand, and by passo.fit

A folder of images (--pictures of --side × --side pixels, PNG): a pass with 0 and with 2 processes that read, and the
least that must be done, decoding each file once in this process:

    decode   PIL alone, file by file        readers 0, readers 2   passo.load(…, in_memory=False).train.batches(64)

Every arm is a process of its own, blocks in turn; ratios are of times, round by round.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import interleaved

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 64
SIZES = {"fashion-mnist": (60_000, 1, 28, 28), "cifar-10": (50_000, 3, 32, 32)}
ARMS = ("lean", "passo", "lean step", "passo step")
CHECKED = 20  # steps whose losses are compared


def data(size: str) -> tuple[Tensor, Tensor]:
    """Standard normal images and labels of ten classes."""
    import torch

    own = torch.Generator().manual_seed(0)
    shape = SIZES[size]
    return torch.randn(shape, generator=own), torch.randint(10, shape[:1], generator=own)


def lean(images: Tensor, labels: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    import torch

    for index in torch.randperm(len(images)).split(BATCH):
        yield images[index], labels[index]


def passo_batches(images: Tensor, labels: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
    import passo

    return passo.Batches(images, labels, BATCH)


def stepping(arm: str, shape: tuple[int, ...]) -> Callable[[Tensor, Tensor], Iterable[Tensor]]:
    """A pass with one step of softmax regression on each batch; yields losses."""
    import torch
    from torch import nn
    from torch.nn import functional

    import passo

    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(shape[1] * shape[2] * shape[3], 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def by_hand(images: Tensor, labels: Tensor) -> Iterable[Tensor]:
        for x, y in lean(images, labels):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            yield loss

    def by_passo(images: Tensor, labels: Tensor) -> Iterable[Tensor]:
        for record in passo.fit(model, nn.CrossEntropyLoss(), optimizer, passo.Batches(images, labels, BATCH)):
            yield record.loss

    return by_hand if arm == "lean step" else by_passo


def work(arm: str, size: str) -> None:
    """One arm on data in memory, in its own process."""
    import torch

    from passo.training import keep_memory

    keep_memory()
    images, labels = data(size)
    plain = {"lean": lean, "passo": passo_batches}
    walk: Any = stepping(arm, SIZES[size]) if arm not in plain else plain[arm]

    def losses() -> list[float]:
        if arm in plain:
            return []
        torch.manual_seed(0)  # the same batches for both; within a batch each draws its own order
        order = torch.randperm(len(images))[: CHECKED * BATCH]
        return [loss.item() for index in order.split(BATCH) for loss in walk(images[index], labels[index])]

    interleaved.serve(lambda: timed(walk(images, labels)), losses)


def timed(pairs: Iterable[Any]) -> float:
    begun = time.perf_counter()
    for _ in pairs:
        pass
    return time.perf_counter() - begun


def work_folder(arm: str, folder: Path) -> None:
    """One arm on a folder of images, in its own process."""
    import numpy as np
    import torch
    from PIL import Image

    import passo

    torch.set_num_threads(1)
    paths = sorted(folder.glob("train/*/*.png"))

    def decode() -> Iterable[Any]:
        for path in paths:
            with Image.open(path) as image:
                yield np.array(image)

    if arm == "decode":
        interleaved.serve(lambda: timed(decode()), list)
        return
    batches = passo.load(str(folder), in_memory=False, validation=None).train.batches(
        BATCH, num_workers=int(arm.split()[1])
    )
    interleaved.serve(lambda: timed(batches), list)


def written(folder: Path, pictures: int, side: int) -> None:
    """Ten classes of coloured noise, four pixels wide so that PNG has something to compress."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for part, many in (("train", pictures), ("test", 10)):
        for k in range(many):
            place = folder / part / f"class-{k % 10}"
            place.mkdir(parents=True, exist_ok=True)
            coarse = rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
            Image.fromarray(coarse.repeat(4, 0).repeat(4, 1)).save(place / f"{k:06d}.png")


def in_memory(rounds: int) -> tuple[dict[str, Any], list[list[str]]]:
    facts: dict[str, Any] = {}
    rows = []
    words = {f"{size} {arm}": ["--arm", arm, "--size", size] for size in SIZES for arm in ARMS}
    times, losses = interleaved.measure(Path(__file__), words, rounds, 1)
    for size, shape in SIZES.items():
        steps = -(-shape[0] // BATCH)
        pairs = zip(losses[f"{size} lean step"], losses[f"{size} passo step"], strict=True)
        assert all(math.isclose(a, b, rel_tol=1e-5) for a, b in pairs)
        for kind in ("", " step"):
            mine, least = times[f"{size} passo{kind}"], times[f"{size} lean{kind}"]
            low, ratio, high = mine.against(least)
            facts[size + kind] = {"passo_us": 1000 * mine.ms / steps, "lean_us": 1000 * least.ms / steps,
                                  "ratio": ratio, "quartiles": [low, high],
                                  "seconds": {"passo": mine.seconds, "lean": least.seconds}}  # fmt: skip
            rows.append([size + kind, f"{1000 * mine.ms / steps:.1f}", f"{1000 * least.ms / steps:.1f}",
                         f"{ratio:.3f} ×", f"{low:.3f}–{high:.3f}"])  # fmt: skip
    return facts, rows


def on_disk(rounds: int, pictures: int, side: int) -> tuple[dict[str, Any], list[list[str]]]:
    with tempfile.TemporaryDirectory() as place:
        written(Path(place), pictures, side)
        arms = ("decode", "readers 0", "readers 2")
        words = {arm: ["--arm", arm, "--folder", place] for arm in arms}
        times, _ = interleaved.measure(Path(__file__), words, rounds, 1)
    facts, rows = {}, []
    for arm, timing in times.items():
        low, ratio, high = timing.against(times["decode"])
        facts[arm] = {"ms": timing.ms, "ratio": ratio, "quartiles": [low, high], "seconds": timing.seconds}
        rows.append([arm, f"{1000 * timing.ms / pictures:.1f}", f"{ratio:.3f} ×", f"{low:.3f}–{high:.3f}"])
    return facts, rows


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=9)
    words.add_argument("--pictures", type=int, default=5000, help="training images in the folder")
    words.add_argument("--side", type=int, default=64, help="their side in pixels, a multiple of 4")
    words.add_argument("--out", type=Path, help="write the results here, as JSON")
    words.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    words.add_argument("--arm", help=argparse.SUPPRESS)
    words.add_argument("--size", choices=tuple(SIZES), help=argparse.SUPPRESS)
    words.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    if given.worker:
        work(given.arm, given.size) if given.folder is None else work_folder(given.arm, given.folder)
        return
    from passo.training import environment

    facts, rows = in_memory(given.rounds)
    print(interleaved.table(["in memory", "passo, µs a batch", "lean", "passo / lean", "quartiles"], rows))
    disk, more = on_disk(given.rounds, given.pictures, given.side)
    print(interleaved.table(["on the disk", "µs an image", "its time / decode's", "quartiles"], more))
    settings = {"batch": BATCH, "rounds": given.rounds, "pictures": given.pictures, "side": given.side}
    interleaved.write(
        given.out, {"settings": settings, "environment": environment(), "in_memory": facts, "on_disk": disk}
    )


if __name__ == "__main__":
    main()
