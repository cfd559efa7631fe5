"""All that a comparison says of one study, part by part, and the figure that belongs to each part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from passo.analysis.budgets import budgets
from passo.analysis.convergence import convergences
from passo.analysis.ends import endings
from passo.analysis.importance import importance
from passo.analysis.paired import fair
from passo.analysis.sensitivity import sensitivity
from passo.analysis.targets import CLOCK, targets
from passo.analysis.tuning import best_of
from passo.analysis.varied import RATE, settings
from passo.figures.compared import Wish
from passo.language import t
from passo.store import StoredStudy

LOSS = "epoch/train_loss"  # whose convergence is told


class Part(NamedTuple):
    """A key, a heading, what computes it (it has a sentence and a table), and a figure's name where there is one."""

    key: str
    heading: str
    compute: Callable[[], Any]
    figure: str | None = None


def curve_of(study: StoredStudy, metric: str) -> str:
    """What a search chose by; else the validation metric that belongs to a test metric, the loss, that of training."""
    ended = {run.id for run in study.select()}
    searched = [found["metric"] for found in study.facts.get("search") or ()][:1]
    wished = (*searched, metric.replace("test/", "validation/"), "validation/loss", LOSS)
    return next((name for name in wished if not ended.isdisjoint(study.lasts(name))), metric)


def parts(study: StoredStudy, wish: Wish, pool: tuple[str, ...] | None = None) -> Iterator[Part]:
    """Every part that this study can have; `pool` are the configurations that were named, None for all.

    The metrics that all parts read are read once.
    """
    study = study.holding(wish.curve, CLOCK, LOSS, lasts=[wish.metric, wish.by])
    varied = settings(study, None if pool is None else list(pool))
    several = len(varied.of) > 1
    yield Part("ranked", t("Ranked"), lambda: fair(study, wish.metric, wish.names, wish.against), "ranked")
    if several and varied.keys:
        yield Part("tuned", t("Tuned by validation"), lambda: best_of(study, wish.by, wish.metric, wish.group, pool))
    yield Part("target", t("To a target"), lambda: targets(study, wish.curve, wish.target, wish.names))
    yield Part("ends", t("Best, last, area"), lambda: endings(study, wish.curve, wish.names))
    yield Part("convergence", t("Convergence"), lambda: convergences(study, LOSS, wish.names))
    if wish.names is not None:
        return
    if RATE in varied.keys or wish.over:
        over = (*wish.over, RATE)[0]
        yield Part("sensitivity", t("Learning rates"), lambda: sensitivity(study, wish.curve, over), "sensitivity")
    if several and varied.keys:
        found = t("By the tuning budget")
        yield Part("budget", found, lambda: budgets(study, wish.by, wish.metric, wish.group), "budget")
        yield Part("importance", t("What mattered"), lambda: importance(study, wish.curve), "importance")
