"""The optimizers: every class of torch.optim builds and steps; every wrong option gets a sentence."""

import importlib
import inspect

import pytest
import torch
from torch import nn

from passo.errors import ConfigError, TrainingError, UnknownName
from passo.optim import check_optimizer, describe, make_optimizer, needs_closure, optimizers, parameter_groups

OF_TORCH = {
    name
    for name, member in vars(torch.optim).items()
    if inspect.isclass(member) and issubclass(member, torch.optim.Optimizer) and name != "Optimizer"
}


def bowl(name):
    """One optimizer on ‖W‖² (rows of an embedding for SparseAdam): the loss before and after 20 steps."""
    torch.manual_seed(0)
    sparse = name == "sparseadam"
    table = nn.Embedding(4, 3, sparse=sparse)
    optimizer = make_optimizer(name, table.parameters(), lr=0.05)
    rows = torch.arange(4)

    def closure():
        optimizer.zero_grad()
        loss = table(rows).square().sum()
        loss.backward()
        return loss.detach()

    before = float(closure())
    for _ in range(20):
        optimizer.step(closure)
    return type(optimizer), before, float(closure())


@pytest.mark.parametrize("name", optimizers())
def test_every_optimizer_builds_and_descends(name):
    cls, before, after = bowl(name)
    assert describe(name).path.endswith(f".{cls.__name__}")
    assert after < before


def test_the_catalogue_holds_every_class_of_torch():
    assert {name.lower() for name in OF_TORCH} <= set(optimizers())
    assert {"sgd", "adam", "adamw", "lbfgs", "rmsprop"} <= set(optimizers())


def test_keras_optimizers_go_by_their_names_and_ftrl_by_both_of_its():
    assert {name for name in optimizers() if name.startswith("keras-")} == {
        f"keras-{name}" for name in ("adadelta", "adagrad", "adam", "adamax", "nadam", "rmsprop", "sgd")
    }
    assert describe("Keras-Ftrl").name == describe("ftrl").name == "ftrl"
    weights = [nn.Parameter(torch.zeros(1))]
    assert make_optimizer("keras_adam", weights).param_groups[0]["eps"] == 1e-7
    with pytest.raises(ConfigError, match="keras-sgd has no argument 'dampening'"):
        check_optimizer("keras-sgd", {"dampening": 0.1})
    with pytest.raises(ConfigError, match=r"ftrl: l1 must be ≥ 0, got -1\.0"):
        check_optimizer("ftrl", {"l1": -1})


@pytest.mark.parametrize("name", ["sparse-adam", "SparseAdam", "sparse_adam", "SPARSEADAM", "sparse adam"])
def test_case_hyphens_and_underscores_of_a_name_do_not_matter(name):
    assert describe(name).name == "sparseadam"


def test_a_wrong_option_stops_the_real_optimizer_too():
    with pytest.raises(ConfigError, match="lr must be > 0, got -1"):
        make_optimizer("sgd", [nn.Parameter(torch.zeros(1))], lr=-1)


def test_an_unknown_optimizer_gets_the_nearest_and_the_list():
    with pytest.raises(UnknownName) as refused:
        make_optimizer("adm", [nn.Parameter(torch.zeros(1))])
    assert str(refused.value).startswith("unknown optimizer 'adm'. Did you mean 'adam'? Known: adadelta, ")
    with pytest.raises(UnknownName, match="unknown optimizer 3"):
        check_optimizer(3, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("adam", {"momentum": 0.9}, "adam has no argument 'momentum'."),
        (
            "adam",
            {"beta": [0.9, 0.9]},
            "adam has no argument 'beta'. Did you mean 'betas'? It takes: lr, ",
        ),
        ("sgd", {"params": []}, "sgd has no argument 'params'."),
        ("sgd", {"lr": -0.1}, "lr must be > 0, got -0.1"),
        ("sgd", {"lr": 0}, "lr must be > 0, got 0"),
        ("adam", {"lr": float("nan")}, "lr must be finite, got nan"),
        ("adam", {"lr": 10**400}, "lr must be finite, got 1000"),
        ("adam", {"lr": "fast"}, "lr must be a number, got 'fast'"),
        ("adam", {"lr": True}, "lr must be a number, got True"),
        ("adam", {"lr": [0.1]}, "adam: lr must be one number, got [0.1]"),
        ("adam", {"lr": torch.tensor(-1.0)}, "lr must be > 0, got -1.0"),
        ("adam", {"betas": [0.9]}, "adam: betas must be 2 numbers, got [0.9]"),
        ("adam", {"betas": [0.9, "x"]}, "adam: betas must be a number, got 'x'"),
        ("adam", {"betas": [0.9, 1.5]}, "adam: betas must be ≥ 0 and < 1, got 1.5"),
        ("adam", {"amsgrad": "no"}, "adam: amsgrad must be true or false, got 'no'"),
        ("adam", {"foreach": 3}, "adam: foreach must be true or false, got 3"),
        (
            "sgd",
            {"nesterov": True},
            "sgd: nesterov looks ahead along the momentum: it needs momentum > 0",
        ),
        ("sgd", {"momentum": -1}, "sgd: momentum must be ≥ 0, got -1"),
        ("lbfgs", {"max_iter": 2.5}, "lbfgs: max_iter must be a whole number, got 2.5"),
        ("lbfgs", {"line_search_fn": "armijo"}, "lbfgs: line_search_fn must be 'strong_wolfe' or left out"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(name, options, sentence):
    with pytest.raises(ConfigError) as refused:
        check_optimizer(name, options)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(ConfigError):
        make_optimizer(
            name,
            [nn.Parameter(torch.zeros(1, 1))],
            **{k: v for k, v in options.items() if k != "params"} or {"lr": -1},
        )


def test_lists_from_a_text_file_become_tuples():
    assert check_optimizer("Adam", {"betas": [0.8, 0.9], "lr": 1}) == {"betas": (0.8, 0.9), "lr": 1.0}
    optimizer = make_optimizer("rprop", [nn.Parameter(torch.zeros(1))], etas=[0.4, 1.3], step_sizes=[1e-5, 20])
    assert optimizer.param_groups[0]["etas"] == (0.4, 1.3)
    assert optimizer.param_groups[0]["step_sizes"] == (1e-5, 20)


def test_the_description_of_every_optimizer_is_its_signature():
    for name in optimizers():
        told = describe(name)
        place, _, cls_name = told.path.rpartition(".")
        cls = getattr(importlib.import_module(place), cls_name)
        assert [argument.name for argument in told.arguments] == list(inspect.signature(cls).parameters)[1:]
        assert told.about and not told.about.endswith(".")
    defaults = {argument.name: argument.default for argument in describe("adam").arguments}
    assert defaults["betas"] == (0.9, 0.999) and defaults["lr"] == 1e-3


def test_a_misspelt_option_of_a_group_is_refused():
    groups = [{"params": [nn.Parameter(torch.zeros(2))], "weight_decy": 0.1}]
    with pytest.raises(ConfigError, match="Did you mean 'weight_decay'"):
        make_optimizer("sgd", groups, lr=0.1)
    with pytest.raises(ConfigError, match="needs 'params'"):
        make_optimizer("sgd", [{"lr": 0.1}], lr=0.1)
    for other in (nn.Linear(1, 1), torch.zeros(2), None):
        with pytest.raises(ConfigError, match=r"sgd: params must be parameters, such as model\.parameters\(\)"):
            make_optimizer("sgd", other, lr=0.1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"sgd: .*empty parameter list"):
        make_optimizer("sgd", [], lr=0.1)


@pytest.mark.skipif("Muon" not in OF_TORCH, reason="this torch has no Muon")
def test_muon_names_the_parameter_that_is_no_matrix():
    model = nn.Linear(3, 2)
    with pytest.raises(ConfigError, match=r"parameter number 1 has shape \(2,\): use muon-adamw"):
        make_optimizer("muon", model.parameters())
    with pytest.raises(ConfigError, match=r"parameter bias has shape \(2,\)"):
        make_optimizer("muon", [{"params": model.named_parameters()}])
    with pytest.raises(ConfigError, match=r"parameter number 0 has shape \(3, 1, 2, 2\)"):
        make_optimizer("muon", nn.Conv2d(1, 3, 2).parameters())


def test_sparseadam_says_at_its_first_step_that_a_gradient_is_dense():
    model = nn.Linear(3, 2)
    optimizer = make_optimizer("sparse-adam", model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    with pytest.raises(TrainingError, match=r"sparse gradients only, and a parameter of shape \(2, 3\)"):
        optimizer.step()


def test_only_lbfgs_needs_a_closure():
    weights = [nn.Parameter(torch.zeros(1, 1))]
    assert [name for name in optimizers() if needs_closure(make_optimizer(name, weights))] == ["lbfgs"]


def test_decay_falls_on_matrices_and_convolutions_and_spares_biases_and_norms():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2), nn.LayerNorm([2, 1]))
    model[0].bias.requires_grad_(False)  # type: ignore[union-attr]
    decayed, bare = parameter_groups(model, 0.01)
    assert (decayed["weight_decay"], bare["weight_decay"]) == (0.01, 0.0)
    assert {id(p) for p in decayed["params"]} == {id(model[0].weight), id(model[3].weight)}
    # LayerNorm's weight has two axes here, and is spared for what it belongs to.
    spared = [model[1].weight, model[1].bias, model[3].bias, model[4].weight, model[4].bias]
    assert {id(p) for p in bare["params"]} == {id(p) for p in spared}
    optimizer = make_optimizer("adamw", [decayed, bare], lr=0.1)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01, 0.0]


def test_groups_without_parameters_are_left_out_or_refused():
    assert [len(group["params"]) for group in parameter_groups(nn.Linear(2, 2, bias=False), 0.1)] == [1]
    with pytest.raises(ConfigError, match="no trainable parameter"):
        parameter_groups(nn.Flatten(), 0.1)
    with pytest.raises(ConfigError, match="weight_decay must be >= 0, got -1"):
        parameter_groups(nn.Linear(2, 2), -1)
