"""Range tests and their verification as runs of a study: from a configuration to what is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from passo.data import Data
from passo.errors import TrainingError
from passo.experiments.assembling import assemble, check_predicts
from passo.experiments.ranges import RangePlan, no_suggestion, range_tests
from passo.experiments.sink import Sink
from passo.experiments.suggesting import check_rule
from passo.experiments.verifying import brief_training
from passo.training import TrainConfig


def without_schedule(config: TrainConfig) -> TrainConfig:
    """A range test moves the learning rate itself, so a schedule has no part in it."""
    return config.model_copy(update={"schedule": None})


def range_run(config: TrainConfig, data: Data, settings: Mapping[str, Any], sink: Sink) -> None:
    """One seed's range test. `settings`: the fields of `RangePlan`, and `suggest`, the rule whose rate counts.

    Raises `TrainingError` where that rule finds no rate; the curve is kept all the same.
    """
    parts = assemble(without_schedule(config), data)
    check_predicts(parts.task, "a range test")
    chosen = dict(settings)
    rule = check_rule(chosen.pop("suggest", "steepest"))
    plan = RangePlan(**chosen)
    tests = range_tests(
        parts.model,
        parts.loss_fn,
        parts.optimizer,
        parts.train,
        plan,
        [config.seed],
        clip_norm=config.clip_norm,
        penalty=parts.penalty,
        device=parts.device,
    )
    (test,) = tests
    for name in ("lr", "loss", "smoothed"):
        sink.array(name, getattr(test, name))
    found = {name: rate if math.isfinite(rate) else None for name, rate in test.suggestions.items()}
    facts = {"suggestion": found[rule], "suggestions": found, "diverged_at": test.diverged_at}
    sink.info(**asdict(plan), rule=rule, **facts, drawn=dict(test.drawn))
    if found[rule] is None:
        raise TrainingError(no_suggestion(plan, rule))


def verify_run(config: TrainConfig, data: Data, settings: Mapping[str, Any], sink: Sink) -> None:
    """One training of a verification: at `lr` times `factor`, for `steps` steps; `verify_factor` is that of the check.

    Its end is judged on the validation set, or on the last mini-batches where there is none; never on the test set.
    """
    parts = assemble(without_schedule(config), data)
    check_predicts(parts.task, "a range test")
    done = brief_training(
        parts.model,
        parts.loss_fn,
        parts.optimizer,
        parts.train,
        settings["lr"],
        settings["factor"],
        config.seed,
        steps=settings["steps"],
        validation=parts.validation,
        clip_norm=config.clip_norm,
        penalty=parts.penalty,
        device=parts.device,
    )
    sink.array("loss", done.loss)
    sink.info(
        suggested=settings["lr"],
        verify_factor=settings["verify_factor"],
        factor=done.factor,
        lr=done.lr,
        steps=settings["steps"],
        final=done.final if math.isfinite(done.final) else None,
        measured=done.measured,
    )
