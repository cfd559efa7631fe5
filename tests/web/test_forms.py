"""What is typed into forms: decimal commas, what a refused form keeps, and what an estimate counts."""

import json
from urllib.parse import quote

import pytest
from asking import Asking

from passo.errors import UsageError
from passo.language import speaking
from passo.web.numbers import pointed, pointed_settings

TYPED = [
    ("optimizer.lr", "0,01", "0.01"),
    ("optimizer.lr", " 2,5e-3 ", "2.5e-3"),
    ("epochs", "2,5", "2.5"),  # and then it is refused as no whole number
    ("x", "-0,75", "-0.75"),
    ("optimizer.betas", "0.9,0.999", "0.9,0.999"),
    ("grid.optimizer.lr", "0.1,0.01", "0.1,0.01"),
    ("grid.optimizer.lr", "1,2", "1,2"),
    ("optimizer.betas", "0,9,0,999", "0,9,0,999"),  # whose commas are which nobody can say
    ("model.hidden", "64,32", "64,32"),
    ("schedule.milestones", "2,4", "2,4"),
    ("seeds", "0,1", "0,1"),
    ("record.between", "[1,10]", "[1,10]"),
    ("optimizer.lr", "0.01", "0.01"),
    ("optimizer.lr", "fast", "fast"),
]


@pytest.mark.parametrize(("name", "text", "read"), TYPED)
def test_in_portuguese_one_number_with_a_decimal_comma_is_that_number_and_a_list_stays_a_list(name, text, read):
    with speaking("pt-BR"):
        assert pointed(name, text) == read


@pytest.mark.parametrize(("name", "text", "read"), TYPED)
def test_in_english_a_decimal_comma_is_refused_with_what_to_write(name, text, read):
    if read == text.strip():
        assert pointed(name, text) == read
        return
    with pytest.raises(UsageError, match=f"write {read} instead of {text.strip()}"):
        pointed(name, text)


def test_a_thousand_with_a_comma_is_refused_in_english_and_not_made_a_one():
    with pytest.raises(UsageError, match="write 60000 instead of 60,000"):
        pointed("dataset.per_class", "60,000")


def test_the_settings_of_a_line_are_read_one_by_one():
    with speaking("pt-BR"):
        assert pointed_settings("SequentialLR milestones=2,4 gamma=0,5 up='1 epoch'") == (
            "SequentialLR milestones=2,4 gamma=0.5 up='1 epoch'"
        )


def portuguese(page: Asking, path: str):
    return page.get(path, accept="application/json", accept_language="pt-BR")


def test_every_form_takes_a_decimal_comma_in_portuguese(page: Asking) -> None:
    found = json.loads(portuguese(page, "/new/checked?optimizer.lr=0,05&dataset=fashion-mnist-sample").text)
    assert found["wrong"] == "" and " lr=0.05 " in found["command"]
    curves = json.loads(portuguese(page, f"/schedules/curves?lr=0,2&s={quote('StepLR step_size=3 gamma=0,5')}").text)
    assert [curves["curves"][0][key] for key in ("first", "last")] == [0.2, 0.025]
    averages = json.loads(portuguese(page, "/averages/curves?beta=0,75&noise=0,1").text)
    assert averages["told"][0].startswith("β = 0,75:")
    race = portuguese(page, f"/descents/race?o={quote('sgd lr=0,003')}&x=-0,5&y=1,5&steps=10")
    assert (
        "0,003" in race.text
        and race.text == portuguese(page, "/descents/race?o=sgd%20lr%3D0.003&x=-0.5&y=1.5&steps=10").text
    )


def test_every_form_says_in_english_what_to_write_instead(page: Asking) -> None:
    told = {
        "/new/checked?optimizer.lr=0,05": "optimizer.lr: decimals have a point here: write 0.05 instead of 0,05",
        "/schedules/curves?lr=0,2": "lr: decimals have a point here: write 0.2 instead of 0,2",
        "/averages/curves?beta=0,75": "beta: decimals have a point here: write 0.75 instead of 0,75",
        "/descents/race?o=sgd%20lr%3D0,1": "lr: decimals have a point here: write 0.1 instead of 0,1",
    }
    for path, words in told.items():
        answer = page.get(path, accept="application/json")
        assert words in answer.text, (path, answer.text)


def test_an_average_s_page_shows_its_noise_as_the_language_writes_it(page: Asking) -> None:
    shown = page.get("/averages?noise=0,5", accept_language="pt-BR").text
    assert 'name="noise" min="0" max="2" step="0.05" value="0.5"><output>0,5</output>' in shown


@pytest.mark.parametrize(
    ("changed", "at", "words"),
    [
        ({"name": "no name/"}, "name", "um nome tem letras, algarismos"),
        ({"set": "seeds=2\nbase.optimizer.lr=quick"}, "set", "quick"),
        ({"study": ""}, "study", "escolha um estudo"),
        ({"study": "missing.toml"}, "study", "não há arquivo de estudo"),
    ],
)
def test_a_refused_study_keeps_what_was_typed_and_says_at_its_field_why(page: Asking, changed, at, words) -> None:
    typed = {"study": "nn-vs-cnn", "set": "seeds=2", "executor": "here", "quick": "1", "name": "mine"}
    fields = {"key": page.key, **typed, **changed}
    answer = page.post("/new/study", fields, accept="text/html", accept_language="pt-BR")
    assert answer.status == 400 and page.lab.jobs.all() == []
    notice = answer.text.partition(f'id="wrong-{at}">')[2].partition("</span>")[0]
    assert words in notice, notice or answer.text
    assert f'aria-invalid="true" aria-describedby="wrong-{at}"' in answer.text
    if at in ("set", "name"):
        assert '<option value="nn-vs-cnn" selected' in answer.text
        assert f"{fields['set']}</textarea>" in answer.text and "<option selected>here</option>" in answer.text
        assert 'name="quick" value="1" checked' in answer.text
    if at == "name":
        assert 'value="no name/"' in answer.text


def test_an_estimate_counts_the_start_of_the_process_too(page: Asking) -> None:
    words = ["dataset=fashion-mnist-sample", "model=mlp", "optimizer=sgd", "dataset.per_class=20", "epochs=1"]
    found = page.lab.worker.ask("estimated", words=words)
    assert found["start"] > found["seconds"] > 0  # to import torch takes seconds, three steps do not
    query = "&".join([*words, "estimate=1"])
    told = json.loads(page.get(f"/new/checked?{query}", accept="application/json").text)["estimate"]
    assert told.startswith("about ") and "s for starting" in told
