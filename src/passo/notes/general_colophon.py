"""How a note on any study was made: what ran, where, on which data, for how long, and the command that repeats it."""

from __future__ import annotations

from typing import Any

from passo.language import later, t
from passo.notes.byline import day, ended
from passo.notes.colophon import machine_words, scaling_words
from passo.notes.formats import count, duration
from passo.notes.pair_vocabulary import installed
from passo.notes.spoken import escaped, listed
from passo.notes.unfinished import command
from passo.store import StoredStudy

_PARTS = {"train": later("for training"), "validation": later("for validation"), "test": later("for the test")}


def data_of(study: StoredStudy) -> dict[str, Any]:
    """What is known of the data: the study's facts, and what its first run says more."""
    runs = study.select()
    told: dict[str, Any] = {**(runs[0].info.get("data", {}) if runs else {}), **study.facts.get("data", {})}
    title, colon, _ = str(told.get("title", "")).partition(":")
    told["called"] = escaped(title if colon else str(told.get("name") or t("the data")))
    told["sample"] = bool(told.get("sample"))
    told["counts"] = {part: n for part, n in (told.get("counts") or {}).items() if n}
    return told


def notice(study: StoredStudy) -> str:
    """What must be said first: that this is the quick form, or that the embedded sample was used."""
    told = []
    if study.facts.get("quick") or study.config.get("form") == "quick":
        told.append(t("The quick form of this study: fewer seeds and runs, wider intervals."))
    if data_of(study).get("sample"):
        told.append(t("Trained and tested on the small embedded sample of real images; the full data set gives other "
                      "results."))  # fmt: skip
    return " ".join(told)


def colophon(study: StoredStudy) -> tuple[tuple[str, str], ...]:
    """Labels and words; the words are inline Markdown."""
    machine, kinds = study.facts.get("environment", {}), {}
    for run in study.runs:
        if run.status == "done":
            kinds[run.kind] = kinds.get(run.kind, 0) + 1
    seeds = listed([str(seed) for seed in sorted({r.seed for r in study.select() if r.seed is not None})] or ["–"])
    ran = t("{n} trainings; seeds {seeds}", n=kinds.get("train", 0), seeds=seeds)
    software = t("torch {torch}, Python {python} for the trainings", torch=machine.get("torch", "?"),
                 python=machine.get("python", "?"))  # fmt: skip
    spent = study.facts.get("seconds")
    spent = spent if spent is not None else max(0.0, ended(study) - float(study.facts.get("created") or 0.0))
    return (
        (t("Study"), f"`{study.name}`: {ran}"),
        *_data(study),
        (t("Software"), f"{software}; {installed('passo')}, {installed('altair')}"),
        *(((t("Machine"), machine_words(machine)),) if machine else ()),
        *(((t("Date"), day(ended(study))),) if ended(study) else ()),
        (t("Time taken"), duration(spent)),
        (t("To repeat it"), f"`{command(study)}`"),
    )


def _data(study: StoredStudy) -> tuple[tuple[str, str], ...]:
    data = data_of(study)
    counts = ", ".join(
        f"{count(n)} {t(_PARTS[part]) if part in _PARTS else escaped(part)}" for part, n in data["counts"].items()
    )
    told = [f"{data['called']}: {counts}" if counts else data["called"]]
    told += [escaped(t(str(data["source"])))] if data.get("source") else []
    told += [scaling_words(data["scaling"])] if data.get("scaling") else []
    told += [t("licence {licence}", licence=escaped(str(data["licence"])))] if data.get("licence") else []
    digests = ", ".join(f"{escaped(name)} `{digest}`" for name, digest in (data.get("sha256") or {}).items())
    return ((t("Data"), "; ".join(told)), *(((t("Data, SHA-256"), digests),) if digests else ()))
