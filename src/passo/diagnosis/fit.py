"""Whether what is learned holds for new examples."""

from __future__ import annotations

import numpy as np

from passo.analysis.words import significant
from passo.diagnosis.evidence import Evidence
from passo.diagnosis.findings import Detector, Finding, found, suspected
from passo.language import later, t

WORSE, RISEN = 1.15, 1.02  # of the least validation loss
BY_HEART = 0.1  # of the validation loss: what is left of the training loss where examples are known by heart
AFTER = 3  # evaluations since then


def overfitting(seen: Evidence) -> Finding | None:
    """A validation loss that rises while that of the training goes on falling."""
    steps, validation = seen.curve("validation/loss")
    train_steps, training = seen.curve("train/loss")
    if len(validation) < AFTER + 1 or not np.isfinite(validation).all():
        return None
    best = int(validation.argmin())
    last = float(np.median(validation[-AFTER:]))
    after = training[train_steps > steps[best]]
    before = training[train_steps <= steps[best]][-max(10, len(after)) :]
    if len(validation) - 1 - best < AFTER or not len(after) or not len(before):
        return None
    tail = float(after[-max(10, len(after) // 3) :].mean())
    risen = last >= WORSE * validation[best]
    by_heart = last >= RISEN * validation[best] and tail < BY_HEART * last
    if tail >= float(before.mean()) or not (risen or by_heart):
        return None
    level = found if risen else suspected
    return level(
        t(
            "The validation loss was least at step {step:,} ({least}) and is {last} now, while the training loss fell "
            "from {before} to {tail}.",
            step=int(steps[best]),
            least=significant(float(validation[best])),
            last=significant(last),
            before=significant(float(before.mean())),
            tail=significant(tail),
        )
    )


DETECTORS = (
    Detector(
        "over-fitting",
        later("The model over-fits"),
        later("It learns the training examples themselves; what it has learned of the rest is being lost."),
        later("Stop at the least validation loss, use more data or augmentation, or dropout and weight decay."),
        "passo train early_stopping.patience=3",
        "15 % above the least validation loss in three evaluations, with a training loss that falls: noise does "
        "neither for long. Less is suspected where the training loss is a tenth of the validation loss.",
        "Prechelt 1998, Early Stopping: But When?; Geman et al. 1992",
        overfitting,
    ),
)
