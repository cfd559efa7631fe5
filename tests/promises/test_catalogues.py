"""Every message has a translation with the same fields, and no catalogue holds what nobody says."""

from pathlib import Path

import pytest
from catalogues import BOUNDARY, Said, answers, fields, said

from passo.language import CATALOGUES, LANGUAGES

OTHERS = LANGUAGES[1:]


def spoken(language: str) -> dict[str, str | list[str]]:
    return {key: value for part in answers(CATALOGUES / language).values() for key, value in part.items()}


def test_every_message_is_a_literal_that_can_be_looked_up():
    unreadable = [one.where for one in said() if one.message is None]
    assert not unreadable, unreadable


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_has_a_translation(language):
    known = spoken(language)
    missing = [f"{one.where}: {one.message}" for one in said() if one.message is not None and one.message not in known]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_fields_of_its_message_and_a_plural_where_it_has_one(language):
    known, wrong = spoken(language), []
    for one in said():
        answer = known.get(one.message or "")
        if answer is None or one.message is None:
            continue
        if isinstance(answer, list) != (one.many is not None) or (isinstance(answer, list) and len(answer) != 2):
            wrong.append(f"{one.where}: {one.message!r} needs {'two forms' if one.many else 'one form'}")
            continue
        allowed = fields(one.message) | fields(one.many or "") | ({"n"} if one.many else set())
        for form in answer if isinstance(answer, list) else [answer]:
            if fields(form) - allowed or (one.many is None and fields(form) != allowed):
                wrong.append(f"{one.where}: {one.message!r} has the fields {allowed}, its translation {fields(form)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", OTHERS)
def test_no_catalogue_holds_what_nobody_says_or_what_another_holds(language):
    messages = {one.message for one in said()}
    parts = answers(CATALOGUES / language)
    unused = [
        f"{name}: {key}" for name, part in parts.items() if name not in BOUNDARY for key in part.keys() - messages
    ]
    assert not unused, "\n".join(unused)
    names = list(parts)
    twice = [
        f"{key}: {one} and {other}"
        for place, one in enumerate(names)
        for other in names[place + 1 :]
        for key in parts[one].keys() & parts[other].keys()
        if not {one, other} & {*BOUNDARY} or parts[one][key] != parts[other][key]  # a part of an error, and a label
    ]
    assert not twice, "\n".join(twice)


def test_the_reader_of_the_source_finds_literals_plurals_and_what_it_cannot_read(tmp_path: Path):
    (tmp_path / "one.py").write_text('t("a {x}", x=1)\ntn("{n} b", "{n} bs", 2)\nt(f"c {x}")\nt(name)\nlater("d")\n')
    found = list(said(tmp_path))
    assert found == [
        Said("one.py:1", "a {x}"),
        Said("one.py:2", "{n} b", "{n} bs"),
        Said("one.py:3", None),
        Said("one.py:5", "d"),
    ]
