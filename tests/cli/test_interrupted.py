"""Ctrl-C, as a person presses it: exit code 130, and a word that says what is kept."""

from typing import Any

import pytest
from typer.testing import CliRunner

from passo.cli.app import app


@pytest.mark.parametrize(
    ("words", "inside"),
    [
        (("proof", "sgd"), "passo.experiments.proof.prove"),
        (("descend", "bowl", "--optimizer", "sgd", "--steps", "2"), "passo.experiments.race.descend"),
        (("descend", "bowl", "--optimizer", "sgd", "--steps", "2"), "passo.analysis.races.table"),
    ],
)
def test_ctrl_c_says_interrupted_and_ends_with_130(
    words: tuple[str, ...], inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inside, pressed)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 130
    assert done.stderr.strip().startswith("interrupted: ")
    assert len(done.stderr.strip().splitlines()) == 1
