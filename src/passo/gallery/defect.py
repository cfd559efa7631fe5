"""A defect: what is wrong with a training, in words, in code, and as what it replaces in the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from passo.gallery.loop import Training
from passo.gallery.networks import HELD_OUT, MODELS
from passo.gallery.settings import HEALTHY, healthy


@dataclass(frozen=True, kw_only=True)
class Defect:
    """`title`, `wrong`, `symptom`, `cure`, `without` are messages for `passo.language.t`; `broken`, `cured` are code.

    `change` names the parts of the healthy training `twin` that the defect replaces. `models` are those of the gallery
    that can have it, and `without` says why others cannot. `detector` is the name of passo.diagnosis's detector that
    tells it, the defect's own `key` where none is given.
    """

    key: str
    title: str
    wrong: str
    broken: str
    cured: str
    symptom: str
    cure: str
    change: Mapping[str, Any]
    twin: str = HEALTHY
    models: tuple[str, ...] = MODELS + HELD_OUT
    without: str = ""
    detector: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "detector", self.detector or self.key)

    def training(self, switch: bool = True) -> Training:
        """The loop with the defect, or without it where the switch is off."""
        return replace(healthy(self.twin), **(self.change if switch else {}))
