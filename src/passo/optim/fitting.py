"""From what a person wrote about a schedule to the arguments of torch's class.

Names and kinds are checked, durations become counts, lines of arithmetic become functions, and gaps that
only the run can fill are filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from passo.errors import ConfigError
from passo.optim.arguments import arguments_of, check_names, check_value, number, positive
from passo.optim.arithmetic import arithmetic
from passo.optim.durations import duration
from passo.optim.ranges import OF_SCHEDULES, check_ranges
from passo.optim.rules import CLASSES, HIDDEN, WARMUP_COSINE, Place, Rule, rule_of

NOT_HERE = {
    "last_epoch": "a schedule goes on from its state_dict instead",
    "epochs": "the run gives it; total_steps is for another length",
    "steps_per_epoch": "the run gives it; total_steps is for another length",
}


def fitted(name: str, options: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The arguments that torch's class is built with. Raises ConfigError, in one sentence."""
    rule, allowed = rule_of(name), arguments_of(CLASSES[name], hidden=HIDDEN)
    for option in options:
        if option in NOT_HERE:
            raise ConfigError(f"{name}: {option} is not given here: {NOT_HERE[option]}")
    check_names(name, options, allowed)
    checked: dict[str, Any] = {}
    for option, value in options.items():
        read = _special(name, rule, option, options, place)
        checked[option] = check_value(name, allowed[option], value) if read is None else read(value)
    for option, fill in rule.fill:
        if checked.get(option) is None:
            checked[option] = fill(place)
    absent = [key for key, value in allowed.items() if value.default is value.empty and key not in checked]
    if absent:
        raise ConfigError(f"the schedule {name} needs {rule.needs or ', '.join(absent)}")
    check_ranges(name, checked, OF_SCHEDULES.get(name, {}))
    _check_groups(name, checked, place)
    _check_rates(name, checked)
    if name == "OneCycleLR" and checked["total_steps"] < place.run.steps and not place.run.assumed:
        raise ConfigError(
            f"OneCycleLR: total_steps is {checked['total_steps']}, but the run has {place.run.steps} steps: "
            "leave it out to fit the run"
        )
    return checked


def warm_steps(options: Mapping[str, Any], place: Place) -> tuple[int, float]:
    """The steps of warm-up and the final fraction of "warmup-cosine"."""
    check_names(WARMUP_COSINE, options, ["warmup", "final"])
    warmup, label = options.get("warmup", 0.05), f"{WARMUP_COSINE}: warmup"
    final = number(f"{WARMUP_COSINE}: final", options.get("final", 0.0))
    if not 0 <= final <= 1:
        raise ConfigError(f"{WARMUP_COSINE}: final is a fraction of the peak, from 0 to 1, got {final}")
    if isinstance(warmup, float) and 0 <= warmup < 1:
        warm = round(warmup * place.span)
    else:
        warm = duration(label, warmup, place.unit, place.run, least=0)
    if warm >= place.span and not place.run.assumed:
        raise ConfigError(f"{label} takes {warm} of {place.span} steps, which leaves none for the cosine")
    return min(warm, place.span - 1), final


def milestones(label: str, value: Any, place: Place) -> list[int]:
    """Increasing moments, as counts of what the schedule steps by."""
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{label} must be a list such as ['3 epochs', '5 epochs'], got {value!r}")
    counts = [duration(label, part, place.unit, place.run) for part in value]
    if not place.run.assumed and sorted(set(counts)) != counts:
        raise ConfigError(f"{label} must increase, got {value!r}")
    return counts


def _special(
    name: str, rule: Rule, option: str, options: Mapping[str, Any], place: Place
) -> Callable[[Any], Any] | None:
    """How to read an option that is more than a value to torch; None for all others."""
    label = f"{name}: {option}"
    if options[option] is None:
        return None
    if option == rule.function:
        cycles = option == "scale_fn" and options.get("scale_mode", "cycle") == "cycle"
        return lambda value: _functions(label, value, place, counts_cycles=cycles)
    if option == "milestones":
        return lambda value: milestones(label, value, place)
    if option in (*rule.durations, *rule.waits):
        least = 0 if option in rule.waits else 1
        return lambda value: duration(label, value, place.unit, place.run, least)
    return None


def _functions(label: str, value: Any, place: Place, *, counts_cycles: bool) -> Any:
    """A function, or a line of arithmetic in `epoch`, `step` and `x`, which is what torch itself passes.

    A function of the cycle (CyclicLR's scale_fn, unless told otherwise) knows `x` only.
    """
    if isinstance(value, list | tuple):
        return [_functions(label, part, place, counts_cycles=counts_cycles) for part in value]
    if callable(value):
        return value
    if not isinstance(value, str):
        raise ConfigError(f"{label} must be a function or a line of arithmetic, got {value!r}")
    try:
        line = arithmetic(value, ["x"] if counts_cycles else ["epoch", "step", "x"])
    except ConfigError as error:
        raise ConfigError(f"{label}: {error}") from None
    return line if counts_cycles else _factor(label, line, place)


def _factor(label: str, line: Callable[..., float], place: Place) -> Callable[[float], float]:
    def factor(count: float) -> float:
        epoch, step = place.run.epoch_of(count, place.unit), place.run.step_of(count, place.unit)
        value = line(epoch, step, count)
        if value < 0:
            raise ConfigError(f"{label} gives {value:g} at epoch {epoch:g}, and a learning rate cannot be negative")
        return value

    return factor


def _check_groups(name: str, checked: Mapping[str, Any], place: Place) -> None:
    """Lists have an entry for each parameter group, and momentum only moves where there is some."""
    groups = len(place.optimizer.param_groups)
    for option, value in checked.items():
        if option != "milestones" and isinstance(value, list | tuple) and len(value) != groups:
            raise ConfigError(
                f"{name}: {option} must be one for all, or a list of one for each of the optimizer's "
                f"{groups} parameter groups, got {len(value)}"
            )
    if checked.get("cycle_momentum") and not {"momentum", "betas"} & {*place.optimizer.defaults}:
        raise ConfigError(f"{name}: cycle_momentum needs an optimizer with momentum or betas: leave it out")


def _check_rates(name: str, checked: Mapping[str, Any]) -> None:
    """What torch lets pass: a top of the cycle that is not above zero, or not above the bottom."""
    if "max_lr" not in checked:
        return
    tops = checked["max_lr"] if isinstance(checked["max_lr"], list) else [checked["max_lr"]]
    for top in tops:
        positive(f"{name}: max_lr", top)
    bottom = checked.get("base_lr", 0.0)
    for low in bottom if isinstance(bottom, list) else [bottom]:
        if not 0 <= float(low) < max(map(float, tops)):
            raise ConfigError(
                f"{name}: max_lr must be > base_lr and base_lr >= 0, "
                f"got max_lr {float(max(tops)):g} and base_lr {float(low):g}"
            )
