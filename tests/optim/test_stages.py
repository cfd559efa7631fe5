"""The equations: each against a naive re-derivation in plain floats, and each found out where it is wrong."""

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from passo.errors import UsageError
from passo.optim.catalogue import OF_TORCH
from passo.optim.split import MuonAdamW
from passo.optim.stages import explanation
from passo.optim.stages.lbfgs import inside
from passo.optim.stages.oracle import Account, explained_step, roundings
from passo.recording import watch

GRADIENTS = [0.5, -1.25, 0.3, 0.3, -0.01, 2.0, 0.0, -0.7, 0.4, 0.9, -0.2, 0.6]
START = 0.75


def walk(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], gradients: list[float]) -> Iterator[Account]:
    """One weight in float64 led through these gradients by the real optimiser; each step accounted for."""
    weight = nn.Parameter(torch.tensor([START], dtype=torch.float64))
    optimizer = make([weight])
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        yield explained_step(optimizer, explanation(optimizer))[0]


def check(accounts: Iterator[Account], expected: Iterator[dict[str, float]], steps: int = len(GRADIENTS)) -> None:
    """Every stage, the measured update among them, is what was derived by hand."""
    count = 0
    for step, (account, told) in enumerate(zip(accounts, expected, strict=True), start=1):
        values = {"update": account.update, **account.stages}
        for stage, value in told.items():
            assert values[stage].item() == pytest.approx(value, rel=1e-10, abs=1e-15), (stage, step)
        count = step
    assert count == steps


def test_adamax_is_the_papers_algorithm_2_with_eps_inside_the_maximum() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        m = u = 0.0
        for t, g in enumerate(GRADIENTS, start=1):
            m = 0.9 * m + 0.1 * g
            u = max(0.99 * u, abs(g) + 1e-8)
            m_hat = m / (1 - 0.9**t)
            yield {"exp_avg": m, "exp_inf": u, "exp_avg_hat": m_hat, "adapted": m_hat / u, "update": -0.1 * m_hat / u}

    check(walk(lambda w: torch.optim.Adamax(w, lr=0.1, betas=(0.9, 0.99)), GRADIENTS), by_hand())


def test_nadam_looks_ahead_with_a_momentum_that_warms_up() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        m = v = 0.0
        product = 1.0
        for t, g in enumerate(GRADIENTS, start=1):
            mu, mu_next = (0.9 * (1 - 0.5 * 0.96 ** (k * 0.05)) for k in (t, t + 1))
            product *= mu
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            m_hat = mu_next * m / (1 - product * mu_next) + (1 - mu) * g / (1 - product)
            adapted = m_hat / (math.sqrt(v / (1 - 0.99**t)) + 1e-8)
            yield {"exp_avg_hat": m_hat, "adapted": adapted, "update": -0.1 * adapted}

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # or the product of the momenta would be kept in float32
    try:
        make = lambda w: torch.optim.NAdam(w, lr=0.1, betas=(0.9, 0.99), momentum_decay=0.05)  # noqa: E731
        check(walk(make, GRADIENTS), by_hand())
    finally:
        torch.set_default_dtype(default)


def test_radam_divides_only_once_enough_gradients_were_seen() -> None:
    phases = set()

    def by_hand() -> Iterator[dict[str, float]]:
        m = v = 0.0
        most = 2 / (1 - 0.99) - 1
        for t, g in enumerate(GRADIENTS, start=1):
            m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
            m_hat, worth = m / (1 - 0.9**t), most - 2 * t * 0.99**t / (1 - 0.99**t)
            phases.add(worth > 5)
            adapted = m_hat
            if worth > 5:
                r = math.sqrt((worth - 4) * (worth - 2) * most / ((most - 4) * (most - 2) * worth))
                adapted = r * m_hat * math.sqrt(1 - 0.99**t) / (math.sqrt(v) + 1e-8)
            yield {"exp_avg_hat": m_hat, "adapted": adapted, "update": -0.1 * adapted}

    check(walk(lambda w: torch.optim.RAdam(w, lr=0.1, betas=(0.9, 0.99)), GRADIENTS), by_hand())
    assert phases == {True, False}


def test_adadelta_divides_the_size_of_past_updates_by_that_of_past_gradients() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        v = u = 0.0
        for g in GRADIENTS:
            v = 0.8 * v + 0.2 * g * g
            d = math.sqrt(u + 1e-4) / math.sqrt(v + 1e-4) * g
            u = 0.8 * u + 0.2 * d * d
            yield {"square_avg": v, "adapted": d, "acc_delta": u, "update": -0.5 * d}

    check(walk(lambda w: torch.optim.Adadelta(w, lr=0.5, rho=0.8, eps=1e-4), GRADIENTS), by_hand())


def test_rmsprop_centred_with_momentum_and_decay() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        v = a = b = 0.0
        theta = START
        for raw in GRADIENTS:
            g = raw + 0.1 * theta
            v, a = 0.9 * v + 0.1 * g * g, 0.9 * a + 0.1 * g
            b = 0.5 * b + g / (math.sqrt(v - a * a) + 1e-8)
            theta -= 0.01 * b
            told = {"decayed": g, "square_avg": v, "grad_avg": a, "momentum_buffer": b}
            yield {**told, "adapted": b, "update": -0.01 * b}

    make = lambda w: torch.optim.RMSprop(w, lr=0.01, alpha=0.9, momentum=0.5, centered=True, weight_decay=0.1)  # noqa: E731
    check(walk(make, GRADIENTS), by_hand())


def test_rprop_grows_shrinks_and_rests() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        size, before = 0.1, 0.0
        for g in GRADIENTS:
            kept = g
            if g * before > 0:
                size = min(size * 1.2, 0.12)
            elif g * before < 0:
                size, kept = max(size * 0.5, 0.03), 0.0
            sign = (kept > 0) - (kept < 0)
            yield {"step_size": size, "prev": kept, "adapted": sign, "update": -size * sign}
            before = kept

    check(walk(lambda w: torch.optim.Rprop(w, lr=0.1, step_sizes=(0.03, 0.12)), GRADIENTS), by_hand())


def test_asgd_shrinks_its_step_and_averages_the_weights_from_t0_on() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        theta, eta, mu, ax = START, 0.125, 1.0, 0.0
        for t, g in enumerate(GRADIENTS, start=1):
            adapted = g + 0.25 * theta
            theta -= eta * adapted
            ax += mu * (theta - ax)
            yield {"adapted": adapted, "update": -eta * adapted, "ax": ax}
            eta = torch.tensor(0.125 / (1 + 0.25 * 0.125 * t) ** 0.75).item()  # torch keeps both in float32
            mu = torch.tensor(1 / max(1, t - 4)).item()

    check(walk(lambda w: torch.optim.ASGD(w, lr=0.125, lambd=0.25, t0=4), GRADIENTS), by_hand())


def test_adagrad_slows_down_by_its_sum_and_by_its_own_decay() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        total = 0.5
        for t, g in enumerate(GRADIENTS, start=1):
            total += g * g
            adapted = g / (math.sqrt(total) + 1e-10) / (1 + (t - 1) * 0.1)
            yield {"sum": total, "adapted": adapted, "update": -0.2 * adapted}

    make = lambda w: torch.optim.Adagrad(w, lr=0.2, lr_decay=0.1, initial_accumulator_value=0.5)  # noqa: E731
    check(walk(make, GRADIENTS), by_hand())


def test_amsgrad_never_forgets_its_largest_second_moment() -> None:
    def by_hand() -> Iterator[dict[str, float]]:
        m = v = largest = 0.0
        for t, g in enumerate(GRADIENTS, start=1):
            m, v = 0.9 * m + 0.1 * g, 0.5 * v + 0.5 * g * g
            largest = max(largest, v)
            adapted = m / (1 - 0.9**t) / (math.sqrt(largest / (1 - 0.5**t)) + 1e-8)
            yield {"exp_avg_sq": v, "max_exp_avg_sq": largest, "adapted": adapted, "update": -0.1 * adapted}

    check(walk(lambda w: torch.optim.Adam(w, lr=0.1, betas=(0.9, 0.5), amsgrad=True), GRADIENTS), by_hand())


def test_adafactor_keeps_a_matrix_as_rows_and_columns_and_clips_its_step() -> None:
    theta, g = [[1.0, -2.0], [0.5, 4.0]], [[0.1, -0.2], [3.0, 0.4]]
    weight = nn.Parameter(torch.tensor(theta, dtype=torch.float64))
    weight.grad = torch.tensor(g, dtype=torch.float64)
    optimizer = torch.optim.Adafactor([weight], lr=0.05, weight_decay=0.5)
    account = explained_step(optimizer, explanation(optimizer))[0]
    rows = [sum(x * x for x in row) / 2 for row in g]  # at t = 1 the averages are the first values
    columns = [sum(row[j] ** 2 for row in g) / 2 for j in range(2)]
    variance = [[r * c / (sum(rows) / 2) for c in columns] for r in rows]
    u = [[g[i][j] / math.sqrt(variance[i][j]) for j in range(2)] for i in range(2)]
    rms_u = math.sqrt(sum(x * x for row in u for x in row) / 4)
    rms_theta = math.sqrt(sum(x * x for row in theta for x in row) / 4)
    for i in range(2):
        for j in range(2):
            adapted = rms_theta * u[i][j] / max(1.0, rms_u)
            assert account.stages["row_var"][i, j].item() == pytest.approx(rows[i], rel=1e-12)
            assert account.stages["col_var"][i, j].item() == pytest.approx(columns[j], rel=1e-12)
            assert account.stages["adapted"][i, j].item() == pytest.approx(adapted, rel=1e-12)
            expected = -0.05 * adapted - 0.05 * 0.5 * theta[i][j]
            assert account.update[i, j].item() == pytest.approx(expected, rel=1e-12)
    assert rms_u > 1  # the clipping was in force


def test_muon_makes_the_momentum_nearly_orthogonal() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(8, 20))
    weight.grad = torch.randn(8, 20)
    optimizer = torch.optim.Muon([weight], lr=0.1, weight_decay=0.0)
    account = explained_step(optimizer, explanation(optimizer))[0]
    left, _, right = torch.linalg.svd(account.stages["look_ahead"], full_matrices=False)
    inner = left.T @ account.stages["orthogonal"] @ right.T  # U and V are kept, S becomes about 1
    assert inner.diagonal().min() > 0.6 and inner.diagonal().max() < 1.3
    assert (inner - inner.diagonal().diag()).abs().max() < 0.1
    assert torch.allclose(account.update, -0.1 * account.stages["orthogonal"], atol=1e-6)


def test_sparse_adam_leaves_the_rows_without_a_gradient_as_they_are() -> None:
    table = nn.Embedding(6, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    for rows in ([0, 2, 2], [5]):
        optimizer.zero_grad()
        table(torch.tensor(rows)).square().sum().backward()
        account = explained_step(optimizer, explanation(optimizer))[0]
        still = [row for row in range(6) if row not in rows]
        assert account.stages["adapted"][still].count_nonzero() == 0
        assert account.update[still].count_nonzero() == 0 and account.update[rows].count_nonzero() > 0
        assert account.roundings <= 8
    assert account.stages["exp_avg"][0].count_nonzero() == 3  # remembered, though it does not move


# ── the oracle can fail ──


def _cnn(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5)).to(dtype)


def _batch(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(6, 1, 6, 6, generator=generator).to(dtype), torch.randint(0, 5, (6,), generator=generator)


def _steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> list[list[Account]]:
    dtype = next(model.parameters()).dtype
    x, y = _batch(dtype)

    def closure() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()

    return [explained_step(optimizer, explanation(optimizer), closure) for _ in range(count)]


@pytest.mark.parametrize("stage", ["explained", "exp_avg_sq"])
def test_a_wrong_equation_is_caught_by_the_update_or_by_the_new_state(stage: str) -> None:
    weight = nn.Parameter(torch.ones(5, dtype=torch.float64))
    weight.grad = torch.linspace(-1, 1, 5, dtype=torch.float64)
    optimizer = torch.optim.Adam([weight], lr=0.1)
    right = explanation(optimizer)
    assert right is not None and right.equations is not None
    honest = right.equations

    def wrong(theta, grad, state, step, group, out) -> None:
        honest(theta, grad, state, step, group, out)
        out[stage].mul_(1 + 1e-10)

    account = explained_step(optimizer, replace(right, equations=wrong))[0]
    assert (account.roundings > 8) == (stage == "explained")
    assert (account.state["exp_avg_sq"] > 8) == (stage == "exp_avg_sq")


def test_an_optimiser_that_does_something_else_is_caught() -> None:
    """Adam's equations on a step of AdamW's kind: the decay is at another place."""
    model = _cnn()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    told = explanation(optimizer)
    for group in optimizer.param_groups:
        group["decoupled_weight_decay"] = True
    x, y = _batch()
    nn.functional.cross_entropy(model(x), y).backward()
    assert told is not None and told.equations is not None
    honest = told.equations

    def coupled(theta, grad, state, step, group, out) -> None:
        honest(theta, grad, state, step, {**group, "decoupled_weight_decay": False}, out)

    assert max(a.roundings for a in explained_step(optimizer, replace(told, equations=coupled))) > 1000


def test_nan_on_one_side_counts_as_infinitely_wrong() -> None:
    assert roundings(torch.tensor([0.0, math.nan]), torch.ones(2)) == math.inf
    assert roundings(torch.zeros(0)) == 0


def test_an_optimiser_without_equations_is_refused() -> None:
    optimizer = torch.optim.LBFGS([nn.Parameter(torch.ones(1))])
    with pytest.raises(UsageError, match="LBFGS has no equations here"):
        explained_step(optimizer, explanation(optimizer))


# ── all of them ──


@pytest.mark.parametrize("name", sorted(OF_TORCH))
def test_every_optimiser_of_torch_is_explained_and_its_subclasses_are_not(name: str) -> None:
    cls = OF_TORCH[name]
    weight = [nn.Parameter(torch.ones(2, 2))]
    found = explanation(cls(weight))  # type: ignore[call-arg]
    assert found is not None
    assert found.equations is not None or (name == "lbfgs" and found.inside is not None)
    assert explanation(type("Mine", (cls,), {})(weight)) is None  # type: ignore[call-arg]


_BY_LR = {
    "sgd": {"momentum": 0.9},
    "adam": {"amsgrad": True},
    "adamax": {},
    "nadam": {},
    "radam": {},
    "adagrad": {"lr_decay": 0.1},
    "adadelta": {},
    "rmsprop": {"momentum": 0.9, "centered": True},
}


@pytest.mark.parametrize("name", sorted(_BY_LR))
def test_adapted_is_the_direction_that_the_learning_rate_multiplies(name: str) -> None:
    model = _cnn(torch.float64)
    optimizer = OF_TORCH[name](model.parameters(), lr=0.05, **_BY_LR[name])  # type: ignore[call-arg]
    for lr, accounts in zip((0.05, 0.01), (_steps(model, optimizer, 3), []), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr
        for account in (accounts or _steps(model, optimizer, 3))[-1]:
            expected = -lr * account.stages["adapted"]
            assert torch.allclose(account.stages["explained"], expected, rtol=1e-9, atol=1e-15)
            assert torch.allclose(account.update, expected, rtol=1e-6, atol=1e-13)


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("name", ["adam", "adamw", "adamax", "nadam", "radam", "asgd", "adadelta", "rmsprop", "rprop"])
def test_capturable_counts_in_float32_as_its_equations_do(name: str, foreach: bool, monkeypatch) -> None:
    """`capturable` refuses a CPU; one that pretends to be such a device runs the same code."""
    cls = OF_TORCH[name]
    for module in {cls.__module__, "torch.optim.adam"}:
        if hasattr(sys.modules[module], "_get_capturable_supported_devices"):
            pretend = lambda supports_xla=True: ["cpu"]  # noqa: E731
            monkeypatch.setattr(sys.modules[module], "_get_capturable_supported_devices", pretend)
    model = _cnn()
    optimizer = cls(model.parameters(), lr=0.01, capturable=True, foreach=foreach)  # type: ignore[call-arg]
    for accounts in _steps(model, optimizer, 12):
        for account in accounts:
            assert account.roundings <= 8
            assert max(account.state.values()) <= 8, account.state


@pytest.mark.parametrize("name", sorted(set(OF_TORCH) - {"lbfgs", "sparseadam", "muon"}))
def test_a_run_that_goes_on_from_a_saved_state_is_explained(name: str) -> None:
    """Loading casts numbers of the state (NAdam's product of momenta) to the type of the weights."""
    model = _cnn(torch.float64)
    first = OF_TORCH[name](model.parameters(), lr=0.01)  # type: ignore[call-arg]
    _steps(model, first, 3)
    second = OF_TORCH[name](model.parameters(), lr=0.01)  # type: ignore[call-arg]
    second.load_state_dict(first.state_dict())
    for account in [account for accounts in _steps(model, second, 3) for account in accounts]:
        assert account.roundings <= 8 and max(account.state.values(), default=0) <= 8


def test_groups_have_options_of_their_own_and_a_stage_that_one_lacks_is_nan() -> None:
    model = _cnn()
    first, *others = model.parameters()
    groups = [{"params": [first], "centered": True, "lr": 0.1}, {"params": others, "momentum": 0.9}]
    for accounts in _steps(model, torch.optim.RMSprop(groups, lr=0.01), 3):
        assert [bool(a.stages["grad_avg"].isnan().all()) for a in accounts] == [False, True, True, True]
        assert [bool(a.stages["momentum_buffer"].isnan().all()) for a in accounts] == [True, False, False, False]
        assert max(a.roundings for a in accounts) <= 8
    model = _cnn()
    first, *others = model.parameters()
    groups = [{"params": [first], "amsgrad": True}, {"params": others}]
    accounts = _steps(model, torch.optim.Adam(groups), 2)[-1]
    assert [bool(a.stages["max_exp_avg_sq"].isnan().all()) for a in accounts] == [False, True, True, True]


def test_a_parameter_without_a_gradient_has_no_account() -> None:
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
    weights[1].grad = torch.ones(3)
    optimizer = torch.optim.NAdam(weights)
    assert [len(account.update) for account in explained_step(optimizer, explanation(optimizer))] == [3]


_WATCHED = {
    "rmsprop": lambda p: torch.optim.RMSprop(p, centered=True, momentum=0.9),
    "nadam": lambda p: torch.optim.NAdam(p, weight_decay=0.1),
    "rprop": lambda p: torch.optim.Rprop(p),
    "asgd": lambda p: torch.optim.ASGD(p, t0=1),
    "adafactor": lambda p: torch.optim.Adafactor(p),
    "muon-adamw": lambda p: MuonAdamW(p),
}


@pytest.mark.parametrize("name", sorted(_WATCHED))
def test_the_microscope_tells_the_same_stages_as_the_plain_oracle(name: str) -> None:
    plain, watched = _cnn(), _cnn()
    accounts = _steps(plain, _WATCHED[name](plain.parameters()), 4)[-1]
    optimizer = _WATCHED[name](watched.parameters())
    lens = watch(optimizer, watched)
    x, y = _batch()
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(watched(x), y).backward()
        optimizer.step()
    found = explanation(optimizer)
    assert found is not None and found.stages
    order = [id(p) for group in optimizer.param_groups for p in group["params"]]
    names = {id(p): n for n, p in watched.named_parameters()}
    for parameter, account in zip(order, accounts, strict=True):
        for stage in found.stages:
            told = lens.now(stage, names[parameter])
            assert torch.allclose(told, account.stages[stage], rtol=1e-5, atol=1e-12, equal_nan=True), stage
    assert lens.residual().within(8)


# ── LBFGS ──


def test_what_lbfgs_tells_of_its_inside_agrees_with_its_update() -> None:
    """With one iteration a step, θ moves by t·d of the state that is left."""
    weight = nn.Parameter(torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64))
    optimizer = torch.optim.LBFGS([weight], lr=0.1, max_iter=1)
    assert math.isnan(inside(optimizer)["t"]) and inside(optimizer)["history"] == 0

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (weight.square() * torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64)).sum()
        loss.backward()
        return loss.detach()

    for count in range(1, 5):
        before = weight.detach().clone()
        loss = optimizer.step(closure)
        told, direction = inside(optimizer), optimizer.state[weight]["d"]
        assert torch.allclose(weight.detach() - before, told["t"] * direction, rtol=1e-12)
        assert told["n_iter"] == told["func_evals"] == count and told["history"] == count - 1
        assert told["d_norm"] == pytest.approx(math.sqrt(sum(x * x for x in direction.tolist())))
        assert told["slope"] < 0 and 0 < told["cosine"] <= 1 + 1e-12
        assert told["loss"] == pytest.approx(float(loss))
