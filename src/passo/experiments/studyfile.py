"""Study files: TOML that says which runs a study makes. Every key is checked, and an error names key and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from passo import store
from passo.errors import ConfigError, UnknownName, UsageError
from passo.experiments.laying import quoted
from passo.experiments.studycheck import check
from passo.experiments.studyform import VARYING, StudyFile
from passo.experiments.varying import flat
from passo.registry import unknown
from passo.training.complaints import brief, sentence
from passo.training.config import TrainConfig, merge, parse_settings

LENGTH = 1_000_000  # characters of a study file
DOTS = 1000  # in a key: tomllib's time grows with their square


def shipped() -> dict[str, str]:
    """The studies in the package: name → text of the file."""
    folder = files("passo") / "studies"
    return {
        entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".toml")
    }


def read_study(
    name: str | Path,
    settings: Sequence[str] | Mapping[str, Any] = (),
    *,
    many: bool = False,
    quick: bool = False,
) -> StudyFile:
    """A study by its name, its file or the folder in which it was begun, with its quick form's settings where that is
    asked for, and `key=value` settings laid over it.

    Raises `ConfigError` and `UnknownName` for anything that is wrong in it, for a quick form that it has not, and for
    more than 100,000 runs unless `many` says that they are meant.
    """
    path = Path(name)
    if path.suffix == ".toml":
        text, source = _text_of(path), str(path)
    elif (path / store.DATABASE).is_file():
        return _checked(_laid(_begun(path), settings, str(path), quick), "", str(path), many)
    else:
        known = shipped()
        if len(path.parts) > 1:  # a path, and no name that was mistyped
            raise UnknownName(f"there is no study at {path}; a study's file ends in .toml (names: `passo study list`)")
        if str(name) not in known:
            raise unknown("study", name, known)
        text, source = known[str(name)], f"study {name}"
    return parse_study(text, source, settings, many=many, quick=quick)


def _text_of(path: Path) -> str:
    """A file's text; a pipe would be waited for, and a device has no end."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"cannot read {path}: it is no regular file")
        with path.open(encoding="utf-8") as file:
            return file.read(LENGTH + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: expected text in UTF-8; save the file in it") from error


def _parsed(text: str, source: str) -> dict[str, Any]:
    """TOML as a mapping; what would take tomllib for ever is refused before."""
    if len(text) > LENGTH:
        raise ConfigError(f"{source}: a study file has at most {LENGTH:,} characters")
    if any(part.count(".") > DOTS for part in re.split(r"[=,\n{}\[\]]", text)):
        raise ConfigError(f"{source}: a key has more than {DOTS:,} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{source}: lists and tables are nested too deep") from None
    except ValueError as error:  # of TOML, and for a number of thousands of digits
        raise ConfigError(f"{source}: {' '.join(str(error).split())[:200]}") from error


def parse_study(
    text: str,
    source: str,
    settings: Sequence[str] | Mapping[str, Any] = (),
    *,
    many: bool = False,
    quick: bool = False,
) -> StudyFile:
    """A study from the text of its file; errors name the source, the line and the key."""
    return _checked(_laid(_parsed(text, source), settings, source, quick), text, source, many)


def _begun(folder: Path) -> dict[str, Any]:
    """What a study that was begun was asked to be."""
    there = store.outline(folder)
    if "optimizer" in there.config:
        raise UsageError(f"{folder} is a single training: passo train --resume {folder} goes on with it")
    return there.config


def _laid(
    values: dict[str, Any], settings: Sequence[str] | Mapping[str, Any], source: str, quick: bool
) -> dict[str, Any]:
    """What a file says with settings over it."""
    try:
        if quick:
            _make_quick(values)
        _lay_over(values, settings)
    except UsageError as error:
        raise ConfigError(f"{source}: {brief(str(error))}") from error
    return values


def _checked(values: Mapping[str, Any], text: str, source: str, many: bool) -> StudyFile:
    """A study of these values; an error names the line of the text that they stand in."""
    try:
        study = StudyFile.model_validate(values)
    except ValidationError as error:
        where = error.errors()[0]["loc"]
        line = f", line {line_of(text, where)}" if text else ""
        raise ConfigError(f"{source}{line}: {sentence(error, StudyFile)}") from error
    try:
        check(study, many)
    except UsageError as error:
        raise ConfigError(f"{source}: {brief(_with_line(text, str(error)))}") from error
    return study


def _make_quick(values: dict[str, Any]) -> None:
    """Lay a study's own quick form over it."""
    if not values.get("quick"):
        raise ConfigError("it has no quick form: leave --quick out, or give its file a table [quick] of settings")
    _lay_over(values, values["quick"])
    values["form"] = "quick"


def _lay_over(values: dict[str, Any], settings: Sequence[str] | Mapping[str, Any]) -> None:
    """Lay settings over what a file says: over the study's own keys, else over those of its base."""
    for key, value in _nested(settings).items():
        if key in VARYING:
            old = values.get(key)
            values[key] = {**flat(old), **flat(value)} if isinstance(old, Mapping | None) and old else value
            continue
        if key in StudyFile.model_fields:
            target = values
        elif key == "seed":
            raise ConfigError("seed is read by nothing here: a study has seeds, such as seeds=3 or seeds=[0,7]")
        elif key in TrainConfig.model_fields or key == "lr":
            _check_free(values, key, value)
            target = values.setdefault("base", {})
            if not isinstance(target, dict):
                raise ConfigError(f"base must be a table of options, got {quoted(target)}")
        else:
            known = [*StudyFile.model_fields, *TrainConfig.model_fields, "lr"]
            raise ConfigError(str(unknown("key", key, known)))
        if isinstance(value, Mapping) and isinstance(target.get(key), Mapping):
            target[key] = {**target[key], **value}
        elif isinstance(value, Mapping) and isinstance(target.get(key), str):
            target[key] = {"name": target[key], **value}
        else:
            merge(target, [key], value)


def _nested(settings: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Settings with their dots unfolded, whether they are words or a mapping."""
    if not isinstance(settings, Mapping):
        return parse_settings(settings)
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        merge(nested, str(key).split("."), value)
    return nested


def _check_free(values: Mapping[str, Any], key: str, value: Any) -> None:
    """Raise `ConfigError` for a setting of the base that changes nothing, since the study varies that key."""
    for table in VARYING:
        varied = values.get(table)
        if not isinstance(varied, Mapping):
            continue
        for name in set(flat(varied)).intersection(flat({key: value})):
            listed = "[…]" if table in ("grid", "zip") else "{…}"
            raise ConfigError(f"{name} is varied by [{table}], so that this changes nothing: {table}.{name}={listed}")


def line_of(text: str, where: Sequence[Any]) -> int:
    """The line (from 1) on which a key stands, found by its table and its name; else that of its table."""
    wanted = [part for part in where if isinstance(part, str)] or [""]
    number = next((part for part in where if isinstance(part, int)), 0)
    table, index, begun = "", 0, 1
    for line, content in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?", content)
        if header:
            index = index + 1 if header.group(1) == table else 0
            table = header.group(1)
        inside = (len(wanted) == 1 and not table) or (wanted[0] == table.split(".")[0] and index == number)
        if inside and header:
            begun = line
        if inside and re.search(rf"(^|[\s{{,])[\"']?{re.escape(wanted[-1])}[\"']?\s*=", content):
            return line
    return begun


def _line_varied(text: str, complaint: str) -> int:
    """The line, in a table that varies something, of the first key that a complaint speaks of; else of that table."""
    begun = inside = 0
    for line, content in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?\s*([\w-]+)", content):
            inside = header[1] in VARYING
            begun = begun or inside * line
        key = re.match(r"\s*[\"']?[\w.-]*?(\w+)[\"']?\s*=", content)
        if inside and key and re.search(rf"\b{re.escape(key[1])}\b", complaint):
            return line
    return begun


def _with_line(text: str, message: str) -> str:
    """Add the line of the run, or of the key in `base`, that a message is about."""
    if message.startswith("base: "):
        key = re.search(r"unknown key '([\w.-]+)'", message) or re.match(r"base: (\w+)", message)
        return f"line {line_of(text, ('base', key[1] if key else 'base'))}: {message}"
    named = re.match(r"run '([^']+)'", message)
    if named:
        for line, content in enumerate(text.splitlines(), start=1):
            if re.match(rf"\s*(?:name|title)\s*=\s*[\"']{re.escape(named.group(1))}[\"']", content):
                return f"line {line}: {message}"
        line = _line_varied(text, message[named.end() :])
        return f"line {line}: {message}" if line else message
    return message
