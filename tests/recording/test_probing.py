"""The probes: what they measure is right, when they look, and that looking leaves no trace."""

import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian
from torch.func import functional_call

import passo
from passo.errors import UsageError
from passo.recording.looks import noise, split
from passo.recording.preconditioning import limit
from passo.recording.probing import Probes, probe
from passo.recording.ranks import effective_rank
from passo.recording.spectrum import largest
from passo.seeding import capture, seed_everything


def small() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def batch(size: int = 40) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(2)
    x = torch.randn(size, 5, generator=random, dtype=torch.float64)
    return x, torch.randint(0, 3, (size,), generator=random)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, loss_fn: nn.Module, x: Tensor, y: Tensor) -> None:
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()


def exact_hessian(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The whole Hessian of the mean cross-entropy, by torch.func."""
    names, shapes = zip(*((n, p.shape) for n, p in model.named_parameters()), strict=True)
    flat = torch.cat([p.detach().reshape(-1) for p in model.parameters()])

    def loss(theta: Tensor) -> Tensor:
        pieces = theta.split([s.numel() for s in shapes])
        weights = {n: piece.view(s) for n, piece, s in zip(names, pieces, shapes, strict=True)}
        return nn.functional.cross_entropy(functional_call(model, weights, (x,)), y)

    found = hessian(loss, flat)
    assert isinstance(found, Tensor)
    return found


def of(probes: Probes) -> dict[str, np.ndarray]:
    values, meta = probes.arrays()["probes"]
    return dict(zip(meta["quantities"], values.T, strict=True))


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_the_largest_curvature_is_that_of_the_whole_hessian(name: str) -> None:
    torch.manual_seed(0)
    model, loss_fn, (x, y) = small(), nn.CrossEntropyLoss(), batch()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.02)
    with probe(model, optimizer, loss_fn, steps=[1, 4]) as probes:
        for _ in range(4):
            step(model, optimizer, loss_fn, x, y)
    whole = exact_hessian(model, x, y)
    found = of(probes)
    assert found["residual"][-1] <= 0.01 and 2 <= found["products"][-1] <= 50
    assert found["sharpness"][-1] == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]), rel=1e-3)
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    bears = limit(optimizer, list(model.parameters()), [p.grad for p in model.parameters() if p.grad is not None])
    assert bears is not None and found["limit"][-1] == bears.most
    if bears.divisors is not None:
        root = torch.cat([one.reshape(-1) for one in bears.divisors]).rsqrt()
        whole = root[:, None] * whole * root
    assert found["preconditioned"][-1] == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]), rel=1e-3)
    assert found["preconditioned_residual"][-1] <= 0.01


def test_the_largest_is_not_the_one_of_the_largest_size_and_its_residual_tells_when_it_is_not_found() -> None:
    random = torch.Generator().manual_seed(0)
    q, _ = torch.linalg.qr(torch.randn(60, 60, generator=random, dtype=torch.float64))
    values = torch.linspace(-9, 3, 60, dtype=torch.float64)
    a = q @ torch.diag(values) @ q.T
    start = torch.randn(60, generator=random, dtype=torch.float64)
    found = largest(lambda v: a @ v, start, tolerance=1e-6, most=60)
    assert found.value == pytest.approx(3, rel=1e-9) and found.residual < 1e-6
    early = largest(lambda v: a @ v, start, most=4)
    assert early.products == 5 and early.residual > 0.01 and abs(early.value - 3) <= early.residual * early.value


def test_of_no_curvature_it_is_zero_and_of_none_that_is_finite_it_is_not_a_number() -> None:
    assert largest(torch.zeros_like, torch.ones(3)) == (0.0, 0.0, 2)
    assert math.isnan(largest(lambda v: v * math.nan, torch.ones(3)).value)


@pytest.mark.parametrize("options", [{}, {"amsgrad": True}])
def test_what_adam_divides_a_gradient_by_is_what_its_next_step_does(options: Any) -> None:
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(20, dtype=torch.float64))
    optimizer = torch.optim.Adam([parameter], lr=0.1, betas=(0.0, 0.9), **options)
    for size in (5.0, 1.0, 2.0):
        gradient = parameter.grad = size * torch.randn(20, dtype=torch.float64)
        bears = limit(optimizer, [parameter], [gradient]) if optimizer.state else None
        before = parameter.detach().clone()
        optimizer.step()
        if bears is not None and bears.divisors is not None:
            assert torch.allclose(parameter - before, -0.1 * gradient / bears.divisors[0])
    assert bears is not None and bears.most == pytest.approx(2 / 0.1)


def adam(parameter: nn.Parameter, lr: float) -> torch.optim.Optimizer:
    """Adam long after its start, with squares that hardly move any more."""
    optimizer = torch.optim.Adam([parameter], lr=lr, betas=(0.9, 1 - 1e-9))
    late = {"step": torch.tensor(1e6), "exp_avg": torch.zeros(1), "exp_avg_sq": torch.full((1,), 4e-3)}
    optimizer.state[parameter] = {name: value.double() for name, value in late.items()}
    return optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda p, lr: torch.optim.SGD([p], lr=lr),
        lambda p, lr: torch.optim.SGD([p], lr=lr, momentum=0.9),
        lambda p, lr: torch.optim.SGD([p], lr=lr, momentum=0.9, nesterov=True),
        lambda p, lr: torch.optim.SGD([p], lr=lr, momentum=0.8, dampening=0.5),
        adam,
    ],
)
def test_below_the_limit_a_quadratic_shrinks_and_above_it_grows(make: Any) -> None:
    def sizes(share: float) -> list[float]:
        """|θ| / |θ₀| over the steps."""
        parameter = nn.Parameter(torch.full((1,), 1e-6, dtype=torch.float64))
        optimizer = make(parameter, 0.01)
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        bears = limit(optimizer, [parameter], [torch.zeros_like(parameter)])
        assert bears is not None
        curvature = share * bears.most * (1.0 if bears.divisors is None else float(bears.divisors[0]))
        with torch.no_grad():
            parameter.fill_(1e-6)
        found = []
        for _ in range(3000):
            parameter.grad = curvature * parameter.detach()
            optimizer.step()
            found.append(abs(parameter.item()) / 1e-6)
        return found

    assert sizes(0.98)[-1] < 1e-3 and max(sizes(1.02)) > 1e3  # Adam's squares grow then, and catch it


def test_an_optimiser_without_a_written_limit_and_groups_that_differ() -> None:
    one, two = (nn.Parameter(torch.ones(2)) for _ in range(2))
    assert limit(torch.optim.Adamax([one]), [one], [one]) is None
    mixed = torch.optim.SGD([{"params": [one], "lr": 0.1}, {"params": [two], "lr": 0.4}], lr=1.0)
    bears = limit(mixed, [one, two], [one, two])
    assert bears is not None and bears.divisors is not None and bears.most == pytest.approx(2 / 0.4)
    assert [float(d[0]) for d in bears.divisors] == pytest.approx([4, 1])
    uneven = torch.optim.SGD([{"params": [one], "momentum": 0.9}, {"params": [two]}], lr=1.0)
    assert limit(uneven, [one, two], [one, two]) is None


def test_the_noise_of_parts_of_one_example_is_the_covariance_of_all_examples() -> None:
    torch.manual_seed(0)
    model, (x, y) = small(), batch(12)
    own = [
        [g.detach() for g in torch.autograd.grad(nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1]),
                                                 list(model.parameters()))]
        for i in range(12)
    ]  # fmt: skip
    found = noise(own, 1)
    for number, (trace, square) in enumerate(found):
        rows = np.stack([one[number].numpy().ravel() for one in own])
        assert trace == pytest.approx(rows.var(0, ddof=1).sum())
        assert square == pytest.approx((rows.mean(0) ** 2).sum() - trace / 12)


def test_the_noise_of_parts_is_without_bias_over_many_draws() -> None:
    random = np.random.default_rng(0)
    gradient, spread = np.array([0.3, -0.2, 0.1]), np.array([1.0, 0.5, 2.0])
    draws = []
    for _ in range(4000):
        examples = gradient + spread * random.standard_normal((32, 3))
        draws.append(noise([[torch.from_numpy(part.mean(0))] for part in np.split(examples, 8)], 4)[0])
    for mean, error, exact in zip(
        np.mean(draws, 0), np.std(draws, 0) / math.sqrt(4000), ((spread**2).sum(), (gradient**2).sum()), strict=True
    ):
        assert abs(mean - exact) < 4 * error and error < 0.02 * exact + 0.01


def test_a_look_measures_the_parts_of_its_own_batch_at_the_weights_after_the_step() -> None:
    torch.manual_seed(0)
    model, loss_fn, (x, y) = small(), nn.CrossEntropyLoss(), batch()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probes = probe(model, optimizer, loss_fn, steps=[2])
    step(model, optimizer, loss_fn, x[:8], y[:8])
    step(model, optimizer, loss_fn, x, y)
    pieces = split((x,), y, 8, 2)
    assert [len(own) for _, own in pieces] == [5] * 8
    gradients = [
        torch.autograd.grad(nn.functional.cross_entropy(model(*own), target), list(model.parameters()))
        for own, target in pieces
    ]
    assert probes.arrays()["probes/gradients"][0][0] == pytest.approx(noise(gradients, 5))
    found = of(probes)
    assert found["batch"] == [40] and found["part"] == [5]
    assert found["loss"][0] == pytest.approx(loss_fn(model(x), y).item())


@pytest.mark.parametrize(("size", "parts"), [(1, []), (2, [1, 1]), (3, [1, 1, 1]), (5, [2, 2]), (100, [12] * 8)])
def test_a_batch_is_split_into_parts_of_one_size(size: int, parts: list[int]) -> None:
    x, y = torch.arange(size), torch.arange(size)
    found = split((x, 7), y, 8, 1)
    assert [len(own) for _, own in found] == parts
    assert all(torch.equal(own[0], target) and own[1] == 7 for own, target in found)
    drawn = torch.cat([target for _, target in found]).tolist() if found else []
    assert len(set(drawn)) == len(drawn)


def test_the_effective_rank_is_that_of_numpys_singular_values() -> None:
    random = np.random.default_rng(0)
    for shape in ((64, 10), (10, 64), (300, 30)):
        x = random.standard_normal(shape) @ np.diag(0.7 ** np.arange(shape[1]))
        values = np.linalg.svd(x.astype(np.float32).astype(np.float64), compute_uv=False)
        shares = values / values.sum()
        exact = math.exp(-(shares * np.log(shares)).sum())
        assert effective_rank(torch.from_numpy(x.astype(np.float32))) == pytest.approx(exact, rel=1e-4)
    assert effective_rank(torch.zeros(4, 3)) == 0
    assert math.isnan(effective_rank(torch.full((4, 3), math.nan)))


def test_ranks_are_of_units_over_examples_and_positions() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 2))
    loss_fn, x, y = nn.CrossEntropyLoss(), torch.randn(6, 1, 8, 8), torch.randint(0, 2, (6,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    probes = probe(model, optimizer, loss_fn, steps=[1])
    step(model, optimizer, loss_fn, x, y)
    ranks, meta = probes.arrays()["probes/ranks"]
    assert meta["layers"] == ["0", "1", "3"] and ranks[0, :, 1].tolist() == [4, 4, 2]
    with torch.no_grad():
        before = model[0](x).movedim(1, -1).reshape(-1, 4)
    assert ranks[0, 0, 0] == pytest.approx(effective_rank(before), rel=1e-5)
    assert ranks[0, 1, 0] == pytest.approx(effective_rank(before.relu()), rel=1e-5)
    assert math.isnan(of(probes)["limit"][0])  # a learning rate of 0 bears all


def test_drift_is_the_distance_from_the_weights_at_the_start() -> None:
    model = nn.Linear(2, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimizer, loss_fn = torch.optim.SGD(model.parameters(), lr=0.5), nn.L1Loss()
    probes = probe(model, optimizer, loss_fn, steps=[1, 2])
    for _ in range(2):
        step(model, optimizer, loss_fn, torch.ones(1, 2), torch.zeros(1, 1))
    drift, meta = probes.arrays()["probes/drift"]  # each step takes 0.5 off both weights
    assert drift.ravel() == pytest.approx([0.5 * math.sqrt(2), math.sqrt(2)])
    assert meta["start"] == pytest.approx([math.sqrt(8)])


def busy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(20, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 4))


@pytest.mark.parametrize("name", ["adam", "sgd", "lbfgs", "rmsprop"])
def test_a_probed_training_ends_bit_for_bit_like_any_other(name: str) -> None:
    def run(probed: bool) -> tuple[Any, ...]:
        seed_everything(3)
        model, loss_fn = busy(), nn.CrossEntropyLoss()
        optimizer = passo.make_optimizer(name, model.parameters(), lr=0.01)
        calls: list[int] = []
        model.register_forward_hook(lambda *_: calls.append(1))
        model[1].weight.register_hook(lambda g: calls.append(2))
        lens = passo.watch(optimizer, model, activations=True, witness=True)
        probes = probe(model, optimizer, loss_fn, total=6, looks=3) if probed else None
        x, y = torch.rand(16, 20), torch.randint(0, 4, (16,))

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            return loss

        for _ in range(6):
            optimizer.step(closure)
        if probes is not None:
            assert probes.arrays()["probes/steps"][0].tolist() == [1, 4, 6]
            assert np.isfinite(of(probes)["sharpness"]).all() and not probes.notices
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        activations = lens.run.array("activations")
        return model.state_dict(), gradients, capture()["torch"], calls, activations

    plain, probed = run(False), run(True)
    assert all(torch.equal(plain[0][key], probed[0][key]) for key in plain[0])
    assert all(torch.equal(a, b) for a, b in zip(plain[1], probed[1], strict=True))
    assert torch.equal(plain[2], probed[2]) and plain[3] == probed[3]
    assert np.array_equal(plain[4], probed[4], equal_nan=True)


def line(length: int, **options: Any) -> list[int]:
    model, loss_fn = nn.Linear(1, 1), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    probes = probe(model, optimizer, loss_fn, **options)
    for _ in range(length):
        step(model, optimizer, loss_fn, torch.ones(4, 1), torch.ones(4, 1))
    found: list[int] = probes.arrays()["probes/steps"][0].tolist()
    return found


def test_it_looks_evenly_at_the_steps_that_are_asked_for_or_at_fewer_as_the_run_grows() -> None:
    assert line(30, total=30, looks=4) == [1, 11, 20, 30]
    assert line(9, steps=[9, 2]) == [2, 9]
    assert line(30, looks=4) == [8, 16, 24]
    assert line(2, total=2, looks=20) == [1, 2]


def test_a_probe_that_goes_on_from_its_state_ends_with_the_same_arrays() -> None:
    def built() -> tuple[nn.Module, torch.optim.Optimizer, Probes]:
        torch.manual_seed(1)
        model = small()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        return model, optimizer, probe(model, optimizer, loss_fn, looks=3)

    loss_fn, (x, y) = nn.CrossEntropyLoss(), batch()
    model, optimizer, probes = built()
    for _ in range(7):
        step(model, optimizer, loss_fn, x, y)
    state, weights, past = deepcopy((probes.state_dict(), model.state_dict(), optimizer.state_dict()))
    later_model, later, other = built()
    later_model.load_state_dict(weights)
    later.load_state_dict(past)
    other.load_state_dict(state)
    for own, own_optimizer in ((model, optimizer), (later_model, later)):
        for _ in range(6):
            step(own, own_optimizer, loss_fn, x, y)
    for (name, (values, meta)), (again, meta_again) in zip(
        probes.arrays().items(), other.arrays().values(), strict=True
    ):
        assert np.array_equal(values, again, equal_nan=True) and meta == meta_again, name


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.out(self.lstm(x)[0][:, -1])
        return found


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.out = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.out(self.inner(x).mean(1))
        return found


@pytest.mark.parametrize(("model", "width"), [(Recurrent, 3), (Attending, 8)])
def test_recurrent_layers_and_attention_have_a_curvature_and_a_gradient_in_every_weight(model: Any, width: int) -> None:
    torch.manual_seed(0)
    own, loss_fn = model(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(own.parameters(), lr=0.01)
    probes = probe(own, optimizer, loss_fn, steps=[1])
    step(own, optimizer, loss_fn, torch.randn(12, 4, width), torch.randint(0, 2, (12,)))
    assert of(probes)["sharpness"][0] > 0 and not probes.notices
    assert (probes.arrays()["probes/gradients"][0][0, :, 0] > 0).all()


def test_a_penalty_is_part_of_the_curvature() -> None:
    def sharpness(l2: float) -> float:
        torch.manual_seed(0)
        model, loss_fn, (x, y) = small(), nn.CrossEntropyLoss(), batch()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        price = passo.Penalty(model, l2=l2) if l2 else None
        probes = probe(model, optimizer, loss_fn, steps=[1], penalty=price)
        step(model, optimizer, loss_fn, x, y)
        return float(of(probes)["sharpness"][0])

    assert 0.5 * 2 * 30 < sharpness(30.0) - sharpness(0.0) <= 2 * 30 * 1.01


class Unlike(torch.autograd.Function):
    """The identity, of which there is no second derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


class Once(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return Unlike.apply(x)


def test_what_cannot_be_measured_is_no_number_and_is_told_once() -> None:
    model, loss_fn = nn.Sequential(nn.Linear(5, 3), Once()), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 5), torch.randint(0, 3, (8,))
    with pytest.warns(UserWarning, match="curvature could not be measured") as told:
        probes = probe(model, optimizer, loss_fn, steps=[1, 2])
        for _ in range(2):
            step(model, optimizer, loss_fn, x, y)
    assert len(told) == 1 and np.isnan(of(probes)["sharpness"]).all()
    assert np.isfinite(probes.arrays()["probes/gradients"][0]).all()


def wrong() -> Iterator[tuple[Any, str]]:
    model, loss_fn = nn.Linear(1, 1), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    yield lambda: probe(nn.MSELoss, optimizer, loss_fn), "expected a module and a torch optimizer"  # type: ignore[arg-type]
    yield lambda: probe(model, optimizer, nn.functional.mse_loss), "loss_fn must be the module"  # type: ignore[arg-type]
    yield lambda: probe(model, optimizer, loss_fn, looks=1), "looks must be ≥ 2, got 1"
    yield lambda: probe(model, optimizer, loss_fn, steps=[0]), "steps must be whole numbers ≥ 1"
    yield lambda: probe(nn.Linear(1, 1), optimizer, loss_fn), "none of the optimizer's parameters"
    yield lambda: probe(nn.DataParallel(model), optimizer, loss_fn), "a model on one device"


def test_what_cannot_be_is_refused() -> None:
    for make, words in wrong():
        with pytest.raises(UsageError, match=words):
            make()


def test_a_loop_with_another_loss_is_told() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probes = probe(model, optimizer, nn.MSELoss(), steps=[1])
    with pytest.warns(UserWarning, match="no loss was computed with loss_fn"):
        step(model, optimizer, nn.L1Loss(), torch.ones(2, 1), torch.zeros(2, 1))
    assert not len(probes.arrays()["probes/steps"][0])
