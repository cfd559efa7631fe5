"""Which trainings could run as one: the same network on the same batches, whatever else they differ in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passo.experiments.stages import Task

SHARED = ("dataset", "task", "batch_size", "accumulate", "precision", "sampling", "class_weights",
          "device", "devices")  # fmt: skip
EACH = ("dropout",)  # options of a model that each replica may have of its own
DRAWN = ("seed",)  # of a data set: which images are drawn, where none are held back and numbers are the same


def groups(tasks: Sequence[Task]) -> list[list[Task]]:
    """The trainings among these tasks, those together that have the same key; all in the order in which they came.

    The key is the architecture (the model and its options, without dropout) and everything that decides which batches
    are seen, and in what arithmetic. Learning rate, optimizer, schedule, epochs, penalties, clipping, dropout and seed
    are each replica's own; so is which images a seed draws, unless some are held back for validation. Tasks of another
    kind than "train" are left out.
    """
    found: dict[str, list[Task]] = {}
    texts: dict[tuple[str, int], str] = {}  # settings of one study share their sections: each is spelled once
    for task in tasks:
        if task.kind == "train":
            found.setdefault(_key(task.settings, texts), []).append(task)
    return list(found.values())


def kind(task: Task) -> str:
    """What a training has in common with those of its group."""
    return _key(task.settings, {})


def _key(settings: Mapping[str, Any], texts: dict[tuple[str, int], str]) -> str:
    return "\n".join(_text(name, settings.get(name), texts) for name in ("model", *SHARED))


def _text(name: str, value: Any, texts: dict[tuple[str, int], str]) -> str:
    if not isinstance(value, Mapping):
        return repr(value)
    key = (name, id(value))  # whoever calls holds the tasks, so that no other object takes its place meanwhile
    if key not in texts:
        own = EACH if name == "model" else DRAWN if name == "dataset" and not value.get("validation") else ()
        options = {option: one for option, one in value.items() if option not in own}
        texts[key] = json.dumps(options, sort_keys=True, default=repr)
    return texts[key]
