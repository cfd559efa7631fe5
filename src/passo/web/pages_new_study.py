"""A study from a form: which one, what is laid over it, what it would run, the time that it takes; then the queue."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import RedirectResponse, Response

from passo.errors import PassoError, UsageError
from passo.language import t, tn
from passo.web.answering import Asked
from passo.web.folders import NAME, named, out
from passo.web.numbers import pointed_settings
from passo.web.pages_studies import duration

EXECUTORS = ("processes", "auto", "replicas", "here")
LINES = 40  # settings that are laid over a study
FILES = 100  # study files that a page offers


@dataclass
class Wish:
    """What the form says: `given` as the worker takes it, `found` what the study is, `wrong` by the field it is at."""

    chosen: str
    given: dict[str, Any] | None = None
    found: dict[str, Any] | None = None
    name: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


def study(asked: Asked) -> Response:
    """The form of a study: which one, what is laid over it, what it would run."""
    values = asked.request.query_params
    return _form(asked, values, _wish(asked, values))


def run(asked: Asked) -> Response:
    """Put the study into the queue; one that is there goes on. Where something is wrong, the form again as it was."""
    wish = _wish(asked, asked.form)
    if not wish.chosen:
        wish.wrong["study"] = asked.told("choose a study")
    if not wish.wrong:
        try:
            asked.lab.jobs.add(_words(asked, asked.form, wish.name), study=wish.name)
            return RedirectResponse("/jobs", 303)
        except PassoError as error:
            wish.wrong[""] = asked.told(error)
    return _form(asked, asked.form, wish, 400)


def _form(asked: Asked, values: Mapping[str, str], wish: Wish, status: int = 200) -> Response:
    estimate = ""
    if values.get("estimate") and wish.found and not wish.wrong:
        try:
            estimate = _time(asked.lab.worker.ask("study_estimated", **wish.given or {}))
        except PassoError as error:
            wish.wrong["set"] = asked.told(error)
    executor = values.get("executor", "")
    return asked.page(
        "new_study.html.j2",
        status,
        shipped=asked.lab.worker.ask("studies"),
        files=_files(asked),
        chosen=wish.chosen,
        quick=bool(values.get("quick")),
        settings=values.get("set", ""),
        executor=executor if executor in EXECUTORS else EXECUTORS[0],
        executors=EXECUTORS,
        found=wish.found,
        wrong=wish.wrong,
        estimate=estimate,
        given_name=values.get("name", ""),
        name=wish.name,
        there=bool(NAME.fullmatch(wish.name)) and (asked.lab.root / wish.name).exists(),
        command=shlex.join(["passo", *_words(asked, values, wish.name)]) if wish.found else "",
    )


def _wish(asked: Asked, values: Mapping[str, str]) -> Wish:
    wish = Wish(values.get("study", ""), name=values.get("name", "").strip())
    if not wish.chosen:
        return wish
    at = "study"
    try:
        source = _source(asked, wish.chosen)
        at = "set" if values.get("set", "").strip() else "study"
        wish.given = {"name": source, "settings": _settings(values), "quick": bool(values.get("quick"))}
        wish.found = asked.lab.worker.ask("study", **wish.given)
        assert wish.found is not None
        at, wish.name = "name", wish.name or wish.found["name"]
        named(asked, wish.name, there=True)
    except PassoError as error:
        wish.wrong[at] = asked.told(error)
    return wish


def _time(found: dict[str, Any]) -> str:
    if found["seconds"] is None:
        return t("no estimate for this study")
    return tn(
        "{n:,} training: about {time}, of which {start} for starting; {jobs} at a time, as measured now",
        "{n:,} trainings: about {time}, of which {start} for starting; {jobs} at a time, as measured now",
        found["runs"],
        time=duration(found["seconds"] + found["start"]),
        jobs=found["jobs"],
        start=duration(found["start"]),
    )


def _settings(values: Mapping[str, str]) -> list[str]:
    found = [pointed_settings(line.strip()) for line in values.get("set", "").splitlines() if line.strip()]
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


def _words(asked: Asked, values: Mapping[str, str], name: str) -> list[str]:
    chosen = values["study"]
    source = f"./{os.path.relpath(asked.lab.root / chosen)}" if chosen.endswith(".toml") else chosen
    words = ["study", "run", source, *(f"--set={line}" for line in _settings(values))]
    words += ["--quick"] if values.get("quick") else []
    executor = values.get("executor", "")
    said = EXECUTORS if (asked.lab.root / name).exists() else EXECUTORS[1:]  # a study goes on as before, if nobody says
    words += ["--executor", executor] if executor in said else []
    return [*words, "--out", out(asked, name)]
