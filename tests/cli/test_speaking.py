"""The command line in the user's language, as its own process: help, wrong usage, errors."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from passo.cli.app import app
from passo.cli.speaking import CATALOGUE, _all, asked
from passo.errors import ConfigError
from passo.language import CATALOGUES


def passo(*words: str, **environment: str) -> tuple[int, str]:
    """The exit code and everything printed, as one line."""
    surroundings = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", **environment}
    done = subprocess.run([sys.executable, "-m", "passo", *words], capture_output=True, text=True, env=surroundings)
    return done.returncode, " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stdout + done.stderr).split())


def help_texts() -> Iterator[str]:
    """Every paragraph that a help page shows."""
    for command in _all([typer.main.get_command(app)]):
        parts: list[Any] = [
            command.help,
            command.short_help,
            *(getattr(option, "help", None) for option in command.params),
        ]
        for text in filter(None, parts):
            yield from (" ".join(part.split()) for part in text.split("\n\n"))


@pytest.mark.parametrize("words", [("--lang", "pt-BR"), ("--lang=pt",)])
def test_help_is_told_in_the_language_that_is_asked_for(words):
    code, said = passo(*words, "study", "--help")
    assert code == 0
    assert "Os estudos do pacote." in said and "Opções" in said and "Mostra esta ajuda e para." in said
    assert "The studies" not in said


def test_the_machines_language_is_spoken_where_none_is_asked_for():
    assert "Os estudos do pacote." in passo("study", "--help", PASSO_LANG="", LC_ALL="pt_BR.UTF-8")[1]
    assert "The studies in the package." in passo("study", "--help", PASSO_LANG="", LC_ALL="C.UTF-8")[1]


def test_wrong_usage_and_errors_are_told_and_keep_their_exit_codes():
    code, said = passo("--lang", "pt", "train", "--epoch", "3")
    assert code == 2 and "Não há opção --epoch" in said
    code, said = passo("--lang", "pt", "study", "run", "nn-vs-cn")
    assert code == 2 and said.startswith("erro: estudo desconhecido: 'nn-vs-cn'. Você quis dizer 'nn-vs-cnn'?")


def test_a_study_a_schedule_and_a_run_are_told_without_a_word_of_english(tmp_path):
    code, said = passo("schedule", "ReduceLROnPlateau", "epochs=3", "losses=[1.0,2.0,2.0]", PASSO_LANG="pt-BR")
    assert code == 0
    assert said.endswith(
        "lr ao longo de 3 épocas de 100 passos, avança conforme a perda de validação; de 0,1 a 0,1, máximo de 0,1"
    )
    code, said = passo("export", str(tmp_path), PASSO_LANG="pt-BR")
    assert code and said.startswith("erro: ")


def test_tables_and_messages_of_commands_come_out_of_the_catalogues(foreign, capsys):
    from passo.cli import data, planned
    from passo.experiments.studyfile import read_study

    data.list_()
    sets = (
        "csv",
        "digits",
        "images",
        "rock-paper-scissors",
        "fashion-mnist-sample",
        "fashion-mnist",
        "kmnist",
        "mnist",
    )
    assert foreign(capsys.readouterr().out, *sets, "cifar-10", "cifar") == []
    planned.plan(read_study("batch-size"), False, "batch-size")
    said = {*foreign(capsys.readouterr().out)}
    assert "batch_size" in said or "batch-size" in said
    assert not said & {"seeds", "what", "changes", "group", "kind", "them", "more", "of", "often"}


def test_a_language_that_is_not_there_is_an_error_of_usage():
    code, said = passo("--lang", "fr", "data", "list")
    assert code == 2 and said == "error: passo does not speak 'fr': give one of en, pt-BR"
    with pytest.raises(ConfigError):
        asked(["--lang", "fr"])


def test_every_help_text_is_in_the_catalogue_and_nothing_else_is():
    known = tomllib.loads((CATALOGUES / "pt-BR" / CATALOGUE).read_text(encoding="utf-8"))
    shown = set(help_texts())
    assert sorted(shown - known.keys()) == []
    from passo.cli.speaking import _PANELS, _USAGE

    assert sorted(known.keys() - shown - {*_PANELS.values(), *_USAGE, "Show this message and exit."}) == []
