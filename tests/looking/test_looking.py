"""Trained runs, explained: what each part gives, what is computed again, and what is said of what cannot be had."""

from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import passo
from passo.errors import FolderInUse, StoreError, UnknownName, UsageError
from passo.figures import Figure
from passo.looking import PARTS, Explanation
from passo.looking.page import as_note, page
from passo.store import Store

SAMPLE = {"name": "fashion-mnist-sample", "per_class": 20}
QUICK = ["confusion", "calibration", "hardest", "filters", "feature-maps"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings of one epoch: a CNN that kept its predictions, an MLP that did not, an autoencoder, a fitted line."""
    folder = tmp_path_factory.mktemp("looking")
    told = {"dataset": SAMPLE, "epochs": 1, "seed": 0}
    cnn = {"name": "cnn", "filters": [3, 5]}
    trained(folder / "cnn", **told, model=cnn, record={"predictions": True})
    trained(folder / "mlp", **told, model={"name": "mlp", "hidden": [8]})
    trained(folder / "back", **told, model={"name": "autoencoder", "bottleneck": 2})
    rows = "".join(f"{x},{3 * x}\n" for x in range(60))
    (folder / "t.csv").write_text(f"area,price\n{rows}")
    line = {"name": "csv", "folder": str(folder / "t.csv")}
    trained(folder / "fit", dataset=line, epochs=1, model={"name": "line"}, batch_size=8)
    return folder


def trained(folder: Path, **config: object) -> None:
    from passo.experiments.single import training
    from passo.training.config import train_config

    with training(train_config(config), folder) as opened:
        for _ in opened.records:
            pass


@pytest.fixture(scope="module")
def cnn(here: Path) -> Explanation:
    return passo.explain(here / "cnn", QUICK)


def test_every_part_gives_its_data_its_figure_and_a_sentence(cnn: Explanation) -> None:
    assert list(cnn) == QUICK and len(cnn) == 5 and not cnn.missing
    for name in cnn:
        part = cnn[name]
        assert isinstance(part.figure, Figure) and part.figure is part.figures[0]
        assert part.figure.chart.to_dict() and part.sentence.endswith(".")
    assert cnn["confusion"].data.confusion.sum() == 1000
    assert [one.layer for one in cnn["feature-maps"].data] == ["conv1", "conv2"]
    assert [figure.name for figure in cnn["feature-maps"].figures] == ["feature-maps-conv1", "feature-maps-conv2"]


def test_predictions_that_were_not_kept_are_computed_again_from_model_and_data(here: Path) -> None:
    found = passo.explain(here / "mlp", "confusion,hardest")
    data = passo.load("fashion-mnist-sample", per_class=20)
    model = passo.load_model(here / "mlp").model
    with torch.no_grad():
        given = model(data.test.images).argmax(1).numpy()
    expected = np.zeros((10, 10), int)
    for true, taken in zip(data.test.targets, given, strict=True):
        expected[true, taken] += 1
    assert np.array_equal(found["confusion"].data.confusion, expected)
    run = passo.open(here / "mlp").runs[0]
    assert found["confusion"].data.accuracy == pytest.approx(run.last("test/accuracy"))


def test_kept_predictions_are_those_that_are_read(here: Path, cnn: Explanation) -> None:
    kept = passo.open(here / "cnn").runs[0].array("test/probabilities")
    assert cnn["calibration"].data.mean_confidence == pytest.approx(kept.max(1).astype(np.float64).mean())


def test_what_a_run_cannot_give_is_said_and_does_not_end_the_rest(here: Path, tmp_path: Path) -> None:
    found = passo.explain(here / "mlp", ["feature-maps", "confusion"])
    assert list(found) == ["confusion"] and "no feature maps" in found.missing["feature-maps"]
    with pytest.raises(UsageError, match=r"mlp-adam-s0 gives no feature-maps: .*no feature maps"):
        found["feature-maps"]
    with pytest.raises(UnknownName, match="Did you mean 'confusion'"):
        found["confusoin"]
    made = found.save(tmp_path / "it").html.read_text(encoding="utf-8")
    assert 'id="feature-maps"' in made and "This model has no feature maps" in made
    with pytest.raises(UsageError, match="no feature maps"):  # and nothing else was asked for
        passo.explain(here / "mlp", "feature-maps")


def test_a_model_without_convolutions_is_explained_by_its_input_s_gradient(here: Path) -> None:
    found = passo.explain(here / "mlp", ["gradcam"])["gradcam"]
    assert found.data.method == "input-gradient" and "gradient" in found.sentence


def test_images_and_seed_are_those_of_the_embedding(here: Path) -> None:
    one, two, other = (passo.explain(here / "mlp", "embedding", images=40, seed=s)["embedding"].data for s in (0, 0, 1))
    assert len(one) == 40 and np.array_equal(one.hidden.xy, two.hidden.xy)
    assert not np.array_equal(one.positions, other.positions)
    assert one.layer == "out" and one.hidden.width == 8


def test_the_layer_that_is_asked_for_is_looked_into(here: Path) -> None:
    found = passo.explain(here / "cnn", ["filters", "feature-maps"], layer="conv2")
    assert found["filters"].data.kernels.shape == (5, 3, 3, 3) and len(found["feature-maps"].figures) == 1
    pooled = passo.explain(here / "cnn", ["filters", "feature-maps"], layer="pool2")
    assert list(pooled) == ["feature-maps"] and "layer 'pool2' has no filters" in pooled.missing["filters"]


def test_files_and_a_page_are_written_and_written_again(cnn: Explanation, tmp_path: Path) -> None:
    saved = cnn.save(tmp_path / "out")
    names = {"confusion", "calibration", "hardest", "filters", "feature-maps-conv1", "feature-maps-conv2"}
    assert {path.name for path in saved.figures} == {f"{name}.{end}" for name in names for end in ("png", "svg")}
    assert all(path.stat().st_size > 1000 for path in saved.figures)
    assert saved.html.read_text(encoding="utf-8").count("<figure") == 6
    again = replace(cnn, parts=cnn.parts[:1], missing={"trust": "there was no time"}).save(tmp_path / "out")
    assert again.html == saved.html and "There was no time." in again.html.read_text(encoding="utf-8")
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(FolderInUse, match=r"holds other things \(thesis.tex\)"):
        cnn.save(tmp_path / "out")


def test_it_shows_itself_in_a_notebook(here: Path) -> None:
    shown = passo.explain(here / "cnn", "filters")._repr_html_()
    assert '<img src="data:image/png;base64,' in shown and "16 filters" not in shown and "3 filters of 1" in shown


def test_a_run_is_named_in_many_ways(here: Path) -> None:
    study = passo.open(here / "cnn")
    for source in (here / "cnn", f"{here}/cnn/cnn-adam-s0", study, study.runs[0]):
        assert passo.explain(source, "filters").run.id == "cnn-adam-s0"


def test_a_model_of_somebody_s_own_is_handed_over_again(tmp_path: Path) -> None:
    data = passo.load("fashion-mnist-sample", per_class=10)
    own = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    passo.train(data, own, epochs=1, out=tmp_path / "own")
    with pytest.raises(UsageError, match="hand it over again"):
        passo.explain(tmp_path / "own", "filters")
    assert passo.explain(tmp_path / "own", "filters", model=own)["filters"].data.kernels.shape == (10, 1, 28, 28)


def test_a_run_on_batches_of_the_caller_s_own_gives_what_it_kept(tmp_path: Path) -> None:
    data = passo.load("fashion-mnist-sample", per_class=10)
    own = tuple(passo.Batches(part.images, part.labels, 10) for part in (data.train, data.validation, data.test))
    passo.train(own, "tiny-cnn", epochs=1, out=tmp_path / "own", record={"predictions": True})
    found = passo.explain(tmp_path / "own", ["confusion", "hardest", "filters"])
    assert list(found) == ["confusion", "filters"] and found["confusion"].data.count == 1000
    assert "data of the caller's own" in found.missing["hardest"]
    assert as_note(found).subtitle.startswith("A tiny-cnn with 1,586 parameters; ")


def test_words_mean_themselves_on_the_page(cnn: Explanation) -> None:
    odd = "a_b_c*d*[e](f) <b>g</b> $h$ `i`"
    confused = replace(cnn["confusion"].data, classes=tuple(f"{odd}{c}" for c in range(10)))
    part = replace(cnn["confusion"], data=confused)
    made = page(replace(cnn, parts=(part,)))
    assert html.escape(odd, quote=False) + "3</th>" in made


@pytest.mark.parametrize(
    ("run", "said"),
    [("back", "does not classify, it gives images back: passo inspect .*reconstructions"),
     ("fit", "does not classify, it predicts values: passo inspect .*residuals")],
)  # fmt: skip
def test_a_run_that_does_not_classify_says_what_can_be_had(run: str, said: str, here: Path) -> None:
    with pytest.raises(UsageError, match=said):
        passo.explain(here / run)


def test_a_part_that_does_not_exist_and_a_run_without_weights_have_their_sentence(here: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown part of an explanation 'embeding'. Did you mean 'embedding'"):
        passo.explain(here / "cnn", "confusion,embeding")
    with Store.create(tmp_path / "bare", name="bare", config={}) as study:
        study.add_run("bare", config={"dataset": SAMPLE, "model": {"name": "mlp"}}, seed=0).finish()
    with pytest.raises(StoreError, match="holds 0 runs with a trained model: train one to its end"):
        passo.explain(tmp_path / "bare")
    with pytest.raises(StoreError, match="kept no trained model"):
        passo.explain(tmp_path / "bare" / "bare-s0", "filters")


def test_the_parts_are_told_as_they_are_made(here: Path) -> None:
    said: list[str] = []
    passo.explain(here / "cnn", ["filters", "confusion"], told=said.append)
    assert said == [PARTS["confusion"].doing, PARTS["filters"].doing]
