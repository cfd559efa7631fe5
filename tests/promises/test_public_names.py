"""What `import passo` offers, and what it costs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
from pathlib import Path

import pytest
import rooms

import passo

PROMISED = {"compare", "fit", "load", "note", "open", "study", "train", "watch"}


def test_the_public_names_are_one_sorted_list_without_doubles() -> None:
    assert list(passo.__all__) == sorted(set(passo.__all__))


def test_the_promised_names_are_public() -> None:
    assert set(passo.__all__) >= PROMISED


@pytest.mark.parametrize("name", getattr(passo, "__all__", ()))
def test_every_public_name_loads_and_says_what_it_is(name: str) -> None:
    value = getattr(passo, name)
    if inspect.isfunction(value) or inspect.isclass(value):
        assert (value.__doc__ or "").strip(), f"passo.{name} has no docstring"


def test_dir_lists_every_public_name() -> None:
    assert set(dir(passo)) >= set(passo.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        passo.no_such_name  # noqa: B018


def test_a_type_checker_sees_every_public_name() -> None:
    tree = ast.parse(Path(passo.__file__ or "").read_text(encoding="utf-8"))
    seen: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            seen |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            seen.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            seen |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert set(passo.__all__) <= seen


@pytest.mark.parametrize("name", [name for name in rooms.modules() if not name.endswith("__main__")])
def test_the_examples_in_docstrings_print_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(rooms.modules()))
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(ast.parse(rooms.modules()[name].read_text(encoding="utf-8")))
