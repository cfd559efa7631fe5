"""The page on tasks: its listings run as they stand, and the task that it adds is whole."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import passo
from passo.errors import ConfigError
from passo.training.tasks import TASKS

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"


def listing(first: str) -> str:
    """The page's Python listing that begins so."""
    found = [one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S) if one.startswith(first)]
    assert len(found) == 1
    return found[0]


def test_the_page_names_every_task_with_its_metrics_and_figures() -> None:
    rows = {row.split("|")[1].strip(" `"): row for row in PAGE.read_text("utf-8").splitlines() if row.startswith("| `")}
    for name in TASKS:
        task = TASKS[name]
        words = set(re.findall(r"`([\w-]+)`", rows[name]))
        assert set(task.metrics) <= words, name
        assert name == "classify" or set(task.figures) <= words, name


def test_the_bare_loop_runs_and_denoises() -> None:
    *lines, last = listing("import torch, passo").strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join([*lines, f"gain = {last}"]), names)
    assert names["gain"] > 0


def test_a_task_of_ones_own_is_trained_told_stopped_and_checked(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    exec(listing("# nearly.py"), names)
    try:
        data = passo.load("fashion-mnist-sample", per_class=8)
        settings: dict[str, Any] = {"epochs": 3, "early_stopping": {"monitor": "validation/nearly"}}
        done = passo.train(data, "mlp", out=tmp_path / "run", task={"name": "nearly", "within": 9}, **settings)
        assert done.test is not None and done.test.metrics == {"nearly": 1.0}, "nine classes off is never too far"
        assert done.run.metric("validation/nearly").values.tolist() == [1.0, 1.0, 1.0]
        assert done.run.info["task"] == "nearly" and done.run.info["best"]["mode"] == "max"
        strict = passo.train(data, "mlp", out=tmp_path / "strict", task={"name": "nearly", "within": 0}, epochs=1)
        assert strict.test is not None and strict.test.accuracy == strict.test.metrics["nearly"]
        with pytest.raises(ConfigError, match="task nearly takes within, got"):
            passo.train(data, "mlp", out=tmp_path / "not", task={"name": "nearly", "withn": 0})
    finally:
        del TASKS._entries["nearly"]
