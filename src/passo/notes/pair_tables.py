"""The tables of the notes on two models: what each costs, and what an analysis found."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from passo.analysis.matched import in_bytes
from passo.analysis.pair import pair
from passo.analysis.words import significant
from passo.language import t
from passo.notes.content import Table
from passo.notes.formats import count
from passo.notes.pair_results import explored, results
from passo.notes.pair_vocabulary import FOUND
from passo.notes.spoken import Speech, escaped
from passo.store import StoredStudy

_CONVOLUTION = "Conv"


def tables(study: StoredStudy) -> Mapping[str, Callable[[], Table]]:
    """`models`, `layers`, and a table of each analysis by its name, computed when it is placed."""
    found = {name: functools.partial(_of_analysis, study, path) for name, path in FOUND.items()}
    own = {make.__name__: functools.partial(make, study) for make in (models, layers, results, explored)}
    return {**found, **own}


def models(study: StoredStudy) -> Table:
    """Both models in a column each: their layers, and what they cost for one image."""
    two = pair(study)
    costs = two.matched
    rows = (
        (t("layers"), *map(built, costs)),
        (t("parameters"), *(count(cost["parameters"]) for cost in costs)),
        (t("multiplications"), *(thousands(cost["macs"]) for cost in costs)),
        (t("memory"), *(in_bytes(cost["memory"]) for cost in costs)),
    )
    return Table(("", *map(Speech(two.labels).name, two.labels)), rows)


def layers(study: StoredStudy) -> Table:
    """Both models layer by layer: shape of the output, parameters, multiply-adds."""
    two = pair(study)
    say = Speech(two.labels)
    rows = tuple(
        (
            say.name(label),
            escaped(layer["layer"]),
            layer["kind"],
            " × ".join(map(str, layer["output"])),
            count(layer["parameters"]),
            count(layer["macs"]),
        )
        for label, cost in zip(two.labels, two.matched, strict=True)
        for layer in cost["layers"]
        if layer["parameters"] or layer["macs"]
    )
    caption = t("Every layer with parameters: its output for one image, and the multiplications it takes.")
    head = t("model"), t("layer"), t("kind"), t("output"), t("parameters"), t("multiply-adds")
    return Table(head, rows, caption)


def built(cost: Mapping[str, Any]) -> str:
    """A network in a few words: what its layers with parameters put out.

    >>> conv = {"kind": "Conv2d", "output": [8, 28, 28], "parameters": 80}
    >>> built({"layers": [conv, {"kind": "Linear", "output": [10], "parameters": 9}]})
    'conv 8, 10'
    """
    parts = [layer for layer in cost["layers"] if layer["parameters"] and len(layer["output"]) in (1, 3)]
    told = [("conv " if layer["kind"].startswith(_CONVOLUTION) else "") + str(layer["output"][0]) for layer in parts]
    return ", ".join(told)


def thousands(value: float) -> str:
    """A large count, rounded as one says it.

    >>> thousands(383872), thousands(999_900), thousands(940)
    ('384 k', '1 M', '940')
    """
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= 0.9995 * size:  # what has three digits of it, rounded
            return f"{significant(value / size)} {unit}"
    return str(round(value))


def _of_analysis(study: StoredStudy, path: str) -> Table:
    """An analysis' own table, its note as the caption."""
    module, function = path.split(".")
    found = getattr(importlib.import_module(f"passo.analysis.{module}"), function)(study).table()
    rows = tuple(tuple(map(escaped, row)) for row in found.rows)
    return Table(tuple(map(escaped, found.columns)), rows, escaped(found.note))
