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


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            "section 20-a.md of the note, line 13: unknown value 'besst'. Did you mean 'best'? Known: best, worst",
            "seção 20-a.md da nota, linha 13: valor desconhecido: 'besst'. Você quis dizer 'best'? "
            "Conhecidos: best, worst",
        ),
        (
            "section 20-a.md of the note, line 4: this cannot be read: “Unexpected end of template.”",
            "seção 20-a.md da nota, linha 4: isto não pode ser lido: “Unexpected end of template.”",
        ),
        (
            "section 20-a.md of the note, line 4: the equation $x^2^3$ does not parse at character 4, near “x^2^3”: "
            "a second superscript on one sign: use braces",
            "seção 20-a.md da nota, linha 4: a equação $x^2^3$ não pode ser lida no caractere 4, perto de “x^2^3”: "
            "um segundo sobrescrito no mesmo sinal: use chaves",
        ),
        (
            "per_class=400: class T-shirt/top has 300 training images, the fewest of 10 classes that have too few; "
            "give at most 300, or all for every image there is",
            "per_class=400: a classe T-shirt/top tem 300 imagens de treino, a que tem menos entre 10 classes com "
            "imagens de menos; dê no máximo 300, ou all para todas as imagens que há",
        ),
        (
            "passo-runs/a has no finished run of the part 'exploration': run the study to its end",
            "passo-runs/a não tem execução concluída da parte 'exploration': execute o estudo até o fim",
        ),
        (
            "out holds other things (a, b, c and 4 more): give a folder of its own",
            "out contém outras coisas (a, b, c e mais 4): dê uma pasta própria",
        ),
        (
            "study optimizers: it has no quick form: leave --quick out, or give its file a table [quick] of settings",
            "estudo optimizers: não tem forma rápida: deixe --quick de fora, ou dê a seu arquivo uma tabela [quick] "
            "de ajustes",
        ),
        (
            "model cnn: kernel must be a whole number ≥ 1, got 0",
            "model cnn: kernel deve ser um número inteiro ≥ 1, mas foi dado 0",
        ),
        (
            "dataset.per_class must be a whole number or 'all', got 0.5",
            "dataset.per_class deve ser um número inteiro ou 'all', mas foi dado 0.5",
        ),
        (
            "model mlp: dropout must be a number in [0, 1), got 2",
            "model mlp: dropout deve ser um número em [0, 1), mas foi dado 2",
        ),
        (
            "run a-s0 was not watched: train it again with record.every=1",
            "a execução a-s0 não foi observada: treine-a de novo com record.every=1",
        ),
    ],
)
def test_no_part_of_what_a_reader_meets_most_stays_english(raised, said):
    assert in_portuguese(raised) == said


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
