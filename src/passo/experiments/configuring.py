"""Configurations by the thousand: equal sections are checked once, and put together from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passo.training.config import TrainConfig, train_config

NAMED = ("dataset", "model", "optimizer", "schedule", "task")
USUAL = {"model": "lenet", "optimizer": "adam"}  # whose options may stand without a name


class Builder:
    """Builds configurations as `train_config` does, in a fraction of its time.

    Of two configurations that differ in the learning rate, model, data and schedule are the same: they are checked
    with the first, and taken over. One is built whole where a section is new, or plain values and the names of
    sections are together for the first time (`TrainConfig` judges those together).
    """

    def __init__(self) -> None:
        self._sections: dict[tuple[str, str], Any] = {}  # (key, its text) → as TrainConfig keeps it
        self._dumped: dict[tuple[str, str], Any] = {}  # … and as JSON keeps it
        self._together: set[tuple[Any, ...]] = set()
        self._usual: dict[str, Any] = {}

    def settings(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """`train_config(values).model_dump(mode="json")`; raises what that raises. Parts are shared: do not change."""
        given = _whole(values)
        texts = {key: (key, _text(value)) for key, value in given.items() if key != "seed"}
        together = tuple(texts[key] if key not in NAMED else _name(given[key]) for key in texts)
        if together not in self._together:
            self._check(given, texts)
            self._together.add(together)
        for key in texts:
            if texts[key] not in self._dumped:
                self._check({key: given[key]}, {key: texts[key]})
        found = {key: self._dumped[texts[key]] if key in texts else usual for key, usual in self._usual.items()}
        seed = given.get("seed", 0)
        if type(seed) is not int or seed < 0:
            seed = train_config(given).seed  # refuses it, or makes it a number
        return {**found, "seed": seed}

    def _check(self, given: dict[str, Any], texts: Mapping[str, tuple[str, str]]) -> None:
        """Build a configuration of these keys alone, with what is known of them, and keep its sections."""
        known = {key: self._sections[text] for key, text in texts.items() if text in self._sections}
        config = train_config({**given, **known})
        dumped = config.model_dump(mode="json", include=set(texts))
        if not self._usual:
            self._usual = TrainConfig.model_validate({}).model_dump(mode="json")
        for key, text in texts.items():
            self._sections[text], self._dumped[text] = getattr(config, key), dumped[key]


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their sections as tables, and `lr` where it belongs."""
    given: dict[str, Any] = {
        key: {"name": value} if isinstance(value, str) and key in NAMED else value for key, value in values.items()
    }
    optimizer = given.get("optimizer")
    if "lr" in given and isinstance(optimizer, dict | None):
        given["optimizer"] = {**(optimizer or {}), "lr": given.pop("lr")}
    for section, usual in USUAL.items():
        options = given.get(section)
        if isinstance(options, dict) and "name" not in options:
            given[section] = {"name": usual, **options}
    return given


def _text(value: Any) -> str:
    """Equal for equal values of equal types only: 1, 1.0 and true are three."""
    return repr(value)


def _name(section: Any) -> Any:
    return str(section.get("name")) if isinstance(section, dict) else section is None
