"""What a run is made of: its settings as one types them, and its facts as one reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passo.analysis.words import significant
from passo.language import later, numeral, t
from passo.web.pages_studies import duration

FACTS = {
    "seconds": later("time"),
    "steps_per_second": later("steps per second"),
    "steps_per_epoch": later("steps per epoch"),
    "parameters": later("parameters"),
    "weights": later("parameters"),
    "weights_sha256": later("SHA-256 of the weights"),
    "task": later("task"),
    "when": later("moves every"),
    "engine": later("engine"),
    "replicas": later("trained together"),
    "beginning_of": later("is the beginning of"),
    "minimum": later("minimum"),
    "loss_minimum": later("loss at the minimum"),
    "images": later("images"),
    "lr_min": later("lowest learning rate"),
    "lr_max": later("highest learning rate"),
    "steps": later("steps"),
    "mode": later("how the rate rises"),
    "divergence": later("diverged from (times the lowest loss)"),
    "diverged_at": later("diverged at the learning rate"),
    "suggestion": later("suggested learning rate"),
    "rule": later("rule of the suggestion"),
    "data": later("data"),
    "part": later("part of the data"),
    "of": later("of so many"),
    "drawn": later("drawn at random"),
    "loss": later("loss"),
    "directions": later("directions"),
    "points": later("points on a side"),
    "margin": later("margin"),
    "reach": later("reach"),
    "buffers": later("buffers"),
    "second_is_random": later("second direction drawn at random"),
    "batch_norm": later("batch normalisation"),
    "seed": later("seed"),
    "environment.python": "Python",
    "environment.torch": "PyTorch",
    "environment.threads": later("threads"),
    "environment.platform": later("platform"),
    "environment.cores": later("cores"),
    "environment.cpu": later("processor"),
    "environment.memory": later("memory"),
    "environment.precision": later("precision of products"),
    "environment.device": later("device"),
    "best.monitor": later("best by"),
    "best.mode": later("best is"),
    "best.value": later("best value"),
    "best.epoch": later("best epoch"),
    "best.step": later("best step"),
}
"""Facts that have words; others stand under the names that they were kept by."""
SECTIONS = ("environment", "best")  # tables among the facts that are shown; other parts of the page show the others
WORDS = ("x", "y", "part", "when")  # facts that are words of the language; others are names
LISTED = 8  # entries of a list that are shown
UNITS = ("B", "kB", "MB", "GB", "TB")


def settings_of(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings by dotted key, as a command line takes them: `true`, and decimals with a point in any language."""
    return sorted((key, _typed(value)) for key, value in _flat(config).items() if value is not None)


def facts_of(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts in the reader's language: durations, sizes, yes and no, numbers with the digits that are read."""
    own = {key: value for key, value in info.items() if key in SECTIONS or not isinstance(value, Mapping)}
    found = [
        (t(FACTS.get(key, key.replace("_", " "))), fact(key.rpartition(".")[2], value))
        for key, value in _flat(own).items()
        if value is not None and value != []
    ]
    return sorted(found, key=lambda pair: pair[0].lower())


def fact(name: str, value: Any) -> str:
    """A value as one reads it.

    >>> fact("seconds", 75.2), fact("memory", 25276502016), fact("steps_per_second", 407.7192), fact("drawn", True)
    ('1 min 15 s', '25.3 GB', '407.7', 'yes')
    """
    if isinstance(value, bool):
        return t("yes") if value else t("no")
    if isinstance(value, int | float):
        if name.endswith("seconds"):
            return duration(value)
        if name == "memory" or name.endswith("bytes"):
            return size(value)
        if name == "seed":
            return str(value)
        return numeral(f"{value:,}") if isinstance(value, int) else significant(value, 4)
    if isinstance(value, list | tuple):
        parts = [fact(name, part) for part in value[:LISTED]]
        return "; ".join(parts) + (t(" … ({n:,} in all)", n=len(value)) if len(value) > LISTED else "")
    return t(str(value)) if name in WORDS else str(value)


def size(count: float) -> str:
    """Bytes as one reads them: `size(1536)` is 1.54 kB."""
    power = min(len(UNITS) - 1, max(0, (len(str(int(count))) - 1) // 3))
    return f"{significant(count / 1000**power)} {UNITS[power]}"


def _typed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_typed, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(given: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found
