"""A TOML study or a setting with anything wrong in it is refused in one sentence, before a single run is made."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from damage import ODD, answering, damaged, refused, sentence, wronged
from hypothesis import strategies as st

from passo.errors import ConfigError, UsageError
from passo.experiments.studyfile import StudyFile, parse_study, read_study
from passo.training.config import TrainConfig, literal, parse_settings, train_config

WHOLE: dict[str, Any] = {
    "name": "mine",
    "title": "Everything once",
    "description": "words",
    "metric": "test/accuracy",
    "seeds": [0, 1],
    "base": {
        "dataset": {"name": "fashion-mnist-sample", "per_class": 8, "perturb": {"shift": 2}, "classes": [0, 1]},
        "model": {"name": "mlp", "hidden": [8], "dropout": 0.1},
        "optimizer": {"name": "adam", "lr": 0.01, "betas": [0.9, 0.99]},
        "epochs": 2,
        "batch_size": 16,
        "clip_norm": 1.0,
        "l2": 0.001,
    },
    "record": {"every": 1, "between": [1, 5], "snapshots": [3], "coordinates": {"1.weight": 2}},
    "runs": [
        {"name": "plain", "schedule": {"name": "OneCycleLR", "max_lr": 0.1}},
        {"name": "found", "optimizer": {"name": "sgd", "momentum": 0.9, "lr": "0.5 * suggested by range-sgd"}},
    ],
    "ranges": [{"name": "range-sgd", "optimizer": {"name": "sgd"}, "lr_min": 1e-5, "lr_max": 1.0, "steps": 30}],
    "surface": {"b": [-1.0, 2.0], "w": [-1.0, 2.0], "start": [0.0, 0.0], "epochs": 2, "batch_size": 16, "images": 64},
    "descents": [{"name": "line", "optimizer": {"name": "sgd", "lr": 0.1},
                  "schedule": {"name": "StepLR", "step_size": 1}}],
    "previews": [{"title": "steps", "lr": 0.1, "epochs": 3, "steps_per_epoch": 4,
                  "schedule": {"name": "StepLR", "step_size": 1}, "losses": [0.5, 0.4, 0.3]}],
}  # fmt: skip


VARIED: dict[str, Any] = {
    "name": "varied",
    "seeds": 2,
    "base": {"dataset": "fashion-mnist-sample", "optimizer": {"name": "adam", "betas": [0.9, 0.99]}},
    "runs": [{"name": "plain"}, {"name": "small", "model": {"name": "mlp", "hidden": [8]}}],
    "grid": {"optimizer.lr": [0.001, 0.01], "optimizer.betas.0": [0.0, 0.5], "dataset": {"per_class": [8, 9]}},
    "zip": {"epochs": [1, 2], "batch_size": [16, "all"]},
    "random": {"samples": 3, "seed": 1, "l2": {"loguniform": [1e-5, 1e-2]}, "accumulate": {"int": [1, 3]},
               "sampling": {"choice": ["shuffle", "sequential"]}},
}  # fmt: skip
SEARCHES: dict[str, dict[str, Any]] = {
    "coarse_to_fine": {"rounds": 2, "metric": "train/loss", "clip_norm": {"first": [0.1, 1.0, 5.0], "scale": "log"},
                       "l1": {"range": [0.0, 0.1], "points": 3, "scale": "linear"}},
    "tpe": {"trials": 6, "parallel": 2, "seed": 0, "clip_norm": {"uniform": [0.5, 2.0]}, "l1": {"choice": [0.0, 0.1]}},
    "successive_halving": {"trials": 6, "reduction": 2, "epochs": [1, 2], "clip_norm": {"loguniform": [0.1, 1.0]}},
}  # fmt: skip


def searching(name: str) -> dict[str, Any]:
    """A study that varies and searches; halving sets the epochs itself."""
    return {**VARIED, "zip": {"batch_size": [16, "all"]}, name: SEARCHES[name]}


def toml(tree: dict[str, Any]) -> str:
    """A mapping as a person writes it: plain keys first, then [tables] and [[lists of tables]]."""
    plain, tables = [], []
    for key, value in tree.items():
        if isinstance(value, dict):
            tables.append(f"[{_word(key)}]\n" + _lines(value))
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            tables += [f"[[{_word(key)}]]\n" + _lines(one) for one in value]
        else:
            plain.append(f"{_word(key)} = {_value(value)}\n")
    return "".join(plain) + "\n" + "\n".join(tables)


def _lines(table: dict[str, Any]) -> str:
    return "".join(f"{_word(key)} = {_value(value)}\n" for key, value in table.items())


def _word(key: str) -> str:
    return key if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(key)} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return date(1979, 5, 27).isoformat()  # TOML has no null, but has dates, which no key here takes
    return repr(value)


def test_the_study_that_is_made_wrong_is_right() -> None:
    study = parse_study(toml(WHOLE), "mine.toml")
    assert study.count == 2 * (2 + 1) + 1 + 1 + 1


def test_the_studies_that_vary_and_are_made_wrong_are_right() -> None:
    assert parse_study(toml(VARIED), "varied.toml").count == 2 * 2 * 8 * 2 * 3
    counts = {name: parse_study(toml(searching(name)), "varied.toml").count for name in SEARCHES}
    searched = {"coarse_to_fine": 9 + 8, "tpe": 6, "successive_halving": 6 + 3}
    assert counts == {name: 2 * 2 * 8 * 2 * 3 * times for name, times in searched.items()}


def _folder_of(study: StudyFile) -> None:
    """What a study that is taken promises: it can be kept, under names that are folders, in a list that is finite."""
    varied = () if study.search else study.configurations
    names = [study.name, *(one.name for one in (*study.runs, *varied, *study.ranges, *study.descents))]
    assert all(name not in ("", ".", "..") and not set(name) & set("/\\\0") for name in names)
    assert 0 < study.count <= 100_000
    json.dumps(study.model_dump(mode="json"))


def _wronged(tree: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return wronged(tree).map(lambda found: found if isinstance(found, dict) else {"a": found})


def test_a_study_with_something_wrong_is_refused(wanted: int) -> None:
    refused(_wronged(WHOLE), lambda tree: _folder_of(parse_study(toml(tree), "mine.toml")), wanted, "mine.toml")


def test_what_varies_with_something_wrong_is_refused(wanted: int) -> None:
    trees = st.one_of(*(_wronged(tree) for tree in (VARIED, *map(searching, SEARCHES))))
    refused(trees, lambda tree: _folder_of(parse_study(toml(tree), "varied.toml")), wanted, "varied.toml")


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_with_something_wrong_is_refused(name: str, wanted: int) -> None:
    tables = _wronged(SEARCHES[name])
    small = {"name": "search", "base": {"dataset": "fashion-mnist-sample"}}
    refused(
        tables, lambda table: _folder_of(parse_study(toml({**small, name: table}), "search.toml")), wanted, "search"
    )


def test_a_damaged_study_file_is_refused(tmp_path: Path, wanted: int) -> None:
    path = tmp_path / "mine.toml"

    def use(content: bytes) -> None:
        path.write_bytes(content)
        _folder_of(read_study(path))

    refused(damaged(toml(WHOLE).encode()), use, wanted, str(path))


def _paths(tree: Any) -> list[str]:
    """All keys of a nested mapping, with dots."""
    inner = [(key, value) for key, value in tree.items() if isinstance(value, dict)]
    return [*tree, *(f"{key}.{name}" for key, value in inner for name in _paths(value))]


KEYS = [*TrainConfig.model_fields, *_paths(WHOLE["base"]), "lr", "record.every", "schedule.name", "record.path"]
TEXTS = st.one_of(
    ODD.map(repr),
    st.text(max_size=12),
    st.sampled_from(["[" * 300, "(" * 3000, "-" * 20_000 + "1", "{[]: 1}", "{1, 2}", "b'x'", "1j", "...", "9" * 5000]),
    st.sampled_from(["'", '"\\d"', "0x1for", "1 if 1else 2", "__import__('os')", "1e999", "[1, [2, {'a': nan}]]"]),
)


def test_a_setting_with_something_wrong_is_refused(wanted: int) -> None:
    keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS).map(lambda k: k + ".a"), st.text(max_size=8))
    words = st.lists(st.one_of(st.builds("{}={}".format, keys, TEXTS), st.text(max_size=8)), min_size=1, max_size=3)
    refused(words, lambda given: train_config(parse_settings(given)), wanted)


def test_settings_over_a_study_with_something_wrong_are_refused(wanted: int) -> None:
    keys = st.sampled_from([*KEYS, *StudyFile.model_fields, "runs.name", "base.lr", "surface.b", "x", ""])
    words = st.lists(st.builds("{}={}".format, keys, TEXTS), min_size=1, max_size=2)
    small = toml({**WHOLE, "runs": WHOLE["runs"][:1], "descents": [], "previews": []})
    refused(words, lambda given: _folder_of(parse_study(small, "mine.toml", given)), wanted)


def test_settings_over_what_varies_with_something_wrong_are_refused(wanted: int) -> None:
    inner = [f"{table}.{key}" for table in ("grid", "random", "tpe") for key in _paths(searching("tpe")[table])]
    keys = st.one_of(st.sampled_from(inner), st.sampled_from(inner).map(lambda k: k + ".a"), st.sampled_from(KEYS))
    words = st.lists(st.builds("{}={}".format, keys, TEXTS), min_size=1, max_size=2)
    text = toml({**searching("tpe"), "runs": []})
    refused(words, lambda given: _folder_of(parse_study(text, "varied.toml", given)), wanted)


def test_a_configuration_with_something_wrong_is_refused(wanted: int) -> None:
    whole = {**WHOLE["base"], "schedule": WHOLE["runs"][0]["schedule"], "record": WHOLE["record"], "seed": 3}
    refused(_wronged(whole), train_config, wanted)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeds": 10**9},
        {"seeds": 10**30},
        {"seeds": True},
        {"seeds": -1},
        {"seeds": [0, -1]},
        {"seeds": [0, 0]},
        {"name": "../../elsewhere"},
        {"name": "/tmp/elsewhere"},
        {"name": ".."},
        {"name": ""},
        {"name": "a\0b"},
        {"name": "x" * 300},
        {"runs": [{"name": ".."}]},
        {"runs": [{"name": "a\nb"}]},
        {"runs": [{"name": "a-s0"}], "descents": [{"name": "a-s0-s0", "optimizer": {"name": "sgd", "lr": 0.1}}]},
        {"runs": [{"name": "a", "lr": "1.2.3 * suggested by range-sgd"}]},
        {"runs": [{"name": "a", "lr": "e * suggested by range-sgd"}]},
        {"surface": {"b": [0, 1], "w": [0, 1], "start": [0, 0], "images": 0}},
        {"surface": {"b": [0, 1], "w": [0, float("inf")], "start": [0, 0]}},
        {"surface": {"b": [1, 0], "w": [0, 1], "start": [0, 0]}},
        {"surface": {"b": [0, 1], "w": [0, 1], "start": [0, 0], "epochs": 10**12}},
        {"previews": [{"title": "t", "schedule": {"name": "StepLR", "step_size": 1}, "epochs": 10**9}]},
        {"previews": [{"title": "t", "schedule": {"name": "StepLR", "step_sise": 1}}]},
        {"previews": [{"title": "t", "schedule": {"name": "ReduceLROnPlateau"}, "losses": ["a"]}]},
        {"ranges": [{"name": "r", "optimizer": {"name": "sgd"}, "steps": 10**12}], "runs": []},
        {"base": 3},
        {"base": []},
        {"record": 3},
        {"runs": 3},
        {"runs": [3]},
        {"runs": []} | {"ranges": [], "descents": [], "previews": [], "surface": None},
    ],
    ids=lambda wrong: str(wrong)[:40],
)  # fmt: skip
def test_a_study_that_cannot_be_is_refused_before_it_is_built(wrong: dict[str, Any]) -> None:
    tree = {key: value for key, value in {**WHOLE, **wrong}.items() if value is not None}
    with answering(), pytest.raises(ConfigError) as told:
        parse_study(toml(tree), "mine.toml")
    sentence(told.value, "mine.toml")


def test_a_grid_of_many_runs_is_refused_and_not_built() -> None:
    runs = "".join(f'[[runs]]\nname = "r{number}"\n' for number in range(2000))
    with answering(), pytest.raises(ConfigError, match="at most 100,000 runs"):
        parse_study(f'name = "grid"\nseeds = 60\n{runs}', "grid.toml")


@pytest.mark.parametrize("text", ["a = " + "[" * 50_000, "a = " + "{b=" * 5000, "a" + ".a" * 50_000 + " = 1"])
def test_a_study_nested_without_end_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with answering(), pytest.raises(ConfigError) as told:
        read_study(tmp_path / "mine.toml")
    sentence(told.value, "mine.toml")


@pytest.mark.parametrize("kind", ["nothing", "empty", "a folder", "a pipe", "/dev/zero", "latin-1", "UTF-16", "huge"])
def test_what_is_no_study_file_is_refused_and_waits_for_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.toml"
    match kind:
        case "empty":
            path.touch()
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "/dev/zero":
            path.symlink_to("/dev/zero")
        case "latin-1":
            path.write_bytes('name = "größe"'.encode("latin-1"))
        case "UTF-16":
            path.write_text(toml(WHOLE), encoding="utf-16")
        case "huge":
            path.write_text("#" * 40_000_000)
    with answering(), pytest.raises(ConfigError) as told:
        read_study(path)
    sentence(told.value, str(path))


def test_a_model_of_ones_own_that_a_study_names_is_never_run_by_reading_it(tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    for name in (f"{evil}:build", f"{evil}:__import__", f"{evil}", "a.py:", ".py:b", "a.py:b.c", "x\n.py:b"):
        tree = {**WHOLE, "base": {**WHOLE["base"], "model": {"name": name}}}
        try:
            parse_study(toml(tree), "mine.toml")
        except UsageError as error:
            sentence(error, "mine.toml")
    assert not (tmp_path / "ran").exists()


def test_text_that_is_no_literal_stays_text_and_warns_of_nothing() -> None:
    for text in ("1 if 1else 2", "C:\\data", "'\\d'", "{[]: 1}", "[" * 3000, "9" * 5000, "a\0b", "-" * 20_000 + "1"):
        found = literal(text)
        assert found == text or text == "'\\d'"
