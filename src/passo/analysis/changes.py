"""A changed setting as one says it: by what a grid varied, and by the name of its entry where that says more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passo.analysis.curves import runs_of
from passo.analysis.pair import Configured
from passo.analysis.varied import called, flat, told_number
from passo.language import ENGLISH, later, speaking, t
from passo.store import StoredStudy

_WORDS = (
    later("hidden"),
    later("filters"),
    later("label smoothing"),
    later("norm"),
    later("max lr"),
    later("fewer"),
    later("more"),
)
"""What settings and entries of the shipped studies are called, beside what `varied.called` knows."""
_NOT_TOLD = ("seed", "record", "device", "devices", "num_workers", "name", "dataset")  # they are no exploration


def value_said(key: str, value: Any) -> str:
    """One setting in words; a word speaks for itself, a number stands behind its name.

    >>> value_said("model.activation", "tanh"), value_said("batch_size", 256), value_said("model.hidden", [])
    ('tanh', 'batch size 256', 'no hidden')
    >>> value_said("model.norm", "none"), value_said("optimizer.nesterov", True), value_said("model.hidden", (64, 32))
    ('no norm', 'nesterov', 'hidden [64, 32]')
    """
    name = t(called(key))
    if value is True:
        return name
    if value in (None, False, "none") or (isinstance(value, list | tuple) and not value):
        return t("no {setting}", setting=name)
    return value.replace("_", " ") if isinstance(value, str) else f"{name} {told_number(value)}"


def entry_said(entry: str, choice: str) -> str:
    """What an entry's name says beside its choice; "" where it says nothing else.

    >>> entry_said("choice-parameters-fewer", "parameters"), entry_said("choice-batch-size", "batch size")
    ('fewer', '')
    """
    words = entry.removeprefix("choice-").replace("-", " ")
    return words.removeprefix(choice).strip()


def setting_said(entry: str, choice: str, varied: Mapping[str, Any], beyond: bool) -> str:
    """A setting in words; with its entry's name where that changes more than was varied (`beyond`), or nothing was.

    >>> setting_said("choice-sgd", "optimiser", {"schedule.max_lr": 0.1}, True)
    'sgd, max lr 0.1'
    >>> setting_said("choice-dropout", "regularisation", {"model.dropout": 0.3}, False)
    'dropout 0.3'
    """

    def words() -> list[str]:
        return [value_said(key, value) for key, value in flat(varied).items()] if varied else []

    with speaking(ENGLISH):  # as entries are named
        own = words()
    name, said = entry_said(entry, choice), words()
    if name and (beyond or not own) and not any(word.startswith(name) for word in own):
        said.insert(0, t(name))
    return ", ".join(said) or entry.replace("-", " ")


def changed(config: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in which a configuration is another than the reference, with dotted keys; one that is gone is None.

    >>> changed({"batch_size": 16, "seed": 1, "l1": 0.1}, {"batch_size": 64, "seed": 0, "l1": 0.1, "clip_norm": 1.0})
    {'batch_size': 16, 'clip_norm': None}
    """
    here, there = flat(config), flat(reference)
    keys = [key for key in dict.fromkeys([*here, *there]) if key.split(".")[0] not in _NOT_TOLD]
    return {key: here.get(key) for key in keys if here.get(key) != there.get(key)}


@dataclass(frozen=True)
class Setting:
    """One setting of one choice, by its entry in the study file and what was varied; see `setting_said`."""

    choice: str
    entry: str
    varied: tuple[tuple[str, Any], ...]
    beyond: bool

    @property
    def said(self) -> str:
        """In words."""
        return setting_said(self.entry, self.choice, dict(self.varied), self.beyond)

    @property
    def full(self) -> str:
        """With its choice, as a sentence names it."""
        choice, said = t(self.choice), self.said
        return said if choice in said else f"{choice} ({said})"


def settings_of(
    study: StoredStudy, tried: Sequence[Configured], reference: Mapping[str, Configured]
) -> dict[str, Setting]:
    """The setting of each configuration by its name; both models' is one where entry and grid are.

    reference: by model, the configuration without a change.
    """
    found: dict[tuple[str, str], Setting] = {}
    named = {}
    for one in tried:
        key = one.entry, repr(dict(one.varied))
        if key not in found:
            here, there = (runs_of(study, name)[0].config for name in (one.name, reference[one.model].name))
            beyond = bool(set(changed(here, there)) - set(flat(one.varied)))
            varied = tuple(flat(one.varied).items()) if one.varied else ()
            found[key] = Setting(one.choice, one.entry, varied, beyond)
        named[one.name] = found[key]
    return named


def unchanged(tried: Sequence[Configured], reference: Mapping[str, Any]) -> str:
    """What the reference has where the settings of one choice have another value, in words; "" where that is not one.

    reference: its configuration.
    """
    keys = {key for one in tried for key in (flat(one.varied) if one.varied else ("",))}
    there = flat(reference)
    key = keys.pop() if len(keys) == 1 else ""
    return value_said(key, there[key]) if key in there else ""
