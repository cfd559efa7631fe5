"""The made-up study of these tests has the form of a real one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import passo
from passo.optim.stages import explanation
from passo.store import StoredStudy

WATCHED = ("sgd", "momentum", "momentum-dampened", "nesterov", "adam", "adamw")


@pytest.mark.parametrize("name", WATCHED)
def test_its_stages_are_those_of_the_optimizer(made_up: StoredStudy, name: str) -> None:
    run = next(run for run in made_up.runs if run.name == name)
    options: dict[str, Any] = {**run.config["optimizer"]}
    found = explanation(passo.make_optimizer(options.pop("name"), [torch.nn.Parameter(torch.zeros(1))], **options))
    assert found is not None
    told = ("grad_raw", "grad", *found.stages, "update", "residual")
    assert set(run.meta("statistics")["stages"]) == set(told)
