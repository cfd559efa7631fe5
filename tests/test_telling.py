import pytest

from passo import telling
from passo.errors import ConfigError, StoreError
from passo.experiments.diverged import Divergence, Found
from passo.language import speaking
from passo.registry import unknown
from passo.telling import Template, told


def in_portuguese(message: str) -> str:
    with speaking("pt-BR"):
        return told(message)


def test_english_is_told_as_it_was_raised():
    assert told("notes.md is a file: give a folder for the note") == "notes.md is a file: give a folder for the note"


def test_a_message_is_told_by_its_template_and_what_its_fields_hold_is_kept():
    assert in_portuguese("out/a b.md is a file: give a folder for the note") == (
        "out/a b.md é um arquivo: dê uma pasta para a nota"
    )


def test_what_a_field_holds_is_told_too_where_it_is_a_message():
    nested = "section 10-ewma.md of the note: run adam-0 did not record step 7"
    assert in_portuguese(nested) == "seção 10-ewma.md da nota: a execução adam-0 não gravou o passo 7"


def test_an_unknown_name_gets_the_nearest_and_the_list_in_portuguese():
    said = in_portuguese(str(unknown("optimizer", "adm", ["adam", "sgd"])))
    assert said == "otimizador desconhecido: 'adm'. Você quis dizer 'adam'? Conhecidos: adam, sgd"
    many = in_portuguese(str(unknown("optimizer", "zzz", [f"name{i}" for i in range(30)])))
    assert many.startswith("otimizador desconhecido: 'zzz'. De 30 conhecidos, os mais próximos são: name")


def test_a_message_that_no_catalogue_knows_stays_english_and_its_known_sentences_do_not():
    assert in_portuguese("nobody has raised this before") == "nobody has raised this before"
    mixed = in_portuguese("nobody has raised this. Did you mean 'adam'? Known: adam")
    assert mixed == "nobody has raised this. Você quis dizer 'adam'? Conhecidos: adam"


def test_braces_of_a_message_are_braces_when_it_is_told():
    said = in_portuguese('lr needs { range = [low, high], scale = "log" } or { first = [a, b, c] }')
    assert said == 'lr precisa de { range = [low, high], scale = "log" } ou { first = [a, b, c] }'


def test_signs_in_a_message_are_no_pattern():
    one = Template("it costs {0} (or so)*: {1}", "custa {0} (mais ou menos)*: {1}")
    assert one.fits("it costs 3 (or so)*: +") and one.pattern.fullmatch("it costs 3 (or so)*: +")
    assert not one.pattern.fullmatch("it costs 3 or so: +")


@pytest.mark.parametrize("tag", ["pt-BR"])
def test_every_template_is_told_with_all_of_its_fields(tag):
    for template in telling._templates(tag):
        count = template.pattern.groups
        said = template.said.format(*(f"<{i}>" for i in range(count)))
        assert all(f"<{i}>" in said for i in range(count)), template.english


@pytest.mark.parametrize("error", [ConfigError, StoreError])
def test_any_error_of_passo_can_be_told(error):
    assert in_portuguese(str(error("--pages must be 1 or more, got 0"))) == "--pages deve ser 1 ou mais, mas foi dado 0"


def test_where_a_training_diverged_is_told_whole():
    found = Found("output", "fc1", 7_000, 12_000)
    seen = Divergence(7, 2, 0.1, 1234, "the loss", found, tuple(range(64)), (1, 2, 3), kept=6)
    assert in_portuguese(seen.sentence()) == (
        "a perda tem valor não finito no passo 1.234, por causa do passo 7 (época 2, lr 0.1): "
        "o primeiro tensor não finito é a saída de fc1: 7.000 de seus 12.000 elementos; "
        "3 das 64 imagens do lote a causam: 1, 2, 3; o estado depois do passo 6 está guardado. "
        "Tente nonfinite=skip, clip_norm=1, ou olhe estas imagens"
    )


def test_a_long_message_that_nobody_knows_is_told_as_it_stands():
    message = "; ".join(f"something number {i} happened: here" for i in range(300))
    assert in_portuguese(message) == message
