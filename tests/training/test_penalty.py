"""L1 and L2 regularisation: the gradient is the one of the naive sum, on matrices and convolutions alone."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from passo import store
from passo.data import load
from passo.errors import ConfigError
from passo.experiments import lr_range, train
from passo.experiments.studyfile import parse_study
from passo.experiments.verifying import brief_training
from passo.models import build
from passo.optim import make_optimizer, parameter_groups
from passo.recording import watch
from passo.training import Penalty, StepRecord, fit, parse_settings, train_config, train_step
from passo.training.penalty import kernels

L1, L2 = 3e-3, 2e-2
CROSS_ENTROPY = nn.CrossEntropyLoss()


class Mixed(nn.Module):
    """A convolution, norms (one with a matrix of weights), a matrix that is used twice, a frozen one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.plane = nn.LayerNorm([28, 28])
        self.fc = nn.Linear(2 * 28 * 28, 6)
        self.again = nn.Linear(6, 6)
        self.tied = self.again
        self.frozen = nn.Linear(6, 6).requires_grad_(False)
        self.out = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, 28, 28) → (B, 10)
        x = self.fc(self.plane(self.norm(self.conv(x))).flatten(1))
        return self.out(self.frozen(self.tied(torch.tanh(self.again(torch.tanh(x))))))


WEIGHTS = {"conv.weight", "fc.weight", "again.weight", "out.weight"}


def mixed() -> Mixed:
    torch.manual_seed(0)
    model = Mixed().double()
    with torch.no_grad():
        model.fc.weight[0, :5] = 0.0
    return model


def batches(count: int = 5, n: int = 16) -> list[tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(1)
    x = torch.randn(count, n, 1, 28, 28, generator=g, dtype=torch.float64)
    return list(zip(x, torch.randint(0, 10, (count, n), generator=g), strict=True))


def naive(model: nn.Module) -> float:
    """The penalty, one weight at a time."""
    values = [v for n, p in model.named_parameters() if n in WEIGHTS for v in p.detach().flatten().tolist()]
    return L1 * math.fsum(map(abs, values)) + L2 * math.fsum(v * v for v in values)


# ── The penalty itself ──


def test_the_penalty_is_the_sum_over_matrices_and_convolutions_one_by_one() -> None:
    model = mixed()
    assert set(kernels(model)) == WEIGHTS
    assert Penalty(model, l1=L1, l2=L2)().item() == pytest.approx(naive(model), rel=1e-12)


def test_its_gradient_is_l1_sign_plus_twice_l2_weight_and_nothing_at_zero_or_on_biases_and_norms() -> None:
    model = mixed()
    Penalty(model, l1=L1, l2=L2)().backward()
    for name, parameter in model.named_parameters():
        if name not in WEIGHTS:
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None
        wanted = [L1 * ((v > 0) - (v < 0)) + 2 * L2 * v for v in parameter.detach().flatten().tolist()]
        assert parameter.grad.flatten().tolist() == pytest.approx(wanted, rel=1e-13, abs=0)
    assert model.fc.weight.grad is not None
    assert model.fc.weight.grad[0, :5].tolist() == [0.0] * 5


def test_a_step_goes_down_the_gradient_of_data_loss_and_naive_sum_together() -> None:
    model, (x, y) = mixed(), batches(1)[0]
    by_hand = copy.deepcopy(model)
    total = CROSS_ENTROPY(by_hand(x), y)
    for name, parameter in by_hand.named_parameters():
        if name in WEIGHTS:
            total = total + L1 * torch.where(parameter < 0, -parameter, parameter).sum() + L2 * (parameter**2).sum()
    total.backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step(model, CROSS_ENTROPY, optimizer, x, y, penalty=Penalty(model, l1=L1, l2=L2))
    for (name, mine), theirs in zip(model.named_parameters(), by_hand.parameters(), strict=True):
        if theirs.grad is None:
            assert mine.grad is None, name
            continue
        assert mine.grad is not None
        wanted = theirs.grad.clone()
        if name == "fc.weight":
            wanted[0, :5] -= L1  # torch.where takes the right side's slope at 0; the penalty takes 0
        torch.testing.assert_close(mine.grad, wanted, rtol=1e-12, atol=1e-15)


def test_it_is_what_keras_regularizer_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    keras = pytest.importorskip("keras")
    regularizer, model = keras.regularizers.L1L2(l1=L1, l2=L2), mixed()
    theirs = sum(float(regularizer(p.detach().numpy())) for n, p in model.named_parameters() if n in WEIGHTS)
    assert Penalty(model, l1=L1, l2=L2)().item() == pytest.approx(theirs, rel=1e-5)


# ── In training ──


def run(model: nn.Module, optimizer: torch.optim.Optimizer, penalty: Penalty | None) -> list[StepRecord]:
    return list(fit(model, CROSS_ENTROPY, optimizer, batches(), penalty=penalty))


def test_l2_under_plain_sgd_is_a_weight_decay_of_twice_as_much_on_those_weights() -> None:
    penalised, decayed = mixed(), mixed()
    run(penalised, torch.optim.SGD(penalised.parameters(), lr=0.1), Penalty(penalised, l2=L2))
    run(decayed, torch.optim.SGD(parameter_groups(decayed, 2 * L2), lr=0.1), None)
    for (name, a), b in zip(penalised.named_parameters(), decayed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14, msg=name)
    assert not torch.allclose(penalised.fc.weight, mixed().fc.weight)


def test_the_record_keeps_the_data_loss_and_the_penalty_apart_both_from_before_the_step() -> None:
    model = mixed()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before, priced = copy.deepcopy(model), []
    for record in fit(model, CROSS_ENTROPY, optimizer, batches(), penalty=Penalty(model, l1=L1, l2=L2)):
        x, y = batches()[record.step - 1]
        assert record.loss.item() == pytest.approx(CROSS_ENTROPY(before(x), y).item(), rel=1e-12)
        assert record.penalty is not None and not record.penalty.requires_grad
        assert record.penalty.item() == pytest.approx(naive(before), rel=1e-12)
        before = copy.deepcopy(model)
        priced.append(record.penalty.item())
    assert len(set(priced)) == 5


def test_without_a_penalty_the_record_has_none() -> None:
    model = mixed()
    assert {record.penalty for record in run(model, torch.optim.SGD(model.parameters()), None)} == {None}


def line(n: int = 50) -> tuple[nn.Linear, Tensor, Tensor]:
    """A linear model without a bias and data for it: x (n, 4), y (n, 1)."""
    g = torch.Generator().manual_seed(2)
    x = torch.randn(n, 4, generator=g, dtype=torch.float64)
    y = x @ torch.tensor([[1.0], [-2.0], [0.0], [0.5]], dtype=torch.float64) + 0.1
    torch.manual_seed(0)
    return nn.Linear(4, 1, bias=False, dtype=torch.float64), x, y


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_ends_at_ridge_regressions_closed_form(search: str | None) -> None:
    model, x, y = line()
    optimizer = make_optimizer("lbfgs", model.parameters(), lr=1.0 if search else 0.5, line_search_fn=search)
    start = model.weight.detach().clone()
    records = list(fit(model, nn.MSELoss(), optimizer, [(x, y)], epochs=8, penalty=Penalty(model, l2=0.3)))
    ridge = torch.linalg.solve(x.T @ x / len(x) + 0.3 * torch.eye(4, dtype=torch.float64), x.T @ y / len(x))
    torch.testing.assert_close(model.weight.detach().T, ridge, rtol=1e-4, atol=1e-5)
    assert records[0].loss.item() == pytest.approx(((x @ start.T - y) ** 2).mean().item())  # the data's alone
    assert records[0].penalty is not None
    assert records[0].penalty.item() == pytest.approx(0.3 * (start**2).sum().item())


def test_under_sgd_l1_ends_at_the_soft_threshold_and_hovers_around_zero_by_a_steps_length() -> None:
    lr, strength, target = 0.01, 0.5, torch.tensor([[2.0], [-1.0], [0.3], [-0.1]], dtype=torch.float64)
    model, x = line()[0], torch.eye(4, dtype=torch.float64)
    half = lambda out, y: (out - y).square().sum() / 2  # noqa: E731  the minimum is sign(a)·max(|a| − λ, 0)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    last = torch.stack(
        [
            model.weight.detach().clone().flatten()
            for _ in fit(model, half, optimizer, [(x, target)], epochs=3000, penalty=Penalty(model, l1=strength))
        ]
    )[-100:]  # (100, 4)
    torch.testing.assert_close(last[-1, :2], torch.tensor([1.5, -0.5], dtype=torch.float64), rtol=1e-9, atol=1e-9)
    hovering = last[:, 2:].abs()
    assert hovering.max() <= lr * (strength + 0.3) + 1e-12
    assert (hovering > 0).all()
    assert (last[:, 2:] > 0).any() and (last[:, 2:] < 0).any()


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_the_microscope_explains_a_penalised_step_with_the_penalty_inside_the_raw_gradient(name: str) -> None:
    model = mixed()
    optimizer = make_optimizer(name, model.parameters(), lr=0.01)
    lens = watch(optimizer, model)
    theta = {n: p.detach().clone() for n, p in model.named_parameters()}
    for record in fit(model, CROSS_ENTROPY, optimizer, batches(), penalty=Penalty(model, l1=L1, l2=L2)):
        again, (x, y) = mixed(), batches()[record.step - 1]
        again.load_state_dict(theta, strict=False)
        CROSS_ENTROPY(again(x), y).backward()
        for parameter, tensor in again.named_parameters():
            if tensor.grad is None:
                continue
            wanted = tensor.grad
            if parameter in WEIGHTS:
                wanted = wanted + L1 * theta[parameter].sign() + 2 * L2 * theta[parameter]
            torch.testing.assert_close(lens.now("grad_raw", parameter), wanted, rtol=1e-10, atol=1e-14, msg=parameter)
        theta = {n: p.detach().clone() for n, p in model.named_parameters()}
    assert len(lens.steps) == 5
    assert lens.residual().within(8)
    assert not lens.events  # in particular, no forgotten zero_grad: the two go through one backward pass


# ── Mistakes ──


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"l1": -1e-4}, "l1 must be ≥ 0, got -0.0001"),
        ({"l2": math.nan}, "l2 must be finite, got nan"),
        ({"l2": "0.1"}, "l2 must be a number, got '0.1'"),
    ],
)
def test_a_strength_that_makes_no_sense_is_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Penalty(mixed(), **options)


def test_a_penalty_without_weights_or_on_another_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="Line has no trainable matrix or convolution"):
        Penalty(build("line"), l1=0.1)
    model = mixed()
    with pytest.raises(ConfigError, match="on weights that this optimizer does not hold"):
        run(model, torch.optim.SGD(model.parameters()), Penalty(mixed(), l1=0.1))


@pytest.mark.parametrize("word", ["l1=-1", "l2=-0.1", "l2=nan"])
def test_a_configuration_refuses_it_too(word: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{word[:2]} must be .*, got {word[3:]}"):
        train_config(parse_settings([word]) if word != "l2=nan" else {"l2": math.nan})


# ── As a run ──


def test_a_run_keeps_its_penalty_as_a_metric_and_marks_the_weights_that_it_was_on(tmp_path: Path) -> None:
    data = load("fashion-mnist-sample", per_class=20)
    config = train_config(parse_settings(["model=mlp", "l1=1e-4", "l2=1e-3", "epochs=1"]))
    assert (config.l1, config.l2) == (1e-4, 1e-3)
    with_it = train(data, "mlp", l1=1e-4, l2=1e-3, epochs=1, batch_size=60, out=tmp_path / "with").run
    without = train(data, "mlp", epochs=1, batch_size=60, out=tmp_path / "without").run
    start = [p.detach().double() for n, p in build("mlp", data.in_shape, 10, seed=0).named_parameters() if p.ndim > 1]
    paid = with_it.metric("train/penalty").values
    assert len(paid) == len(with_it.metric("train/loss").values) == 3
    expected = sum(1e-4 * w.abs().sum().item() + 1e-3 * (w**2).sum().item() for w in start)
    assert paid[0] == pytest.approx(expected, rel=1e-5)
    assert with_it.metric("train/loss").values[0] == without.metric("train/loss").values[0]
    assert "train/penalty" not in without.metrics()
    marked = {n: with_it.meta(n)["kernel"] for n in with_it.arrays() if n.startswith("weights/")}
    assert marked == {n: n.endswith("weight") for n in marked} and len(marked) == 4
    assert isinstance(store.open_study(tmp_path / "with"), store.StoredStudy)


def test_a_study_may_set_it_in_its_base_and_in_its_runs() -> None:
    text = 'name = "s"\n[base]\ndataset = "fashion-mnist-sample"\nl2 = 0.1\n[[runs]]\nname = "a"\nl1 = 0.01\n'
    file = parse_study(text, "s.toml")
    config = file.training(file.configurations[0], 0, {})
    assert (config.l1, config.l2) == (0.01, 0.1)


def test_the_loss_around_a_step_is_recorded_with_the_penalty_whose_gradient_predicts_it(tmp_path: Path) -> None:
    data, record = load("fashion-mnist-sample", per_class=20), {"every": 1, "loss": True}
    settings = {"optimizer": {"name": "sgd", "lr": 1e-3}, "epochs": 1, "batch_size": 60, "record": record}
    run = train(data, "mlp", l1=1e-2, l2=1e-2, out=tmp_path / "run", **settings).run
    before, after = run.array("loss").T
    total = run.metric("train/loss").values + run.metric("train/penalty").values
    assert before.tolist() == pytest.approx(total.tolist(), rel=1e-5)
    predicted = run.array("relations")[:, :, 0].sum(1)  # g·Δθ
    assert (after - before).tolist() == pytest.approx(predicted.tolist(), rel=0.05)


def test_a_range_test_and_its_verification_train_with_the_penalty_on_their_copies() -> None:
    model, x, y = line()
    optimizer, penalty = torch.optim.SGD(model.parameters(), lr=0.1), Penalty(model, l2=0.3)
    start = model.weight.detach().clone()
    plan = {"lr_min": 0.05, "lr_max": 0.5, "steps": 10}
    found = lr_range(model, nn.MSELoss(), optimizer, [(x, y)], **plan, penalty=penalty)
    weight, losses = start.clone().requires_grad_(), []
    for lr in found.tests[0].lr:
        loss = ((x @ weight.T - y) ** 2).mean()
        losses.append(loss.item())
        (gradient,) = torch.autograd.grad(loss + 0.3 * (weight**2).sum(), weight)
        weight = (weight - lr * gradient).detach().requires_grad_()
    assert found.tests[0].loss.tolist() == pytest.approx(losses, rel=1e-9)
    assert torch.equal(model.weight, start)
    ends = [
        brief_training(model, nn.MSELoss(), optimizer, [(x, y)], 0.1, 1.0, 0, steps=200, penalty=p).final
        for p in (penalty, None)
    ]
    ridge = torch.linalg.solve(x.T @ x / len(x) + 0.3 * torch.eye(4, dtype=torch.float64), x.T @ y / len(x))
    assert ends[0] == pytest.approx(((x @ ridge - y) ** 2).mean().item(), rel=1e-6)
    assert ends[1] < 0.5 * ends[0]
