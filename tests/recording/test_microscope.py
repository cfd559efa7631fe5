"""The microscope: it disturbs nothing, and what it explains is what happened."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from passo.errors import UnknownName, UsageError
from passo.models import build
from passo.recording import Lens, watch

Make = Callable[[object], torch.optim.Optimizer]

EXPLAINED: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "sgd-decay": lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    "sgd-maximize": lambda p: torch.optim.SGD(p, lr=0.001, maximize=True),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "dampened": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.5, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "sgd-fused": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, fused=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam-decay": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adam-fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
    "adam-foreach": lambda p: torch.optim.Adam(p, lr=0.01, foreach=True),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


class Unheard(torch.optim.Adam):
    """A subclass may do anything: it is not explained by its parent's equations."""


def _batches(count: int, dtype: torch.dtype = torch.float32) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(count, 8, 1, 28, 28, generator=generator, dtype=dtype)
    y = torch.randint(0, 10, (count, 8), generator=generator)
    return list(zip(x, y, strict=True))


def _run(make: Make, steps: int = 30, *, watched: bool, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, Lens]:
    model = build("lenet", seed=1).to(dtype)
    optimizer = make(model.parameters())
    lens = watch(optimizer, model) if watched else None
    for x, y in _batches(steps, dtype):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, lens  # type: ignore[return-value]


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_watched_run_ends_bit_for_bit_like_an_unwatched_one(name: str) -> None:
    watched, _ = _run(EXPLAINED[name], watched=True)
    alone, _ = _run(EXPLAINED[name], watched=False)
    for a, b in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EXPLAINED)
def test_the_equations_explain_every_step_within_a_few_roundings(name: str, dtype: torch.dtype) -> None:
    _, lens = _run(EXPLAINED[name], watched=True, dtype=dtype)
    residual = lens.residual()
    assert residual.steps == 30
    assert 0 < residual.worst <= 8, str(residual)


def test_a_wrong_equation_shows_in_the_residual() -> None:
    """The proof can fail: an optimiser that does something else than its equations is found out."""
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)

    def nudge(*_: object) -> None:
        with torch.no_grad():
            model.get_parameter("conv1.weight").add_(1e-3)

    lens.close()
    optimizer.register_step_post_hook(nudge)  # acts before the lens looks
    lens = watch(optimizer, model)
    for x, y in _batches(2):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    wrong = dict(zip(lens.residual().parameters, lens.residual().roundings, strict=True))
    assert wrong["conv1.weight"] > 1000
    assert wrong["fc2.bias"] <= 8


def test_stages_are_the_textbook_quantities() -> None:
    """Adam's stages, re-derived naively from the recorded gradients of one coordinate."""
    _, lens = _run(EXPLAINED["adam"], watched=True, dtype=torch.float64)
    g = lens.trace("grad", "conv1.weight")
    m = v = 0.0
    for t, gradient in enumerate(g, start=1):
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        expected = {"exp_avg": m, "exp_avg_sq": v, "exp_avg_hat": m_hat, "exp_avg_sq_hat": v_hat}
        expected["adapted"] = m_hat / (v_hat**0.5 + 1e-8)
        for stage, value in expected.items():
            assert lens.trace(stage, "conv1.weight")[t - 1] == pytest.approx(value, rel=1e-9), (stage, t)
    assert lens.trace("update", "conv1.weight") == pytest.approx(
        -0.01 * lens.trace("adapted", "conv1.weight"), rel=1e-6
    )


def test_adams_first_step_has_the_size_of_the_learning_rate() -> None:
    _, lens = _run(EXPLAINED["adam"], steps=1, watched=True)
    moved = lens.now("update", "fc1.weight")
    assert torch.median(moved.abs()).item() == pytest.approx(0.01, rel=1e-3)


def test_clipping_shows_as_the_difference_between_grad_raw_and_grad() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    x, y = _batches(1)[0]
    nn.functional.cross_entropy(model(x), y).backward()
    raw = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    optimizer.step()
    for (name, _), before in zip(model.named_parameters(), raw, strict=True):
        assert torch.equal(lens.now("grad_raw", name), before)
        assert torch.allclose(lens.now("grad", name), before * (0.01 / norm), rtol=1e-4)
    assert lens.residual().within(8)


def test_channels_last_and_contiguous_weights_give_the_same_coordinates() -> None:
    traces = []
    for last in (True, False):
        model = build("lenet", seed=1, channels_last=last)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        lens = watch(optimizer, model, coordinates={"conv2.weight": [(3, 2, 1, 4), (15, 5, 4, 0)]})
        x, y = _batches(1)[0]
        nn.functional.cross_entropy(model(x), y).backward()
        grad = model.get_parameter("conv2.weight").grad
        optimizer.step()
        assert grad is not None
        assert lens.trace("grad", "conv2.weight", (3, 2, 1, 4))[0] == grad[3, 2, 1, 4].item()
        assert torch.equal(lens.now("grad", "conv2.weight"), grad)
        traces.append(lens.trace("grad", "conv2.weight", (15, 5, 4, 0))[0])
    assert traces[0] == pytest.approx(traces[1], rel=1e-3)


def test_every_nth_step_records_those_steps_and_the_same_values() -> None:
    seen = {}
    for every in (1, 5):
        model = build("tiny-cnn", seed=0)
        optimizer = torch.optim.Adam(model.parameters())
        lens = watch(optimizer, model, every=every)
        for x, y in _batches(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        seen[every] = lens
    assert list(seen[5].steps) == [5, 10, 15, 20]
    for stage in ("grad_raw", "exp_avg", "update"):
        assert (seen[1].trace(stage, "fc1.weight")[4::5] == seen[5].trace(stage, "fc1.weight")).all()
        assert (seen[1].statistics(stage, "fc1.weight")[4::5] == seen[5].statistics(stage, "fc1.weight")).all()


def test_statistics_are_the_mean_and_the_root_mean_square_of_the_tensor() -> None:
    _, lens = _run(EXPLAINED["adam"], steps=3, watched=True)
    whole = lens.now("adapted", "fc2.weight")
    assert lens.statistics("adapted", "fc2.weight", "mean")[-1] == pytest.approx(whole.mean().item(), rel=1e-4)
    assert lens.statistics("adapted", "fc2.weight", "rms")[-1] == pytest.approx(
        whole.square().mean().sqrt().item(), rel=1e-4
    )


def test_parameter_groups_have_their_own_hyperparameters() -> None:
    model = build("tiny-cnn", seed=0)
    groups = [
        {"params": list(model.parameters())[:2], "lr": 0.1},
        {"params": list(model.parameters())[2:], "lr": 0.001},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.5)
    lens = watch(optimizer, model)
    for x, y in _batches(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert lens.residual().within(8)


def test_a_parameter_without_a_gradient_is_told_as_missing_and_explained_when_it_joins() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.Adam(model.parameters())
    lens = watch(optimizer, model)
    frozen = model.get_parameter("fc1.weight")
    for number, (x, y) in enumerate(_batches(6)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        if number < 3:
            frozen.grad = None
        optimizer.step()
    rms = lens.statistics("update", "fc1.weight")
    assert list(torch.tensor(rms).isnan()) == [True] * 3 + [False] * 3
    assert lens.residual().within(8)


def test_a_closure_is_watched_after_it_has_run() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    for x, y in _batches(3):

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)
    assert lens.residual().within(8)
    assert (lens.statistics("grad", "fc1.weight") > 0).all()


def test_another_optimiser_is_measured_and_says_that_it_is_not_explained() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = Unheard(model.parameters())
    lens = watch(optimizer, model)
    x, y = _batches(1)[0]
    before = model.get_parameter("conv1.weight").detach().clone()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    assert lens.stages == ("theta", "grad_raw", "grad", "exp_avg", "exp_avg_sq", "update")
    state = optimizer.state[model.get_parameter("conv1.weight")]
    assert torch.equal(lens.now("exp_avg", "conv1.weight"), state["exp_avg"])
    assert torch.equal(lens.now("update", "conv1.weight"), model.get_parameter("conv1.weight") - before)
    with pytest.raises(UsageError, match="Unheard is measured, not explained"):
        lens.residual()


def test_a_closed_lens_watches_no_more_and_keeps_what_it_saw() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(optimizer, model) as lens:
        pass
    x, y = _batches(1)[0]
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    assert len(lens.steps) == 0


def test_unknown_names_get_the_nearest() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UnknownName, match=r"Did you mean 'conv1.weight'"):
        watch(optimizer, model, parameters=["conv.weight"])
    lens = watch(optimizer, model, coordinates={"conv1.weight": [(0, 0, 2, 2)]})
    with pytest.raises(UnknownName, match="unknown stage 'adaptd'. Did you mean 'adapted'"):
        lens.statistics("adaptd", "conv1.weight")
    with pytest.raises(UsageError, match="was not traced"):
        lens.trace("grad", "fc1.weight")
    with pytest.raises(UsageError, match="has no coordinate"):
        watch(torch.optim.SGD(model.parameters(), lr=0.1), model, coordinates={"conv1.weight": [(0, 0, 9, 9)]})


def test_the_array_form_says_what_its_axes_are() -> None:
    _, lens = _run(EXPLAINED["adam"], steps=4, watched=True)
    statistics, meta = lens.arrays()["statistics"]
    assert statistics.shape == (4, len(meta["stages"]), len(meta["parameters"]), len(meta["quantities"]))
    trace, told = lens.arrays()["trace"]
    assert trace.shape == (4, len(told["stages"]), len(told["coordinates"]))
    assert list(pairwise(lens.arrays()["trace/steps"][0])) == [(1, 2), (2, 3), (3, 4)]


def test_momentum_that_a_scheduler_switches_on_later_is_explained_too() -> None:
    model = build("tiny-cnn", seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = watch(optimizer, model)
    torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 0.1)  # torch's default cycles the momentum as well
    assert optimizer.param_groups[0]["momentum"] > 0
    for x, y in _batches(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert lens.residual().within(8)


def test_lbfgs_is_measured_over_the_whole_step_and_not_from_its_last_inner_one() -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=5)
    lens = watch(optimizer, model)
    before = model.weight.detach().clone()
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (model(x) - 1).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    assert torch.equal(lens.now("update", "weight"), model.weight.detach() - before)
