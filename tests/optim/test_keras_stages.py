"""The equations of Keras' eight explain every step within eight roundings, from what stood before it."""

import types

import pytest
import torch
from torch import nn

from passo.optim import keras
from passo.optim.stages import explanation
from passo.optim.stages import keras as stages

CASES = [
    ("SGD", {"lr": 0.01}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.01, "centered": True}),
    ("RMSprop", {"lr": 0.01, "centered": True, "momentum": 0.9}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3}),
    ("Adadelta", {"lr": 0.001}),
    ("Adadelta", {"lr": 1.0, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.0, "weight_decay": 0.1}),
    ("Adamax", {"lr": 0.01, "weight_decay": 0.1}),
    ("Nadam", {"lr": 0.01}),
    ("Nadam", {"lr": 0.01, "weight_decay": 0.1}),
    ("Ftrl", {"lr": 0.1}),
    ("Ftrl", {"lr": 0.1, "keep_start": True, "beta": 0.5}),
    ("Ftrl", {"lr": 0.1, "l1": 0.01, "l2": 0.01, "l2_shrinkage": 0.01, "beta": 0.5, "weight_decay": 0.1}),
    ("Ftrl", {"lr": 0.1, "learning_rate_power": -0.7, "initial_accumulator_value": 0.3}),
]


def bowl(dtype):
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=dtype))
    return [weight], lambda step: weight.square().sum()


def ravine(dtype):
    """An ill-conditioned quadratic: curvatures from 1 to 1e-4."""
    curvatures = torch.logspace(0, -4, 20, dtype=dtype)
    weight = nn.Parameter(torch.linspace(-2, 2, 20, dtype=dtype))
    return [weight], lambda step: 0.5 * (curvatures * weight.square()).sum()


def rosenbrock(dtype):
    point = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=dtype))
    return [point], lambda step: (1 - point[0]) ** 2 / 100 + (point[1] - point[0] ** 2) ** 2


def cnn(dtype):
    """A small convolutional network on noise, a fresh batch at every step."""
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4)
    model = nn.Sequential(*layers).to(dtype)

    def loss(step):
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(8, 1, 8, 8, generator=generator, dtype=dtype)
        return nn.functional.cross_entropy(model(images), torch.randint(4, (8,), generator=generator))

    return list(model.parameters()), loss


def roundings(apart, *sizes):
    """|apart| in units of eps · the largest of the sizes, and no unit below the smallest normal number's."""
    kind = torch.finfo(apart.dtype)
    largest = torch.stack([size.abs() for size in sizes]).amax(0).clamp(min=kind.tiny)
    return float((apart.abs() / largest).max()) / kind.eps


def proof(name, options, problem, dtype, steps=200):
    """The largest residual and the largest error of the explained state, in roundings, and the steps that moved."""
    parameters, loss_of = problem(dtype)
    optimizer = getattr(keras, name)(parameters, **options)
    found = explanation(optimizer)
    assert found is not None and found.equations is not None
    worst, worst_state, moved = 0.0, 0.0, 0
    for step in range(1, steps + 1):
        if step == steps // 2:
            optimizer.param_groups[0]["lr"] *= 0.5
        optimizer.zero_grad()
        loss_of(step).backward()
        held = [(p.detach().clone(), p.grad.clone(), optimizer.state.get(p, {})) for p in parameters]
        before = [
            {n: v.clone() if isinstance(v := state.get(n), torch.Tensor) else v for n in (*found.state, *found.numbers)}
            for _, _, state in held
        ]
        optimizer.step()
        for parameter, (theta, grad, _), state in zip(parameters, held, before, strict=True):
            out = {row: torch.full_like(theta, torch.nan) for row in (*found.stages, "explained")}
            found.equations(theta, grad, state, float(step), optimizer.param_groups[0], out)
            assert not any(out[stage].isnan().any() for stage in (*found.stages, "explained"))
            after = parameter.detach()
            worst = max(worst, roundings(after - theta - out["explained"], theta, after, after - theta))
            moved += int(not torch.equal(theta, after))
            for stage, key in found.renewed.items():
                kept = optimizer.state[parameter].get(key)
                if kept is not None:
                    worst_state = max(worst_state, roundings(out[stage] - kept, out[stage], kept))
            if found.counted is not None:
                for key, value in found.counted(state, float(step), optimizer.param_groups[0]).items():
                    assert value == optimizer.state[parameter][key]
    return worst, worst_state, moved


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("problem", [bowl, ravine, rosenbrock, cnn], ids=lambda problem: problem.__name__)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_every_step_is_explained_within_eight_roundings(name, options, problem, dtype):
    worst, worst_state, moved = proof(name, options, problem, dtype)
    assert moved >= 200
    assert worst <= 8 and worst_state <= 8


def test_the_proof_sees_another_place_of_eps(monkeypatch):
    """PyTorch's ε, without the 1/√(1−β₂ᵗ) of Keras, is told apart."""
    assert proof("Adam", {"eps": 1e-3}, bowl, torch.float64, steps=20)[0] <= 8
    monkeypatch.setattr(stages, "math", types.SimpleNamespace(sqrt=lambda value: 1.0))  # ε/√(1−β₂ᵗ) becomes ε
    assert proof("Adam", {"eps": 1e-3}, bowl, torch.float64, steps=20)[0] > 1e6
