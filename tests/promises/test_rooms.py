"""The import order of the rooms, as `docs/architecture.md` states it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import rooms


def house(folder: Path, **files: str) -> Path:
    """A made-up package: `house(tmp, data__idx="import torch")` has passo/data/idx.py."""
    (folder / "passo").mkdir()
    (folder / "passo" / "__init__.py").touch()
    for name, text in files.items():
        path = folder / "passo" / (name.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return folder


def test_no_room_imports_what_it_may_not() -> None:
    assert rooms.violations() == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert rooms.cycle() == []


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("models__cnn", "from passo.training import loop", "models may not import training"),
        ("models__cnn", "def f():\n    import passo.training.loop", "models may not import training"),
        ("data__idx", "from ..models import cnn", "data may not import models"),
        ("optim__rules", "from passo import watch", "optim may not import __init__"),
        (
            "optim__rules",
            "def f():\n    importlib.import_module('passo.figures.style')",
            "optim may not import figures",
        ),
        ("recording__lens", "from passo.figures import style", "recording may not import figures"),
        ("figures__style", "def f():\n    import torch", "figures must do without torch"),
        ("store", "from torch import nn", "store must do without torch"),
        ("leftovers", "import json", "neither a room, nor the floor, nor a door"),
    ],
)
def test_a_wrong_import_is_found(tmp_path: Path, module: str, text: str, said: str) -> None:
    found = rooms.violations(house(tmp_path, **{module: text}))
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("training__loop", "from passo.data import batches\nfrom passo.errors import DataError"),
        ("recording__lens", "def chart():\n    from passo.figures import style"),
        ("seeding", "def generator():\n    import torch"),
        ("optim__ewma", "if TYPE_CHECKING:\n    from passo.figures import style"),
        ("cli__train", "from passo.training import loop"),
    ],
)
def test_a_rightful_import_is_let_through(tmp_path: Path, module: str, text: str) -> None:
    assert rooms.violations(house(tmp_path, **{module: text})) == []


def test_a_circle_is_found_and_a_late_import_breaks_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    eager = house(tmp_path / "a", data__one="import passo.data.two", data__two="from passo.data import one")
    late = house(tmp_path / "b", data__one="import passo.data.two", data__two="def f():\n    from . import one")
    assert rooms.cycle(eager) == ["passo.data.one", "passo.data.two", "passo.data.one"]
    assert rooms.cycle(late) == []


def test_no_module_is_named_for_what_is_left_over() -> None:
    leftovers = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [name for name in rooms.modules() if leftovers & set(name.split("."))] == []


READING_HALF = [
    name for name in rooms.modules() if rooms.room(name) in {*rooms.READING, *rooms.FLOOR, "__init__", "cli"}
]


def test_the_reading_half_the_floor_and_the_command_line_load_without_torch() -> None:
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {READING_HALF!r}];"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
