"""How a note was made: what ran, where, on which data, for how long, and the command that repeats it."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from passo.analysis.words import joined
from passo.notes.formats import count, duration, spelled
from passo.notes.values import Values


def colophon(values: Values) -> tuple[tuple[str, str], ...]:
    """Labels and words; the words are inline Markdown."""
    study, data = values.study, values.data
    machine = study.facts["environment"]
    counts = joined([f"{count(n)} {part}" for part, n in data["counts"].items()])
    digests = ", ".join(f"{name} `{digest}`" for name, digest in data["sha256"].items())
    weights = ", ".join(f"`{run.id}` `{run.info['weights_sha256'][:12]}`" for run in values.runs("adam"))
    kinds = {kind: len(study.select(kind=kind)) for kind in ("train", "lr_range", "descent")}
    seconds = study.facts.get("seconds")
    lost = [f"{run.id}: {run.error}" for run in study.runs if run.status == "diverged"]
    return (
        ("Study", f"`{study.name}`: {kinds['train']} trainings, {kinds['lr_range']} range tests, "
                  f"{kinds['descent']} descents; seeds {joined([str(seed) for seed in values.seeds])}"),
        ("Data", f"{data['name']}: {counts} images; {data['source']}; split with seed {data['seed']}, "
                 f"{scaling_words(data['scaling'])}; licence {data.get('licence', 'not recorded')}"),
        ("Data, SHA-256", digests),
        ("Software", f"passo {_passo()}, torch {machine['torch']}, Python {machine['python']}"),
        ("Machine", machine_words(machine)),
        ("Time taken", duration(seconds if seconds is not None else study.facts["finished"] - study.facts["created"])),
        ("Weights, SHA-256", f"{weights} (the first digits; all of them are in the study)"),
        ("To repeat it", f"`{command(values)}`; the same bits come out on the same machine, torch and threads"),
        ("Failed runs", joined([*(study.facts.get("failed") or []), *lost] or ["none"])),
    )  # fmt: skip


def command(values: Values) -> str:
    """The command that makes this note again."""
    config, shipped = values.study.config, _shipped(values.study.name)
    wanted = config.get("base", {}).get("dataset", values.data["name"])
    name = wanted.get("name", values.data["name"]) if isinstance(wanted, dict) else wanted
    words = [f"passo note {values.study.name} --dataset {name}"]
    changed = {key: value for key, value in config.get("base", {}).items() if value != shipped["base"].get(key)}
    words += [f"--set {key}={json.dumps(value)}" for key, value in changed.items() if key != "dataset"]
    if values.seeds != shipped["seeds"]:
        words.append(f"--set seeds={json.dumps(values.seeds, separators=(',', ':'))}")
    return " ".join(words)


def _shipped(name: str) -> dict[str, Any]:
    """The study as the package has it."""
    return tomllib.loads((files("passo") / "studies" / f"{name}.toml").read_text(encoding="utf-8"))


def notice(values: Values) -> str:
    """What must be said first: that the embedded sample was used. Empty where it was not."""
    data = values.data
    if not data.get("sample"):
        return ""
    images = count(data["counts"]["train"] + data["counts"].get("validation", 0))
    return (
        f"Everything here was trained on the embedded sample of {images} real images and tested on "
        f"{count(data['counts']['test'])}, so that it runs anywhere in about a minute. Accuracies are therefore lower, "
        f"and differences between {spelled(len(values.seeds))} seeds larger, than on the full data set: "
        "`passo note optimizers --dataset fashion-mnist` writes this note on all of it."
    )


def scaling_words(scaling: Any) -> str:
    """How pixels were scaled."""
    name = scaling["name"] if isinstance(scaling, dict) else scaling
    return {
        "standardize": "pixels standardised by the training part",
        "normalize": "pixels scaled to [0, 1]",
        "symmetric": "pixels scaled to [−1, 1]",
        "none": "pixels as they are",
    }.get(name, f"scaled: {name}")


def machine_words(machine: dict[str, Any]) -> str:
    """Platform, processors and threads."""
    parts = [machine.get("platform"), machine.get("cpu"), machine.get("gpu")]
    cores = [f"{machine['cores']} cores"] if "cores" in machine else []
    return ", ".join([*(p for p in parts if p), *cores, f"{machine['threads']} threads for torch"])


def _passo() -> str:
    try:
        return version("passo")
    except PackageNotFoundError:
        return "(not installed as a package)"
