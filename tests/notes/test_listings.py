"""What a note shows as code is code that runs, and what it shows as a command is a command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from passo.cli.app import app
from passo.errors import UnknownName
from passo.notes import text
from passo.notes.content import Code, Note
from passo.notes.listings import listing, names, parts, program
from passo.store import StoredStudy


@pytest.mark.parametrize("name", names())
def test_a_listing_is_a_program_that_runs_and_holds_what_it_says(
    name: str,
    build: Callable[..., StoredStudy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    if name == "open-study":
        build(tmp_path / "passo-runs" / "optimizers")
    exec(compile(program(name), name, "exec"), {"__name__": name})
    if name == "open-study":
        assert "nesterov-cyclic-final" in capsys.readouterr().out
    else:
        assert "assert " in parts(name)[2]  # and what it asserts was so


def test_what_is_shown_is_short_and_asserts_nothing() -> None:
    for name in names():
        assert 0 < len(listing(name).splitlines()) < 15
        assert "assert" not in listing(name) and "# ---" not in listing(name)


def test_every_listing_is_shown_and_no_other_python(note: Note) -> None:
    shown = [block.text for block in note.blocks() if isinstance(block, Code) and block.language == "python"]
    assert sorted(shown) == sorted(map(listing, names()))
    for path in [*text.files("optimizers"), *text.files("optimizers", "pt-BR")]:
        assert "```python" not in path.read_text(encoding="utf-8"), path


def test_an_unknown_listing_gets_the_nearest_and_the_list() -> None:
    with pytest.raises(UnknownName, match="unknown listing 'range-tests'. Did you mean 'range-test'"):
        listing("range-tests")


def test_every_command_of_the_note_is_one_that_passo_understands(note: Note) -> None:
    import typer

    command = typer.main.get_command(app)
    shown = [block.text for block in note.blocks() if isinstance(block, Code) and block.language == "sh"]
    lines = [line for text in shown for line in text.splitlines()]
    assert len(lines) >= 10
    for line in lines:
        assert not re.search(r"\{\{|None|Undefined", line)
        _understood(command, *shlex.split(line))
    with pytest.raises(Exception, match="No such option"):
        _understood(command, "passo", "proof", "adam", "--stepz", "1")


def _understood(command: Any, program: str, *words: str) -> None:
    """Parse a command line as far as the function that it would call; nothing is run."""
    assert program == "passo"
    context = command.make_context(program, list(words))
    while hasattr(command, "resolve_command"):
        left = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, left)
        context = command.make_context(name, list(rest), parent=context)
