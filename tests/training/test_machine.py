"""The machine's settings: taken where they may be, and put back."""

import sys
from pathlib import Path

import pytest
import torch

from passo.training.machine import environment, processor, quick_products


def test_quick_products_are_taken_within_rounding_and_put_back() -> None:
    before = torch.get_float32_matmul_precision()
    with quick_products() as taken:
        assert torch.get_float32_matmul_precision() == ("medium" if taken else before)
        a, b = torch.randn(128, 512), torch.randn(512, 128)
        exact = a.double() @ b.double()
        assert float((a @ b - exact).norm() / exact.norm()) < 2e-6
    assert torch.get_float32_matmul_precision() == before


def test_a_processor_that_rounds_coarsely_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passo.training.machine.ROUNDING", 0.0)
    before = torch.get_float32_matmul_precision()
    with quick_products() as taken:
        assert not taken and torch.get_float32_matmul_precision() == before


def test_what_a_study_records_of_its_machine_names_the_processor_and_the_memory() -> None:
    found = environment()
    assert found["cpu"] == processor() and isinstance(found["cpu"], str)
    if sys.platform.startswith("linux"):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        total = next(line for line in lines if line.startswith("MemTotal:")).split()[1]
        assert found["memory"] == pytest.approx(1024 * int(total), rel=0.05)
