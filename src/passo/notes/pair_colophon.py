"""How a note on two models was made: what ran, where, on which data, with what, for how long, and how to repeat it."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from shlex import quote
from typing import Any

from passo.analysis.words import joined
from passo.language import t, tn
from passo.notes.byline import day, ended
from passo.notes.colophon import in_its_language, machine_words, parts_words, scaling_words
from passo.notes.formats import duration, spelled
from passo.notes.pair_vocabulary import installed, reference, seeds, spent
from passo.notes.spoken import escaped
from passo.store import StoredStudy


def notice(study: StoredStudy) -> str:
    """What must be said first: that this is the quick form, or that the embedded sample was used."""
    told = []
    if study.facts.get("quick"):
        n = len(seeds(study))
        told.append(
            tn(
                "Quick form: {number} seed, fewer runs and shorter trainings; intervals are wide.",
                "Quick form: {number} seeds, fewer runs and shorter trainings; intervals are wide.",
                n,
                number=spelled(n, feminine=True),
            )
        )
    if study.facts.get("data", {}).get("sample"):
        told.append(t("Trained and tested on the embedded sample: on all of the data, accuracies are higher."))
    return " ".join(told)


def colophon(study: StoredStudy) -> tuple[tuple[str, str], ...]:
    """Labels and words; the words are inline Markdown."""
    kinds = {kind: len(study.select(kind=kind)) for kind in ("train", "robustness", "seeing")}
    lost = [escaped(f"{run.id}: {run.error}") for run in study.runs if run.status in ("diverged", "failed")]
    left_out = [escaped(f"{name}: {why}") for name, why in (study.facts.get("left_out") or {}).items()]
    machine = study.facts.get("environment", {})
    libraries = ", ".join(installed(name) for name in ("passo", "captum", "scikit-learn", "altair", "typst"))
    trained = t(
        "`{name}`: {train} trainings, {sweeps} sweeps over perturbations, {seen} models looked into; seeds {seeds}",
        name=study.name,
        train=kinds["train"],
        sweeps=kinds["robustness"],
        seen=kinds["seeing"],
        seeds=joined([str(seed) for seed in seeds(study)]),
    )
    software = t(
        "torch {torch}, Python {python} for the trainings; this note was written with {libraries}",
        torch=machine.get("torch", "?"),
        python=machine.get("python", "?"),
        libraries=libraries,
    )
    return (
        (t("Study"), trained),
        *_data(study),
        (t("Software"), software),
        *(((t("Machine"), machine_words(machine)),) if machine else ()),
        *(((t("Date"), day(ended(study))),) if ended(study) else ()),
        (t("Time taken"), duration(spent(study))),
        (t("To repeat it"), f"`{command(study)}`"),
        (t("Runs that failed"), "; ".join(lost) or t("none")),
        (t("Not possible with these data"), "; ".join(left_out) or t("nothing was left out")),
    )


def _data(study: StoredStudy) -> tuple[tuple[str, str], ...]:
    """Which images, from where, and their digests: of a run with as many images as most have."""
    data: dict[str, Any] = {**study.facts.get("data", {}), **reference(study).info.get("data", {})}
    counts = parts_words({part: n for part, n in data.get("counts", {}).items() if n})
    told = [t("{name}: {counts} images in most runs", name=escaped(str(data.get("name"))), counts=counts)]
    if data.get("source"):
        told.append(t("from {source}", source=escaped(t(str(data["source"])))))
    if data.get("scaling"):
        told.append(scaling_words(data["scaling"]))
    told.append(t("licence {licence}", licence=escaped(str(data.get("licence") or t("not recorded")))))
    digests = ", ".join(f"{escaped(name)} `{digest}`" for name, digest in data.get("sha256", {}).items())
    return ((t("Data"), "; ".join(told)), *(((t("Data, SHA-256"), digests),) if digests else ()))


def command(study: StoredStudy) -> str:
    """The command that makes this study and its note again, as far as the shipped study's settings were changed."""
    config = study.config
    words = [f"passo note {study.name}{in_its_language()}"]
    if study.facts.get("quick"):
        words.append("--quick")
    try:
        text = (files("passo") / "studies" / f"{study.name}.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return f"passo note YOUR-STUDY.toml{in_its_language()}"
    shipped = tomllib.loads(text)
    for name in ("base", "pair"):
        for key, value in config.get(name, {}).items():
            changed = (
                {} if study.facts.get("quick") and key == "epochs" else _changed(key, value, shipped.get(name, {}))
            )
            before = "" if name == "base" else f"{name}."
            words += [f"--set {quote(f'{before}{k}={v}')}" for k, v in changed.items()]
    return " ".join(words)


def _changed(key: str, value: Any, shipped: dict[str, Any]) -> dict[str, str]:
    """What of one setting differs from the shipped study's, by dotted key."""
    default = shipped.get(key)
    if value == default or value == {"name": default} or key not in shipped:
        return {}
    if isinstance(value, dict) and isinstance(default, dict):
        return {f"{key}.{k}": json.dumps(v) for k, v in value.items() if v != default.get(k)}
    return {key: json.dumps(value)}
