"""A training or a study from a form: every option, the command that it is, the time that it takes; then the queue."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.responses import RedirectResponse, Response

from passo.errors import PassoError, UsageError
from passo.language import t, tn
from passo.web.answering import Asked
from passo.web.options_told import SECTIONS, about, ranged
from passo.web.pages_studies import duration

USUAL = {"dataset": "fashion-mnist", "model": "lenet", "optimizer": "adam", "schedule": ""}
MAIN = {
    "dataset": {"dataset.per_class", "dataset.validation"},
    "training": {"epochs", "batch_size", "seed"},
    "early_stopping": set[str](),
    "record": {"record.every", "record.predictions", "record.path"},
}
"""Options of sections with many that are shown at once; the others one unfolds."""
EXECUTORS = ("processes", "auto", "replicas", "here")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
LINES = 40  # settings that are laid over a study
FILES = 100  # study files that a page offers


def training(asked: Asked) -> Response:
    """The form of a training, with the command that it stands for and what is wrong with it."""
    return _form(asked, _values(asked.request.query_params))


def _form(asked: Asked, values: dict[str, str], wrong: str = "") -> Response:
    """The form with these values in it; what is `wrong` is said beside it."""
    sections = _sections(asked, values)
    words = _words(values, sections)
    command, found = _checked(asked, words, values)
    estimate = _estimate(asked, words) if asked.query("estimate") and not found else ""
    return asked.page(
        "new.html.j2",
        400 if wrong else 200,
        sections=[_parted(section, values) for section in sections],
        titles=SECTIONS,
        values=values,
        about=about,
        ranged=ranged,
        command=command,
        wrong=wrong or found,
        estimate=estimate,
        name=values.get("name") or _free(asked, f"{values['model']}-{values['optimizer']}"),
    )


def checked(asked: Asked) -> Response:
    """The command, and what is wrong with it, as JSON; with `estimate`, the time that it takes."""
    values = _values(asked.request.query_params)
    words = _words(values, _sections(asked, values))
    command, wrong = _checked(asked, words, values)
    estimate = _estimate(asked, words) if asked.query("estimate") and not wrong else ""
    return asked.json({"command": command, "wrong": wrong, "estimate": estimate})


def train(asked: Asked) -> Response:
    """Put the training into the queue; where something is wrong, the form again, with what was given."""
    values = _values(asked.form)
    try:
        words = _words(values, _sections(asked, values))
        asked.lab.worker.ask("checked", words=words)
        name = _name(asked, values.get("name") or _free(asked, f"{values['model']}-{values['optimizer']}"))
        asked.lab.jobs.add(["train", *words, "--out", _out(asked, name)], study=name)
    except PassoError as error:
        return _form(asked, values, asked.told(error))
    return RedirectResponse("/jobs", 303)


def study(asked: Asked) -> Response:
    """The form of a study: which one, what is laid over it, what it would run."""
    chosen, found, wrong, estimate = asked.query("study"), None, "", ""
    settings, quick = _settings(asked.query("set")), bool(asked.query("quick"))
    if chosen:
        given = {"name": _source(asked, chosen), "settings": settings, "quick": quick}
        try:
            found = asked.lab.worker.ask("study", **given)
            if asked.query("estimate"):
                estimate = _study_time(asked.lab.worker.ask("study_estimated", **given))
        except PassoError as error:
            wrong = asked.told(error)
    name = asked.query("name") or (found or {}).get("name", "")
    return asked.page(
        "new_study.html.j2",
        shipped=asked.lab.worker.ask("studies"),
        files=_files(asked),
        chosen=chosen,
        quick=quick,
        settings="\n".join(settings),
        executor=asked.query("executor") if asked.query("executor") in EXECUTORS else EXECUTORS[0],
        executors=EXECUTORS,
        found=found,
        wrong=wrong,
        estimate=estimate,
        name=name,
        there=bool(NAME.fullmatch(name)) and (asked.lab.root / name).exists(),
        command=shlex.join(["passo", *_study_words(asked, dict(asked.request.query_params), name)]) if found else "",
    )


def run(asked: Asked) -> Response:
    """Put the study into the queue; one that is there goes on."""
    values = dict(asked.form)
    chosen = values.get("study", "")
    given = {"settings": _settings(values.get("set", "")), "quick": bool(values.get("quick"))}
    found = asked.lab.worker.ask("study", name=_source(asked, chosen), **given)
    name = _name(asked, values.get("name") or found["name"], there=True)
    asked.lab.jobs.add(_study_words(asked, values, name), study=name)
    return RedirectResponse("/jobs", 303)


# ── What is asked for ──


def _values(given: Mapping[str, str]) -> dict[str, str]:
    return {**USUAL, **{key: value.strip() for key, value in given.items() if value.strip()}}


def _sections(asked: Asked, values: dict[str, str]) -> list[dict[str, Any]]:
    named = {name: values[name] for name in ("model", "optimizer", "schedule")}
    try:
        return asked.lab.worker.ask("options", **named)
    except PassoError:
        return asked.lab.worker.ask("options", **{name: USUAL[name] for name in named})


def _parted(section: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """A section's options in those that are shown and those that are unfolded, because something was said there."""
    main = MAIN.get(section["name"])
    shown = [field for field in section["fields"] if main is None or field["key"] in main]
    more = [field for field in section["fields"] if field not in shown]
    return {**section, "main": shown, "more": more, "said": any(field["key"] in values for field in more)}


def _words(values: dict[str, str], sections: list[dict[str, Any]]) -> list[str]:
    """The settings that differ from what is usual, as `passo train` takes them; only keys that the form knows."""
    words = [f"{name}={values[name]}" for name in ("dataset", "model", "optimizer", "schedule") if values[name]]
    for section in sections:
        for field in section["fields"]:
            value = values.get(field["key"], "")
            if value and value != field["default"]:
                words.append(f"{'lr' if field['key'] == 'optimizer.lr' else field['key']}={value}")
    return words


def _checked(asked: Asked, words: list[str], values: dict[str, str]) -> tuple[str, str]:
    """The command, and what is wrong with it."""
    name = values.get("name") or _free(asked, f"{values['model']}-{values['optimizer']}")
    command = shlex.join(["passo", "train", *words, "--out", _out(asked, name)])
    try:
        if "name" in values:
            _name(asked, values["name"])
        asked.lab.worker.ask("checked", words=words)
    except PassoError as error:
        return command, asked.told(error)
    return command, ""


def _estimate(asked: Asked, words: list[str]) -> str:
    try:
        found = asked.lab.worker.ask("estimated", words=words)
    except PassoError as error:
        return asked.told(error)
    return t(
        "about {time} for {steps:,} steps, as measured now; {megabytes:.2g} MB while it steps",
        time=duration(found["seconds"]),
        steps=found["steps"],
        megabytes=found["bytes"] / 1e6,
    )


def _study_time(found: dict[str, Any]) -> str:
    if found["seconds"] is None:
        return t("no estimate for this study")
    return tn(
        "{n:,} training: about {time}, {jobs} at a time, as measured now",
        "{n:,} trainings: about {time}, {jobs} at a time, as measured now",
        found["runs"],
        time=duration(found["seconds"]),
        jobs=found["jobs"],
    )


def _settings(text: str) -> list[str]:
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if len(found) > LINES:
        raise UsageError(f"a page lays at most {LINES} settings over a study")
    return found


def _files(asked: Asked) -> list[str]:
    """Study files under the root, at most one folder deep."""
    root = asked.lab.root
    found = [path for pattern in ("*.toml", "*/*.toml") for path in sorted(root.glob(pattern))[:FILES]]
    return [str(path.relative_to(root)) for path in found if path.resolve().is_relative_to(root) and path.is_file()]


def _source(asked: Asked, chosen: str) -> str:
    """A study of the package by its name, or a file under the root by its path."""
    if chosen.endswith(".toml"):
        if chosen not in _files(asked):
            raise UsageError(f"there is no study file {chosen!r} here")
        return str(asked.lab.root / chosen)
    if chosen not in {one["name"] for one in asked.lab.worker.ask("studies")}:
        raise UsageError("choose a study")
    return chosen


def _study_words(asked: Asked, values: dict[str, str], name: str) -> list[str]:
    chosen = values["study"]
    source = f"./{os.path.relpath(asked.lab.root / chosen)}" if chosen.endswith(".toml") else chosen
    words = ["study", "run", source, *(f"--set={line}" for line in _settings(values.get("set", "")))]
    words += ["--quick"] if values.get("quick") else []
    executor = values.get("executor", "")
    said = EXECUTORS if (asked.lab.root / name).exists() else EXECUTORS[1:]  # a study goes on as before, if nobody says
    words += ["--executor", executor] if executor in said else []
    return [*words, "--out", _out(asked, name)]


def _name(asked: Asked, name: str, there: bool = False) -> str:
    """A name that a folder under the root may have."""
    if not NAME.fullmatch(name):
        raise UsageError(f"a name has letters, digits, dots, hyphens and underscores, at most 80: got {name!r}")
    if not there and (asked.lab.root / name).exists():
        raise UsageError(f"there is something called {name} already: give another name")
    return name


def _free(asked: Asked, name: str) -> str:
    """The name, or the first of it with a number that is not taken."""
    taken = {path.name for path in asked.lab.root.iterdir()} | {job.study for job in asked.lab.jobs.all()}
    number = next(number for number in range(1, 10**6) if (name if number == 1 else f"{name}-{number}") not in taken)
    return name if number == 1 else f"{name}-{number}"


def _out(asked: Asked, name: str) -> str:
    """Where a study will lie, as one types it where the server was started."""
    place = asked.lab.root / name
    relative = os.path.relpath(place)
    return str(place) if relative.startswith("..") else str(Path(relative))
