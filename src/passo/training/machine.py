"""The machine: which device, how memory is kept, and the facts that a promise of equal bits depends on."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passo.errors import ConfigError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's mallopt


def choose_device(name: str = "auto") -> torch.device:
    """The device to train on: CUDA, then Apple's MPS, then the CPU, unless one is named."""
    if name != "auto":
        try:
            device = torch.device(name)
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def keep_memory() -> bool:
    """Tell the C library to keep big blocks for the next step, not to return and re-fault them. Process-wide.

    True where it took effect (glibc). Set by passo's own commands and workers, never by importing passo.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) and mallopt(_M_TRIM_THRESHOLD, 1 << 30))


def return_memory() -> None:
    """Give back to the system what the C library has kept: of one training's blocks, another kind has little use."""
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def memory_left() -> int | None:
    """Bytes that this process can still take: of the machine, and of the group that it is confined to.

    None where the system does not say.
    """
    found = []
    with suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # "max" is no number: there is no limit
        limit = int((group / "memory.max").read_text())
        found.append(limit - int((group / "memory.current").read_text()))
    return max(0, min(found)) if found else None


_all: list[int] = []  # threads of the whole run, while it is divided


def threads() -> int:
    """The threads of a run, of all its processes where several share one training."""
    return _all[-1] if _all else torch.get_num_threads()


@contextmanager
def divided(parts: int) -> Iterator[int]:
    """Inside the block this process has its part of the threads alone; yields how many that are."""
    _all.append(torch.get_num_threads())
    torch.set_num_threads(max(1, _all[-1] // parts))
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(_all.pop())


ROUNDING = 1e-6  # of a product in single precision: error over norm


@contextmanager
def quick_products() -> Iterator[bool]:
    """Inside the block float32 products take torch's "medium" precision, where that is within float32's own rounding.

    On some processors it is, and quicker; on others it means bfloat16. Yields whether it was taken.
    """
    before = torch.get_float32_matmul_precision()
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((64, 256), (256, 64)))
    exact = a.double() @ b.double()
    torch.set_float32_matmul_precision("medium")
    taken = float((a @ b - exact).norm() / exact.norm()) < ROUNDING
    try:
        if not taken:
            torch.set_float32_matmul_precision(before)
        yield taken
    finally:
        torch.set_float32_matmul_precision(before)


def processor() -> str:
    """What the processor calls itself; "" where the system does not say."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    with suppress(OSError, subprocess.SubprocessError):
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]  # macOS
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    return platform.processor()


def memory() -> int | None:
    """Bytes that the machine has, used or not; None where the system does not say."""
    with suppress(OSError, ValueError, AttributeError):  # Windows has no sysconf
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def environment(device: torch.device | None = None) -> dict[str, Any]:
    """Versions, threads and hardware: what the same bits depend on."""
    facts = {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "threads": threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "cpu": processor(),
        "memory": memory(),
        "precision": torch.get_float32_matmul_precision(),
        "device": str(device or "cpu"),
    }
    if device is not None and device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
    return facts


def weights_sha256(model: nn.Module) -> str:
    """SHA-256 over every parameter and buffer: name, dtype, shape and bytes in logical order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
