"""A training from a form: every option, the command that it is, the time that it takes; then the queue."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from starlette.responses import RedirectResponse, Response

from passo.errors import PassoError
from passo.language import t
from passo.web.answering import Asked
from passo.web.folders import free, named, out
from passo.web.numbers import pointed
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


def training(asked: Asked) -> Response:
    """The form of a training, with the command that it stands for and what is wrong with it."""
    return _form(asked, _values(asked.request.query_params))


def _form(asked: Asked, values: dict[str, str], wrong: str = "") -> Response:
    """The form with these values in it; what is `wrong` is said beside it."""
    sections = _sections(asked, values)
    command, found, words = _checked(asked, values, sections)
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
        name=_name(asked, values),
    )


def checked(asked: Asked) -> Response:
    """The command, and what is wrong with it, as JSON; with `estimate`, the time that it takes."""
    values = _values(asked.request.query_params)
    command, wrong, words = _checked(asked, values, _sections(asked, values))
    estimate = _estimate(asked, words) if asked.query("estimate") and not wrong else ""
    return asked.json({"command": command, "wrong": wrong, "estimate": estimate})


def train(asked: Asked) -> Response:
    """Put the training into the queue; where something is wrong, the form again, with what was given."""
    values = _values(asked.form)
    try:
        words = _words(values, _sections(asked, values))
        asked.lab.worker.ask("checked", words=words)
        name = named(asked, _name(asked, values))
        asked.lab.jobs.add(["train", *words, "--out", out(asked, name)], study=name)
    except PassoError as error:
        return _form(asked, values, asked.told(error))
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
            value = pointed(field["key"], values.get(field["key"], ""))
            if value and value != field["default"]:
                words.append(f"{'lr' if field['key'] == 'optimizer.lr' else field['key']}={value}")
    return words


def _checked(asked: Asked, values: dict[str, str], sections: list[dict[str, Any]]) -> tuple[str, str, list[str]]:
    """The command, what is wrong with it, and its settings."""
    name, words = _name(asked, values), []
    try:
        words = _words(values, sections)
        if "name" in values:
            named(asked, name)
        asked.lab.worker.ask("checked", words=words)
        wrong = ""
    except PassoError as error:
        wrong = asked.told(error)
    return shlex.join(["passo", "train", *words, "--out", out(asked, name)]), wrong, words


def _name(asked: Asked, values: dict[str, str]) -> str:
    return values.get("name") or free(asked, f"{values['model']}-{values['optimizer']}")


def _estimate(asked: Asked, words: list[str]) -> str:
    try:
        found = asked.lab.worker.ask("estimated", words=words)
    except PassoError as error:
        return asked.told(error)
    return t(
        "about {time} for {steps:,} steps, of which {start} for starting, as measured now; {megabytes:.2g} MB while it "
        "steps",
        time=duration(found["seconds"] + found["start"]),
        start=duration(found["start"]),
        steps=found["steps"],
        megabytes=found["bytes"] / 1e6,
    )
