"""Ranges of options: passo refuses what torch refuses before it does, and says the range, in both languages."""

import inspect
import itertools

import pytest
import torch
from torch import nn

from passo.errors import ConfigError, PassoError
from passo.language import speaking
from passo.optim import check_optimizer, describe, optimizers, preview, schedules
from passo.optim.catalogue import OF_TORCH
from passo.optim.ranges import Range
from passo.optim.rules import CLASSES
from passo.telling import told

NUMBERS = (-1, -0.5, 0, 0.5, 1, 1.5, 2)
SWITCHES = ("foreach", "maximize", "capturable", "differentiable", "fused", "amsgrad", "decoupled_weight_decay")
NEEDED = {
    "StepLR": {"step_size": 1},
    "MultiStepLR": {"milestones": [1]},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingWarmRestarts": {"T_0": 1},
    "CyclicLR": {"max_lr": 10.0},
    "OneCycleLR": {"max_lr": 10.0},
    "ReduceLROnPlateau": {"losses": 1.0},
}
OF_SCHEDULES = [
    (name, option)
    for name in schedules()
    for option, one in (inspect.signature(CLASSES[name]).parameters.items() if name in CLASSES else ())
    if isinstance(one.default, int | float) and not isinstance(one.default, bool) and option != "last_epoch"
]


def values(default):
    """The numbers as this option takes them: one by one, or each with the others of its default."""
    if not isinstance(default, tuple):
        yield from NUMBERS
        return
    for place, number in itertools.product(range(len(default)), NUMBERS):
        yield [*default[:place], number, *default[place + 1 :]]


def refused_by_torch(name, option, value):
    given = tuple(part if part is None else float(part) for part in value) if isinstance(value, list) else value
    try:
        OF_TORCH[name]([nn.Parameter(torch.zeros(1, 1))], **{"lr": 0.1, option: given})
    except (ValueError, TypeError):
        return True
    return False


@pytest.mark.parametrize("name", sorted(OF_TORCH))
def test_an_optimizer_s_option_out_of_range_is_refused_before_torch_refuses_it(name):
    for one in describe(name).arguments:
        if one.name in SWITCHES or isinstance(one.default, bool | str | None):
            continue
        for value in values(one.default):
            if not refused_by_torch(name, one.name, value):
                continue
            with pytest.raises(ConfigError, match="must be") as refused:
                check_optimizer(name, {one.name: value})
            assert one.name in str(refused.value) and "torch refuses" not in str(refused.value)


@pytest.mark.parametrize(("name", "option"), OF_SCHEDULES)
def test_a_schedule_s_option_is_taken_to_the_end_or_refused_with_what_it_must_be(name, option):
    for number in NUMBERS:
        given = {"epochs": 3, "steps_per_epoch": 2, **NEEDED.get(name, {}), option: number}
        try:
            seen = preview(name, lr=0.1, **given)
        except PassoError as refused:
            assert " must " in str(refused) or "but the run has" in str(refused), str(refused)
            assert option in str(refused) and "torch refuses" not in str(refused)
        else:
            assert (seen.lr >= 0).all(), f"{option}={number} goes below zero"


@pytest.mark.parametrize("name", optimizers())
def test_what_an_optimizer_refuses_is_told_in_portuguese(name):
    for one in describe(name).arguments:
        for value in (-1, 2.5, float("nan"), "abc", None, [2, -1], [0.9, "x"], {}, 10**400):
            try:
                check_optimizer(name, {one.name: value})
            except ConfigError as refused:
                with speaking("pt-BR"):
                    said = told(str(refused))
                assert "deve ser" in said or "precisa de" in said, said
                assert not {"must", "and", "or", "a", "number", "got"} & {*said.split()}, said


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("LambdaLR", {}, "a agenda LambdaLR precisa de lr_lambda, como '1/(1+0.1*epoch)'"),
        ("CosineAnnealingWarmRestarts", {}, "a agenda CosineAnnealingWarmRestarts precisa de T_0, a duração"),
        ("StepLR", {"step_size": 1, "gamma": -1}, "StepLR: gamma deve ser ≥ 0, mas foi dado -1"),
        ("LinearLR", {"start_factor": 2}, "LinearLR: start_factor deve ser > 0 e ≤ 1, mas foi dado 2"),
        ("LambdaLR", {"lr_lambda": "1/epoch"}, "não pode ser calculado em epoch=0, step=0, x=0: divide por zero"),
        ("LambdaLR", {"lr_lambda": "1 +"}, "não é aritmética: não se pode ler a partir da coluna"),
        ("OneCycleLR", {"max_lr": 1, "epochs": 3}, "OneCycleLR: epochs não é dado aqui: a execução o dá;"),
        ("CyclicLR", {"max_lr": 1, "when": "epoch"}, "CyclicLR avança depois de cada mini-lote, portanto"),
    ],
)
def test_what_a_schedule_lacks_or_refuses_is_told_in_portuguese(name, given, said):
    from passo.optim.schedules import check_schedule

    with pytest.raises(ConfigError) as refused, speaking("pt-BR"):
        check_schedule(name, given)
    with speaking("pt-BR"):
        assert said in told(str(refused.value))


def test_a_beta_of_nought_is_a_number_as_any_other():
    assert check_optimizer("adam", {"betas": [0, 0.999]}) == {"betas": (0.0, 0.999)}


def test_a_range_says_its_bounds_and_holds_no_nan():
    assert Range(least=0, below=1).bounds == ["≥ 0", "< 1"]
    assert Range(above=0).holds(1e-300) and not Range(above=0).holds(0)
    assert Range(most=1).holds(1) and not Range(below=1).holds(1)
    assert not Range(least=0).holds(float("nan"))
