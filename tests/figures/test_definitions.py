"""The figures of docs/keras.md about one name and two definitions hold the numbers of the study."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import vl_convert

from passo.analysis.definitions import definitions
from passo.errors import UnknownName
from passo.figures.definitions import default_steps, equal_arguments
from passo.store import Store, StoredStudy, open_study

STEPS, DROPPED = 30, 20
NAMES = ("sgd", "rmsprop", "adadelta")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    """SGD parts at the drop, RMSprop is apart from the start, Adadelta never."""
    folder = tmp_path_factory.mktemp("definitions") / "study"
    generator = np.random.default_rng(0)
    parted = np.where(np.arange(STEPS) < DROPPED, 1e-15, 4.0)
    aparts = {"sgd": parted, "rmsprop": np.geomspace(0.5, 0.001, STEPS), "adadelta": np.zeros(STEPS)}
    with Store.create(folder, name="definitions", config={}) as store:
        for number, name in enumerate(NAMES):
            config = {"alike": {"lr": 0.01}, "drop": 0.1, "dropped_after": DROPPED}
            run = store.add_run(name, config=config, kind="definition")
            pytorch = generator.uniform(1e-3, 1e-2, STEPS)
            run.array("rms/pytorch", pytorch)
            run.array("rms/keras", pytorch * (10.0, 1.0, 1e-3)[number])
            run.array("apart", aparts[name])
            run.finish()
    return open_study(folder)


def rows(figure) -> list[dict[str, str]]:
    return [row for text in figure.spec()["datasets"].values() for row in csv.DictReader(io.StringIO(text))]


def test_a_definition_says_by_how_much_the_steps_differ(study: StoredStudy) -> None:
    sgd, rmsprop, adadelta = definitions(study)
    assert [one.ratio for one in (sgd, rmsprop, adadelta)] == pytest.approx([10, 1, 1e-3])
    assert (sgd.at_drop, sgd.before_drop) == (4.0, 1e-15)
    assert rmsprop.first == 0.5
    assert rmsprop.before_drop == pytest.approx(np.median(np.geomspace(0.5, 0.001, STEPS)[:DROPPED]))
    assert adadelta.alike == {"lr": 0.01} and list(adadelta.steps) == list(range(1, STEPS + 1))


def test_the_defaults_are_drawn_as_they_were_recorded(study: StoredStudy) -> None:
    figure = default_steps(study)
    assert vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")["marks"]
    for label, side in (("PyTorch", "pytorch"), ("Keras", "keras")):
        drawn = [float(row["y"]) for row in rows(figure) if row.get("label") == label]
        wanted = np.concatenate([r.array(f"rms/{side}") for r in study.select(kind="definition")])
        np.testing.assert_allclose(np.sort(drawn), np.sort(wanted), rtol=1e-4)
    titles = [view["title"]["text"] for view in figure.spec()["concat"]]
    assert titles == [
        "sgd: Keras takes 10 times the step",
        "rmsprop: Keras takes the same step",
        "adadelta: Keras takes 1/1000 of the step",
    ]
    assert "10 for sgd, 1 for rmsprop and 0.001 for adadelta" in figure.sentence


def test_what_differs_is_drawn_and_what_is_the_same_is_said(study: StoredStudy) -> None:
    figure = equal_arguments(study)
    assert vl_convert.vegalite_to_vega(figure.spec(), vl_version="6.4")["marks"]
    drawn = rows(figure)
    assert {row["label"] for row in drawn} == {"sgd", "rmsprop", "lr ÷ 10"}
    assert [row["y"] for row in drawn if row["label"] == "sgd"][:DROPPED] == [""] * DROPPED
    assert "rmsprop 0.5 and 0.066." in figure.sentence
    assert "For sgd they are the same until the learning rate changes, and then differ by 4." in figure.sentence
    assert figure.sentence.endswith("For adadelta they are the same throughout.")


def test_a_study_without_definitions_is_told(tmp_path: Path) -> None:
    with Store.create(tmp_path / "other", name="other", config={}) as store:
        store.add_run("adam", config={}).finish()
    with pytest.raises(UnknownName, match="definition"):
        definitions(open_study(tmp_path / "other"))
