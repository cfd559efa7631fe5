"""One step of one weight taken apart: every number is that of the whole tensor, and every equation holds."""

import copy
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watched_run import Little, train

from passo.analysis.apart import apart
from passo.analysis.inspected import summary
from passo.analysis.memory import memories
from passo.analysis.parts import Part
from passo.errors import StoreError, UnknownName, UsageError

TRAININGS = {
    "Adam": train("Adam", clip=1.0, weight_decay=0.01),
    "AdamW": train("AdamW"),
    "SGD": train("SGD", nesterov=True, weight_decay=0.1, dampening=0),
    "dampened": train("SGD", dampening=0.5),
    "plain": train("SGD", momentum=0.0),
}
AT = (1, 2)


def computed(equation: str) -> float | None:
    """The right-hand side of an equation in numbers, computed; None where it has symbols alone."""
    _, equals, numbers = equation.rpartition("= ")
    if not equals:
        _, colon, numbers = equation.partition(": ")
        if not colon:
            return None
    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    numbers = re.sub("10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: f"10**{found[1].translate(raised)}", numbers)
    numbers = re.sub(r"√(\([^)]*\)|[\d.]+)", r"\1**0.5", numbers)
    return eval(numbers.replace("−", "-").replace("·", "*").replace("×", "*"))


def whole(little: Little, step: int, stage: str) -> float:
    return float(little.whole[step]["fc1.weight"][stage][AT])


@pytest.mark.parametrize("name", sorted(TRAININGS))
@pytest.mark.parametrize("step", [1, 2, 37, 40])
def test_the_parts_are_the_stages_in_their_order(name: str, step: int) -> None:
    little = TRAININGS[name]
    found = apart(little.run(), "fc1.weight", AT, step)
    for part in (*found.way, *(part for part in found.scale if part.stage != "divisor")):
        if part.stage in little.whole[step]["fc1.weight"] and part.words != "gradient, squared":
            assert part.value == whole(little, step, part.stage)
    assert found.way[0].value == whole(little, step, "grad_raw")
    assert found.way[-1].value == whole(little, step, "update")


@pytest.mark.parametrize("name", sorted(TRAININGS))
@pytest.mark.parametrize("step", [1, 2, 37, 40])
def test_every_equation_gives_the_value_beside_it(name: str, step: int) -> None:
    found = apart(TRAININGS[name].run(), "fc1.weight", AT, step)
    told = [part for part in (*found.way, *found.scale) if computed(part.equation) is not None]
    assert len(told) >= 2
    for part in told:
        terms = [abs(float(t)) for t in re.findall(r"\d+\.?\d*", part.equation.rpartition("=")[2])]
        assert computed(part.equation) == pytest.approx(part.value, rel=0.02, abs=0.01 * min(1, max(terms))), part


@pytest.mark.parametrize("name", sorted(TRAININGS))
def test_the_factors_lead_from_the_gradient_to_the_update(name: str) -> None:
    parts = apart(TRAININGS[name].run(), "fc1.weight", AT, 40).way
    product = math.prod(part.factor for part in parts[1:])
    assert parts[0].value * product == pytest.approx(parts[-1].value)


def test_parts_that_changed_nothing_are_left_out() -> None:
    clipped = [part.words for part in apart(TRAININGS["Adam"].run(), "fc1.weight", AT, 37).way]
    assert clipped == [
        "gradient", "clipped", "with weight decay", "averaged", "corrected", "scaled", "times −lr", "measured",
    ]  # fmt: skip
    plain = [part.words for part in apart(TRAININGS["plain"].run(), "fc1.weight", AT, 37).way]
    assert plain == ["gradient", "times −lr", "measured"]
    decoupled = [part.words for part in apart(TRAININGS["AdamW"].run(), "fc1.weight", AT, 37).way]
    assert decoupled[-3:] == ["times −lr", "weight decayed", "measured"]


def test_what_divides_is_taken_apart_too() -> None:
    little = TRAININGS["AdamW"]
    found = apart(little.run(), "fc1.weight", AT, 37)
    assert found.divided and [part.stage for part in found.scale] == ["grad", "exp_avg_sq", "exp_avg_sq_hat", "divisor"]
    assert found.scale[0].value == pytest.approx(whole(little, 37, "grad") ** 2)
    assert found.scale[-1].value == pytest.approx(math.sqrt(whole(little, 37, "exp_avg_sq_hat")) + 1e-8)
    assert not apart(TRAININGS["SGD"].run(), "fc1.weight", AT, 37).scale


def test_a_beta_that_a_schedule_changed_is_read_from_the_numbers() -> None:
    run = copy.deepcopy(TRAININGS["AdamW"].run())
    found = apart(run, "fc1.weight", AT, 37)
    assert found.way[1].equation.startswith("β₁·m₋₁ + (1 − β₁)·g = 0.9 · ") and not found.now.moved
    run.info["watch"]["hyper"][0]["betas"] = [0.8, 0.999]
    found = apart(run, "fc1.weight", AT, 37)
    assert found.way[1].equation.startswith("β₁·m₋₁ + (1 − β₁)·g = 0.9 · ")
    assert found.now.moved == {"β₁": pytest.approx(0.9)} and "(β₁ = 0.9 at this step)" in found.sentence()


def test_an_average_that_no_beta_explains_is_not_put_into_numbers() -> None:
    run = copy.deepcopy(TRAININGS["AdamW"].run())
    values, meta = run.held["trace"]
    values[36, meta["stages"].index("exp_avg")] += [1.0, -2.0, 3.0, 4.0]
    found = apart(run, "fc1.weight", AT, 37)
    assert found.way[1].equation == "by a rule of its own" and not found.now.moved


@pytest.mark.parametrize(("optimizer", "name", "symbol"), [("Adam", "betas", "β₁"), ("SGD", "momentum", "μ")])
def test_under_one_cycle_every_step_has_its_own_beta(optimizer: str, name: str, symbol: str) -> None:
    import torch

    options = {} if optimizer == "Adam" else {"momentum": 0.9}
    cycle: dict[str, Any] = {"max_lr": 0.05, "total_steps": 12, "base_momentum": 0.8, "max_momentum": 0.95}
    lens, used = learn(optimizer, options, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, **cycle), name)
    assert lens.run.info["watch"]["hyper"][0][name] == (list(used[0]) if name == "betas" else used[0])
    for step in (2, 5, 9):
        found = apart(lens.run, "0.weight", step=step)
        beta = used[step - 1][0] if name == "betas" else used[step - 1]
        assert found.now.moved == {symbol: pytest.approx(beta, abs=1e-4)}
        assert all(part.equation != "by a rule of its own" for part in (*found.way, *found.scale))
    told = {memory.symbol: memory.moved for memory in memories(lens.run)}
    assert told[symbol] == pytest.approx(0.8, abs=0.01) and told.get("β₂") is None
    assert f"{symbol} went from 0.95 to 0.8" in str(memories(lens.run)[0])


def learn(name: str, options: dict[str, Any], schedule: Any = None, key: str = "lr") -> tuple[Any, list[Any]]:
    """Twelve steps of a small network under a torch optimiser, watched; and the option `key` at each step."""
    import torch

    from passo.recording import watch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01, **options)
    scheduler = None if schedule is None else schedule(optimizer)
    lens, used = watch(optimizer, model), []
    x, y = torch.randn(16, 3), torch.randn(16, 2)
    for _ in range(12):
        optimizer.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        used.append(optimizer.param_groups[0][key])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return lens, used


@pytest.mark.parametrize("rule", ["original", "match_rms_adamw"])
def test_of_muon_and_adamw_a_weight_has_the_stages_of_its_own_half(rule: Any) -> None:
    import torch

    from passo.optim.split import MuonAdamW
    from passo.recording import watch

    torch.manual_seed(0)
    model = torch.nn.Linear(3, 6)
    optimizer = MuonAdamW(model.parameters(), lr=0.02, adjust_lr_fn=rule)
    lens = watch(optimizer, model)
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()
    matrix = apart(lens.run, "weight", step=4)
    told = {part.words: part.equation for part in matrix.way}
    assert list(told)[1:5] == ["with momentum", "looking ahead", "made orthogonal", "scaled by its shape"]
    assert told["made orthogonal"] == "by Newton–Schulz: depends on the whole matrix"
    assert told["with momentum"].startswith("μ·b₋₁ + (1 − μ)·g = ")
    assert told["looking ahead"].startswith("(1 − μ)·g + μ·b = ")
    shape = {
        "original": "√max(1, rows/columns) · O = 1.41 · ",
        "match_rms_adamw": "0.2 · √max(rows, columns) · O = 0.49 · ",
    }
    assert told["scaled by its shape"].startswith(shape[rule]) and not matrix.scale
    bias = apart(lens.run, "bias", step=4)
    assert bias.divided and "made orthogonal" not in {part.words for part in bias.way}
    assert "nan" not in matrix.sentence() + bias.sentence()


def test_the_usual_weight_is_the_one_with_the_middle_gradient_and_never_one_without() -> None:
    run = copy.deepcopy(TRAININGS["Adam"].run())
    values, meta = run.held["trace"]
    grad, other = meta["stages"].index("grad"), (3, 0)
    values[36, grad, :2] = [0.0, 0.1]
    assert apart(run, "fc1.weight", step=37).index == other
    values[36, grad, :2] = [-0.1, 0.0]
    assert apart(run, "fc1.weight", step=37).index == AT


def test_the_digits_of_a_weight_show_that_it_moved() -> None:
    said = apart(train("SGD", momentum=0.0, lr=1e-9).run(), "fc1.weight", AT, 1).sentence()
    before, after = re.findall("from (.*) to (.*), against", said)[0]
    assert before != after


def test_a_penalty_is_told_as_the_part_of_the_gradient_that_it_is() -> None:
    run = TRAININGS["Adam"].run()
    run.config = {"l1": 0.001, "l2": 0.01}  # type: ignore[attr-defined]
    found = apart(run, "fc1.weight", AT, 37)
    theta = whole(TRAININGS["Adam"], 37, "theta")
    assert found.priced is not None and found.lists[0][0] is found.priced
    assert found.priced.value == pytest.approx(math.copysign(0.001, theta) + 0.02 * theta)
    assert computed(found.priced.equation) == pytest.approx(found.priced.value, rel=0.01)
    assert "λ₁·sign θ + 2·λ₂·θ = " in str(found.tables()[0]) and "(of which the penalty: " in found.sentence()
    assert apart(run, "spare.weight", (1,), 40).priced is None  # one axis: no matrix
    assert "a penalty of 0.001 Σ|θ| + 0.01 Σθ²" in " ".join(summary(run))
    assert "penalty" not in " ".join(summary(TRAININGS["Adam"].run()))


def test_after_a_gradient_was_lost_a_weight_is_told_to_be_lost_and_not_without_gradient() -> None:
    run = copy.deepcopy(TRAININGS["Adam"].run())
    statistics, trace = run.held["statistics"][0], run.held["trace"]
    grad = trace[1]["stages"].index("grad")
    statistics[10, grad:], trace[0][10, grad:] = math.nan, math.nan
    statistics[11:], trace[0][11:] = math.nan, math.nan
    lost = apart(run, "fc1.weight", AT, 11)
    assert "which is not a finite number" in lost.sentence() and len(lost.way) == 2 and not lost.scale
    with pytest.raises(StoreError, match="no finite number any more at step 14 .* had not been since step 11"):
        apart(run, "fc1.weight", AT, 14)
    with pytest.raises(StoreError, match="had no gradient at step 9 of little$"):
        apart(run, "spare.weight", (1,), 9)


def test_the_sentence_says_where_the_weight_went_and_whether_against_its_gradient() -> None:
    for name, little in TRAININGS.items():
        for step in little.whole:
            at = little.whole[step]["fc1.weight"]
            said = apart(little.run(), "fc1.weight", AT, step).sentence()
            assert said.startswith(f"Step {step} of fc1.weight[1, 2] in little: a gradient of "), name
            way = (
                "goes up by"
                if at["update"][AT] > 0
                else "goes down by"
                if at["update"][AT] < 0
                else "stays where it is"
            )
            assert way in said
            if at["grad"][AT]:
                assert ("uphill" in said) == (at["update"][AT] * at["grad"][AT] > 0)
            assert "nan" not in said and said.endswith("roundings of the weight apart.")


def test_each_family_has_words_of_its_own() -> None:
    def said(name: str) -> str:
        return apart(TRAININGS[name].run(), "fc1.weight", AT, 37).sentence()

    assert "averages with those before it" in said("Adam") and "clipped to" in said("Adam")
    assert "looking ahead, makes a direction" in said("SGD")
    assert "adds up with those before it" in said("dampened")
    assert "is the direction itself" in said("plain")
    unheard = apart(train("Unheard", steps=3).run(), "fc1.weight", AT, 3)
    assert "Unheard is measured here, not explained." in unheard.sentence()
    assert [part.words for part in unheard.way] == ["gradient", "measured"]


def test_an_optimiser_with_other_stages_shows_what_it_holds() -> None:
    run = train("Unheard", steps=5).run()
    values, meta = run.held["trace"]
    squares = np.full((5, 1, 4), 0.25)
    stages = [*meta["stages"][:-1], "square_avg", "odd_state", "update"]
    run.held = {
        **run.held,
        "trace": (
            np.concatenate([values[:, :-1], squares, 2 * squares, values[:, -1:]], 1),
            {**meta, "stages": stages},
        ),
    }
    found = apart(run, "fc1.weight", AT, 5)
    assert not found.divided
    assert found.scale == (
        Part("square_avg", "squares averaged", "v", 0.25),
        Part("odd_state", "odd state", "odd_state", 0.5),
    )


def test_the_tables_hold_the_same_numbers() -> None:
    found = apart(TRAININGS["Adam"].run(), "fc1.weight", AT, 37)
    way, scale = found.tables()
    assert way.note == "From the gradient to the update" and scale.note == "What it is divided by"
    assert len(way.rows) == len(found.way) and way.rows[0][:2] == ("gradient", "as backward left it")
    assert str(way).count("\n") == len(found.way) + 2


# ── Real optimisers, in memory ──

OPTIMISERS: dict[str, dict[str, Any]] = {
    "Adam": {"amsgrad": True, "maximize": True, "weight_decay": 0.1},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "Adagrad": {"lr_decay": 0.1},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Rprop": {},
    "ASGD": {"lambd": 0.1},
    "Adafactor": {},
}
TOLD = {
    "Adamax": "m̂ / u = ",
    "NAdam": "by a rule of its own",
    "ASGD": "what the equations give",
    "Adadelta": "√(u₋₁ + ε) / √(v + ε) · g = ",
    "RMSprop": "μ·b₋₁ + g / (√v + ε) = ",
    "Rprop": "sign of g = ",
}


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_of_every_optimiser_only_equations_that_hold_are_told(name: str) -> None:
    lens, _ = learn(name, OPTIMISERS[name])
    for step in (1, 2, 12):
        found = apart(lens.run, "0.weight", step=step)
        for part in (*found.way, *found.scale):
            if (value := computed(part.equation)) is not None and "max(v)" not in part.equation:
                terms = [abs(float(t)) for t in re.findall(r"\d+\.?\d*", part.equation.rpartition("=")[2])]
                assert value == pytest.approx(part.value, rel=0.02, abs=0.01 * min(1, max(terms))), part
        assert math.prod(p.factor for p in found.way[1:]) * found.way[0].value == pytest.approx(found.way[-1].value)
    assert any(part.equation.startswith(TOLD.get(name, "−lr")) for part in found.way), found.way


# ── What is refused ──


def test_a_step_without_a_gradient_or_a_record_is_refused() -> None:
    run = TRAININGS["Adam"].run()
    with pytest.raises(StoreError, match=r"spare.weight\[1\] had no gradient at step 37"):
        apart(run, "spare.weight", (1,), 37)
    with pytest.raises(StoreError, match="did not record step 99; 40 steps were recorded, from 1 to 40"):
        apart(run, "fc1.weight", AT, 99)
    assert apart(run, "spare.weight").step == 40  # the last step at which it had one


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"parameter": "fc1.weigth"}, UnknownName, "Did you mean 'fc1.weight'"),
        ({"parameter": "fc1.weight", "index": (0, 0)}, UsageError, r"there are: \[1, 2\], \[3, 0\]"),
        ({"index": (0, 0)}, UsageError, "an index needs the parameter"),
    ],
)
def test_a_weight_that_was_not_traced_is_refused(asked: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        apart(TRAININGS["Adam"].run(), **asked)


def test_a_gradient_that_is_no_number_is_said_to_be_none() -> None:
    run = TRAININGS["plain"].run()
    values, meta = run.held["trace"]
    for stage in ("grad_raw", "grad", "decayed", "momentum_buffer", "adapted", "update", "residual"):
        values[36, meta["stages"].index(stage), 0] = math.nan
    assert "which is not a finite number, and the weight is lost" in apart(run, "fc1.weight", AT, 37).sentence()


def test_a_step_that_was_kept_whole_gives_any_weight(tmp_path: Path) -> None:
    little = TRAININGS["AdamW"]
    run = little.run()
    at = little.whole[37]["fc1.weight"]
    stages = list(little.stages)
    kept = (np.stack([at[stage] for stage in stages]), {"stages": stages})
    run.held = {**run.held, "snapshot/37/fc1.weight": kept}
    found = apart(run, "fc1.weight", (4, 1), 37)
    assert found.coordinate == "fc1.weight[4, 1]"
    assert found.way[0].value == at["grad_raw"][4, 1] and found.way[-1].value == at["update"][4, 1]
    with pytest.raises(StoreError, match=r"has no coordinate \[5, 0\]: its shape is \(5, 3\)"):
        apart(run, "fc1.weight", (5, 0), 37)


def test_an_old_recording_without_theta_is_taken_apart_as_far_as_it_goes() -> None:
    found = apart(TRAININGS["Adam"].run(without=("theta",)), "fc1.weight", AT, 37)
    assert found.roundings is None and found.way[-1].equation == "θ after − θ before"
    assert "roundings" not in found.sentence() and "measured here, not explained" not in found.sentence()
