"""How far steps go: learning rates, clipping, weight decay."""

from __future__ import annotations

import numpy as np

from passo.analysis.words import significant
from passo.diagnosis.evidence import Evidence, NotSeen, late
from passo.diagnosis.findings import Detector, Finding, found, share, suspected
from passo.language import later, t

FAR, FARTHER = 0.1, 0.3  # rms(Δθ) / rms(θ) per step
ROSE = 1.2  # times the first loss
NEAR, STEADY, UNLEARNT = 1e-3, 0.6, 0.9
BEGINNING = 20  # steps
BITES, OFTEN = 0.1, 0.9
EATEN, GONE, PULL = 0.7, 0.5, 0.25  # of the first weights; what the decay leaves of them; its share of the gradient


def too_high(seen: Evidence) -> Finding | None:
    """Steps of the size of the weights themselves."""
    change = np.nanmedian(seen.change[:, seen.weights], 1)
    change = change[np.isfinite(change)]
    if not len(change):
        return None
    first, rest = float(np.mean(change[:BEGINNING])), float(np.median(late(change)))
    lost = seen.noticed("not-finite") is not None or getattr(seen.run, "status", "") == "diverged"
    harmed = lost or ((rest > FAR or _rose(seen)) and not _fell(seen))
    if not (max(first, rest) > FARTHER or (harmed and max(first, rest) > FAR)):
        return None
    told = t(
        "A step moves the weights by {first} of themselves at the beginning and by {rest} later, at a learning rate of "
        "{lr}; about 0.001 is usual.",
        first=significant(first),
        rest=significant(rest),
        lr=significant(float(seen.lr.max())),
    )
    if lost:
        told += " " + t("Its numbers did not stay finite.")
    return found(told) if harmed else suspected(told)


def _rose(seen: Evidence) -> bool:
    """Whether the loss rose far above its first value; False where it was not seen."""
    loss = _losses(seen)
    return len(loss) > 1 and float(loss[1:].max()) > ROSE * float(loss[0])


def _fell(seen: Evidence) -> bool:
    """Whether the loss is less than half of its first value; False where it was not seen."""
    loss = _losses(seen)
    return len(loss) > 1 and float(np.median(late(loss))) < 0.5 * float(loss[0])


def _losses(seen: Evidence) -> np.ndarray:
    """The finite losses; none where they were not seen."""
    try:
        loss = seen.seen("loss")
    except NotSeen:
        return np.empty(0)
    return loss[np.isfinite(loss)]


def too_low(seen: Evidence) -> Finding | None:
    """Steps so small that the loss still falls as steadily as at the beginning, or is far from done."""
    full = seen.lr >= 0.5 * seen.lr.max()  # not where a schedule has lowered it
    moved = float(np.nanmedian(seen.change[full][:, seen.weights]))
    loss = seen.seen("loss")
    loss = loss[np.isfinite(loss)]
    if len(loss) < 3 * BEGINNING or not moved < NEAR:
        return None
    begin, middle, end = (float(part.mean()) for part in np.array_split(loss, 3))
    early, last = begin - middle, middle - end
    noise = float(np.std(np.diff(loss))) / np.sqrt(len(loss) / 3)
    steady = early < 0.1 * begin and last >= max(-2 * noise, STEADY * early - 2 * noise) and end > 0.5 * begin
    straight = steady and begin - end > 2 * noise
    nowhere = steady and not straight and end > UNLEARNT * _guessing(seen)
    unfinished = last > max(0.1 * begin, 2 * noise) and end > 0.3 * begin
    if not straight and not nowhere and not unfinished:
        return None
    facts = {
        "moved": significant(moved),
        "lr": significant(float(seen.lr.max())),
        "begin": significant(begin),
        "middle": significant(middle),
        "end": significant(end),
    }
    if straight:
        return found(
            t(
                "A step moves the weights by {moved} of themselves, at a learning rate of {lr}, and the loss still "
                "falls as at the beginning: {begin}, {middle}, {end} in the thirds of the run.",
                **facts,
            ),
            0.8,
        )
    if nowhere:
        return found(
            t(
                "A step moves the weights by {moved} of themselves, at a learning rate of {lr}, and the loss stays "
                "where guessing is: {begin}, {middle}, {end} in the thirds of the run.",
                **facts,
            ),
            0.8,
        )
    return suspected(
        t(
            "A step moves the weights by {moved} of themselves, at a learning rate of {lr}, and the loss was still "
            "falling fast when the run ended: {begin}, {middle}, {end} in its thirds.",
            **facts,
        ),
        0.6,
    )


def _guessing(seen: Evidence) -> float:
    """The cross-entropy of guessing; NaN where labels were not seen."""
    try:
        return float(np.log(seen.labels[0].shape[1]))
    except NotSeen:
        return float("nan")


def clipped(seen: Evidence) -> Finding | None:
    """Gradients that are clipped in nearly every step to a small part of themselves."""
    stages = seen.layers.stages
    if "grad_raw" not in stages or "grad" not in stages:
        return None
    raw, left = (np.sqrt(np.nansum(seen.layers.norm(stage, "clipping") ** 2, 1)) for stage in ("grad_raw", "grad"))
    kept = left[raw > 0] / raw[raw > 0]
    if len(kept) < 5:
        return None
    often, size = float((kept < 0.999).mean()), float(np.median(kept))
    if often < OFTEN or size > BITES:
        return None
    return found(
        t(
            "In {often} of the steps the gradient was clipped, to {size} of its norm ({norm}) at the median.",
            often=share(often),
            size=significant(size),
            norm=significant(float(np.median(raw))),
        )
    )


def eaten(seen: Evidence) -> Finding | None:
    """Weights that shrink because of their decay, and not for the loss."""
    decay = max((float(group.get("weight_decay") or 0.0) for group in seen.hyper), default=0.0)
    theta = seen.layers.root("theta", "the weights")[:, seen.weights]
    if not decay or len(theta) < BEGINNING:
        return None
    left = float(np.median(theta[-1] / theta[0]))
    shrink = float(np.exp(-decay * _rates(seen)))
    pull = 0.0
    if "decayed" in seen.layers.stages:  # it goes through the gradient
        pull = float(np.nanmedian(decay * theta / seen.layers.root("grad", "the gradient")[:, seen.weights]))
    if not left <= EATEN or (shrink > GONE and pull < PULL):
        return None
    told = t("The weights have shrunk to {left} of their first size (median over the layers).", left=significant(left))
    if shrink <= GONE:
        told += " " + t("A decay of {decay} alone, at these learning rates, leaves {shrink}.",
                        decay=significant(decay), shrink=significant(shrink))  # fmt: skip
    else:
        told += " " + t("A decay of {decay} pulls {pull} times as hard as the loss (median over the steps).",
                        decay=significant(decay), pull=significant(pull))  # fmt: skip
    return found(told)


def _rates(seen: Evidence) -> float:
    """The learning rates of all steps from the first to the last recorded one, added up."""
    steps, lr = seen.layers.steps.astype(np.float64), seen.lr
    return float(lr[0] + (np.diff(steps) * (lr[1:] + lr[:-1]) / 2).sum())


DETECTORS = (
    Detector(
        "lr-high",
        later("The learning rate is too high"),
        later(
            "Each step throws the weights beyond what it aims at; the loss jumps, stays high, or leaves the "
            "finite numbers."
        ),
        later("Try a learning rate ten times lower, a warm-up, or a range test."),
        "passo lr-range",
        "A tenth of the weights per step: usual is a thousandth, and Adam's first steps reach a few hundredths.",
        "Bengio 2012, section 3.1.1; Cohen et al. 2021 (2/λ)",
        too_high,
    ),
    Detector(
        "lr-low",
        later("The learning rate is too low"),
        later("The training crawls in a straight line: most of its time it could have taken larger steps."),
        later("Try a learning rate ten times higher, or a range test."),
        "passo lr-range",
        "Less than a thousandth of the weights per step alone is no fault; with a loss that falls no slower in "
        "its last third than before, it is. One that fell by a tenth there is suspected.",
        "Bengio 2012, section 3.1.1; Smith 2017",
        too_low,
    ),
    Detector(
        "clipping",
        later("Clipping always bites"),
        later(
            "Every gradient is cut to the same small length: the size of the gradient says nothing any more, and "
            "the learning rate does the rest alone."
        ),
        later("Raise max_norm to what gradients usually reach, so that only outliers are cut."),
        "passo inspect RUN --figure clipping",
        "Nine in ten steps, to a tenth: clipping is for the few that are too large.",
        "Pascanu et al. 2013, section 3.2; Zhang et al. 2020",
        clipped,
    ),
    Detector(
        "weight-decay",
        later("Weight decay eats the weights"),
        later("The pull towards 0 is stronger than what the loss teaches."),
        later("Lower weight_decay; for Adam use AdamW, whose decay hangs on the learning rate alone."),
        "passo train optimizer=adamw optimizer.weight_decay=0.01",
        "A third of the weights gone, and a decay that explains it (it alone leaves half, or is a quarter of the "
        "gradient): weights of a model that learns grow or stay.",
        "Krogh & Hertz 1992; Loshchilov & Hutter 2019",
        eaten,
    ),
)
