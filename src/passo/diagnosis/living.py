"""What is wrong with a run, told while it trains: only what is certain, and no sooner than it can be judged."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.diagnosis.diagnosing import OVERSHADOWED, Diagnosed, diagnose
from passo.diagnosis.findings import FOUND

PATIENT = {"lr-low": 1, "imbalance": 2}  # epochs that are to be over first
LAST, FALLEN = 10, 2 / 3  # steps, and of the first loss
EPOCHS, LOSS, RATE = "epoch/train_loss", "train/loss", "lr"


def live(run: Any) -> tuple[Diagnosed, ...]:
    """What may be told of a run that goes on: findings of level found, that more steps will not take back.

    Of `run` few steps were looked at, and its curves are whole: the course of the loss is read from these. What was
    told stands among its events, and what follows from that is not told any more.
    """
    epochs = len(run.metric(EPOCHS).steps) if run.has(EPOCHS) else 0
    findings = list(diagnose(run).findings)
    if epochs and "witness" in run.arrays() and not _warming_up(run):
        findings += diagnose(_EveryLoss(run), only="lr-low").findings
    findings = [one for one in findings if one.level == FOUND]
    causes = {one.name for one in findings} | {data.get("detector") for *_, data in run.events()}
    silent = {effect for cause in causes for effect in OVERSHADOWED.get(cause, ())}
    if _learns(run):
        silent.add("lr-high")
    return tuple(one for one in findings if one.name not in silent and epochs >= PATIENT.get(one.name, 0))


def _learns(run: Any) -> bool:
    """Whether the loss has fallen all the same: RMSprop's first steps are large, and FTRL's all are."""
    loss = run.metric(LOSS).values if run.has(LOSS) else np.zeros(0)
    return len(loss) > LAST and bool(np.median(loss[-LAST:]) < FALLEN * loss[0])


def _warming_up(run: Any) -> bool:
    """Whether the learning rate has risen and goes on rising."""
    rates = run.metric(RATE).values
    return bool(rates[-1] > rates[0] and rates[-1] >= rates.max())


class _EveryLoss:
    """A run whose witness saw the loss at every step, and nothing else."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def array(self, name: str) -> np.ndarray:
        return self._run.metric(LOSS).values[:, None] if name == "witness" else self._run.array(name)

    def meta(self, name: str) -> dict[str, Any]:
        return {"quantities": ["loss"]} if name == "witness" else self._run.meta(name)
