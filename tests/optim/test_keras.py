"""Keras' eight optimisers: equal to keras.optimizers, ordinary to torch, unlike PyTorch's where the page says so."""

import copy
import inspect
import math

import pytest
import torch
from torch import nn

from passo.errors import ConfigError, TrainingError
from passo.optim import keras as ours

NAMES = ["SGD", "RMSprop", "Adam", "Adadelta", "Adagrad", "Adamax", "Nadam", "Ftrl"]
DTYPES = {"float64": torch.float64, "float32": torch.float32}
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.9, "alpha": 0.99, "eps": 1e-3}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.01}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "betas": (0.9, 0.9)}),
    ("Adam", {"betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.02}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.01}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.0, "eps": 1e-3, "weight_decay": 0.01}),
    ("Adamax", {}),
    ("Adamax", {"betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.02}),
    ("Nadam", {}),
    ("Nadam", {"betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.02}),
    ("Ftrl", {}),
    ("Ftrl", {"lr": 0.1, "l1": 0.01, "l2": 0.02, "l2_shrinkage": 0.03, "beta": 0.5, "weight_decay": 0.01}),
    ("Ftrl", {"lr": 0.05, "learning_rate_power": -0.7, "initial_accumulator_value": 0.3}),
    ("Ftrl", {"lr": 0.05, "learning_rate_power": 0.0}),
]
IN_KERAS = {
    "lr": "learning_rate",
    "eps": "epsilon",
    "alpha": "rho",
    "l1": "l1_regularization_strength",
    "l2": "l2_regularization_strength",
    "l2_shrinkage": "l2_shrinkage_regularization_strength",
}
SHAPES = [(4, 3), (5,), (2, 3, 2, 2)]


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """Keras on its torch backend, its settings file in a folder of the tests, its dtype put back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        patch.setenv("KERAS_HOME", str(tmp_path_factory.mktemp("keras")))
        module = pytest.importorskip("keras")
    assert module.backend.backend() == "torch"
    before = module.config.floatx()
    yield module
    module.config.set_floatx(before)


def in_keras(options):
    """Options under Keras' names."""
    told = {IN_KERAS.get(name, name): value for name, value in options.items() if name != "betas"}
    return told | dict(zip(("beta_1", "beta_2"), options.get("betas", ()), strict=False))


def gradients(steps, dtype=torch.float64, missing=range(11, 16)):
    """Gradients over four decades; the second tensor has none at the `missing` steps."""
    generator = torch.Generator().manual_seed(1)
    for step in range(1, steps + 1):
        sizes = [10 ** torch.empty(s, dtype=torch.float64).uniform_(-4, 0, generator=generator) for s in SHAPES]
        grads = [torch.randn(s.shape, generator=generator, dtype=torch.float64) * s for s in sizes]
        yield step, [None if n == 1 and step in missing else g.to(dtype) for n, g in enumerate(grads)]


def starts(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in SHAPES]


def follow(optimizer, parameters, steps, dtype=torch.float64, missing=range(11, 16)):
    """Steps along `gradients`, the learning rate divided by ten after step 50."""
    for step, grads in gradients(steps, dtype, missing):
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad
        if step == 51:
            for group in optimizer.param_groups:
                group["lr"] *= 0.1
        optimizer.step()


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")
@pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)  # of Keras' Nadam on its torch backend
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_hundred_steps_end_where_keras_ends(keras, name, options, dtype):
    """Measured as the largest difference in each tensor over its largest weight at start and end: roundings were made
    at both sizes (Ftrl's weights begin at 1 and go on at 0.01). At most 1e-9, and 1e-5 in float32."""
    keras.config.set_floatx(dtype)
    variables = [keras.Variable(p.detach().numpy(), dtype=dtype) for p in starts(DTYPES[dtype])]
    oracle = getattr(keras.optimizers, name)(**in_keras(options))
    oracle.build(variables)
    for step, grads in gradients(100, DTYPES[dtype]):
        if step == 51:
            oracle.learning_rate = 0.1 * float(oracle.learning_rate)
        oracle.apply(grads, variables)
    parameters = starts(DTYPES[dtype])
    follow(getattr(ours, name)(parameters, **options), parameters, 100, DTYPES[dtype])
    for mine, start, theirs in zip(parameters, starts(DTYPES[dtype]), variables, strict=True):
        wanted = theirs.value.detach()
        assert not torch.equal(wanted, start)  # it moved
        size = torch.maximum(wanted.abs().max(), start.detach().abs().max())
        apart = (mine.detach() - wanted).abs().max() / size
        assert apart <= (1e-9 if dtype == "float64" else 1e-5)


def test_keras_too_makes_nan_where_ftrls_sum_starts_at_zero_and_a_gradient_is_zero(keras):
    keras.config.set_floatx("float64")
    variable = keras.Variable(torch.ones(2).numpy(), dtype="float64")
    optimizer = keras.optimizers.Ftrl(initial_accumulator_value=0.0)
    optimizer.apply([torch.tensor([0.0, 1.0], dtype=torch.float64)], [variable])
    assert variable.value.isnan().tolist() == [True, False]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_keras(keras, name):
    theirs = inspect.signature(getattr(keras.optimizers, name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    options = {n: p.default for n, p in mine.items() if n not in ("params", "weight_decay", "keep_start")}
    told = in_keras(options)
    shared = list(inspect.signature(keras.optimizers.SGD).parameters)[3:]  # weight_decay, clipnorm, use_ema, …
    assert told == {n: p.default for n, p in theirs.items() if n not in shared}
    assert mine["weight_decay"].default == 0 and theirs["weight_decay"].default is None


# ── Ordinary optimizers of torch ──


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_state_that_was_saved_and_loaded_goes_on_bit_for_bit(name, options, tmp_path):
    whole, parts = starts(torch.float32), starts(torch.float32)
    follow(getattr(ours, name)(whole, **options), whole, 30, torch.float32)
    first = getattr(ours, name)(parts, **options)
    resumed = getattr(ours, name)(parts, **options)
    for step, grads in gradients(30, torch.float32):
        for parameter, grad in zip(parts, grads, strict=True):
            parameter.grad = grad
        if step == 18:
            torch.save(first.state_dict(), tmp_path / "state")
            resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
        (first if step < 18 else resumed).step()
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_groups_have_options_of_their_own(name):
    cls = getattr(ours, name)
    apart, together = starts(), starts()
    one, other = {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.3}
    alone = [cls(apart[:2], **one), cls(apart[2:], **other)]
    both = cls([{"params": together[:2], **one}, {"params": together[2:], **other}])
    for _, grads in gradients(10):
        for mine in (apart, together):
            for parameter, grad in zip(mine, grads, strict=True):
                parameter.grad = grad
        for optimizer in (*alone, both):
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(apart, together, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_closure_is_called_with_gradients_on_and_its_loss_returned(name):
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = getattr(ours, name)([weight], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 5.0
    assert weight.detach().square().sum() < 5.0


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_without_a_gradient_stays(name):
    """Weight decay too waits for a gradient, as in Keras; and a step without any gradient is none."""
    moved, still = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = getattr(ours, name)([moved, still], weight_decay=0.1)
    optimizer.step()
    assert not optimizer.state
    moved.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(still, torch.ones(2)) and not torch.equal(moved, torch.ones(2))
    assert optimizer.state[still]["step"] == optimizer.state[moved]["step"] == 1


def test_the_hooks_of_torch_are_called():
    seen = []
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    optimizer = ours.Adam([weight])
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.step()
    assert seen == ["before", "after"]


def test_torchs_schedulers_change_lr_and_momentum_of_every_step():
    """OneCycleLR finds `momentum` (of SGD and RMSprop) or `betas` (of the Adam family) under torch's names."""
    for name, key in (("SGD", "momentum"), ("RMSprop", "momentum"), ("Adam", "betas"), ("Nadam", "betas")):
        weight = nn.Parameter(torch.ones(3))
        optimizer = getattr(ours, name)([weight], **({"momentum": 0.9} if key == "momentum" else {}))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
        seen = []
        for _ in range(9):
            weight.grad = torch.ones(3)
            seen.append((optimizer.param_groups[0]["lr"], str(optimizer.param_groups[0][key])))
            optimizer.step()
            schedule.step()
        assert len(set(seen)) == 9


def test_momentum_may_be_switched_on_in_mid_training():
    for cls in (ours.SGD, ours.RMSprop):
        weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        optimizer = cls([weight], lr=0.1, momentum=0.0)
        weight.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        assert "velocity" not in optimizer.state[weight]
        optimizer.param_groups[0]["momentum"] = 0.5
        before = weight.detach().clone()
        optimizer.step()
        assert torch.allclose(optimizer.state[weight]["velocity"].abs(), (weight - before).detach().abs())


def test_a_copy_of_an_optimizer_goes_on_by_itself():
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = ours.Nadam([weight])
    optimizer.step()
    other = copy.deepcopy(optimizer)
    optimizer.step()
    assert next(iter(other.state.values()))["step"] == 1


def test_sparse_gradients_are_refused_in_one_sentence():
    table = nn.Embedding(4, 3, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(TrainingError, match=r"Adam takes dense gradients only.*\(4, 3\).*sparse=False"):
        ours.Adam(table.parameters()).step()


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("Adam", {"lr": -1.0}, "lr must be ≥ 0, got -1.0"),
        ("Adam", {"betas": (0.9, 1.0)}, "betas must be ≥ 0 and < 1, got 1.0"),
        ("RMSprop", {"alpha": math.nan}, "alpha must be ≥ 0 and < 1, got nan"),
        ("SGD", {"nesterov": True}, "momentum is 0"),
        ("Ftrl", {"learning_rate_power": 0.5}, "learning_rate_power must be ≤ 0, got 0.5"),
        ("Ftrl", {"l1": -0.1}, "l1 must be ≥ 0, got -0.1"),
    ],
)
def test_an_option_out_of_its_range_is_told_in_one_sentence(name, options, sentence):
    with pytest.raises(ConfigError) as refused:
        getattr(ours, name)([nn.Parameter(torch.zeros(1))], **options)
    assert sentence in str(refused.value)
    good = getattr(ours, name)([nn.Parameter(torch.zeros(1))])
    with pytest.raises(ConfigError):
        good.add_param_group({"params": [nn.Parameter(torch.zeros(1))], **options})
    assert len(good.param_groups) == 1


# ── What docs/keras.md says of PyTorch's optimisers of the same names ──


def apart(one, other, *, drop=True, steps=100):
    """How far two optimisers end from each other, over how far the second one went; float64, the same gradients."""
    ends = []
    for make in (one, other):
        parameters = starts()
        optimizer = make(parameters)
        follow(optimizer, parameters, steps if drop else 50, missing=())
        ends.append(torch.cat([p.detach().flatten() for p in parameters]))
    went = ends[1] - torch.cat([p.detach().flatten() for p in starts()])
    return float((ends[0] - ends[1]).norm() / went.norm())


def test_sgd_is_pytorchs_until_the_learning_rate_changes():
    for options in ({"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}):
        pair = lambda p: ours.SGD(p, 0.01, **options), lambda p: torch.optim.SGD(p, 0.01, **options)  # noqa: B023
        assert apart(*pair, drop=False) < 1e-12
        assert apart(*pair, steps=60) > 0.05
    assert apart(lambda p: ours.SGD(p, 0.01), lambda p: torch.optim.SGD(p, 0.01)) < 1e-12


def test_adam_is_pytorchs_with_an_eps_that_is_larger_in_the_first_steps():
    """Keras' ε at step t is torch's ε/√(1−β₂ᵗ)."""
    weight, other = (nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64)) for _ in range(2))
    mine, theirs = ours.Adam([weight], eps=1e-3), torch.optim.Adam([other])
    for step in range(1, 50):
        weight.grad = torch.tensor([1e-3, 5e-4], dtype=torch.float64) * (-1) ** (step // 3)
        other.grad = weight.grad.clone()
        theirs.param_groups[0]["eps"] = 1e-3 / math.sqrt(1 - 0.999**step)
        mine.step()
        theirs.step()
    assert torch.allclose(weight, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "mine", "theirs", "least"),
    [
        ("RMSprop", {}, {"alpha": 0.9}, 0.1),
        ("Adam", {}, {}, 1e-4),
        ("Adagrad", {}, {"initial_accumulator_value": 0.1}, 1e-9),
        ("Adamax", {}, {}, 1e-9),
    ],
)
def test_the_place_of_eps_is_the_whole_difference_of_four(name, mine, theirs, least):
    """With ε = 0 they are PyTorch's; with Keras' 1e-7 on both sides they are not."""
    for eps in (0.0, 1e-7):
        found = apart(
            lambda p: getattr(ours, name)(p, 0.01, eps=eps, **mine),  # noqa: B023
            lambda p: getattr(torch.optim, name)(p, 0.01, eps=eps, **theirs),  # noqa: B023
        )
        assert found < 1e-12 if eps == 0 else found > least


def test_adadelta_is_pytorchs_with_other_defaults():
    same = {"lr": 0.5, "rho": 0.95, "eps": 1e-7}
    assert apart(lambda p: ours.Adadelta(p, **same), lambda p: torch.optim.Adadelta(p, **same)) < 1e-12


def test_adam_with_weight_decay_is_pytorchs_adamw():
    options = {"eps": 0.0, "weight_decay": 0.1}
    assert apart(lambda p: ours.Adam(p, 0.01, **options), lambda p: torch.optim.AdamW(p, 0.01, **options)) < 1e-12


def test_nadam_is_pytorchs_with_a_momentum_decay_of_one():
    """To seven digits: torch keeps the product of its momenta in float32, whatever the weights are."""
    mine = lambda p: ours.Nadam(p, 0.01)  # noqa: E731
    alike = apart(mine, lambda p: torch.optim.NAdam(p, 0.01, eps=1e-7, momentum_decay=1.0))
    assert alike < 1e-7
    assert apart(mine, lambda p: torch.optim.NAdam(p, 0.01, eps=1e-7)) > 0.01


def test_the_bias_correction_counts_steps_of_the_optimizer_and_pytorchs_those_of_the_parameter():
    firsts = {}
    for cls in (ours.Adam, torch.optim.Adam):
        always, late = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
        optimizer = cls([always, late], lr=0.1)
        for step in range(10):
            always.grad = torch.ones(1)
            late.grad = torch.ones(1) if step == 9 else None
            optimizer.step()
        firsts[cls] = -late.item()
    assert firsts[torch.optim.Adam] == pytest.approx(0.1, rel=1e-4)
    expected = 0.1 * math.sqrt(1 - 0.999**10) / (1 - 0.9**10) * 0.1 / math.sqrt(0.001)
    assert firsts[ours.Adam] == pytest.approx(expected, rel=1e-4) and expected < 0.05
