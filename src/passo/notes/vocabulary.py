"""The words that the text of `optimizers` may use: everything is a value of the study, or computed from one."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from passo import analysis
from passo.analysis.coasting import coasting
from passo.analysis.intervals import CONFIDENCE
from passo.analysis.rates import rates
from passo.language import t
from passo.notes import libraries
from passo.notes.formats import percent, rate
from passo.notes.replicated import Replication
from passo.notes.tables import GRID, MEMORIES, PATHS, SCHEDULED, VARIANTS, WATCHED
from passo.notes.values import Values, span
from passo.notes.watched import ROUNDING, Watched

TRAINED = (*MEMORIES, "adam", *VARIANTS, *SCHEDULED, "adam-final", "nesterov-cyclic-final")


def require(values: Values) -> None:
    """Raise `StoreError` with the names of the configurations that the note shows and the study lacks."""
    values.require(
        TRAINED, lr_range=("range-adam", "range-nesterov"), descent=(*PATHS, *GRID), surface=("line-surface",)
    )


def vocabulary(values: Values) -> dict[str, Any]:
    """The names that the text files may use."""
    adam = values.run("adam")
    first = Watched(adam)
    told = {name: getattr(values, name) for name in ("setting", "label", "result", "compare", "gap", "sentence")}
    return {
        **told,
        "said": t,  # words that the study holds in English, such as what its line predicts
        "best": values.best,
        "ranked": values.ranked(),
        "changes": values.changes,
        "final_rate": lambda name: values.series(name, "lr")[-1],
        "estimate": values.estimate,
        "difference": values.difference,
        "told_apart": values.told_apart,
        "seeds": len(values.seeds),
        "data": values.data,
        "model": adam.config["model"]["name"],
        "parameters": adam.info["parameters"],
        "steps_per_epoch": adam.info["steps_per_epoch"],
        "epochs": adam.config["epochs"],
        "batch_size": adam.config["batch_size"],
        "first_seed": adam.seed,
        "configurations": len(values.study.names()),
        "runs": len(values.study.select()),
        "level": CONFIDENCE,
        "t_factor": analysis.t_quantile((1 + CONFIDENCE) / 2, len(values.seeds) - 1) if len(values.seeds) > 1 else None,
        "t_limit": NormalDist().inv_cdf((1 + CONFIDENCE) / 2),  # what t comes to with ever more seeds
        "folder": values.study.folder.name,
        "weight": first.weight,
        "tensor": first.tensor,
        "last_tensor": first.last_tensor,
        "rounding": ROUNDING,
        "smoothing": lambda beta: analysis.Smoothing(beta=beta),
        "watched": functools.cache(lambda name: Watched(values.run(name))),
        "worst_roundings": max(Watched(values.run(name)).roundings for name in WATCHED),
        "watched_steps": sum(Watched(values.run(name)).steps for name in WATCHED),
        "path": functools.cache(lambda name: analysis.descent(values.study, name)),
        "surface": analysis.surface(values.study),
        "curvature": curvature(analysis.surface(values.study)),
        "nearest": lambda names: min(names, key=lambda name: analysis.descent(values.study, name).distance),
        "range_test": functools.cache(lambda name: analysis.lr_ranges(values.study, name)),
        "suggested": lambda name: span([c.suggestion for c in analysis.lr_ranges(values.study, name).curves], rate),
        "belief": functools.cache(lambda name: belief(values, name)),
        **_compared(values),
        "log": math.log,
        "exp": math.exp,
        "sqrt": math.sqrt,
        "ceil": math.ceil,
        "span_percent": lambda found: span(found, percent),
        "VARIANTS": VARIANTS,
        "SCHEDULED": SCHEDULED,
        "MEMORIES": MEMORIES,
        "PATHS": PATHS,
    }


def _compared(values: Values) -> dict[str, Any]:
    """Of one name in two libraries, and of one optimiser at several rates."""
    return {
        "needs": lambda *names: values.require(names) or "",
        "PAIRS": libraries.PAIRS,
        "option": functools.partial(libraries.option, values),
        "first_step": functools.partial(libraries.first_step, values),
        "start_left": functools.partial(libraries.start_left, values),
        "coasting": functools.cache(lambda: coasting(values.study)),
        "rates": functools.cache(lambda: rates(values.study)),
        "below": lambda name: [
            n for n in values.ranked() if n != name and values.difference(n, name).verdict == "lower"
        ],
        "replication": Replication(values),
    }


def curvature(surface: analysis.Surface) -> tuple[float, float]:
    """The flattest and the steepest curvature of a quadratic loss surface: its Hessian's eigenvalues, from the grid."""
    db, dw = surface.b[1] - surface.b[0], surface.w[1] - surface.w[0]
    loss = surface.loss
    bb = (loss[2, 0] - 2 * loss[1, 0] + loss[0, 0]) / db**2
    ww = (loss[0, 2] - 2 * loss[0, 1] + loss[0, 0]) / dw**2
    bw = (loss[-1, -1] - loss[-1, 0] - loss[0, -1] + loss[0, 0]) / (
        (surface.b[-1] - surface.b[0]) * (surface.w[-1] - surface.w[0])
    )
    flat, steep = np.linalg.eigvalsh([[bb, bw], [bw, ww]])
    return float(flat), float(steep)


@dataclass(frozen=True)
class Belief:
    """A run's test predictions, and what they say of themselves.

    found: cross-entropies and the mean distributions. worst_tenth: share of the whole cross-entropy that comes
    from the tenth of the images that are predicted worst. entropy: mean entropy of the predictions, in nats, the
    loss that the model expects of itself. confidence: mean probability of the likeliest class.
    """

    found: analysis.Predictions
    worst_tenth: float
    entropy: float
    confidence: float


def belief(values: Values, name: str) -> Belief:
    """What the first seed's run of a configuration believed about the test images."""
    run = values.run(name)
    q, labels = run.array("test/probabilities").astype(np.float64), run.array("test/labels")  # (N, C), (N,)
    truth = np.eye(q.shape[1])[labels]
    cost = np.sort(analysis.cross_entropy(truth, q))[::-1]  # (N,), the dearest first
    return Belief(
        analysis.predictions(run, values.data["classes"]),
        float(cost[: max(1, len(cost) // 10)].sum() / cost.sum()),
        float(analysis.entropy(q).mean()),
        float(q.max(1).mean()),
    )
