"""Several processes that share each batch train as one that has it whole: in float64 to 1e-9 over 100 steps."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from passo.training.distributed import mass, share

RANKS = Path(__file__).with_name("ranks.py")
PARITY = ("adam", "sgd", "accumulated", "clipped", "weighted", "planned")
Told = list[dict[str, Any]]


def _module() -> Any:
    spec = importlib.util.spec_from_file_location("ranks", RANKS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ranks = _module()


def _trained(folder: Path, of: int, *cases: str) -> Told:
    """What each of `of` processes found: real ones, over gloo."""
    words = [sys.executable, str(RANKS)]
    started = [
        subprocess.Popen([*words, str(rank), str(of), str(folder), ",".join(cases)], stderr=subprocess.PIPE, text=True)
        for rank in range(of)
    ]
    try:
        for process in started:
            _, said = process.communicate(timeout=240)
            assert process.returncode == 0, said
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(of)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Everything that two processes do in these tests, in one start of them."""
    cases = (*PARITY, "bad", "skipping", "small", "microscope", "masks")
    return _trained(tmp_path_factory.mktemp("two"), 2, *cases)


def _apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    assert one["weights"].keys() == other["weights"].keys()
    return max(float((one["weights"][name] - value).abs().max()) for name, value in other["weights"].items())


@pytest.mark.parametrize("case", PARITY)
def test_a_hundred_steps_of_two_processes_are_those_of_one(two: Told, case: str) -> None:
    alone = ranks.train(case, False)
    assert len(alone["losses"]) == 100 and alone["error"] is None
    for told in (one[case] for one in two):
        assert _apart(told, alone) < 1e-9
        np.testing.assert_allclose(told["losses"], alone["losses"], rtol=0, atol=1e-9)
        assert told["lrs"] == alone["lrs"]
        assert told["sizes"] == alone["sizes"]
    assert all(torch.equal(value, two[1][case]["weights"][name]) for name, value in two[0][case]["weights"].items())
    if case == "planned":
        assert len(set(alone["lrs"])) > 1  # a plateau was seen, by the rank too that validates nothing
    if case == "sgd":
        assert set(alone["sizes"]) == {16, 5}  # a last batch that two cannot share equally


def test_a_batch_with_fewer_images_than_processes_leaves_one_without_any(two: Told) -> None:
    """Three mini-batches of 6, 6, 6 and a step of 2: of two processes each has one; of three, one has none."""
    alone = ranks.train("accumulated", False, images=20, batch=6, steps=20)
    assert set(alone["sizes"]) == {18, 2}
    for told in two:
        assert _apart(told["small"], alone) < 1e-9


@pytest.mark.slow
def test_three_processes_share_what_three_cannot_divide(tmp_path: Path) -> None:
    found = _trained(tmp_path, 3, "adam", "accumulated", "weighted", "small")
    for case in ("adam", "accumulated", "weighted"):
        alone = ranks.train(case, False)
        assert all(_apart(told[case], alone) < 1e-9 for told in found)
    alone = ranks.train("accumulated", False, images=20, batch=6, steps=20)
    assert all(_apart(told["small"], alone) < 1e-9 for told in found)


def test_an_image_that_is_no_number_stops_every_process_at_the_same_step_with_the_whole_batch(two: Told) -> None:
    """It is in one process's share alone."""
    alone = ranks.train("bad", False)
    assert alone["error"] is not None and len(alone["losses"]) < 6
    for told in two:
        assert told["bad"]["error"] == alone["error"]
        assert _apart(told["bad"], alone) < 1e-9
        assert all(bool(torch.isfinite(value).all()) for value in told["bad"]["weights"].values())


def test_a_step_is_skipped_by_all_processes_or_by_none(two: Told) -> None:
    alone = ranks.train("skipping", False)
    assert sum(alone["skipped"]) == 17  # the image is met once in each of 16 epochs, and in the first four steps
    for told in two:
        assert told["skipping"]["skipped"] == alone["skipped"]
        assert _apart(told["skipping"], alone) < 1e-9


@pytest.mark.parametrize("stage", ["grad_raw", "grad", "adapted", "update"])
def test_the_microscope_sees_the_averaged_gradients(two: Told, stage: str) -> None:
    alone = ranks.microscope()[stage]
    assert len(alone) == 6
    assert alone.max() > 0
    np.testing.assert_allclose(two[0]["microscope"][stage], alone, rtol=1e-6)


def test_dropouts_masks_differ_by_process(two: Told) -> None:
    one, other = (told["masks"] for told in two)
    assert 0.4 < float((one[0] == 0).double().mean()) < 0.6
    assert 0.4 < float(((one[0] == 0) != (other[0] == 0)).double().mean()) < 0.6


# ── Without processes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("images", "of"), [(1, 2), (2, 2), (7, 3), (64, 5), (3, 8)])
def test_shares_are_neighbours_that_make_up_the_batch(images: int, of: int) -> None:
    x, y = torch.arange(2 * images).view(images, 2), torch.arange(images)
    shares = [share((x, y), rank, of) for rank in range(of)]
    assert torch.equal(torch.cat([one for one, _ in shares]), x)
    assert torch.equal(torch.cat([one for _, one in shares]), y)
    sizes = [len(one) for _, one in shares]
    assert max(sizes) - min(sizes) <= 1
    assert sizes[0] == math.ceil(images / of)  # process 0 is never without an image


def test_a_weighted_mean_is_divided_by_its_weights() -> None:
    y = torch.tensor([0, 1, 1])
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([2.0, 0.25]))
    assert mass(weighted, y) == 2.5
    assert mass(nn.CrossEntropyLoss(), y) == 3
    output = torch.tensor([[0.1, 0.4], [0.3, 0.2], [0.0, 1.0]])
    each = -output.log_softmax(1)[torch.arange(3), y] * torch.tensor([2.0, 0.25, 0.25])
    assert float(weighted(output, y)) == pytest.approx(float(each.sum()) / mass(weighted, y))
