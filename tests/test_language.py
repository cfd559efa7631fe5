import threading

import numpy as np
import pytest

from passo.errors import ConfigError
from passo.language import language, later, number_marks, numeral, of_machine, resolved, speaking, t, tn


def test_english_is_spoken_until_another_language_is_asked_for_and_afterwards_again():
    assert language() == "en" and t("Sources") == "Sources"
    with speaking("pt"):
        assert t("Sources") == "Fontes"
        with speaking("en"):
            assert t("Sources") == "Sources"
        assert language() == "pt-BR"
    assert language() == "en"


def test_an_error_inside_of_the_block_leaves_the_language_as_it_was():
    with pytest.raises(KeyError), speaking("pt-BR"):
        raise KeyError
    assert language() == "en"


def test_another_thread_has_its_own_language():
    heard = []
    with speaking("pt-BR"):
        thread = threading.Thread(target=lambda: heard.append(language()))
        thread.start()
        thread.join()
    assert heard == ["en"]


def test_numbers_in_fields_have_the_marks_of_the_language_and_words_are_left_alone():
    said = "{x:,.2f} of {name}, {n:d}, {share:.1%}, {flag}"
    values = {"x": 1234.5, "name": "conv1.weight", "n": np.int64(1000), "share": np.float32(0.5), "flag": True}
    assert t(said, **values) == "1,234.50 of conv1.weight, 1000, 50.0%, True"
    with speaking("pt-BR"):
        assert t(said, **values) == "1.234,50 of conv1.weight, 1000, 50,0%, True"
        assert numeral("1,234.5") == "1.234,5"


def test_the_plural_is_for_every_number_but_one():
    assert [tn("{n} seed", "{n} seeds", n) for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]
    with speaking("pt-BR"):
        assert [tn("{n} seed", "{n} seeds", n) for n in (1, 2)] == ["1 semente", "2 sementes"]


def test_a_message_that_no_catalogue_has_is_said_in_english():
    with speaking("pt-BR"):
        assert t("nobody has said {this} before", this=1.5) == "nobody has said 1,5 before"


def test_a_message_without_fields_may_hold_braces():
    assert t("a set {1, 2}") == later("a set {1, 2}") == "a set {1, 2}"


@pytest.mark.parametrize("tag", ["fr", "", "pt-PT-x", "português"])
def test_a_language_that_passo_does_not_speak_is_refused_with_those_that_it_does(tag):
    with pytest.raises(ConfigError, match="one of en, pt-BR"):
        resolved(tag)


def test_the_users_language_is_what_was_asked_for_then_the_locale_then_english():
    assert of_machine({"PASSO_LANG": "en", "LC_ALL": "pt_BR.UTF-8"}) == "en"
    assert of_machine({"LC_ALL": "pt_BR.UTF-8", "LANG": "en_US.UTF-8"}) == "pt-BR"
    assert of_machine({"LC_ALL": "", "LC_MESSAGES": "pt_BR"}) == "pt-BR"
    assert of_machine({"LANG": "C.UTF-8"}) == "en"
    with pytest.raises(ConfigError, match="'fr'"):
        of_machine({"PASSO_LANG": "fr"})


def test_charts_get_the_marks_of_numbers_in_other_languages_only():
    assert number_marks() == {}
    with speaking("pt-BR"):
        assert number_marks()["number"]["decimal"] == ","


def test_the_made_up_language_shows_what_cannot_be_translated(foreign):
    assert t("the loss of {name} falls to {x:.1f}", name="conv1", x=1.5) == "⟦the loss of ⟧conv1⟦ falls to ⟧1,5"
    assert tn("{n} seed", "{n} seeds", 2) == "2⟦ seeds⟧"
    assert foreign(t("the loss of {name} falls", name="conv1 there"), "conv1") == ["there"]
