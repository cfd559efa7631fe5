"""The machine's settings: taken where they may be, and put back."""

import pytest
import torch

from passo.training.machine import quick_products


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
