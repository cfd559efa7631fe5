"""MuonAdamW: bit for bit Muon on the matrices and AdamW on the rest, and otherwise an ordinary torch optimizer."""

import copy
import inspect
from pathlib import Path

import pytest
import torch
from torch import nn

from passo import load, train
from passo.errors import ConfigError
from passo.optim import describe, make_optimizer, make_schedule, parameter_groups
from passo.optim.split import MuonAdamW
from passo.optim.stages import explanation
from passo.optim.stages.oracle import explained_step

pytestmark = pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon")


def net() -> nn.Module:
    """A convolution (4 axes), a norm (1), two linear layers with biases: two matrices."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 60), nn.ReLU(), nn.Linear(60, 5)
    )


def backward(model: nn.Module, step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    x, y = torch.randn(6, 1, 6, 6, generator=generator), torch.randint(0, 5, (6,), generator=generator)
    model.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()


def walk(model: nn.Module, *optimizers: torch.optim.Optimizer, steps: range = range(10)) -> list[torch.Tensor]:
    for step in steps:
        backward(model, step)
        for optimizer in optimizers:
            optimizer.step()
    return [parameter.detach().clone() for parameter in model.parameters()]


def matrices(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.ndim == 2]


def others(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.ndim != 2]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.02, "adamw_lr": 0.003, "adjust_lr_fn": None, "weight_decay": 0.0},
        {"momentum": 0.8, "nesterov": False, "ns_steps": 3, "betas": (0.8, 0.9), "eps": 1e-4, "ns_eps": 1e-3},
    ],
)
def test_a_step_is_bit_for_bit_one_of_muon_and_one_of_adamw_side_by_side(options: dict) -> None:
    lr, decay = options.get("lr", 1e-3), options.get("weight_decay", 0.1)
    shared = {name: options[name] for name in ("momentum", "nesterov", "ns_steps") if name in options}
    together, apart = net(), net()
    found = walk(together, MuonAdamW(together.parameters(), **options))
    muon = torch.optim.Muon(
        matrices(apart),
        lr=lr,
        weight_decay=decay,
        adjust_lr_fn=options.get("adjust_lr_fn", "match_rms_adamw"),
        eps=options.get("ns_eps", 1e-7),
        **shared,
    )
    adamw = torch.optim.AdamW(
        others(apart),
        lr=options.get("adamw_lr", lr),
        weight_decay=decay,
        betas=options.get("betas", (0.9, 0.999)),
        eps=options.get("eps", 1e-8),
    )
    for one, other in zip(found, walk(apart, muon, adamw), strict=True):
        assert torch.equal(one, other)


def test_its_defaults_are_those_of_muon_and_of_adamw() -> None:
    own = inspect.signature(MuonAdamW).parameters
    muon, adamw = inspect.signature(torch.optim.Muon).parameters, inspect.signature(torch.optim.AdamW).parameters
    for name in ("lr", "weight_decay", "momentum", "nesterov", "ns_coefficients", "ns_steps"):
        assert own[name].default == muon[name].default
    assert own["ns_eps"].default == muon["eps"].default
    assert (own["betas"].default, own["eps"].default) == (adamw["betas"].default, adamw["eps"].default)


def test_matrices_go_to_muon_and_everything_else_to_adamw() -> None:
    model = net()
    optimizer = make_optimizer("muon-adamw", list(model.named_parameters()))
    told = {group["algorithm"]: group["param_names"] for group in optimizer.param_groups}
    rest = ["0.weight", "0.bias", "1.weight", "1.bias", "4.bias", "6.bias"]
    assert told == {"muon": ["4.weight", "6.weight"], "adamw": rest}
    walk(model, optimizer, steps=range(1))
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            names = {"momentum_buffer"} if group["algorithm"] == "muon" else {"step", "exp_avg", "exp_avg_sq"}
            assert set(optimizer.state[parameter]) == names


def test_a_group_may_name_its_algorithm_and_keeps_its_own_options() -> None:
    table, layer = nn.Embedding(7, 3), nn.Linear(3, 2)
    optimizer = MuonAdamW([{"params": table.parameters(), "algorithm": "adamw"}], lr=0.1)
    optimizer.add_param_group({"params": list(layer.parameters()), "lr": 0.5, "weight_decay": 0.0})
    told = [(group["algorithm"], group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert told == [("adamw", 0.1, 0.1), ("muon", 0.5, 0.0), ("adamw", 0.5, 0.0)]


def test_a_run_goes_on_from_a_saved_state_as_if_nothing_had_happened() -> None:
    through, halves = net(), net()
    whole = walk(through, MuonAdamW(through.parameters(), lr=0.01, adamw_lr=0.003))
    first = MuonAdamW(halves.parameters(), lr=0.01, adamw_lr=0.003)
    walk(halves, first, steps=range(5))
    saved = copy.deepcopy(first.state_dict())
    second = MuonAdamW(halves.parameters())  # other options: the saved ones count
    second.load_state_dict(saved)
    assert [group["algorithm"] for group in second.param_groups] == ["muon", "adamw"]
    for one, other in zip(whole, walk(halves, second, steps=range(5, 10)), strict=True):
        assert torch.equal(one, other)


def test_a_schedule_moves_both_learning_rates_by_the_same_factor() -> None:
    optimizer = make_optimizer("muon-adamw", net().parameters(), lr=0.02, adamw_lr=0.003)
    schedule = make_schedule("StepLR", optimizer, epochs=2, steps_per_epoch=1, step_size=1, gamma=0.1)
    optimizer.step()
    schedule.after_epoch()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.002, 0.0003])


def test_a_cyclic_schedule_may_cycle_its_momentum() -> None:
    optimizer = make_optimizer("muon-adamw", net().parameters(), lr=0.02)
    make_schedule("OneCycleLR", optimizer, epochs=2, steps_per_epoch=5, max_lr=0.1)
    assert all(group["betas"][0] == 0.95 for group in optimizer.param_groups)


def test_hooks_see_its_step_and_a_closure_is_called_once() -> None:
    model, seen = net(), []
    optimizer = MuonAdamW(model.parameters())
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))

    def closure() -> float:
        seen.append("closure")
        backward(model, 0)
        return 1.5

    assert optimizer.step(closure) == 1.5
    assert seen == ["before", "closure", "after"]


def test_a_parameter_without_a_gradient_stays_and_has_no_state() -> None:
    model = net()
    optimizer = MuonAdamW(model.parameters())
    frozen, bias = model.get_parameter("4.weight"), model.get_parameter("4.bias")
    before = [frozen.detach().clone(), bias.detach().clone()]
    backward(model, 0)
    frozen.grad = bias.grad = None
    optimizer.step()
    assert torch.equal(frozen, before[0]) and torch.equal(bias, before[1])
    assert not optimizer.state.get(frozen) and not optimizer.state.get(bias)
    backward(model, 1)
    optimizer.step()
    assert not torch.equal(frozen, before[0])


def test_every_step_is_explained_and_the_other_algorithms_stages_are_nan() -> None:
    model = net()
    optimizer = MuonAdamW(model.parameters(), lr=0.01)
    for step in range(5):
        backward(model, step)
        for account in explained_step(optimizer, explanation(optimizer)):
            muon = account.before.ndim == 2
            assert account.roundings <= 8 and max(account.state.values()) <= 8
            assert bool(account.stages["orthogonal"].isnan().all()) != muon
            assert bool(account.stages["exp_avg_sq_hat"].isnan().all()) == muon
            assert not account.stages["adapted"].isnan().any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lr": -1}, "lr must be > 0, got -1"),
        ({"adamw_lr": -1}, "muon-adamw: adamw_lr must be ≥ 0, got -1"),
        ({"betas": (0.9, 1.0)}, "betas must be ≥ 0 and < 1, got 1.0"),
        ({"adjust_lr_fn": "moonshot"}, "adjust_lr_fn must be one of 'original', 'match_rms_adamw', got 'moonshot'"),
        ({"ns_steps": 100}, "ns_steps must be ≥ 0 and ≤ 99, got 100"),
        ({"momentun": 0.9}, "no argument 'momentun'. Did you mean 'momentum'"),
    ],
)
def test_wrong_options_get_a_sentence(options: dict, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make_optimizer("muon-adamw", net().parameters(), **options)


def test_muon_itself_names_it_where_there_is_more_than_matrices() -> None:
    with pytest.raises(ConfigError, match="use muon-adamw"):
        make_optimizer("muon", net().parameters())
    with pytest.raises(ValueError, match="Muon takes matrices only, got a parameter of shape"):
        MuonAdamW([{"params": nn.Conv2d(1, 2, 3).parameters(), "algorithm": "muon"}])
    assert describe("Muon AdamW").path == "passo.optim.split.MuonAdamW"


def test_it_trains_by_its_name_and_decay_spares_the_biases(tmp_path: Path) -> None:
    data = load("fashion-mnist-sample", per_class=60)
    run = train(data, "mlp", out=tmp_path, optimizer="muon-adamw", lr=0.01, epochs=1)
    assert run.test is not None and run.test.accuracy is not None and run.test.accuracy > 0.4
    model = net()
    decayed, bare = parameter_groups(model, 0.1)
    told = [(g["algorithm"], g["weight_decay"]) for g in make_optimizer("muon-adamw", [decayed, bare]).param_groups]
    assert told == [("muon", 0.1), ("adamw", 0.1), ("adamw", 0.0)]
