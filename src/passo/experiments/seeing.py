"""What is to be seen inside a trained run, measured and written down: a map of its images, Grad-CAM, its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from passo.data import Data
from passo.errors import UsageError
from passo.experiments.sink import Draft
from passo.explaining.attributed import attributed
from passo.explaining.embedding import embedding
from passo.explaining.mapped import mapped
from passo.explaining.trained import run_data, trained_model
from passo.explaining.trust import trust
from passo.store import StoredRun


class Measured(Protocol):
    """What a topic gives: arrays, and plain facts."""

    def arrays(self) -> dict[str, np.ndarray]: ...
    def facts(self) -> dict[str, Any]: ...


def see(run: StoredRun, asked: Mapping[str, Any]) -> Draft:
    """Everything that `explaining` measures of one run, each topic's arrays under its name, its facts too.

    What cannot be had of such a model is said in the fact `missing`: topic → why.
    """
    model, data, draft = trained_model(run), run_data(run), Draft()
    given = (model, data.test.images, data.test.raw, data.test.targets)
    named: dict[str, Any] = {"classes": data.classes, "name": asked["model"] or run.name}
    missing = {}
    topics: dict[str, Callable[[], Measured]] = {
        "embedding": lambda: embedding(model, data, images=asked["images"], seed=asked["seed"], name=named["name"]),
        "attribution": lambda: attributed(*given, **named),
        "trust": lambda: trust(model, given[1], given[3], seed=asked["seed"], name=named["name"]),
        "maps": lambda: mapped(*given, place=_place(data, asked["seed"]), **named),
    }
    for topic, measure in topics.items():
        try:
            found = measure()
        except UsageError as error:
            missing[topic] = str(error)
            continue
        for key, values in found.arrays().items():
            draft.array(f"{topic}/{key}", values)
        draft.info(**{topic: found.facts()})
    draft.info(run=run.id, missing=missing)
    draft.finish("done")
    return draft


def _place(data: Data, seed: int) -> int:
    """The test image whose maps are shown: the seed's, of all, so that it is the same for both models."""
    return seed % len(data.test)
