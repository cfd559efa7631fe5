"""What the text may ask about one name in two libraries: defaults, first steps, what is left of a start."""

from __future__ import annotations

from typing import Any

import numpy as np

from passo.analysis.coasting import step_sizes
from passo.analysis.layers import layers
from passo.analysis.recorded import hyper
from passo.errors import StoreError
from passo.language import later, t
from passo.notes.content import Table
from passo.notes.formats import number, rate
from passo.notes.values import Values

NAMES = {"sgd": "SGD", "rmsprop": "RMSprop", "adam": "Adam", "adagrad": "Adagrad", "adadelta": "Adadelta"}
PAIRS = tuple((f"{name}-keras", f"{name}-torch") for name in NAMES)
DEFAULTED = (*(name for pair in PAIRS for name in pair), "ftrl-keras")

_OPTIONS = {"lr": "η", "alpha": "α", "rho": "ρ", "eps": "ε"}
_VERDICTS = {"higher": later("higher"), "lower": later("lower"), "not distinguishable": later("not distinguishable")}


def option(values: Values, name: str, key: str) -> Any:
    """An option of the first seed's run as it was at the first step, defaults included."""
    found = hyper(values.run(name))
    if key not in found:
        raise StoreError(f"run {values.run(name).id} did not record the option {key!r}")
    return found[key]


def first_step(values: Values, name: str) -> float:
    """Root mean square of the first update over all weights."""
    return float(step_sizes(layers(values.run(name)))[0])


def start_left(values: Values, name: str) -> float:
    """How long all weight tensors are after the first step, as a share of how long they were before it."""
    found = layers(values.run(name))
    chosen = [at for at, parameter in enumerate(found.names) if parameter.endswith("weight")]
    length = np.sqrt((found.norm("theta", "what is left of the start")[:2, chosen] ** 2).sum(1))
    return float(length[1] / length[0])


def defaults(values: Values) -> Table:
    """Each name with the defaults of either library, and what they come to."""
    rows = []
    for (ours, theirs), told in zip(PAIRS, NAMES.values(), strict=True):
        ratio = first_step(values, ours) / first_step(values, theirs)
        sides = (cell for name in (theirs, ours) for cell in (_given(values, name), values.result(name)))
        verdict = t(_VERDICTS[values.difference(ours, theirs).verdict])
        rows.append((told, *sides, number(ratio, 2), verdict))
    columns = (
        t("name"),
        t("PyTorch's defaults"),
        t("test accuracy"),
        t("Keras' defaults"),
        t("test accuracy"),
        t("first step, Keras' ÷ PyTorch's"),
        t("Keras' accuracy is"),
    )
    caption = t("The same names with nothing given: same first weights, same batches, and so the same first gradient.")
    return Table(columns, tuple(rows), caption)


def _given(values: Values, name: str) -> str:
    return t(", ").join(
        f"{sign} {rate(option(values, name, key))}" for key, sign in _OPTIONS.items() if key in hyper(values.run(name))
    )
