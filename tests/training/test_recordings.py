"""What is asked of the instruments is recorded, or refused in one sentence; never ignored."""

from typing import Any

import pytest

from passo.errors import ConfigError
from passo.training import train_config
from passo.training.recordings import RecordConfig


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"every": "often"}, "record.every must be a whole number ≥ 0, or \"auto\", got 'often'"),
        ({"every": -1}, 'record.every must be a whole number ≥ 0, or "auto", got -1'),
        ({"every": True}, "record.every must be a whole number"),
        ({"every": 1, "snapshots": 5}, "record.snapshots must be a list of steps ≥ 1, such as [1, 10], got 5"),
        ({"every": 1, "snapshots": [0]}, "record.snapshots must be a list of steps ≥ 1"),
        ({"every": 1, "between": [9, 3]}, "record.between must be the first and the last step, such as [1, 10], got"),
        ({"every": 1, "between": [0, 3]}, "record.between must be the first and the last step"),
        ({"every": 1, "between": [1, 2, 3]}, "record.between must be the first and the last step"),
        ({"every": 1, "coordinates": -1}, 'record.coordinates must be a whole number ≥ 0, "random:64", "moved:64"'),
        ({"every": 1, "coordinates": "random:x"}, "got 'random:x'"),
        ({"every": 1, "coordinates": "moved:0"}, "got 'moved:0'"),
        ({"every": 1, "coordinates": {"conv1.weight": -2}}, "record.coordinates.conv1.weight must be a whole number"),
        ({"every": 1, "coordinates": {"conv1.weight": [0, 1]}}, "or a list of indices ([[0, 1]]), got [0, 1]"),
        ({"every": 1, "parameters": "conv1.weight"}, "record.parameters must be a list of names, such as"),
        ({"every": 1, "parameters": []}, "record.parameters must be a list of names"),
        ({"every": 1, "loss": "maybe"}, "record.loss must be true or false, got 'maybe'"),
        ({"path": "long"}, "record.path must be a whole number, got 'long'"),
        ({"path": 2}, "record.path must be ≥ 3 points, or 0 for none, got 2"),
        ({"probes": 1}, "record.probes must be ≥ 2 steps, or 0 for none, got 1"),
        ({"every": 1, "budget": 0.1}, "record.budget has no effect without record.every=auto"),
        ({"every": 1, "statistics": False, "coordinates": 0}, "records nothing"),
        ({"evry": 1}, "unknown key 'record.evry'. Did you mean 'record.every'"),
    ],
)
def test_what_cannot_be_recorded_is_refused_at_birth_with_its_key(record: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        train_config({"record": record})
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("loss", True),
        ("activations", True),
        ("statistics", False),
        ("coordinates", "random:64"),
        ("coordinates", {"conv1.weight": 2}),
        ("snapshots", [1]),
        ("between", [1, 3]),
        ("parameters", ["conv1.weight"]),
        ("budget", 0.1),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^record.{key} has no effect without record.every=1$"):
        train_config({"record": {key: value}})
    every = "auto" if key == "budget" else 1
    train_config({"record": {key: value, "every": every}})


def test_defaults_that_are_written_out_are_no_mistake() -> None:
    written = RecordConfig().model_dump(mode="json")
    assert train_config({"record": written}).record == RecordConfig()
    full = {"every": 2, "between": [1, 9], "coordinates": {"a": 2, "b": [[0, 1]]}, "snapshots": [3], "loss": True}
    kept = train_config({"record": full}).record
    assert RecordConfig.model_validate_json(kept.model_dump_json()) == kept
