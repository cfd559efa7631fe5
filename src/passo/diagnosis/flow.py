"""What flows through the layers: forwards activations, backwards gradients."""

from __future__ import annotations

import numpy as np

from passo.analysis.words import significant
from passo.diagnosis.evidence import Evidence, NotSeen, late
from passo.diagnosis.findings import Detector, Finding, few, found, share
from passo.language import later, t

DEAD = 0.6
VANISHED, FEW, EXPLODED, HUGE = 1e-3, 10.0, 1e3, 10.0
ABOVE = 2.5  # times the loss of guessing
RECTIFIERS = ("ReLU", "ReLU6")
FIRST = 5  # steps
HALF, TINY = "float16", 6.0e-8  # the least number of float16


def zero_init(seen: Evidence) -> Finding | None:
    """Weights that begin at 0, and others that therefore never get a gradient."""
    names = np.array(seen.layers.names)[seen.weights]
    theta = seen.layers.root("theta", "the weights")[:, seen.weights]
    grad = seen.layers.root("grad", "the gradient")[:, seen.weights]
    begun = int(seen.layers.steps[0]) <= 1
    empty, still = theta[0] == 0, (grad[: max(FIRST, len(grad) // 2)] == 0).all(0)
    if not begun or len(grad) < FIRST or not empty.any() or not still.any():
        return None
    return found(
        t(
            "The weights of {names} begin at 0, and those of {still} have had no gradient in {n:,} steps.",
            names=few(list(names[empty])),
            still=few(list(names[still])),
            n=max(FIRST, len(grad) // 2),
        )
    )


def dead_units(seen: Evidence) -> Finding | None:
    """Rectifiers of which most units give 0 for a whole mini-batch."""
    names, kinds, dead = seen.activations("dead")
    shares = {n: float(np.nanmedian(late(dead[:, i]))) for i, (n, kind) in enumerate(zip(names, kinds, strict=True))
              if kind in RECTIFIERS and np.isfinite(dead[:, i]).any()}  # fmt: skip
    if not shares:
        return None
    worst = max(shares, key=lambda name: shares[name])
    if shares[worst] < DEAD:
        return None
    told = t(
        "Of the units of {layer}, {share} give 0 for every example of a mini-batch (median of the later steps).",
        layer=worst,
        share=share(shares[worst]),
    )
    return found(told, shares[worst])


def vanishing(seen: Evidence) -> Finding | None:
    """Gradients that shrink by a thousand on their way from the last layer to the first."""
    return _flow(seen, vanished=True)


def exploding(seen: Evidence) -> Finding | None:
    """Gradients that are huge, or grow by a thousand on their way, before any step was taken."""
    return _flow(seen, vanished=False)


def _flow(seen: Evidence, vanished: bool) -> Finding | None:
    names = [name for name, weight in zip(seen.layers.names, seen.weights, strict=True) if weight]
    grad = seen.layers.root("grad_raw" if "grad_raw" in seen.layers.stages else "grad", "the gradient")
    grad = grad[:, seen.weights]
    if vanished:
        usual = np.nanmedian(np.where(np.isfinite(grad), grad, np.nan), 0)
    else:  # what explodes later is the work of the steps
        usual = grad[0]
    if not vanished and int(seen.layers.steps[0]) > 1:
        return None
    if not vanished and (begun := _begun_high(seen)) is not None:
        return begun
    if len(names) < 3 or not usual[-1] > 0 or not usual[0] > 0:
        return None
    ratio = float(usual[0] / usual[-1])
    if vanished:
        begun = np.nanmedian(grad[:FIRST], 0)  # what vanishes later is the work of the steps
        if ratio > VANISHED or not begun[0] <= FEW * VANISHED * begun[-1]:
            return None
        return found(
            t(
                "The gradient of {first} is {ratio} times that of {last} (root mean squares, medians over the steps).",
                first=names[0],
                last=names[-1],
                ratio=significant(ratio),
            )
        )
    peak = float(usual.max())
    if ratio < EXPLODED and peak < HUGE:
        return None
    return found(
        t(
            "At the first step gradients reach {peak} (root mean square of a layer); that of {first} is {ratio} "
            "times that of "
            "{last}.",
            peak=significant(peak),
            first=names[0],
            last=names[-1],
            ratio=significant(ratio),
        )
    )


def _begun_high(seen: Evidence) -> Finding | None:
    """A loss that begins far above guessing: what goes forward has grown already."""
    try:
        loss, (labels, _) = float(seen.seen("loss")[0]), seen.labels
    except NotSeen:
        return None
    guessing = float(np.log(labels.shape[1]))
    if not loss > ABOVE * guessing:
        return None
    return found(
        t(
            "Before the first step the cross-entropy is {loss}; guessing gives {guessing}.",
            loss=significant(loss),
            guessing=significant(guessing),
        ),
        0.95,
    )


def underflow(seen: Evidence) -> Finding | None:
    """Gradients that are 0, or about to be, because half precision has no smaller numbers."""
    if seen.passes.get("dtype", HALF) != HALF and f"torch.{HALF}" not in seen.around.get("dtypes", ()):
        return None
    grad = late(seen.layers.root("grad_raw" if "grad_raw" in seen.layers.stages else "grad", "the gradient"))
    grad = grad[:, seen.weights]
    gone = float((grad == 0).mean())
    if gone < 0.25 or not 0 < grad.max() < 100 * TINY:
        return None
    return found(
        t(
            "{share} of the layers' gradients are exactly 0, and none is above {peak}; the least number of float16 is "
            "6e-8.",
            share=share(gone),
            peak=significant(float(grad.max())),
        )
    )


DETECTORS = (
    Detector(
        "zero-init",
        later("The weights begin at 0"),
        later("All units of a layer are alike and stay so, and nothing flows back through them."),
        later("Draw the weights: He for rectifiers, Glorot for tanh; zeros are for biases."),
        "nn.init.kaiming_normal_(weight)",
        "Exactly 0 at the first step, and an exactly empty gradient: nothing to estimate.",
        "Glorot & Bengio 2010; Goodfellow et al. 2016, section 8.4",
        zero_init,
    ),
    Detector(
        "dead",
        later("Rectifiers are dead"),
        later("A unit that gives 0 for every example gets no gradient, and does not come back."),
        later("Lower the learning rate, begin biases at 0, or use LeakyReLU or GELU."),
        "passo inspect RUN --figure activations",
        "Six in ten units of a layer, in whole mini-batches: healthy layers have up to a third that rest for one.",
        "Lu et al. 2020, Dying ReLU and Initialization; Glorot et al. 2011 (sparse is not dead)",
        dead_units,
    ),
    Detector(
        "vanishing",
        later("Gradients vanish"),
        later("The first layers hardly learn: each layer after them has shrunk what comes back."),
        later("Use rectifiers, residual connections or normalisation; draw the weights for their activation."),
        "passo inspect RUN --figure layers",
        "A thousandth from the last layer to the first; healthy networks stay within a factor of thirty.",
        "Hochreiter 1991; Glorot & Bengio 2010, figures 6 to 8",
        vanishing,
    ),
    Detector(
        "exploding",
        later("Gradients explode"),
        later("What comes back grows from layer to layer: one step ruins the weights."),
        later("Draw smaller weights, normalise, lower the learning rate, or clip the gradient."),
        "passo train clip_norm=1",
        "A loss two and a half times that of guessing, a gradient of ten, or a thousandfold: healthy networks begin "
        "near guessing.",
        "Pascanu et al. 2013; Glorot & Bengio 2010; He et al. 2015",
        exploding,
    ),
    Detector(
        "underflow",
        later("Half precision loses the gradients"),
        later("Numbers below 6e-8 are 0 in float16: layers with small gradients stand still."),
        later("Scale the loss (torch.amp.GradScaler), or train in bfloat16, which has the range of float32."),
        "passo train precision=bf16",
        "A quarter of the layers' gradients exactly 0, and the rest within a hundred of the least number.",
        "Micikevicius et al. 2018, section 3.2",
        underflow,
    ),
)
