"""The kernels with which the published note was trained: AVX2's, and of MKL those for Intel's processors.

A sum of floating-point numbers depends on its order, and the order on the instructions: eight numbers at a time (AVX2)
or sixteen (AVX-512), and MKL has other kernels again for processors of other makers. A training doubles such a
difference until it is seen in the printed digits, after an epoch or two. So whoever wants the same digits takes the
same kernels, on a machine that has more: torch, oneDNN and MKL are told by the environment, read when they first
compute; MKL's look at the maker has no such switch, and is answered by a function of the same name, found first.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}
VENDOR = "PASSO_MKL_VENDOR"  # written into the study
INTEL = "int mkl_serv_intel_cpu_true(void) { return 1; }\nint mkl_serv_intel_cpu(void) { return 1; }\n"


def as_published() -> str | None:
    """Choose the kernels of the note's machine for this process; one sentence where that cannot be done, else None.

    To be called before torch is imported. What the environment says already is left as it is.
    """
    if "torch" in sys.modules:
        return "torch is loaded already: its kernels stay as they are, and the last digits may differ"
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return (
            f"this is no x86 processor ({platform.machine()}): its sums are other ones, and the last digits may differ"
        )
    for name, value in AVX2.items():
        os.environ.setdefault(name, value)
    maker = _maker()
    if maker == "GenuineIntel":
        return None
    told = _as_intel()
    if told is None:
        os.environ[VENDOR] = "GenuineIntel"
        return None
    return f"MKL has other kernels for this processor ({maker}), and {told}: the last digits may differ"


def _maker() -> str:
    """The processor's maker as it names itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "maker unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "maker unknown")


def _as_intel() -> str | None:
    """Load what answers MKL's look at the maker, ahead of torch; why not, where it cannot be."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not sys.platform.startswith("linux") or compiler is None:
        return "there is no C compiler to tell it otherwise"
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "vendor.c", Path(folder) / "vendor.so"
        source.write_text(INTEL, encoding="utf-8")
        try:
            command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)  # what torch loads later looks here first
        except (OSError, subprocess.SubprocessError):
            return "the C compiler could not make what tells it otherwise"
    return None
