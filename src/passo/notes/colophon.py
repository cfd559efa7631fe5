"""How a note was made: what ran, where, on which data, for how long, and the command that repeats it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from shlex import quote
from typing import Any

from passo.analysis.words import joined
from passo.language import ENGLISH, language, later, t, tn
from passo.notes.byline import day, ended
from passo.notes.content import escaped
from passo.notes.formats import count, duration, spelled
from passo.notes.values import Values


def colophon(values: Values) -> tuple[tuple[str, str], ...]:
    """Labels and words; the words are inline Markdown."""
    study, data = values.study, values.data
    machine = study.facts["environment"]
    digests = ", ".join(f"{escaped(name)} `{digest}`" for name, digest in data["sha256"].items())
    weights = ", ".join(f"`{run.id}` `{run.info['weights_sha256'][:12]}`" for run in values.runs("adam"))
    counted = study.facts.get("seconds")
    seconds = counted if counted is not None else study.facts["finished"] - study.facts["created"]
    repeated = t("`{command}`; the same bits come out on the same machine, torch and threads", command=command(values))
    lost = [escaped(f"{run.id}: {run.error}") for run in study.runs if run.status == "diverged"]
    return (
        (t("Study"), _trained(values)),
        (t("Data"), _images(data)),
        (t("Data, SHA-256"), digests),
        (t("Software"), f"passo {_passo()}, torch {machine['torch']}, Python {machine['python']}"),
        (t("Machine"), machine_words(machine)),
        (t("Date"), day(ended(study))),
        (t("Time taken"), duration(seconds)),
        (t("Weights, SHA-256"), t("{weights} (the first digits; all of them are in the study)", weights=weights)),
        (t("To repeat it"), repeated),
        (t("Failed runs"), joined([*(study.facts.get("failed") or []), *lost] or [t("none")])),
    )


def _trained(values: Values) -> str:
    kinds = {kind: len(values.study.select(kind=kind)) for kind in ("train", "lr_range", "descent")}
    return t(
        "`{name}`: {train} trainings, {ranges} range tests, {descents} descents; seeds {seeds}",
        name=values.study.name,
        train=kinds["train"],
        ranges=kinds["lr_range"],
        descents=kinds["descent"],
        seeds=joined([str(seed) for seed in values.seeds]),
    )


def _images(data: Mapping[str, Any]) -> str:
    return t(
        "{name}: {counts} images; {source}; split with seed {seed}, {scaling}; licence {licence}",
        name=escaped(data["name"]),
        counts=parts_words(data["counts"]),
        source=escaped(t(data["source"])),
        seed=data["seed"],
        scaling=scaling_words(data["scaling"]),
        licence=escaped(data.get("licence") or t("not recorded")),
    )


def command(values: Values) -> str:
    """The command that makes this note again."""
    config, shipped = values.study.config, _shipped(values.study.name)
    wanted = config.get("base", {}).get("dataset", values.data["name"])
    name = wanted.get("name", values.data["name"]) if isinstance(wanted, dict) else wanted
    words = [f"passo note {values.study.name}{in_its_language()} --dataset {quote(str(name))}"]
    changed = {key: value for key, value in config.get("base", {}).items() if value != shipped["base"].get(key)}
    words += [f"--set {quote(f'{key}={json.dumps(value)}')}" for key, value in changed.items() if key != "dataset"]
    if values.seeds != shipped["seeds"]:
        words.append(f"--set {quote(f'seeds={values.seeds}'.replace(' ', ''))}")
    return " ".join(words)


def in_its_language() -> str:
    """What a command says so that the note is in the language that is spoken; nothing for English.

    >>> in_its_language()
    ''
    """
    return "" if language() == ENGLISH else f" --lang {language()}"


def _shipped(name: str) -> dict[str, Any]:
    """The study as the package has it."""
    return tomllib.loads((files("passo") / "studies" / f"{name}.toml").read_text(encoding="utf-8"))


def notice(values: Values) -> str:
    """What must be said first: that the embedded sample was used. Empty where it was not."""
    data = values.data
    if not data.get("sample"):
        return ""
    images = count(data["counts"]["train"] + data["counts"].get("validation", 0))
    return t(
        "Everything here was trained on the embedded sample of {images} real images and tested on {tested}, so that "
        "it runs anywhere in about a minute. Accuracies are therefore lower, and differences between {seeds} seeds "
        "larger, than on the full data set: `passo note optimizers --dataset fashion-mnist` writes this note on all of "
        "it.",
        images=images,
        tested=count(data["counts"]["test"]),
        seeds=spelled(len(values.seeds), feminine=True),
    )


_EMBEDDED = later("the sample embedded in passo")  # what a store says of its data; other sources are folders
_PARTS = {"train": later("{n} train"), "validation": later("{n} validation"), "test": later("{n} test")}
_SCALINGS = {
    "standardize": later("pixels standardised by the training part"),
    "normalize": later("pixels scaled to [0, 1]"),
    "symmetric": later("pixels scaled to [−1, 1]"),
    "none": later("pixels as they are"),
}


def parts_words(counts: Mapping[str, int]) -> str:
    """How many images each part of the data has: "2,700 train, 300 validation and 1,000 test"."""
    told = {part: t(_PARTS[part], n=count(n)) if part in _PARTS else f"{count(n)} {part}" for part, n in counts.items()}
    return joined(list(told.values()))


def scaling_words(scaling: Any) -> str:
    """How pixels were scaled."""
    name = scaling["name"] if isinstance(scaling, dict) else scaling
    return t(_SCALINGS[name]) if name in _SCALINGS else t("scaled: {name}", name=escaped(str(name)))


def machine_words(machine: Mapping[str, Any]) -> str:
    """Platform, processor, its cores, memory, GPU, and torch's threads: as far as a study has recorded them.

    >>> machine_words({"platform": "Linux x86_64", "cores": 2, "memory": 2**34, "threads": 1})
    'Linux x86_64, 2 cores, 16 GiB of memory, 1 thread for torch'
    """
    parts = [machine.get("platform"), machine.get("cpu")]
    parts += [tn("{n} core", "{n} cores", machine["cores"])] if machine.get("cores") else []
    parts += [t("{n} GiB of memory", n=f"{machine['memory'] / 2**30:.0f}")] if machine.get("memory") else []
    parts += [machine.get("gpu")]
    parts += [tn("{n} thread for torch", "{n} threads for torch", machine["threads"])] if "threads" in machine else []
    return ", ".join(part for part in parts if part)


def _passo() -> str:
    try:
        return version("passo")
    except PackageNotFoundError:
        return t("(not installed as a package)")
