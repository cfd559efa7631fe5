"""What is raised in English is told in every other language, with the same fields; and nothing more is kept."""

import re
import tomllib
from pathlib import Path

import pytest
from catalogues import fields, strings, templates

from passo.language import CATALOGUES, LANGUAGES, speaking
from passo.telling import CATALOGUE, told

OTHERS = LANGUAGES[1:]
OF_LIBRARIES = (  # what Typer and pydantic say, and `unknown`, in parts
    *("No such option: ", "No such command ", "Missing ", "Got unexpected extra ", "Option {0} ", "Invalid value"),
    *("{0} is not a valid ", "{0} is not one of ", "{0} is not in the range ", "Input should be "),
    *("Did you mean ", "unknown "),
)


def kept(language: str) -> dict[str, str]:
    return tomllib.loads((CATALOGUES / language / CATALOGUE).read_text(encoding="utf-8"))


def words(template: str) -> list[str]:
    return re.findall(r"[^\W\d_]{2,}", re.sub(r"\{\d+\}", " ", template))


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_that_is_raised_or_warned_of_is_told_in_other_languages(language):
    known = kept(language)
    missing = [f"{where}: {made}" for where, made in templates() if made not in known and len(words(made)) > 2]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("language", OTHERS)
def test_a_told_error_has_the_fields_of_the_english_one(language):
    wrong = [english for english, said in kept(language).items() if fields(english) != fields(said)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", OTHERS)
def test_no_error_is_told_that_nothing_in_the_source_says(language):
    said = strings()
    stale = [one for one in kept(language) if one not in said and not one.startswith(OF_LIBRARIES)]
    assert not stale, "\n".join(stale)


def test_the_reader_finds_what_is_raised_built_warned_of_and_unknown(tmp_path: Path):
    source = 'raise ConfigError(f"lr {lr} is {why}")\nfound = StoreError("a")\nwarnings.warn("b")\n'
    (tmp_path / "one.py").write_text(source + 'raise unknown(f"part of {it}", name, known)\nprint("no")\n')
    found = [made for _, made in templates(tmp_path)]
    assert found == ["lr {0} is {1}", "a", "b", "unknown part of {0} {1}."]


def test_what_a_study_tells_on_its_way_is_told_in_portuguese():
    with speaking("pt-BR"):
        assert told("12 trainings as one network: a step of one takes 4 ms so, 2 ms alone") == (
            "12 treinos como uma só rede: um passo de um deles leva 4 ms assim, 2 ms à parte"
        )
        assert (
            told("3 trainings alone: its images stay on the disk") == "3 treinos à parte: suas imagens ficam no disco"
        )
        assert told("best in epoch 2: validation/loss 0.58; these weights were tested and are kept") == (
            "melhor na época 2: validation/loss 0.58; estes pesos foram testados e guardados"
        )
