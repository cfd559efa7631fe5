"""What varies among the configurations of a study, found by comparing what their runs were asked to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from passo.analysis.words import joined
from passo.errors import UsageError
from passo.language import later, numeral, t
from passo.registry import unknown
from passo.store import StoredRun, StoredStudy

RATE = "optimizer.lr"
_CALLED = {
    RATE: later("learning rate"),
    "optimizer.weight_decay": later("weight decay"),
    "optimizer.momentum": later("momentum"),
    "optimizer.dampening": later("dampening"),
    "optimizer.name": later("optimizer"),
    "schedule.name": later("schedule"),
    "model.name": later("model"),
    "model.activation": later("activation"),
    "model.kernel": later("kernel"),
    "batch_size": later("batch size"),
    "epochs": later("epochs"),
    "sampling": later("sampling"),
    "dataset.name": later("dataset"),
    "dataset.per_class": later("per class"),
    "dataset.validation": later("validation"),
    "dataset.scale": later("pixel scaling"),  # "scale" is a perturbation
}
_LOST = {
    "diverged": later("seed {seed} diverged"),
    "failed": later("seed {seed} failed"),
    "interrupted": later("seed {seed} interrupted"),
}
_NOT_CHOSEN = ("seed", "record", "device", "devices", "num_workers", "name")  # they change no result on purpose


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration with dotted keys; lists become tuples.

    >>> flat({"optimizer": {"name": "adam", "betas": [0.9, 0.999]}, "batch_size": 64})
    {'optimizer.name': 'adam', 'optimizer.betas': (0.9, 0.999), 'batch_size': 64}
    """
    return dict(_leaves(config, prefix))


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, tuple(map(_frozen, value)) if isinstance(value, list) else value


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


@dataclass(frozen=True)
class Settings:
    """The configurations of a study: `of[name][key]` is a setting, for every key in `keys`, which vary.

    A key that a configuration does not have is None there. Diverged and failed runs count: they were configured.
    """

    keys: tuple[str, ...]
    of: Mapping[str, Mapping[str, Any]]

    def values(self, key: str) -> list[Any]:
        """The values of a key, each once: numbers ascending, others in the order of the study.

        A name's last part is enough where it is the only one: "lr" for "optimizer.lr".
        """
        there = dict.fromkeys(each[self.key(key)] for each in self.of.values())
        return sorted(there) if all(is_number(value) for value in there) else list(there)

    def key(self, name: str) -> str:
        """The whole key for a name or its last part; raises `UnknownName` with those that vary."""
        ends = [key for key in self.keys if key == name or key.endswith(f".{name}")]
        if name in self.keys or len(ends) == 1:
            return name if name in self.keys else ends[0]
        raise unknown("setting that varies", name, self.keys)

    def label(self, name: str, without: tuple[str, ...] = ()) -> str:
        """A configuration by its settings, without some: "adam lr 0.001"; "all" where nothing is left that varies."""
        return _described({key: self.of[name][key] for key in self.keys if key not in without})


def _described(values: Mapping[str, Any]) -> str:
    """Settings in words: those that are there, or that none is.

    >>> _described({"optimizer.lr": 0.1, "optimizer.momentum": None}), _described({"optimizer.momentum": None})
    ('lr 0.1', 'no momentum')
    """
    told = " ".join(part for part in (setting(key, value) for key, value in values.items()) if part)
    if told or not values:
        return told or t("all")
    names = reduce(lambda first, last: t("{first} or {last}", first=first, last=last), map(called, values))
    return t("no {setting}", setting=names)


def setting(key: str, value: Any) -> str:
    """One setting in words; of a section that is not there its absence, of an option that is not there nothing.

    >>> setting("optimizer.name", "adam"), setting("optimizer.betas.0", 0.9), setting("model.hidden", (64, 32))
    ('adam', 'betas.0 0.9', 'hidden [64, 32]')
    >>> setting("schedule.name", None), setting("schedule.gamma", None)
    ('no schedule', '')
    """
    first, _, last = key.rpartition(".")
    if value is None:
        return t("no {setting}", setting=t(_CALLED.get(key, first))) if first and last == "name" else ""
    last = f"{first.rpartition('.')[2]}.{last}" if last.isdigit() else last
    return str(value) if last == "name" else f"{last} {number(value)}"


def called(key: str) -> str:
    """A setting as one says it.

    >>> called("optimizer.lr"), called("optimizer.weight_decay"), called("optimizer.name")
    ('learning rate', 'weight decay', 'optimizer')
    """
    if key in _CALLED:
        return t(_CALLED[key])
    first, _, last = key.rpartition(".")
    if last.isdigit():  # of a list: betas.0
        return f"{first.rpartition('.')[2]} {last}"
    return (first if first and last == "name" else last).replace("_", " ")


def number(value: Any) -> str:
    """A setting's value as one would type it.

    >>> number(0.001), number(1e-5), number((64, 32)), number(True), number(None), number("all")
    ('0.001', '1e-5', '[64, 32]', 'true', 'none', 'all')
    """
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(number, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-").replace("e+0", "e+")
    return "none" if value is None else str(value)


def told_number(value: Any) -> str:
    """The same in a sentence or on an axis: with the marks of the language that is spoken."""
    if value is None:
        return t("none")
    return numeral(number(value)) if is_number(value) else number(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def settings(study: StoredStudy, names: list[str] | None = None) -> Settings:
    """What varies among the trainings of a study, seeds and what is recorded aside."""
    configs: dict[str, dict[str, Any]] = {}
    wanted = None if names is None else set(names)
    for run in study.runs:
        if run.kind == "train" and run.name not in configs and (wanted is None or run.name in wanted):
            configs[run.name] = flat(run.config)
    _apart(configs)
    everything = dict.fromkeys(key for config in configs.values() for key in config)
    chosen = [key for key in everything if key.split(".")[0] not in _NOT_CHOSEN]
    keys = tuple(key for key in chosen if len({_told(config.get(key)) for config in configs.values()}) > 1)
    return Settings(keys, {name: {key: config.get(key) for key in keys} for name, config in configs.items()})


def _apart(configs: Mapping[str, dict[str, Any]]) -> None:
    """Lists of as many numbers in every configuration become a key for each place: `optimizer.betas.0`."""
    for key in {key for config in configs.values() for key, value in config.items() if isinstance(value, tuple)}:
        lists = [config[key] for config in configs.values() if key in config]
        if all(isinstance(one, tuple) and len(one) == len(lists[0]) and all(map(is_number, one)) for one in lists):
            for config in configs.values():
                config |= {f"{key}.{i}": value for i, value in enumerate(config.pop(key, ()))}


def _told(value: Any) -> str:
    return repr(float(value)) if is_number(value) else repr(value)


def groups(study: StoredStudy, by: str | None = None) -> dict[str, tuple[str, ...]]:
    """The names of configurations by a setting's value; without one, by all that is a choice of kind.

    A kind is a setting with values that are no numbers (an optimizer's name), or one that is there with a single value
    or not at all (momentum 0.9); numbers are what is tuned within a group. Where no kind varies, all are one group.
    """
    found = settings(study)
    keys = [found.key(by)] if by is not None else [key for key in found.keys if _is_kind(found.values(key))]
    members: dict[str, list[str]] = {}
    for name, each in found.of.items():
        members.setdefault(_described({key: each[key] for key in keys}), []).append(name)
    return {told: tuple(names) for told, names in members.items()}


def through(found: Settings, names: Sequence[str], best: str, keys: Sequence[str]) -> tuple[list[str], str]:
    """The configurations that differ from the best in `keys` alone, and in words what they share with it."""
    others = [key for key in found.keys if key not in keys]
    mates = [name for name in names if all(found.of[name][key] == found.of[best][key] for key in others)]
    return mates, found.label(best, tuple(keys))


def _is_kind(values: list[Any]) -> bool:
    there = [value for value in values if value is not None]
    return not all(map(is_number, there)) or (len(there) == 1 and len(values) == 2)


def split(study: StoredStudy, by: str) -> list[StoredStudy]:
    """One study for each value of a setting: problems, whose configurations bear the names of what else varies."""
    found = settings(study)
    key = found.key(by)
    if len(found.keys) < 2:
        raise UsageError(f"{study.folder} varies {key} alone, so each of its problems has one configuration")
    parts = []
    for value in found.values(key):
        names = {name: found.label(name, (key,)) for name, each in found.of.items() if each[key] == value}
        runs = tuple(replace(run, name=names[run.name]) for run in study.runs if run.name in names)
        parts.append(replace(study, name=setting(key, value) or t("no {setting}", setting=key), runs=runs))
    return parts


def ended(study: StoredStudy, name: str) -> tuple[StoredRun, ...]:
    """The runs of a configuration that came to an end, diverged ones too, by seed.

    Raises `UnknownName` with the list where there is none.
    """
    found = [run for run in study.called(name) if _ended(run)]
    if not found:
        raise unknown(f"configuration in {study.folder}", name, sorted({run.name for run in study.runs if _ended(run)}))
    return tuple(sorted(found, key=lambda run: -1 if run.seed is None else run.seed))


def _ended(run: StoredRun) -> bool:
    return run.kind == "train" and run.status in ("done", "diverged")


def clock(runs: Sequence[StoredRun]) -> str:
    """What the seconds of runs are, for a note; those that were trained as one network share their group's."""
    fused = any(run.info.get("engine") == "replicas" for run in runs)
    return t("of the whole group that was trained as one network: not for comparing") if fused else t("wall clock")


def lost(study: StoredStudy) -> dict[str, tuple[str, ...]]:
    """By configuration: the runs without a result, as "seed 2 diverged"; those of whole configurations too."""
    found: dict[str, tuple[str, ...]] = {}
    for run in study.runs:
        if run.kind == "train" and run.status not in ("done", "running"):
            told = t(_LOST.get(run.status, "seed {seed} {status}"), seed=run.seed, status=run.status)
            found[run.name] = (*found.get(run.name, ()), told)
    return found


def typed_alone(study: StoredStudy) -> tuple[str, ...]:
    """The configurations that are an optimizer's defaults: typed with its name alone, or called "default(s)"."""
    base = study.config.get("base", {}) if isinstance(study.config, Mapping) else {}
    entries = study.config.get("runs", ()) if isinstance(study.config, Mapping) else ()
    typed = {entry["name"]: entry.get("optimizer", base.get("optimizer")) for entry in entries if "name" in entry}

    def alone(name: str) -> bool:
        given = typed.get(name)
        return isinstance(given, str) or (isinstance(given, Mapping) and set(given) == {"name"})

    return tuple(n for n in settings(study).of if alone(n) or {"default", "defaults"} & set(n.lower().split("-")))


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a sentence; of very many the first few, and how many more.

    >>> listed(["a", "b"]), listed(list("abcdefgh"))
    ('a and b', 'a, b, c, d and 4 more')
    """
    if len(names) <= most:
        return joined(names)
    shown = most - 2
    return t("{names} and {count} more", names=", ".join(names[:shown]), count=len(names) - shown)


def told_lost(found: Mapping[str, tuple[str, ...]]) -> str:
    """What was lost in one sentence, "" where nothing was."""
    if not found:
        return ""
    parts = [f"{name} ({', '.join(each)})" for name, each in found.items()]
    return t("Without a result, and so not in the means: {names}.", names=listed(parts))
