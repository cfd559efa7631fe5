"""What a run is made of: facts as one reads them, settings as one types them."""

import numpy as np
import pytest
from asking import Asking

from passo.language import speaking
from passo.store import Store
from passo.web.made import fact, facts_of, settings_of, size

INFO = {
    "seconds": 19.524337,
    "steps_per_second": 407.7192433758739,
    "parameters": 61706,
    "drawn": True,
    "diverged_at": None,
    "minimum": [0.14381951874427376, 0.6530216676324941],
    "when": "epoch",
    "environment": {"memory": 25276502016, "precision": "highest"},
    "watch": {"bound": 8.0},
}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en", {"time": "19.5 s", "steps per second": "407.7", "parameters": "61,706", "drawn at random": "yes",
                "minimum": "0.1438; 0.653", "memory": "25.3 GB", "precision of products": "highest",
                "moves every": "epoch"}),
        ("pt-BR", {"tempo": "19,5 s", "passos por segundo": "407,7", "parâmetros": "61.706", "sorteadas": "sim",
                   "mínimo": "0,1438; 0,653", "memória": "25,3 GB", "precisão dos produtos": "highest",
                   "muda a cada": "época"}),
    ],
)  # fmt: skip
def test_facts_are_told_in_the_reader_s_language_and_what_is_nothing_is_left_out(tag: str, expected) -> None:
    with speaking(tag):
        assert dict(facts_of(INFO)) == expected


def test_settings_stand_as_one_types_them_in_any_language() -> None:
    config = {"optimizer": {"name": "adam", "betas": [0.9, 0.999]}, "decay_biases": True, "clip_norm": None}
    with speaking("pt-BR"):
        assert settings_of(config) == [
            ("decay_biases", "true"),
            ("optimizer.betas", "[0.9, 0.999]"),
            ("optimizer.name", "adam"),
        ]


def test_long_lists_are_cut_and_sizes_have_their_unit() -> None:
    assert fact("places", list(range(20))) == "0; 1; 2; 3; 4; 5; 6; 7 … (20 in all)"
    assert [size(n) for n in (0, 999, 1536, 10**6, 2.5e13)] == ["0 B", "999 B", "1.54 kB", "1 MB", "25 TB"]


def test_a_run_s_page_shows_its_facts_told(page: Asking) -> None:
    with Store.create(page.lab.root / "told", name="told", config={}) as study:
        writer = study.add_run("a", config={"average": True}, seed=0)
        writer.info(**INFO)
        writer.finish()
    found = page.get("/study/told/run/a-s0", accept_language="pt-BR").text
    assert "<td>19,5 s</td>" in found and "<td>sim</td>" in found and "<td>true</td>" in found
    assert "407.7192" not in found and "<td>True</td>" not in found and "None" not in found


def test_the_hardest_images_are_told_to_a_reader_and_not_to_a_programmer(page: Asking) -> None:
    with Store.create(page.lab.root / "answered", name="answered", config={}) as study:
        writer = study.add_run("a", config={}, seed=0)
        probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
        writer.array("test/probabilities", probabilities)
        writer.array("test/labels", np.array([0, 1, 1]))
        writer.finish()
    figure = page.get("/study/answered/run/a-s0/figure/hardest", accept_language="pt-BR")
    assert figure.status == 200 and "number 2" not in figure.text
    plain = page.get("/study/answered/run/a-s0?plain=1", accept_language="pt-BR").text
    for shown in (figure.text, plain):
        assert "a mais difícil" in shown and "Olhar por dentro" in shown and "passo.load" not in shown
