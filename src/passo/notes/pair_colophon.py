"""How a note on two models was made: what ran, where, on which data, with what, for how long, and how to repeat it."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from typing import Any

from passo.analysis.words import joined
from passo.notes.colophon import machine_words, scaling_words
from passo.notes.formats import count, counted, duration
from passo.notes.pair_vocabulary import installed, reference, seeds, spent
from passo.notes.spoken import escaped
from passo.store import StoredStudy


def notice(study: StoredStudy) -> str:
    """What must be said first: that this is the quick form, or that the embedded sample was used."""
    told = []
    if study.facts.get("quick"):
        n = len(seeds(study))
        told.append(f"Quick form: {counted(n, 'seed')}, fewer runs and shorter trainings; intervals are wide.")
    if study.facts.get("data", {}).get("sample"):
        told.append("Trained and tested on the embedded sample: on all of the data, accuracies are higher.")
    return " ".join(told)


def colophon(study: StoredStudy) -> tuple[tuple[str, str], ...]:
    """Labels and words; the words are inline Markdown."""
    kinds = {kind: len(study.select(kind=kind)) for kind in ("train", "robustness", "seeing")}
    lost = [escaped(f"{run.id}: {run.error}") for run in study.runs if run.status in ("diverged", "failed")]
    left_out = [escaped(f"{name}: {why}") for name, why in (study.facts.get("left_out") or {}).items()]
    machine = study.facts.get("environment", {})
    libraries = ", ".join(installed(name) for name in ("passo", "captum", "scikit-learn", "altair", "typst"))
    return (
        ("Study", f"`{study.name}`: {kinds['train']} trainings, {kinds['robustness']} sweeps over perturbations, "
                  f"{kinds['seeing']} models looked into; seeds {joined([str(seed) for seed in seeds(study)])}"),
        *_data(study),
        ("Software", f"torch {machine.get('torch', '?')}, Python {machine.get('python', '?')} for the trainings; this "
                     f"note was written with {libraries}"),
        *((("Machine", machine_words(machine)),) if machine else ()),
        ("Time taken", duration(spent(study))),
        ("To repeat it", f"`{command(study)}`"),
        ("Runs that failed", "; ".join(lost) or "none"),
        ("Not possible with these data", "; ".join(left_out) or "nothing was left out"),
    )  # fmt: skip


def _data(study: StoredStudy) -> tuple[tuple[str, str], ...]:
    """Which images, from where, and their digests: of a run with as many images as most have."""
    data: dict[str, Any] = {**study.facts.get("data", {}), **reference(study).info.get("data", {})}
    counts = joined([f"{count(n)} {part}" for part, n in data.get("counts", {}).items() if n])
    told = f"{escaped(str(data.get('name')))}: {counts} images in most runs"
    if data.get("source"):
        told += f"; from {escaped(str(data['source']))}"
    if data.get("scaling"):
        told += f"; {scaling_words(data['scaling'])}"
    told += f"; licence {escaped(str(data.get('licence', 'not recorded')))}"
    digests = ", ".join(f"{escaped(name)} `{digest}`" for name, digest in data.get("sha256", {}).items())
    return (("Data", told), *((("Data, SHA-256", digests),) if digests else ()))


def command(study: StoredStudy) -> str:
    """The command that makes this study and its note again, as far as the shipped study's settings were changed."""
    config = study.config
    words = [f"passo note {study.name}"]
    if study.facts.get("quick"):
        words.append("--quick")
    try:
        text = (files("passo") / "studies" / f"{study.name}.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return words[0].replace(study.name, "YOUR-STUDY.toml")
    shipped = tomllib.loads(text)
    for name in ("base", "pair"):
        for key, value in config.get(name, {}).items():
            changed = (
                {} if study.facts.get("quick") and key == "epochs" else _changed(key, value, shipped.get(name, {}))
            )
            words += [f"--set {'' if name == 'base' else name + '.'}{k}={v}" for k, v in changed.items()]
    return " ".join(words)


def _changed(key: str, value: Any, shipped: dict[str, Any]) -> dict[str, str]:
    """What of one setting differs from the shipped study's, by dotted key."""
    default = shipped.get(key)
    if value == default or value == {"name": default} or key not in shipped:
        return {}
    if isinstance(value, dict) and isinstance(default, dict):
        return {f"{key}.{k}": json.dumps(v) for k, v in value.items() if v != default.get(k)}
    return {key: json.dumps(value)}
