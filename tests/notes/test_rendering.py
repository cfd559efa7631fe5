"""How values get into a text."""

from passo.language import speaking
from passo.notes.rendering import render

TEXT = "A taxa é {{ lr }}; `lr={{ lr }}`, $\\eta = {{ lr }}$.\n\n```sh\npasso train lr={{ lr }}\n```\n"


def test_a_number_has_the_marks_of_the_language_and_in_code_those_that_are_typed():
    with speaking("pt-BR"):
        told = render("10-a.md", TEXT, {"lr": 0.003})
    assert told.startswith("A taxa é 0,003; `lr=0.003`, $\\eta = 0.003$.") and "passo train lr=0.003\n" in told
    assert render("10-a.md", TEXT, {"lr": 0.003}).startswith("A taxa é 0.003; `lr=0.003`")
