"""The page of a run's epochs where a step takes several mini-batches: it says step where it means step."""

from pathlib import Path

import pytest
from asking import Asking

import passo


@pytest.fixture
def page_of(page: Asking, root: Path) -> str:
    sample = {"name": "fashion-mnist-sample", "per_class": 20}  # 180 examples: 12 mini-batches of 16
    given = {"dataset": sample, "epochs": 2, "batch_size": 16, "accumulate": 5}
    passo.train(sample["name"], "tiny-cnn", out=root / "several", **given)
    return "/study/several/run/tiny-cnn-adam-s0/epochs"


def test_a_step_of_several_mini_batches_is_no_mini_batch(page: Asking, page_of: str):
    told = page.get(f"{page_of}?step=3").text
    assert "Step 3 of 6 is step 3 of 3 in epoch 1 of 2; a step takes 5 mini-batches." in told
    assert "The 20 examples of this step, in 2 mini-batches" in told  # 180 − 2 · 80
    assert "The 80 examples of this step, in 5 mini-batches" in page.get(f"{page_of}/batch?step=4").text
    assert "5 mini-batches make one iteration" in told and "3 steps in an epoch, 6 in 2 epochs" in told
    assert "5 × 16" in told and "Its first steps" in told
    for wrong in ("is mini-batch", "Its first mini-batches", "of this mini-batch", "The mini-batch loss"):
        assert wrong not in told
    portuguese = page.get(f"{page_of}?step=3", accept_language="pt-BR").text
    assert "um passo usa 5 mini-lotes" in portuguese and "Os 20 exemplos deste passo, em 2 mini-lotes" in portuguese
