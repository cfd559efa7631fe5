"""Schedules: each moves the learning rate exactly as a hand-written torch loop does."""

import inspect
import math
import warnings

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, lr_scheduler

from passo.errors import ConfigError, TrainingError, UnknownName
from passo.optim import (
    Schedule,
    as_schedule,
    check_same_optimizer,
    check_schedule,
    make_optimizer,
    make_schedule,
    schedules,
)

EPOCHS, STEPS = 6, 5  # of the run in every test here
LOSSES = [1.0, 0.9, 0.95, 0.96, 0.97, 0.5]


def sgd(lr=0.1, momentum=0.9, groups=1):
    return SGD([{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(groups)], lr=lr, momentum=momentum)


def now(optimizer):
    """The learning rates and momenta in force."""
    momenta = [group["betas"][0] if "betas" in group else group.get("momentum") for group in optimizer.param_groups]
    return [float(group["lr"]) for group in optimizer.param_groups], momenta


def through_schedule(optimizer, schedule):
    seen = []
    for epoch in range(EPOCHS):
        for _ in range(STEPS):
            seen.append(now(optimizer))
            optimizer.step()
            schedule.after_step()
        schedule.after_epoch(LOSSES[epoch])
    return seen


def by_hand(optimizer, scheduler, moment):
    """The loops of torch's documentation, one for each moment."""
    seen = []
    for epoch in range(EPOCHS):
        for i in range(STEPS):
            seen.append(now(optimizer))
            optimizer.step()
            if moment == "step":
                scheduler.step()
            elif moment == "fraction":
                scheduler.step(epoch + i / STEPS)
        if moment == "epoch":
            scheduler.step()
        elif moment == "plateau":
            scheduler.step(LOSSES[epoch])
    return seen


def halve(count):
    return 0.5**count


def sequence(*parts, milestones):
    return lambda o: lr_scheduler.SequentialLR(o, [part(o) for part in parts], milestones)


def chain(*parts):
    return lambda o: lr_scheduler.ChainedScheduler([part(o) for part in parts], optimizer=o)


L = lr_scheduler
WARM = {"name": "LinearLR", "start_factor": 0.2}
# name, options for passo, the same scheduler by hand, the moment at which torch's documentation steps it
TABLE = [
    ("StepLR", {"step_size": 2}, lambda o: L.StepLR(o, 2), "epoch"),
    ("step", {"step_size": "2 epochs", "gamma": 0.5}, lambda o: L.StepLR(o, 2, 0.5), "epoch"),
    ("StepLR", {"step_size": "1 epoch", "when": "step"}, lambda o: L.StepLR(o, STEPS), "step"),
    ("StepLR", {"step_size": 7, "when": "step"}, lambda o: L.StepLR(o, 7), "step"),
    ("MultiStepLR", {"milestones": [1, "15 steps"]}, lambda o: L.MultiStepLR(o, [1, 3]), "epoch"),
    ("ConstantLR", {}, lambda o: L.ConstantLR(o), "epoch"),
    ("constant", {"factor": 0.5, "total_iters": 2}, lambda o: L.ConstantLR(o, 0.5, 2), "epoch"),
    ("LinearLR", {}, lambda o: L.LinearLR(o, total_iters=EPOCHS), "epoch"),
    ("linear", {"total_iters": "2 epochs"}, lambda o: L.LinearLR(o, total_iters=2), "epoch"),
    ("linear", {"when": "step"}, lambda o: L.LinearLR(o, total_iters=EPOCHS * STEPS), "step"),
    ("LambdaLR", {"lr_lambda": halve}, lambda o: L.LambdaLR(o, halve), "epoch"),
    ("LambdaLR", {"lr_lambda": "0.5**epoch"}, lambda o: L.LambdaLR(o, halve), "epoch"),
    ("LambdaLR", {"lr_lambda": "1/(1+step)"}, lambda o: L.LambdaLR(o, lambda n: 1 / (1 + n * STEPS)), "epoch"),
    (
        "LambdaLR",
        {"lr_lambda": "1/(1+epoch)+(x-step)", "when": "step"},
        lambda o: L.LambdaLR(o, lambda n: 1 / (1 + n / STEPS)),
        "step",
    ),
    ("MultiplicativeLR", {"lr_lambda": "0.95"}, lambda o: L.MultiplicativeLR(o, lambda n: 0.95), "epoch"),
    ("ExponentialLR", {"gamma": 0.9}, lambda o: L.ExponentialLR(o, 0.9), "epoch"),
    ("PolynomialLR", {"power": 2}, lambda o: L.PolynomialLR(o, EPOCHS, 2.0), "epoch"),
    ("CosineAnnealingLR", {}, lambda o: L.CosineAnnealingLR(o, EPOCHS), "epoch"),
    ("cosine-annealing", {"T_max": 3, "eta_min": 0.01}, lambda o: L.CosineAnnealingLR(o, 3, 0.01), "epoch"),
    ("CosineAnnealingLR", {"when": "step"}, lambda o: L.CosineAnnealingLR(o, EPOCHS * STEPS), "step"),
    (
        "CosineAnnealingWarmRestarts",
        {"T_0": "1 epoch", "T_mult": 2},
        lambda o: L.CosineAnnealingWarmRestarts(o, 1, 2),
        "fraction",
    ),
    ("CosineAnnealingWarmRestarts", {"T_0": 2}, lambda o: L.CosineAnnealingWarmRestarts(o, 2), "fraction"),
    (
        "CosineAnnealingWarmRestarts",
        {"T_0": 2, "when": "epoch"},
        lambda o: L.CosineAnnealingWarmRestarts(o, 2),
        "epoch",
    ),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.2, "step_size_up": "1 epoch", "mode": "triangular2"},
        lambda o: L.CyclicLR(o, 0.01, 0.2, STEPS, mode="triangular2"),
        "step",
    ),
    ("cyclic", {"max_lr": 0.2}, lambda o: L.CyclicLR(o, 0.1, 0.2, 2 * STEPS), "step"),
    (
        "CyclicLR",
        {"max_lr": 0.2, "step_size_up": "0.5 epochs", "step_size_down": 3, "scale_fn": "1/x"},
        lambda o: L.CyclicLR(o, 0.1, 0.2, 2, 3, scale_fn=lambda x: 1 / x),
        "step",
    ),
    (
        "CyclicLR",
        {"max_lr": 0.2, "step_size_up": 4, "scale_fn": "0.9**step", "scale_mode": "iterations"},
        lambda o: L.CyclicLR(o, 0.1, 0.2, 4, scale_fn=lambda x: 0.9**x, scale_mode="iterations"),
        "step",
    ),
    ("OneCycleLR", {"max_lr": 0.3}, lambda o: L.OneCycleLR(o, 0.3, EPOCHS * STEPS), "step"),
    (
        "one-cycle",
        {"max_lr": 0.3, "total_steps": "8 epochs", "three_phase": True, "pct_start": 0.4},
        lambda o: L.OneCycleLR(o, 0.3, 8 * STEPS, three_phase=True, pct_start=0.4),
        "step",
    ),
    (
        "ReduceLROnPlateau",
        {"patience": 1, "factor": 0.5},
        lambda o: L.ReduceLROnPlateau(o, patience=1, factor=0.5),
        "plateau",
    ),
    ("plateau", {"patience": 0}, lambda o: L.ReduceLROnPlateau(o, patience=0), "plateau"),
    (
        "SequentialLR",
        {"schedulers": [WARM, {"name": "CosineAnnealingLR"}], "milestones": ["2 epochs"]},
        sequence(lambda o: L.LinearLR(o, 0.2, total_iters=2), lambda o: L.CosineAnnealingLR(o, 4), milestones=[2]),
        "epoch",
    ),
    (
        "SequentialLR",
        {"schedulers": [WARM, {"name": "cosine-annealing"}], "milestones": ["1 epoch"], "when": "step"},
        sequence(
            lambda o: L.LinearLR(o, 0.2, total_iters=STEPS),
            lambda o: L.CosineAnnealingLR(o, (EPOCHS - 1) * STEPS),
            milestones=[STEPS],
        ),
        "step",
    ),
    (
        "sequential",
        {
            "schedulers": [WARM, {"name": "CyclicLR", "max_lr": 0.3, "step_size_up": "1 epoch"}],
            "milestones": ["1 epoch"],
            "when": "step",
        },
        sequence(
            lambda o: L.LinearLR(o, 0.2, total_iters=STEPS),
            lambda o: L.CyclicLR(o, 0.1, 0.3, STEPS),
            milestones=[STEPS],
        ),
        "step",
    ),
    (
        "SequentialLR",
        {
            "schedulers": [WARM, {"name": "CosineAnnealingWarmRestarts", "T_0": 2}, {"name": "step", "step_size": 1}],
            "milestones": [1, 4],
        },
        sequence(
            lambda o: L.LinearLR(o, 0.2, total_iters=1),
            lambda o: L.CosineAnnealingWarmRestarts(o, 2),
            lambda o: L.StepLR(o, 1),
            milestones=[1, 4],
        ),
        "epoch",
    ),
    (
        "ChainedScheduler",
        {
            "schedulers": [
                {"name": "ConstantLR", "factor": 0.5, "total_iters": "2 epochs"},
                {"name": "ExponentialLR", "gamma": 0.9},
            ]
        },
        chain(lambda o: L.ConstantLR(o, 0.5, 2), lambda o: L.ExponentialLR(o, 0.9)),
        "epoch",
    ),
    (
        "chained",
        {
            "when": "step",
            "schedulers": [
                {"name": "linear", "total_iters": "1 epoch"},
                {"name": "chained", "schedulers": [{"name": "StepLR", "step_size": "2 epochs"}]},
            ],
        },
        chain(lambda o: L.LinearLR(o, total_iters=STEPS), lambda o: L.StepLR(o, 2 * STEPS)),
        "step",
    ),
]


@pytest.mark.parametrize(("name", "options", "build", "moment"), TABLE)
def test_a_schedule_moves_as_the_loop_of_torch_s_documentation(name, options, build, moment):
    ours, theirs = sgd(), sgd()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = make_schedule(name, ours, epochs=EPOCHS, steps_per_epoch=STEPS, **options)
        seen = through_schedule(ours, schedule)
    assert schedule.when == {"fraction": "step"}.get(moment, moment)
    assert seen == by_hand(theirs, build(theirs), moment)
    assert len({rates[0] for rates, _ in seen}) > 1  # a schedule that never moved would prove nothing
    check_schedule(name, options)
    check_schedule(name, options, epochs=EPOCHS, steps_per_epoch=STEPS)


def test_the_table_has_every_scheduler_of_torch():
    of_torch = {
        name
        for name, member in vars(lr_scheduler).items()
        if inspect.isclass(member) and issubclass(member, lr_scheduler.LRScheduler) and name[0] != "_"
    } - {"LRScheduler"}
    assert of_torch | {"warmup-cosine"} == set(schedules())
    tested = {type(build(sgd())).__name__ for _, _, build, _ in TABLE}
    assert tested == of_torch


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_with_adam_the_cycle_moves_beta_1_as_torch_does(name):
    optimizers = [Adam([nn.Parameter(torch.zeros(1))], lr=0.01) for _ in range(2)]
    schedule = make_schedule(name, optimizers[0], epochs=EPOCHS, steps_per_epoch=STEPS, max_lr=0.1)
    if name == "OneCycleLR":
        theirs = L.OneCycleLR(optimizers[1], 0.1, EPOCHS * STEPS)
    else:
        theirs = L.CyclicLR(optimizers[1], 0.01, 0.1, 2 * STEPS)
    seen = through_schedule(optimizers[0], schedule)
    assert seen == by_hand(optimizers[1], theirs, "step")
    assert len({momenta[0] for _, momenta in seen}) > 5


@pytest.mark.parametrize("name", ["OneCycleLR", "CyclicLR"])
def test_an_optimizer_without_momentum_is_not_given_one(name):
    for optimizer in (sgd(momentum=0), Adagrad([nn.Parameter(torch.zeros(1))], lr=0.1)):
        schedule = make_schedule(name, optimizer, epochs=EPOCHS, steps_per_epoch=STEPS, max_lr=0.3)
        assert {momenta[0] for _, momenta in through_schedule(optimizer, schedule)} <= {0, None}
    plain = sgd(momentum=0)
    make_schedule(name, plain, epochs=1, steps_per_epoch=9, max_lr=0.3, cycle_momentum=True)
    assert plain.param_groups[0]["momentum"] > 0
    adagrad = Adagrad([nn.Parameter(torch.zeros(1))], lr=0.1)
    with pytest.raises(ConfigError, match=f"{name}: cycle_momentum needs an optimizer with momentum"):
        make_schedule(name, adagrad, epochs=1, steps_per_epoch=9, max_lr=0.3, cycle_momentum=True)


def test_each_group_keeps_its_own_rate():
    optimizer = sgd(groups=2)
    optimizer.param_groups[1]["lr"] = 0.01
    schedule = make_schedule(
        "CyclicLR", optimizer, epochs=EPOCHS, steps_per_epoch=STEPS, max_lr=[0.2, 0.02], step_size_up=STEPS
    )
    seen = [rates for rates, _ in through_schedule(optimizer, schedule)]
    assert seen[0] == [0.1, 0.01]
    assert seen[STEPS] == pytest.approx([0.2, 0.02])
    check_schedule("CyclicLR", {"max_lr": [0.2, 0.02]})


@pytest.mark.parametrize(("warmup", "warm"), [(0.1, 3), (4, 4), ("1 epoch", 5), ("0.5 epochs", 2), (0, 0), (None, 2)])
def test_warmup_cosine_rises_in_a_line_and_falls_along_half_a_cosine(warmup, warm):
    optimizer, total = sgd(lr=0.5), EPOCHS * STEPS
    options = {"final": 0.1} if warmup is None else {"warmup": warmup, "final": 0.1}
    schedule = make_schedule("warmup-cosine", optimizer, epochs=EPOCHS, steps_per_epoch=STEPS, **options)
    rates = [rates[0] for rates, _ in through_schedule(optimizer, schedule)]
    line = [0.5 * (i + 1) / warm for i in range(warm)]
    half = [0.1 + 0.9 * (1 + math.cos(math.pi * i / (total - warm))) / 2 for i in range(total - warm)]
    assert rates == pytest.approx(line + [0.5 * factor for factor in half])
    assert schedule.when == "step" and schedule.name == "warmup-cosine"
    assert now(optimizer)[0][0] == pytest.approx(0.05)


@pytest.mark.parametrize("name", ["steplr", "STEP", "Step-LR", "step_lr", "StepLR"])
def test_case_hyphens_and_the_suffix_of_a_name_do_not_matter(name):
    assert make_schedule(name, sgd(), epochs=1, steps_per_epoch=1, step_size=1).name == "StepLR"


def test_an_unknown_schedule_gets_the_nearest_and_the_list():
    with pytest.raises(UnknownName) as refused:
        check_schedule("cosine-anealing", {})
    told = "unknown schedule 'cosine-anealing'. Did you mean 'CosineAnnealingLR'? Known: ChainedScheduler, "
    assert str(refused.value).startswith(told)
    with pytest.raises(UnknownName, match="'LRScheduler'"):
        check_schedule("LRScheduler", {})


STEP2 = {"name": "StepLR", "step_size": 2}
CYCLE = {"name": "CyclicLR", "max_lr": 0.3}


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("StepLR", {}, "the schedule StepLR needs step_size, such as '2 epochs'"),
        (
            "StepLR",
            {"stepsize": 2},
            "StepLR has no argument 'stepsize'. Did you mean 'step_size'? It takes: step_size, gamma",
        ),
        ("StepLR", {"step_size": 0}, "StepLR: step_size must be >= 1, got 0"),
        ("StepLR", {"step_size": 1.5}, "StepLR: step_size must be a whole number, got 1.5"),
        ("StepLR", {"step_size": "soon"}, "words like '1 epoch' or '200 steps'; got 'soon'"),
        ("StepLR", {"step_size": "7 steps"}, "StepLR: step_size '7 steps' is 1.4 epochs of 5 steps"),
        ("StepLR", {"step_size": "0.5 epochs"}, "give whole epochs"),
        ("StepLR", {"step_size": "0 epochs"}, "must be at least 1 epoch, got '0 epochs'"),
        ("StepLR", {"step_size": 2, "gamma": "x"}, "StepLR: gamma must be a number, got 'x'"),
        ("StepLR", {"step_size": 2, "gamma": [1, 2]}, "StepLR: gamma must be one number, got [1, 2]"),
        ("StepLR", {"step_size": 2, "when": "often"}, "when must be 'step', 'epoch' or 'plateau', got 'often'"),
        ("StepLR", {"step_size": 2, "when": "plateau"}, "StepLR is stepped after every epoch, so when='plateau'"),
        ("StepLR", {"step_size": 2, "last_epoch": 3}, "last_epoch is not given here"),
        ("MultiStepLR", {"milestones": 3}, "must be a list such as ['3 epochs', '5 epochs'], got 3"),
        ("MultiStepLR", {"milestones": [3, 2]}, "milestones must increase, got [3, 2]"),
        ("CyclicLR", {}, "CyclicLR needs max_lr, the top of its cycle"),
        ("CyclicLR", {"max_lr": -1}, "CyclicLR: max_lr must be > 0, got -1"),
        ("CyclicLR", {"max_lr": 0.05}, "max_lr must be > base_lr and base_lr >= 0, got max_lr 0.05 and base_lr 0.1"),
        ("CyclicLR", {"max_lr": 1, "mode": "square"}, "CyclicLR: mode must be one of 'triangular', 'triangular2'"),
        ("CyclicLR", {"max_lr": 1, "when": "epoch"}, "CyclicLR is stepped after every mini-batch, so when='epoch'"),
        ("CyclicLR", {"max_lr": 1, "scale_fn": "epoch"}, "scale_fn: 'epoch' is not allowed at column 1"),
        ("OneCycleLR", {}, "OneCycleLR needs max_lr"),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 29}, "total_steps is 29, but the run has 30 steps"),
        ("OneCycleLR", {"max_lr": 1, "pct_start": 1.5}, "OneCycleLR: pct_start must be ≥ 0 and < 1, got 1.5"),
        ("ReduceLROnPlateau", {"factor": 1.0}, "ReduceLROnPlateau: factor must be ≥ 0 and < 1, got 1.0"),
        ("ReduceLROnPlateau", {"when": "step"}, "ReduceLROnPlateau is stepped with every validation loss"),
        ("LambdaLR", {}, "LambdaLR needs lr_lambda, such as '1/(1+0.1*epoch)'"),
        ("LambdaLR", {"lr_lambda": 3}, "LambdaLR: lr_lambda must be a function or a line of arithmetic, got 3"),
        ("LambdaLR", {"lr_lambda": "epoch.x"}, "LambdaLR: lr_lambda: 'epoch.x' is not allowed at column 1"),
        ("LambdaLR", {"lr_lambda": "-1"}, "lr_lambda gives -1 at epoch 0, and a learning rate cannot be negative"),
        ("LambdaLR", {"lr_lambda": "1/epoch"}, "'1/epoch' cannot be computed at epoch=0"),
        (
            "LambdaLR",
            {"lr_lambda": ["1", "1"]},
            "LambdaLR: lr_lambda must be one for all, or a list of one for each",
        ),
        ("CosineAnnealingWarmRestarts", {}, "needs T_0, the length of the first cycle"),
        ("CosineAnnealingWarmRestarts", {"T_0": "12 steps"}, "is 2.4 epochs of 5 steps"),
        ("LinearLR", {"start_factor": 2}, "LinearLR: start_factor must be > 0 and ≤ 1, got 2"),
        ("warmup-cosine", {"warmup": 30}, "warmup takes 30 of 30 steps, which leaves none for the cosine"),
        ("warmup-cosine", {"warmup": 1.5}, "warmup-cosine: warmup must be a whole number, got 1.5"),
        ("warmup-cosine", {"final": 2}, "final is a fraction of the peak, from 0 to 1, got 2"),
        ("warmup-cosine", {"peak": 2}, "warmup-cosine has no argument 'peak'."),
        ("SequentialLR", {}, "SequentialLR needs schedulers, a list of tables"),
        ("SequentialLR", {"schedulers": [{"step_size": 2}]}, "each of its schedulers is a table with a name"),
        ("SequentialLR", {"schedulers": [STEP2, STEP2]}, "1 for 2 schedulers, got 0"),
        ("SequentialLR", {"schedulers": [{"name": "StepLR"}]}, "StepLR needs step_size"),
        ("SequentialLR", {"schedulers": [{"name": "Stp"}]}, "unknown schedule 'Stp'"),
        (
            "SequentialLR",
            {"schedulers": [WARM, CYCLE], "milestones": [1]},
            "holds LinearLR (per epoch) and CyclicLR (per step): give it when='step'",
        ),
        (
            "SequentialLR",
            {"schedulers": [CYCLE], "when": "epoch"},
            "steps all that it holds at one moment, but holds CyclicLR (per step)",
        ),
        (
            "SequentialLR",
            {"schedulers": [STEP2, {"name": "ReduceLROnPlateau"}], "milestones": [1]},
            "SequentialLR cannot hold ReduceLROnPlateau, which needs a validation loss",
        ),
        (
            "SequentialLR",
            {"schedulers": [STEP2, {"name": "OneCycleLR", "max_lr": 1}], "milestones": [1]},
            "SequentialLR cannot hold OneCycleLR",
        ),
        (
            "SequentialLR",
            {"schedulers": [{"name": "chained", "schedulers": [STEP2]}]},
            "SequentialLR cannot hold ChainedScheduler, which torch cannot begin at a milestone",
        ),
        (
            "ChainedScheduler",
            {"schedulers": [STEP2, {"name": "LambdaLR", "lr_lambda": "1"}]},
            "ChainedScheduler cannot hold LambdaLR, which sets the learning rate outright",
        ),
        ("ChainedScheduler", {"schedulers": [STEP2], "milestones": [2]}, "has no argument 'milestones'"),
    ],
)
def test_a_wrong_option_is_told_in_one_sentence(name, options, sentence):
    with pytest.raises((ConfigError, UnknownName)) as refused:
        make_schedule(name, sgd(), epochs=EPOCHS, steps_per_epoch=STEPS, **options)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("epochs", "steps"), [(0, 5), (5, 0), (-1, 5), (2.5, 5), ("3", 5)])
def test_a_run_without_length_is_refused(epochs, steps):
    with pytest.raises(ConfigError, match=r"^(epochs|steps_per_epoch) must be"):
        make_schedule("StepLR", sgd(), epochs=epochs, steps_per_epoch=steps, step_size=1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": "7 steps"}),
        ("CyclicLR", {"max_lr": 1e-4, "step_size_up": "2 epochs"}),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 3}),
        ("warmup-cosine", {"warmup": 50_000}),
        ("MultiStepLR", {"milestones": ["20 steps", "30 steps"]}),
    ],
)
def test_what_only_the_run_can_judge_passes_the_check_without_it(name, options):
    check_schedule(name, options)


def test_a_check_without_the_run_still_finds_what_is_wrong_anyhow():
    for name, options in [("StepLR", {"gama": 1}), ("CyclicLR", {}), ("LambdaLR", {"lr_lambda": "os"})]:
        with pytest.raises(ConfigError):
            check_schedule(name, options)


def test_a_plateau_without_a_validation_loss_cannot_go_on():
    schedule = make_schedule("plateau", sgd(), epochs=2, steps_per_epoch=2)
    schedule.after_step()
    with pytest.raises(TrainingError, match="ReduceLROnPlateau follows the validation loss"):
        schedule.after_epoch()


def test_a_schedule_that_is_stepped_past_its_end_says_so():
    optimizer = sgd()
    schedule = as_schedule(L.OneCycleLR(optimizer, 0.1, total_steps=3))
    assert schedule is not None
    optimizer.step()
    with pytest.raises(TrainingError, match="OneCycleLR cannot go on: Tried to step 4 times"):
        for _ in range(4):
            schedule.after_step()


def test_a_line_of_arithmetic_that_fails_later_says_where():
    optimizer = sgd()
    schedule = make_schedule("LambdaLR", optimizer, epochs=4, steps_per_epoch=1, lr_lambda="1-0.6*epoch")
    optimizer.step()
    schedule.after_epoch()
    with pytest.raises(ConfigError, match=r"gives -0\.2 at epoch 2"):
        schedule.after_epoch()


@pytest.mark.parametrize(
    ("build", "when"),
    [
        (lambda o: L.StepLR(o, 2), "epoch"),
        (lambda o: L.CosineAnnealingWarmRestarts(o, 2), "epoch"),
        (lambda o: L.CyclicLR(o, 0.1, 0.2, 4), "step"),
        (lambda o: L.OneCycleLR(o, 0.1, EPOCHS * STEPS), "step"),
        (lambda o: L.ReduceLROnPlateau(o, patience=0), "plateau"),
        (sequence(lambda o: L.ConstantLR(o), lambda o: L.CyclicLR(o, 0.1, 0.2, 4), milestones=[4]), "step"),
        (chain(lambda o: L.ConstantLR(o, total_iters=2), lambda o: L.ExponentialLR(o, 0.9)), "epoch"),
    ],
)
def test_a_user_s_own_scheduler_is_stepped_when_its_class_wants(build, when):
    ours, theirs = sgd(), sgd()
    schedule = as_schedule(build(ours))
    assert schedule is not None and schedule.when == when
    assert through_schedule(ours, schedule) == by_hand(theirs, build(theirs), when)


def test_a_user_s_warm_restarts_move_by_fractions_where_the_steps_are_known():
    ours, theirs = sgd(), sgd()
    schedule = as_schedule(L.CosineAnnealingWarmRestarts(ours, 2), steps_per_epoch=STEPS)
    assert schedule is not None
    hand = by_hand(theirs, L.CosineAnnealingWarmRestarts(theirs, 2), "fraction")
    assert through_schedule(ours, schedule) == hand


def test_a_user_may_say_when_and_only_what_suits():
    assert as_schedule(None) is None
    optimizer = sgd()
    schedule = as_schedule(L.StepLR(optimizer, 2), when="step")
    assert isinstance(schedule, Schedule) and schedule.when == "step"
    assert as_schedule(schedule) is schedule
    for scheduler, when in [
        (L.StepLR(optimizer, 2), "plateau"),
        (L.ReduceLROnPlateau(optimizer), "epoch"),
        (L.StepLR(optimizer, 2), "daily"),
    ]:
        with pytest.raises(ConfigError, match="when"):
            as_schedule(scheduler, when)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="must be a torch scheduler or come from make_schedule, got str"):
        as_schedule("StepLR")


def test_a_schedule_of_another_optimizer_is_refused():
    one, other = sgd(), make_optimizer("adam", [nn.Parameter(torch.zeros(1))])
    schedule = as_schedule(L.StepLR(one, 2))
    check_same_optimizer(schedule, one)
    check_same_optimizer(None, one)
    with pytest.raises(ConfigError, match=r"StepLR was built on another optimizer \(SGD\) than the one that trains"):
        check_same_optimizer(schedule, other)
    chained = make_schedule("chained", one, epochs=1, steps_per_epoch=1, schedulers=[STEP2])
    with pytest.raises(ConfigError, match="ChainedScheduler was built on another"):
        check_same_optimizer(chained, sgd())


@pytest.mark.parametrize(("name", "options", "build", "moment"), TABLE)
def test_a_schedule_goes_on_from_its_state(name, options, build, moment):
    whole, first, second = sgd(), sgd(), sgd()
    expected = by_hand(whole, build(whole), moment)
    made = [make_schedule(name, o, epochs=EPOCHS, steps_per_epoch=STEPS, **options) for o in (first, second)]
    seen = []
    for step in range(EPOCHS * STEPS):
        if step == 2 * STEPS + 3:  # in the middle of an epoch
            made[1].load_state_dict(made[0].state_dict())
            second.load_state_dict(first.state_dict())
            second.step()
        optimizer, schedule = (first, made[0]) if step < 2 * STEPS + 3 else (second, made[1])
        seen.append(now(optimizer))
        optimizer.step()
        schedule.after_step()
        if step % STEPS == STEPS - 1:
            schedule.after_epoch(LOSSES[step // STEPS])
    assert seen == expected
