"""Predicting: what goes in is what the training would have seen, and what comes out is what the run's own test said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import passo
from passo.data.export import png
from passo.errors import ConfigError, DataCorrupt, DataNotFound, StoreError
from passo.explaining.predicting import Prediction, TrainedModel
from passo.models import build
from passo.store import Store
from passo.training.rebuilding import Description

torch.set_num_threads(1)
SAMPLE: dict[str, Any] = {"name": "fashion-mnist-sample", "per_class": 20}


@pytest.fixture(scope="module")
def shirts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("predicting") / "run"
    settings = {"dataset": SAMPLE, "epochs": 1, "record": {"predictions": True}, "device": "cpu"}
    return passo.train(SAMPLE["name"], "lenet", out=out, **settings)


def given(task: str = "classify", shape: tuple[int, ...] = (1, 4, 6), **facts: Any) -> Description:
    usual = {"name": "mlp", "in_shape": shape, "outputs": 2, "task": task, "weights_sha256": "0" * 64}
    scaling = {"name": "none", "divisor": 1.0}
    return Description.model_validate_json(json.dumps({"scaling": scaling, **usual, **facts}))


class Seen(nn.Module):
    """Keeps what it was shown, and answers with its mean and 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.x = x
        return torch.stack([x.flatten(1).mean(1), torch.zeros(len(x))], 1)


# ── The same answers as the run's own test ────────────────────────────────────────────────────────────────


def test_exported_images_get_the_probabilities_of_the_run_s_own_test(shirts: Any, tmp_path: Path) -> None:
    test = passo.load(**SAMPLE).test
    for place in range(300):
        (tmp_path / f"{place:03d}.png").write_bytes(png(test.raw[place]))
    found = passo.load_model(shirts).predict(tmp_path)
    assert [Path(one.name).stem for one in found] == [f"{place:03d}" for place in range(300)]
    wanted = shirts.run.array("test/probabilities")[:300]
    np.testing.assert_allclose([one.probabilities for one in found], wanted, atol=1e-6)
    assert found[0].classes == passo.load(**SAMPLE).classes and not any(one.inverted for one in found)


def test_a_saved_model_a_run_and_its_path_give_the_same_bits(shirts: Any, tmp_path: Path) -> None:
    saved = passo.save_model(shirts, tmp_path / "m")
    images = passo.load(**SAMPLE).test.raw[:50]
    sources = (saved, str(saved), shirts.run, shirts.folder, f"{shirts.folder}/{shirts.run_id}")
    first, *others = [passo.load_model(source).predict(images) for source in sources]
    assert all(other == first for other in others)


def test_the_answer_does_not_depend_on_what_is_asked_beside_it(shirts: Any) -> None:
    images = passo.load(**SAMPLE).test.raw[:270]  # more than one batch
    model = passo.load_model(shirts)
    together = np.array([one.probabilities for one in model.predict(images)])
    alone = np.array([model.predict(images[n : n + 1])[0].probabilities for n in (0, 255, 256, 269)])
    np.testing.assert_allclose(together[[0, 255, 256, 269]], alone, atol=1e-6)


def test_predicting_leaves_the_model_as_it_was(shirts: Any) -> None:
    model = passo.load_model(shirts)
    before = {key: value.clone() for key, value in model.model.state_dict().items()}
    model.model.train()
    model.predict(passo.load(**SAMPLE).test.raw[:5])
    assert model.model.training and all(torch.equal(before[k], v) for k, v in model.model.state_dict().items())


# ── Images of any kind ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tiff"])
def test_an_image_is_turned_grey_and_resized_to_the_model_s_height_and_width(suffix: str, tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:, 30:] = (255, 0, 0)  # red on the right: grey 76 by ITU-R 601
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", lossless=True)
    model = Seen()
    TrainedModel(model, given()).predict(tmp_path / f"a.{suffix}")
    assert model.x.shape == (1, 1, 4, 6) and model.x[0, 0, :, 0].tolist() == [0] * 4
    assert (model.x[0, 0, :, -1] - 76).abs().max() <= 1


def test_colour_stays_colour_where_the_model_has_three_channels(tmp_path: Path) -> None:
    Image.new("RGBA", (5, 5), (10, 20, 30, 0)).save(tmp_path / "a.png")
    scaling = {"name": "standardize", "divisor": 255.0, "mean": [0.1, 0.2, 0.3], "sd": [0.5, 1.0, 2.0]}
    model = Seen()
    TrainedModel(model, given(shape=(3, 5, 5), scaling=scaling)).predict(tmp_path / "a.png")
    wanted = [(10 / 255 - 0.1) / 0.5, (20 / 255 - 0.2) / 1.0, (30 / 255 - 0.3) / 2.0]
    assert model.x[0, :, 2, 2].tolist() == pytest.approx(wanted, abs=1e-6)


def test_inverting_takes_255_minus_each_value(tmp_path: Path) -> None:
    Image.new("L", (6, 4), 200).save(tmp_path / "a.png")
    model = Seen()
    TrainedModel(model, given()).predict([tmp_path / "a.png"], invert=True)
    assert model.x.unique().tolist() == [55]


def test_a_folder_is_walked_by_name_with_the_folders_in_it(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.PNG", "0.png", "b/.hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (3, 3)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    found = TrainedModel(Seen(), given()).predict([tmp_path, tmp_path / "0.png"])
    assert [str(Path(one.name).relative_to(tmp_path)) for one in found] == ["0.png", "a/1.PNG", "b/2.png", "0.png"]


def test_dark_on_light_is_noticed_and_light_on_dark_is_not() -> None:
    digit = np.zeros((2, 8, 8), np.uint8)
    digit[0, 2:6, 3:5] = 255
    digit[1] = 255 - digit[0]
    told = given(shape=(1, 8, 8), scaling={"name": "standardize", "divisor": 255.0, "mean": 0.13, "sd": 0.3})
    assert [one.inverted for one in TrainedModel(Seen(), told).predict(digit)] == [False, True]
    assert [one.inverted for one in TrainedModel(Seen(), told).predict(digit, invert=True)] == [True, False]
    light = told.model_copy(update={"scaling": passo.load(**SAMPLE).scaling.__class__("standardize", 255.0, 0.9, 0.3)})
    assert [one.inverted for one in TrainedModel(Seen(), light).predict(digit)] == [True, False]
    unknown = given(shape=(1, 8, 8))
    assert not any(one.inverted for one in TrainedModel(Seen(), unknown).predict(digit))


def test_at_most_one_real_image_in_a_thousand_is_called_a_negative_and_most_negatives_are_found() -> None:
    data = passo.load("fashion-mnist-sample")
    told = given(shape=(1, 28, 28), scaling=data.scaling.facts())
    model = TrainedModel(Seen(), told)
    assert sum(one.inverted for one in model.predict(data.test.raw)) <= 1
    assert sum(one.inverted for one in model.predict(data.test.raw, invert=True)) >= 900


# ── Other tasks ───────────────────────────────────────────────────────────────────────────────────────────


def test_rows_of_a_table_get_values_by_the_names_of_their_columns(tmp_path: Path) -> None:
    rows = [(n, 3 * n % 7, 2.0 * n + 1) for n in range(40)]
    (tmp_path / "t.csv").write_text("a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in rows))
    dataset = {"folder": str(tmp_path / "t.csv")}
    run = passo.train("csv", "mlp", out=tmp_path / "run", dataset=dataset, epochs=3, batch_size=8, lr=0.1, device="cpu")
    (tmp_path / "new.csv").write_text("b,note,a\n1,x,5\n2,y,6\n")
    model = passo.load_model(run)
    one, two = model.predict(tmp_path / "new.csv")
    assert model.description.target == "y" and [one.name[-6:], two.name[-6:]] == ["line 2", "line 3"]
    x = passo.load("csv", **dataset).scaling.apply(np.array([[5.0, 1.0], [6.0, 2.0]]))
    with torch.no_grad():
        wanted = run.model.cpu().eval()(x)[:, 0].tolist()
    assert [one.value, two.value] == pytest.approx(wanted, rel=1e-6)
    assert [p.value for p in model.predict(np.array([[5.0, 1.0]]))] == pytest.approx(wanted[:1], rel=1e-6)


def test_an_autoencoder_tells_how_far_its_reconstruction_is() -> None:
    class Half(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 2

    images = np.full((1, 4, 6), 100, np.uint8)
    (found,) = TrainedModel(Half(), given("reconstruct")).predict(images)
    assert found.value == pytest.approx((50 / 255) ** 2) and found.probabilities == ()


def test_a_model_that_makes_images_says_so() -> None:
    with pytest.raises(ConfigError, match="makes images from noise"):
        TrainedModel(build("gan", (1, 4, 6)), given("generate")).predict(np.zeros((1, 4, 6), np.uint8))


def test_the_likeliest_come_first_and_the_first_of_those_that_tie() -> None:
    found = Prediction("a", ("x", "y", "z"), (0.2, 0.4, 0.4))
    assert found.top(2) == (("y", 0.4), ("z", 0.4)) and len(found.top(9)) == 3
    assert repr(found) == "Prediction(a: y 40.0 %, z 40.0 %, x 20.0 %)"


# ── What cannot be predicted ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ("nothing.png", DataNotFound, "there is no file .*nothing.png: name an image"),
        ("empty", DataNotFound, "empty holds no image"),
        ("text.png", DataCorrupt, "text.png: not an image in a known format"),
        (np.zeros((2, 5, 5), np.uint8), ConfigError, r"takes arrays \(N, 4, 6\) uint8, got \(2, 5, 5\)"),
        (np.zeros((2, 4, 6)), ConfigError, "float64"),
    ],
)
def test_what_cannot_be_read_is_said(inputs: Any, kind: type[Exception], words: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(kind, match=words):
        TrainedModel(Seen(), given()).predict(tmp_path / inputs if isinstance(inputs, str) else inputs)


def test_models_of_other_inputs_say_what_they_take(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="inputs of shape .2, 4, 6., which no image file has"):
        TrainedModel(Seen(), given(shape=(2, 4, 6))).predict(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="which columns model mlp reads was not recorded"):
        TrainedModel(Seen(), given(shape=(3,))).predict(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="how its inputs were scaled is not known"):
        TrainedModel(Seen(), given(scaling=None)).predict(tmp_path / "a.png")


def test_a_run_on_the_caller_s_own_module_and_batches_is_saved_and_loaded_with_the_module(tmp_path: Path) -> None:
    x, y = torch.randn(20, 3), torch.arange(20) % 2
    run = passo.train([(x, y)], nn.Linear(3, 2), out=tmp_path / "run", epochs=1, device="cpu")
    saved = passo.save_model(run, tmp_path / "m")
    for source in (saved, run):
        with pytest.raises(ConfigError, match=r"model \(Linear\) is a module of somebody's own"):
            passo.load_model(source)
        again = passo.load_model(source, nn.Linear(3, 2))
        assert torch.equal(again.model.state_dict()["weight"], run.model.state_dict()["weight"].cpu())
    with pytest.raises(ConfigError, match="how its inputs were scaled is not known"):
        again.predict(np.zeros((1, 3)))


def test_what_is_no_trained_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no study 'nowhere': .*, nor a saved model"):
        passo.load_model("nowhere")
    with Store.create(tmp_path / "s", name="s", config={}) as store:
        store.add_run("cut", config={"model": {"name": "lenet"}}).finish("interrupted")
        store.add_run("range", config={}, kind="lr_range").finish()
    with pytest.raises(StoreError, match="holds 0 runs with a trained model: train one to its end"):
        passo.load_model(tmp_path / "s")
    with pytest.raises(StoreError, match="run cut kept no trained model: it is of kind train, and interrupted"):
        passo.load_model(f"{tmp_path}/s/cut")
    with pytest.raises(ConfigError, match="in a saved folder or a run, got a int"):
        passo.load_model(3)
