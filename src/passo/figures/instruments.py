"""What shows a defect: one quantity of a run over its steps, its layers or its classes, for each of passo's detectors.

>>> INSTRUMENTS["zero-grad"].title, INSTRUMENTS["dead"].axis
('norm of the gradient that backward left', 'ReLU')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from passo.diagnosis.evidence import Evidence, NotSeen, late
from passo.figures.panels import STEP
from passo.language import later, t

MATRIX, LAYER, UNIT, CLASS = later("weight matrix, from the input on"), later("layer"), "ReLU", later("class")
MINDFUL = ("Dropout", "BatchNorm")  # layers to which the mode makes a difference
RULE = {1e-3: later("0.001, a rule of thumb (CS231n)")}

Reading = tuple[Sequence[float | str], np.ndarray]
"""Where, and how much there: steps or numbers of layers, or names; (N,)."""


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A quantity that tells a broken run from a healthy one. `title` and `axis` are translated where they are shown.

    `read` gives it of a run; `figure` is the one of `passo inspect` that has it too. `log`: on a logarithmic scale.
    """

    title: str
    read: Callable[[Evidence], Reading]
    axis: str = STEP
    log: bool = False
    share: bool = False
    levels: Mapping[float, str] | None = None
    figure: str = ""


# ── Over the steps ────────────────────────────────────────────────────────────────────────────────────────


def gradient(seen: Evidence, stage: str) -> Reading:
    """‖g‖ over all parameters: (T,)."""
    return seen.layers.steps.tolist(), _whole(seen, stage)


def rate(seen: Evidence) -> Reading:
    return seen.layers.steps.tolist(), seen.lr


def change(seen: Evidence) -> Reading:
    """rms(Δθ) / rms(θ), the median over the weight matrices: (T,)."""
    return seen.layers.steps.tolist(), np.nanmedian(seen.change[:, seen.weights], 1)


def size(seen: Evidence) -> Reading:
    """‖θ‖ over all weight matrices, as a share of what it was at the first step: (T,)."""
    norm = _norm(seen, "theta", seen.weights)
    return seen.layers.steps.tolist(), norm / norm[0]


def classes(seen: Evidence) -> Reading:
    """How many classes a mini-batch holds: (T,), NaN where its labels could not be read."""
    labels, _ = seen.labels
    return _witnessed(seen), np.where(labels.any(1), (labels > 0).sum(1), np.nan)


def witnessed(seen: Evidence, quantity: str) -> Reading:
    return _witnessed(seen), seen.seen(quantity)


def mode(seen: Evidence) -> Reading:
    """What the first layer that minds its mode does to the spread of its input: nothing in eval mode, when new. (T,)"""
    _, kinds, spread = seen.activations("std")
    place = next((i for i, kind in enumerate(kinds) if i and kind.startswith(MINDFUL)), None)
    if place is None:
        raise NotSeen("dropout or BatchNorm")
    return seen.run.array("activations/steps").tolist(), spread[:, place] / spread[:, place - 1]


# ── From layer to layer ───────────────────────────────────────────────────────────────────────────────────


def backward(seen: Evidence) -> Reading:
    """rms(g) of each weight matrix, the median over the steps: (W,)."""
    return _numbered(np.nanmedian(_left(seen), 0))


def vanished(seen: Evidence) -> Reading:
    """The share of the steps at which a weight matrix has a gradient of exactly 0: (W,)."""
    return _numbered((_left(seen) == 0).mean(0))


def forward(seen: Evidence) -> Reading:
    """The standard deviation of what each layer with weights gives at the first step: (W,)."""
    _, kinds, spread = seen.activations("std")
    return _numbered(spread[0, [kind.startswith(("Linear", "Conv")) for kind in kinds]])


def dead(seen: Evidence) -> Reading:
    """The share of each ReLU's units that give 0 for a whole mini-batch, the median of the later steps."""
    _, kinds, share = seen.activations("dead")
    return _numbered(np.nanmedian(late(share), 0)[[kind == UNIT for kind in kinds]])


def moved(seen: Evidence) -> Reading:
    """rms(Δθ) / rms(θ) of each weight matrix, the median over the steps; 0 of those that the optimizer lacks."""
    change = np.nan_to_num(np.nanmedian(seen.change[:, seen.weights], 0))
    names = [name for name, weight in zip(seen.layers.names, seen.weights, strict=True) if weight]
    still = [name for name in seen.around["lacking"] if name.endswith("weight")]
    layers = [name.removesuffix(".weight") for name in (*still, *names)]
    return layers, np.concatenate([np.zeros(len(still)), change])


# ── Of the data, and of the evaluation ────────────────────────────────────────────────────────────────────


def recall(seen: Evidence) -> Reading:
    """The share of each class that is answered rightly in the later half of the training: (C,)."""
    given, right = (late(counts).sum(0) for counts in seen.labels)
    return [str(one) for one in range(len(given))], right / np.maximum(given, 1)


def examples(seen: Evidence) -> Reading:
    facts = seen.passes
    return [t("in training"), t("in evaluation"), t("in both")], _counts(facts, "trained", "evaluated", "shared")


def passes(seen: Evidence) -> Reading:
    every, loud = _counts(seen.passes, "evaluation", "evaluation_in_train_mode")
    return [t("in eval mode"), t("in train mode")], np.array([every - loud, loud])


# ── What they share ───────────────────────────────────────────────────────────────────────────────────────


def _whole(seen: Evidence, stage: str) -> np.ndarray:
    return _norm(seen, stage if stage in seen.layers.stages else "grad", slice(None))


def _norm(seen: Evidence, stage: str, which: np.ndarray | slice) -> np.ndarray:
    return np.sqrt(np.nansum(seen.layers.norm(stage, "its size")[:, which] ** 2, 1))


def _left(seen: Evidence) -> np.ndarray:
    """rms of what backward left of each weight matrix's gradient: (T, W)."""
    return seen.layers.root("grad_raw" if "grad_raw" in seen.layers.stages else "grad", "it")[:, seen.weights]


def _witnessed(seen: Evidence) -> list[int]:
    return seen.run.array("witness/steps").tolist()


def _numbered(values: np.ndarray) -> Reading:
    return list(range(1, 1 + len(values))), values


def _counts(facts: Mapping[str, float], *names: str) -> np.ndarray:
    return np.array([float(facts[name]) for name in names])


_RATE = Instrument(title=later("learning rate"), read=rate)
_CHANGE = Instrument(
    title=later("size of a step as a share of the weights, rms(Δθ) / rms(θ)"),
    read=change,
    log=True,
    figure="ratios",
)
_BACKWARD = Instrument(
    title=later("rms of the gradient in each weight matrix, median over the steps"),
    read=backward,
    axis=MATRIX,
    log=True,
    figure="layers",
)
_MOVED = Instrument(
    title=later("size of a step as a share of the weights, layer by layer"), read=moved, axis=LAYER, figure="ratios"
)

INSTRUMENTS: Mapping[str, Instrument] = {
    "zero-grad": Instrument(
        title=later("norm of the gradient that backward left"),
        read=partial(gradient, stage="grad_raw"),
        log=True,
        figure="layers",
    ),
    "clipping": Instrument(
        title=later("norm of the gradient that the optimiser reads"),
        read=partial(gradient, stage="grad"),
        log=True,
        figure="clipping",
    ),
    "schedule-too-slow": _RATE,
    "schedule-too-fast": _RATE,
    "schedule-elsewhere": _RATE,
    "lr-high": _CHANGE,
    "lr-low": replace(_CHANGE, levels=RULE),
    "weight-decay": Instrument(title=later("norm of the weights, as a share of the first"), read=size, share=True),
    "eval-mode": Instrument(
        title=later("standard deviation after the first Dropout or BatchNorm, over that before it"),
        read=mode,
        figure="activations",
    ),
    "train-mode": Instrument(
        title=later("forward passes of the evaluation"), read=passes, axis=later("mode of the model")
    ),
    "sorted": Instrument(title=later("classes in a mini-batch"), read=classes),
    "unscaled": Instrument(
        title=later("standard deviation of the inputs"), read=partial(witnessed, quantity="std"), log=True
    ),
    "softmax-twice": Instrument(
        title=later("share of the answers that are probabilities"),
        read=partial(witnessed, quantity="probabilities"),
        share=True,
    ),
    "leak": Instrument(title=later("different examples"), read=examples, axis=later("where they are")),
    "imbalance": Instrument(
        title=later("share answered rightly in training, class by class"), read=recall, axis=CLASS, share=True
    ),
    "lacking": _MOVED,
    "frozen": _MOVED,
    "zero-init": replace(_BACKWARD, log=False),
    "vanishing": _BACKWARD,
    "exploding": Instrument(
        title=later("standard deviation of each layer's outputs at the first step"),
        read=forward,
        axis=MATRIX,
        log=True,
        figure="activations",
    ),
    "dead": Instrument(
        title=later("share of dead units in each ReLU"), read=dead, axis=UNIT, share=True, figure="activations"
    ),
    "underflow": Instrument(
        title=later("share of the steps at which a weight matrix has a gradient of exactly 0"),
        read=vanished,
        axis=MATRIX,
        share=True,
        figure="layers",
    ),
}
"""By the detector that each is the picture of. What is not here shows best in the curves of accuracy."""
