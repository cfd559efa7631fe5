"""A model from the user's own file: what is run, when, and what every mistake is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import passo
from passo.errors import ConfigError, TrainingError
from passo.models import build, check_model, model_options, own_file
from passo.training import train_config

NET = """
from torch import nn

def build(in_shape, classes, *, width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_shape[1] * in_shape[2], width), nn.Linear(width, classes))

def anything(in_shape, classes, **options):
    return build(in_shape, classes, **options)

class Net(nn.Linear):
    def __init__(self, in_shape, classes, bias=True):
        super().__init__(in_shape[-1], classes, bias)

def words(in_shape, classes):
    return "a network"

def breaks(in_shape, classes):
    return 1 / 0

def narrow(in_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3, classes))

class Slip(nn.Linear):
    def __init__(self, in_shape, classes):
        super().__init__(in_shape[-1], classes)

    def forward(self, x):
        return x.flaten()

number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PASSO_OWN_MODELS", "")
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET, encoding="utf-8")
    return tmp_path


def typed(name: str) -> str:
    own_file.allow(name)
    return name


def test_a_typed_name_builds_the_users_model_with_its_options_and_passos_seed() -> None:
    name = typed("net.py:build")
    model = build(name, (1, 4, 4), 3, seed=5, width=6)
    assert model(torch.zeros(2, 1, 4, 4)).shape == (2, 3)
    assert model.get_parameter("1.weight").shape == (6, 16)
    again, other = build(name, (1, 4, 4), 3, seed=5, width=6), build(name, (1, 4, 4), 3, seed=6, width=6)
    assert torch.equal(model.get_parameter("1.weight"), again.get_parameter("1.weight"))
    assert not torch.equal(model.get_parameter("1.weight"), other.get_parameter("1.weight"))
    assert model_options(name) == {"width": 8}
    assert isinstance(build(typed("net.py:Net"), (4, 2), 2, bias=False), nn.Linear)
    build(typed("net.py:anything"), (1, 4, 4), 3, width=2)


def test_a_name_that_nobody_typed_is_checked_for_its_form_and_never_run(folder: Path) -> None:
    Path("trap.py").write_text("from pathlib import Path\nPath('sprung').touch()\ndef build(s, c): ...\n")
    stored = json.loads(json.dumps({"model": {"name": "trap.py:build", "width": 3}}))  # as a study keeps it
    assert train_config(stored).model.name == "trap.py:build"
    for call in (build, model_options):
        with pytest.raises(ConfigError, match="passo runs a file only when the command itself names it"):
            call("trap.py:build")
    own_file.allow("net.py:build")  # another file's permission is not this one's
    own_file.allow("trap.py:other")  # nor another function's
    with pytest.raises(ConfigError, match="say model=trap.py:build there if you trust it"):
        build("trap.py:build")
    assert not Path("sprung").exists()


def test_only_model_words_of_a_command_line_are_allowed() -> None:
    own_file.allow_typed(["train", "dataset.folder=net.py:anything", "model=net.py:build", "net.py:words"])
    assert own_file.allowed("net.py:build")
    assert not own_file.allowed("net.py:anything")
    assert not own_file.allowed("net.py:words")


def test_a_permission_is_for_the_file_where_it_lies_whatever_folder_is_the_working_one(folder: Path) -> None:
    own_file.allow("net.py:build")
    (folder / "deeper").mkdir()
    os.chdir(folder / "deeper")
    Path("net.py").write_text(NET)
    assert not own_file.allowed("net.py:build")
    assert own_file.allowed(str(folder / "net.py:build"))


def test_a_worker_process_inherits_what_was_typed() -> None:
    code = "from passo.models import build; print(len(list(build('net.py:build').parameters())))"
    refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "only when the command itself names it" in refused.stderr
    own_file.allow("net.py:build")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "4\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.py", "a model of your own is named FILE.py:FUNCTION, as in nets/mine.py:build, got 'net.py'"),
        ("net.py:", "is named FILE.py:FUNCTION"),
        ("net.py:a b", "is named FILE.py:FUNCTION"),
        (".py:build", "is named FILE.py:FUNCTION"),
        ("nett.py:build", "model nett.py:build: there is no file nett.py in "),
        ("net.py:buld", "net.py has no function 'buld'; did you mean 'build'"),
        ("net.py:xyz", "no function 'xyz': write def xyz\\(in_shape, classes\\) there"),
        ("net.py:number", "has no function 'number'"),
        ("net.py:words", "net.py:words must return a torch.nn.Module, got str"),
        ("net.py:breaks", "cannot be built: ZeroDivisionError: division by zero \\(line 18 of .*net.py\\)"),
    ],
)
def test_every_mistake_is_one_sentence(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        build(typed(name))
    assert "\n" not in str(told.value)


def test_a_folder_or_a_file_that_fails_is_one_sentence() -> None:
    Path("folder.py").mkdir()
    Path("syntax.py").write_text("def build(in_shape, classes):\n    return (\n")
    Path("needs.py").write_text("import torch\nimport no_such_module\n")
    for name, words in {
        "folder.py:build": "cannot read folder.py: is a directory",
        "syntax.py:build": "the file cannot be run: SyntaxError: .*never closed \\(line 2 of .*syntax.py\\)",
        "needs.py:build": "ModuleNotFoundError: No module named 'no_such_module' \\(line 2 of .*needs.py\\)",
    }.items():
        with pytest.raises(ConfigError, match=words):
            check_model(typed(name), {})


def test_an_option_that_the_builder_does_not_take_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown option of model net.py:build 'widht'. Did you mean 'width'"):
        check_model(typed("net.py:build"), {"widht": 3})
    check_model(typed("net.py:anything"), {"whatever": 3})


def test_a_file_is_run_once_and_again_when_it_has_changed_and_may_import_what_lies_beside_it() -> None:
    Path("beside_it.py").write_text("WIDTH = 5\n")
    text = "from pathlib import Path\nfrom torch import nn\nfrom beside_it import WIDTH\n"
    text += "with Path('runs').open('a') as file: file.write('x')\ndef build(s, c): return nn.Linear(WIDTH, c)\n"
    Path("mine.py").write_text(text)
    path, name = list(sys.path), typed("mine.py:build")
    for _ in range(3):
        assert build(name).get_parameter("weight").shape == (10, 5)
    assert Path("runs").read_text() == "x"
    before = own_file.sha256(name)
    Path("mine.py").write_text(text.replace("WIDTH, c", "2 * WIDTH, c"))
    assert build(name).get_parameter("weight").shape == (10, 10)
    assert Path("runs").read_text() == "xx"
    assert own_file.sha256(name) != before
    assert sys.path == path


def test_the_command_line_trains_a_typed_model(folder: Path) -> None:
    words = ["train", "dataset=fashion-mnist-sample", "dataset.per_class=20", "model=net.py:build", "epochs=1"]
    command = [sys.executable, "-m", "passo", *words, "--out", "run"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    wrong = subprocess.run([*command[:-1], "other", "model.widht=3"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "Did you mean 'width'" in wrong.stderr


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("narrow", "RuntimeError: mat1 and mat2 shapes"),
        ("Slip", r"AttributeError: .*flaten.* \(line \d+ of .*net\.py\)"),
    ],
)
def test_a_model_that_fails_on_the_data_is_one_sentence(folder: Path, function: str, words: str) -> None:
    own_file.allow(f"net.py:{function}")
    with pytest.raises(TrainingError, match=rf"net\.py:{function} fails on what it is shown: {words}"):
        passo.train("fashion-mnist-sample", f"net.py:{function}", epochs=1, out=folder / "run")
    assert passo.open(folder / "run").runs[0].status == "failed"


@pytest.mark.slow
def test_a_run_of_a_typed_model_is_resumed_where_the_model_is_typed_again(folder: Path) -> None:
    words = ["dataset=fashion-mnist-sample", "dataset.per_class=20", "model=net.py:build", "epochs=500"]

    def command(*given: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "passo", "train", *given]
        return subprocess.run(line, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})

    assert "the time is up" in command(*words, "--max-time", "0.2s", "--out", "run").stdout
    assert "say model=net.py:build there if you trust it" in command("--resume", "run").stderr
    assert "is net.py:build, not net.py:anything" in command("--resume", "run", "model=net.py:anything").stderr
    assert "going on after step" in command("--resume", "run", "model=net.py:build", "--max-time", "0.1s").stderr
