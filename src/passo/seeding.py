"""One seed → named, independent random generators; capture and restore of every random state."""

from __future__ import annotations

import hashlib
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


def derive(seed: int, *names: object) -> int:
    """A 63-bit seed for one named purpose; other names give unrelated seeds.

    >>> derive(0, "init") == derive(0, "init"), derive(0, "init") == derive(0, "batches")
    (True, False)
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *names: object, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator of its own for one named purpose."""
    import torch

    return torch.Generator(device=device).manual_seed(derive(seed, *names))


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (for code that uses those)."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def capture() -> dict[str, Any]:
    """Every global random state: python, numpy, torch, and each CUDA device."""
    import numpy as np
    import torch

    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore(state: dict[str, Any]) -> None:
    """Put back what `capture` returned."""
    import numpy as np
    import torch

    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Run a block under its own global seed, and leave the global random states as they were."""
    before = capture()
    seed_everything(seed)
    try:
        yield
    finally:
        restore(before)
