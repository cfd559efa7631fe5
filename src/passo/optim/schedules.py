"""Every learning-rate scheduler of torch by name: checked, fitted to the run, stepped when it wants to be.

A plain number for a duration counts the scheduler's own steps, as in torch; words ("1 epoch", "200 steps")
are converted to them. `when="step"` moves after every mini-batch what by itself moves after every epoch.

Filled in where absent:
    total_steps, T_max, total_iters    OneCycleLR, CosineAnnealingLR, LinearLR, PolynomialLR: the whole run
                                       (inside SequentialLR: that scheduler's own part of it)
    base_lr                            CyclicLR: the learning rate that the optimizer was built with
    step_size_up                       CyclicLR: two epochs, at most half of the run
    cycle_momentum                     CyclicLR, OneCycleLR: only where the optimizer was built with momentum
                                       or betas; torch would turn momentum on in an SGD that has none
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer, lr_scheduler

from passo.errors import ConfigError, PassoError
from passo.optim.arguments import check_names, resolve, retold
from passo.optim.durations import Run, Unit
from passo.optim.fitting import fitted, milestones, warm_steps
from passo.optim.rules import CLASSES, WARMUP_COSINE, Place, names, rule_of, warmup_cosine
from passo.optim.stepping import Schedule, When, as_schedule, check_same_optimizer

__all__ = ["Schedule", "as_schedule", "check_same_optimizer", "check_schedule", "make_schedule", "schedules"]

RESTARTS = "CosineAnnealingWarmRestarts"
COMPOSITES = ("SequentialLR", "ChainedScheduler")
MOMENTS = {
    "step": "after every mini-batch",
    "epoch": "after every epoch",
    "plateau": "with every validation loss",
}


def schedules() -> list[str]:
    """The names of all schedules: torch's classes, and "warmup-cosine"."""
    return sorted(set(names().values()), key=str.lower)


def make_schedule(name: str, optimizer: Optimizer, *, epochs: int, steps_per_epoch: int, **options: Any) -> Schedule:
    """A schedule by name, on an optimizer, for a run of `epochs` × `steps_per_epoch` mini-batches.

    Args:
        name: as in `schedules()`; case, hyphens, underscores and a final "LR" do not matter.
        options: the arguments of the class, and `when` ("step" or "epoch"). Functions may be lines of
            arithmetic in `epoch` (fractional where it moves per step), `step` and `x` (what torch passes).
            SequentialLR and ChainedScheduler take `schedulers=[{"name": …, …}, …]`, all stepped in one unit.
            "warmup-cosine" takes `warmup` (a fraction of the run, steps, or "1 epoch"; 0.05) and `final`
            (a fraction of the peak; 0).

    Raises UnknownName and ConfigError, in one sentence.
    """
    return _make(name, optimizer, Run(epochs, steps_per_epoch), options)


def check_schedule(
    name: str, options: Mapping[str, Any], *, epochs: int | None = None, steps_per_epoch: int | None = None
) -> None:
    """Raise what `make_schedule` would raise, as far as that is known without optimizer and run."""
    if epochs is None or steps_per_epoch is None:
        run = Run(100, 100, assumed=True)
    else:
        run = Run(epochs, steps_per_epoch)
    groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(_groups(options))]
    # Any max_lr lies above so small a rate, as it may lie above the true optimizer's.
    _make(name, SGD(groups, lr=1e-30, momentum=0.9), run, options)


def _groups(options: Mapping[str, Any]) -> int:
    """How many parameter groups an optimizer has that fits these options."""
    lists = [value for key, value in options.items() if key in ("lr_lambda", "max_lr", "base_lr", "min_lr")]
    counts = [len(value) for value in lists if isinstance(value, list | tuple)]
    inside = options.get("schedulers")
    children = inside if isinstance(inside, list | tuple) else []
    return max([1, *counts, *(_groups(child) for child in children if isinstance(child, Mapping))])


def _make(name: str, optimizer: Optimizer, run: Run, options: Mapping[str, Any]) -> Schedule:
    name = resolve("schedule", name, names())
    when = _when(name, options)
    unit: Unit = "step" if when == "step" and name != RESTARTS else "epoch"
    own = {key: value for key, value in options.items() if key != "when"}
    scheduler = _build(name, own, Place(optimizer, run, unit, run.length(unit)))
    return Schedule(scheduler, when, name=name, steps_per_epoch=run.steps_per_epoch)


def _when(name: str, options: Mapping[str, Any]) -> When:
    """The moment at which a schedule is stepped: the one asked for, where it suits, else its own."""
    asked: When | None = options.get("when")
    own = rule_of(name).when
    if asked not in (None, *MOMENTS):
        raise ConfigError(f"when must be 'step', 'epoch' or 'plateau', got {asked!r}")
    if name in COMPOSITES:
        own = _shared_moment(name, options, asked)
    elif own == "any":
        own = "step"  # alone, warm restarts move after every mini-batch, by fractions of an epoch
    suits = own != "plateau" and asked != "plateau" and rule_of(name).when != "step"
    if asked not in (None, own) and not suits:
        raise ConfigError(f"{name} is stepped {MOMENTS[own]}, so when={asked!r} does not suit it: leave it out")
    return asked or own


def _shared_moment(name: str, options: Mapping[str, Any], asked: When | None) -> When:
    """The one moment at which all that a composite holds is stepped."""
    moments: dict[When, str] = {}
    for inner, child in _children(name, options):
        if inner == RESTARTS and "when" not in child:
            continue  # inside a composite they count its steps, whichever these are
        if asked is not None and rule_of(inner).when in ("epoch", "any"):
            child = {"when": asked, **child}
        moments[_when(inner, child)] = inner
    if "plateau" in moments:
        raise ConfigError(f"{name} cannot hold ReduceLROnPlateau, which needs a validation loss at every step")
    if len(moments) > 1 or (asked is not None and moments and asked not in moments):
        told = " and ".join(f"{inner} (per {moment})" for moment, inner in sorted(moments.items()))
        raise ConfigError(
            f"{name} steps all that it holds at one moment, but holds {told}: give it when='step', and "
            "durations inside as '2 epochs' or '100 steps'"
        )
    if moments:
        return next(iter(moments))
    return "epoch" if asked is None else asked


def _build(name: str, options: Mapping[str, Any], place: Place) -> Any:
    """The torch scheduler; torch's own complaints are retold in one sentence."""
    try:
        if name == WARMUP_COSINE:
            warm, final = warm_steps(options, place)
            return lr_scheduler.LambdaLR(place.optimizer, warmup_cosine(warm, place.span, final))
        if name == "SequentialLR":
            return _sequential(options, place)
        if name == "ChainedScheduler":
            check_names(name, options, ["schedulers"])
            chained = [_child(inner, child, place, place.span) for inner, child in _children(name, options)]
            return lr_scheduler.ChainedScheduler(chained, optimizer=place.optimizer)
        return CLASSES[name](place.optimizer, **fitted(name, options, place))
    except PassoError:
        raise
    except (ValueError, TypeError, KeyError, ZeroDivisionError, OverflowError) as error:
        raise retold(name, error) from error


def _sequential(options: Mapping[str, Any], place: Place) -> Any:
    """One scheduler after the other; each one's span reaches from its milestone to the next."""
    check_names("SequentialLR", options, ["schedulers", "milestones"])
    children = _children("SequentialLR", options)
    turns = milestones("SequentialLR: milestones", options.get("milestones", []), place)
    if len(turns) != len(children) - 1:
        raise ConfigError(
            f"SequentialLR needs a milestone between each two of its schedulers: {len(children) - 1} for "
            f"{len(children)} schedulers, got {len(turns)}"
        )
    spans = [max(1, end - start) for start, end in pairwise([0, *turns, max(place.span, *turns, 1)])]
    built = [_child(*child, place, span) for child, span in zip(children, spans, strict=True)]
    return lr_scheduler.SequentialLR(place.optimizer, built, turns)


def _child(name: str, options: Mapping[str, Any], place: Place, span: int) -> Any:
    own = {key: value for key, value in options.items() if key != "when"}
    return _build(name, own, Place(place.optimizer, place.run, place.unit, span))


def _children(name: str, options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The proper name and the options of each scheduler inside; refuses what torch gets wrong inside it."""
    given = options.get("schedulers")
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"{name} needs schedulers, a list of tables such as {{name = 'LinearLR'}}")
    children = []
    for child in given:
        if not isinstance(child, Mapping) or "name" not in child:
            raise ConfigError(f"{name}: each of its schedulers is a table with a name, got {child!r}")
        inner = resolve("schedule", child["name"], names())
        _check_inside(name, inner, alone=len(given) == 1)
        children.append((inner, {key: value for key, value in child.items() if key != "name"}))
    return children


def _check_inside(name: str, inner: str, *, alone: bool) -> None:
    """Measured with torch 2.13: these raise no error there, or an empty one, and the rates come out wrong."""
    if inner == "OneCycleLR":
        why = "which overwrites the learning rate that the others begin from: use warmup-cosine"
    elif name == "SequentialLR" and inner in COMPOSITES:
        why = "which torch cannot begin at a milestone: write its parts into this one"
    elif name == "ChainedScheduler" and rule_of(inner).absolute and not alone:
        why = "which sets the learning rate outright and would undo what is chained with it"
    else:
        return
    raise ConfigError(f"{name} cannot hold {inner}, {why}")
