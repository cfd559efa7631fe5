"""What is wrong with a run, told while it trains: only what is certain, and no sooner than it can be judged."""

from __future__ import annotations

from typing import Any

from passo.diagnosis.diagnosing import Diagnosed, diagnose
from passo.diagnosis.findings import FOUND


def live(run: Any) -> tuple[Diagnosed, ...]:
    """The findings that may be told of a run that goes on."""
    return tuple(one for one in diagnose(run).findings if one.level == FOUND)
