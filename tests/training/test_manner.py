"""How a step is made: accumulated, clipped, in another precision, skipped; each held to the plain way."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import passo
from passo.data import Batches
from passo.errors import Diverged
from passo.experiments import Keeping, Result, training
from passo.models.dropout import Dropout
from passo.seeding import derive
from passo.training import Penalty, Progress, fit, train_config
from passo.training.checkpoint import load, save

Pairs = list[tuple[Tensor, Tensor]]


def _net(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)


def _data(n: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(1)
    return torch.randn(n, 6, generator=drawn, dtype=torch.float64).to(dtype), torch.arange(n) % 3


def _cut(x: Tensor, y: Tensor, sizes: list[int]) -> Pairs:
    return list(zip(x.split(sizes), y.split(sizes), strict=True))


def _apart(one: nn.Module, other: nn.Module) -> float:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max(float((a - b).abs().max().detach()) for a, b in pairs)


def _fitted(model: nn.Module, batches: Any, *, lr: float = 0.1, epochs: int = 1, **manner: Any) -> list[Any]:
    return list(fit(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=lr), batches,
                    epochs=epochs, **manner))  # fmt: skip


# ── Accumulation ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sizes", [[4, 4, 4], [4, 4, 3], [1, 7, 2]])
@pytest.mark.parametrize("manner", [{}, {"clip_norm": 0.05}, {"clip_value": 0.01}, {"penalty": True}])
def test_mini_batches_that_accumulate_are_one_big_batch(sizes: list[int], manner: dict[str, Any]) -> None:
    x, y = _data(sum(sizes))
    small, big = _net(), _net()
    for model, batches, accumulate in ((small, _cut(x, y, sizes), len(sizes)), (big, [(x, y)], 1)):
        given = {"penalty": Penalty(model, l1=0.01, l2=0.1)} if "penalty" in manner else manner
        (*_, last) = _fitted(model, batches, epochs=10, accumulate=accumulate, **given)
        assert (last.step, last.size) == (10, sum(sizes))
    assert _apart(small, big) < 1e-12
    assert _apart(small, _net()) > 1e-3


def test_an_accumulated_loss_is_the_mean_over_images_and_the_last_step_takes_what_is_left() -> None:
    x, y = _data(11)
    batches = _cut(x, y, [3, 3, 3, 2])
    model = _net()
    before = copy.deepcopy(model)
    first, second = _fitted(model, batches, accumulate=3)
    assert (first.size, second.size) == (9, 2)
    each = nn.functional.cross_entropy(before(x[:9]), y[:9], reduction="none")
    assert float(first.loss) == pytest.approx(float(each.detach().sum()) / 9, abs=1e-12)
    assert second.end is not None and first.end is None


def test_each_mini_batch_of_a_step_has_dropout_masks_of_its_own() -> None:
    seen: list[Tensor] = []
    model = nn.Sequential(Dropout(0.5, layer=7), nn.Linear(6, 3).double())
    model[1].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    batches = [(torch.ones(4, 6, dtype=torch.float64), torch.zeros(4, dtype=torch.int64))] * 4
    _fitted(model, batches, accumulate=2, seed=5)
    for number, given in enumerate(seen):
        step, part = 1 + number // 2, number % 2
        drawn = torch.Generator().manual_seed(derive(5, "dropout", 7, step, part))
        assert torch.equal(given != 0, torch.rand(4, 6, generator=drawn) >= 0.5)
    assert len({tuple((given != 0).flatten().tolist()) for given in seen}) == 4


def test_a_schedule_moves_once_a_step_and_not_once_a_mini_batch() -> None:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = passo.make_schedule("OneCycleLR", optimizer, epochs=2, steps_per_epoch=2, max_lr=0.5)
    batches = _cut(*_data(12), [3, 3, 3, 3])
    records = fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=2, schedule=schedule, accumulate=2)
    lrs = [record.lr for record in records]
    twin = torch.optim.SGD(_net().parameters(), lr=0.1)
    plain = torch.optim.lr_scheduler.OneCycleLR(twin, max_lr=0.5, total_steps=4)
    wanted = []
    for _ in range(4):
        wanted.append(twin.param_groups[0]["lr"])
        twin.step()
        plain.step()
    assert lrs == pytest.approx(wanted)


def test_an_accumulating_training_goes_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    """Five mini-batches an epoch, two to a step: the third step of an epoch has one alone."""

    def made() -> tuple[nn.Module, torch.optim.Optimizer, Batches]:
        model = nn.Sequential(nn.Linear(6, 8), Dropout(0.3), nn.Linear(8, 3)).double()
        with torch.no_grad():
            for place, parameter in enumerate(model.parameters()):
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).view_as(parameter) * (place + 1) / 4)
        batches = Batches(*_data(20), 4, generator=torch.Generator().manual_seed(3))
        return model, torch.optim.Adam(model.parameters(), lr=0.01), batches

    def walk(stop: int | None, state: dict[str, Any] | None) -> tuple[nn.Module, list[float], dict[str, Any]]:
        model, optimizer, batches = made()
        progress = Progress()
        if state is not None:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            progress = Progress.of(state["progress"], torch.device("cpu"))
        losses = []
        for record in fit(model, nn.CrossEntropyLoss(), optimizer, batches, epochs=3, accumulate=2, progress=progress):
            losses.append(float(record.loss))
            if record.step == stop:
                break
        kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "progress": progress.state(batches)}
        return model, losses, kept

    whole, losses, _ = walk(None, None)
    assert len(losses) == 9
    for stop in (1, 2, 5, 7):
        _, before, state = walk(stop, None)
        assert state["progress"]["taken"] in (2, 4)
        save(tmp_path / "state.safetensors", state)
        again, after, _ = walk(None, load(tmp_path / "state.safetensors"))
        assert before + after == losses
        assert _apart(again, whole) == 0


# ── Clipping ──────────────────────────────────────────────────────────────────────────────────────────────


def test_clip_value_bounds_each_element_and_then_clip_norm_the_whole() -> None:
    x, y = _data(8)
    model = _net()
    twin = copy.deepcopy(model)
    nn.functional.cross_entropy(twin(x), y).backward()
    bounded = [parameter.grad.clamp(-0.02, 0.02) for parameter in twin.parameters() if parameter.grad is not None]
    norm = torch.cat([one.flatten() for one in bounded]).norm()
    assert norm > 0.05 and any(bool((one.abs() < 0.02).any()) for one in bounded)
    _fitted(model, [(x, y)], lr=1.0, clip_value=0.02, clip_norm=0.05)
    for before, after, gradient in zip(twin.parameters(), model.parameters(), bounded, strict=True):
        torch.testing.assert_close(
            after, before - gradient * (0.05 / norm), rtol=0, atol=1e-6
        )  # torch adds 1e-6 to norm


# ── Precision ─────────────────────────────────────────────────────────────────────────────────────────────


def test_bf16_is_that_of_the_forward_pass_alone_and_stays_near_float32() -> None:
    seen: list[torch.dtype] = []
    x, y = _data(60, torch.float32)
    plain, half = _net(torch.float32), _net(torch.float32)
    half[2].register_forward_hook(lambda *given: seen.append(given[2].dtype))
    first = _fitted(plain, _cut(x, y, [20, 20, 20]), epochs=20)
    second = _fitted(half, _cut(x, y, [20, 20, 20]), epochs=20, precision="bf16")
    assert set(seen) == {torch.bfloat16}
    assert all(parameter.dtype == torch.float32 for parameter in half.parameters())
    # bfloat16 has 8 bits: 2⁻⁹ ≈ 0.002 of each rounding. Sixty steps of them stay within a hundredth; none would be 0.
    assert 1e-5 < _apart(plain, half) < 1e-2
    losses = [[float(record.loss) for record in records] for records in (first, second)]
    np.testing.assert_allclose(losses[0], losses[1], atol=1e-2)


def test_a_scaler_skips_a_step_whose_gradients_overflow_and_halves_its_scale() -> None:
    x, y = _data(20, torch.float32)
    model = _net(torch.float32)
    before = copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)  # half precision ends at 65,504
    seen = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    records = fit(model, nn.CrossEntropyLoss(), optimizer, [(x, y)] * 40, precision="fp16", scaler=scaler)
    for record in records:
        seen.append((record.skipped, scaler.get_scale(), _apart(model, before) > 0))
    first = [skipped for skipped, *_ in seen].index(False)
    assert first > 10 and all(skipped and not moved for skipped, _, moved in seen[:first])
    assert [scale for _, scale, _ in seen[:first]] == [2.0 ** (39 - step) for step in range(first)]
    assert all(not skipped and moved for skipped, _, moved in seen[first:])


def test_the_scaler_is_in_a_runs_state(tmp_path: Path) -> None:
    settings = {"dataset": {"name": "fashion-mnist-sample", "per_class": 8}, "model": {"name": "mlp", "hidden": [8]}}
    config = train_config({**settings, "batch_size": 16, "epochs": 3, "precision": "fp16", "clip_norm": 0.5})
    with training(config, tmp_path / "whole") as opened:
        whole = list(opened.records)[-1]
    with training(config, tmp_path / "s", keeping=Keeping(steps=2)) as opened:
        for record in opened.records:
            if getattr(record, "step", None) == 7:
                break
    newest = max((tmp_path / "s").rglob("checkpoint.*.safetensors"))
    scaler = load(newest)["scaler"]
    assert scaler["_growth_tracker"] + np.log2(65536 / scaler["scale"]) == 7  # a step each, taken or skipped
    with training(config, tmp_path / "s") as opened:
        again = list(opened.records)[-1]
    assert isinstance(whole, Result) and isinstance(again, Result)
    assert again.weights_sha256 == whole.weights_sha256


# ── What is not finite ────────────────────────────────────────────────────────────────────────────────────


def _some_bad() -> Pairs:
    x, y = _data(24)
    x[5, 0], x[17, 2] = float("nan"), float("inf")  # in the second and in the fifth mini-batch of six
    return _cut(x, y, [4] * 6)


def test_skipping_leaves_out_exactly_the_bad_batches() -> None:
    batches = _some_bad()
    model, twin = _net(), _net()
    records = _fitted(model, batches, epochs=3, nonfinite="skip")
    assert [record.step for record in records if record.skipped] == [2, 5, 8, 11, 14, 17]
    _fitted(twin, [batches[place] for place in (0, 2, 3, 5)], epochs=3)
    assert _apart(model, twin) == 0


def test_the_microscope_counts_a_skipped_step_and_records_no_update_of_it() -> None:
    model = _net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with passo.watch(optimizer, model) as lens:
        for _ in fit(model, nn.CrossEntropyLoss(), optimizer, _some_bad(), nonfinite="skip"):
            pass
    assert lens.steps.tolist() == [1, 2, 3, 4, 5, 6]
    updates = lens.statistics("update", "0.weight")
    assert np.isnan(updates).tolist() == [False, True, False, False, True, False]
    assert lens.residual().within(4)


def test_stopping_leaves_the_weights_as_they_were_before_the_bad_batch() -> None:
    batches = _some_bad()
    model, twin = _net(), _net()
    with pytest.raises(Diverged) as told:
        _fitted(model, batches, nonfinite="stop")
    assert (told.value.step, told.value.epoch, told.value.part) == (2, 1, 0)
    _fitted(twin, batches[:1])
    assert _apart(model, twin) == 0


def test_a_bad_mini_batch_is_told_by_its_place_in_the_step() -> None:
    with pytest.raises(Diverged) as told:
        _fitted(_net(), _some_bad(), accumulate=3, nonfinite="stop")
    assert (told.value.step, told.value.part) == (1, 1)
