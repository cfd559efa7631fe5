"""β at one step is what it is among all steps, though only that step and the one before it are looked at."""

import copy

import numpy as np
import pytest
from watched_run import Held, train

from passo.analysis.memory import decays, moved_at


@pytest.mark.parametrize(("optimizer", "option", "other", "names"), [
    ("Adam", "betas", [0.8, 0.99], {"beta1": "β₁", "beta2": "β₂"}),
    ("SGD", "momentum", 0.7, {"momentum": "μ"}),
])  # fmt: skip
def test_a_moved_average_is_told_alike_of_one_step_and_of_all(optimizer, option, other, names) -> None:
    run = train(optimizer, steps=20).run()
    info = copy.deepcopy(dict(run.info))
    info["watch"]["hyper"][0][option] = other  # as it is written down where a schedule moved it afterwards
    moved = Held(run.id, {name: (run.array(name), run.meta(name)) for name in run.arrays()}, info, [])
    whole = {symbol: decays(moved, name) for name, symbol in names.items()}
    for row, step in enumerate(run.array("trace/steps")):
        expected = {symbol: values[row] for symbol, values in whole.items() if np.isfinite(values[row])}
        assert moved_at(moved, int(step)) == expected
    assert any(moved_at(moved, int(step)) for step in run.array("trace/steps"))
    assert moved_at(moved, 999) == {}
