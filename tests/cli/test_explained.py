"""`passo inspect --epochs` and the figures of a lecture, as a person types them, on runs that were really trained."""

from __future__ import annotations

import io
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch

import passo
from passo.cli import show
from passo.cli.app import main
from passo.store import Store
from passo.training import weights_sha256


def typed(*words: str, cwd: Path, code: int = 0) -> str:
    """What a person would read who types these words in a folder; in this process, for torch loads slowly."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
        patch.chdir(cwd)
        patch.setenv("PASSO_OFFLINE", "1")
        patch.setattr(sys, "argv", ["passo", *words])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # which the entry point replaces
        patch.setattr(show.out, "width", 400)
        with pytest.raises(SystemExit) as end:
            main()
    assert (end.value.code or 0) == code, said.getvalue()
    return " ".join(said.getvalue().split())


def autoencoders(folder: Path) -> None:
    """A study of two autoencoders, kept as passo keeps trainings."""
    data = passo.load("fashion-mnist-sample", per_class=20, scale="normalize")
    config = {"dataset": {"name": data.name, "per_class": 20, "scale": "normalize"}, "seed": 0}
    with Store.create(folder, name="bottlenecks", config={}) as study:
        for bottleneck in (8, 2):
            options = {"bottleneck": bottleneck, "hidden": [16], "output": "sigmoid"}
            model = passo.build("autoencoder", data.in_shape, 0, seed=0, **options)
            batches = passo.Batches(data.train.images, data.train.images, 64)
            for _ in passo.fit(model, torch.nn.MSELoss(), torch.optim.Adam(model.parameters()), batches):
                pass
            run = study.add_run(
                f"ae{bottleneck}", config={**config, "model": {"name": "autoencoder", **options}}, seed=0
            )
            run.info(data=data.facts(), weights_sha256=weights_sha256(model))
            for name, tensor in model.state_dict().items():
                run.array(f"weights/{name}", tensor.numpy(), shape=list(tensor.shape))
            run.finish()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three trainings, a study of two autoencoders, and one of a descent of the model `line`."""
    folder = tmp_path_factory.mktemp("explained")
    x = np.random.default_rng(0).uniform(20, 90, 80)
    (folder / "t.csv").write_text("area,price\n" + "".join(f"{a},{3 + 0.2 * a}\n" for a in x))
    sample = ("dataset=fashion-mnist-sample", "dataset.per_class=20", "epochs=1")
    typed("train", *sample, "model=cnn", "model.filters=[3,5]", "--out", "cnn", cwd=folder)
    typed("train", *sample, "model=gru", "model.hidden=6", "--out", "gru", cwd=folder)
    typed("train", "dataset=csv", "dataset.folder=t.csv", "model=line", "batch_size=8", "--out", "fit", cwd=folder)
    autoencoders(folder / "bottlenecks")
    settings = {"dataset": {"name": "fashion-mnist-sample"}, "surface": {"images": 40}, "name": "line-sgd"}
    with Store.create(folder / "descents", name="descents", config={}) as study:
        run = study.add_run("line-sgd", kind="descent", config=settings)
        run.array("path", np.array([[0.0, 0.0], [0.1, 0.8]]))
        run.finish()
    return folder


def test_epochs_are_told_with_this_run_s_own_mini_batches(here: Path) -> None:
    said = typed("inspect", "cnn", "--epochs", cwd=here)
    assert "is one pass over its 180 training examples, in 3 mini-batches of 64, the last of 52" in said
    assert "single samples 1 180 1 180" in said and "mini-batches (this run) 64 3 52 3" in said
    assert "the full batch 180 1 180 1" in said
    assert "rows of a table" in typed("inspect", "fit", "--figure", "epochs", cwd=here, code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cnn", "--figure", "epochs"), "is one pass over its 180 training examples"),
        (("cnn", "--figure", "filters", "--layer", "conv2"), "5 filters of 3 × 3 × 3"),
        (("cnn", "--figure", "filters", "--layer", "conv2", "--channel", "1"), "5 filters of 3 × 3 × 3"),
        (("cnn", "--figure", "feature-maps", "--layer", "pool2", "--image", "3"), "test image 3 (Trouser)"),
        (("cnn", "--figure", "convolution"), "filter 0 of conv1"),
        (
            ("cnn", "--figure", "convolution", "--layer", "conv2", "--channel", "4", "--place", "2,5"),
            "At row 2, column 5",
        ),
        (("cnn", "--figure", "scaling"), "standardised 0 ± 1"),
        (("gru", "--figure", "recurrent", "--image", "5"), "Over 28 steps of test image 5"),
        (("bottlenecks", "--figure", "latent"), "by the size of the bottleneck: 2 ("),
        (("bottlenecks/ae8-s0", "--figure", "latent"), "by the size of the bottleneck: 2 ("),
        (("fit", "--figure", "line"), "predicts 16 test points with a mean squared error of"),
        (("descents", "--figure", "line"), "predicts 40 training points with a mean squared error of"),
    ],
)
def test_every_figure_is_saved_with_its_sentence(words: tuple[str, ...], said: str, here: Path, tmp_path: Path) -> None:
    told = typed("inspect", *words, "--out", str(tmp_path / "it.png"), cwd=here)
    assert said in told and (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_is_saved_beside_the_run(here: Path) -> None:
    assert "saved as cnn/cnn-adam-s0-filters.png" in typed("inspect", "cnn", "--figure", "filters", cwd=here)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("cnn", "--figure", "filters", "--layer", "cnv2"), 2, "Did you mean 'conv2'"),
        (("cnn", "--figure", "filters", "--image", "2"), 2, "takes no --image: it takes --layer, --channel"),
        (("cnn", "--figure", "filters", "--step", "2"), 2, "takes no --step"),
        (("cnn", "--figure", "convolution", "--place", "up"), 2, "--place must be a row and a column"),
        (("cnn", "--figure", "convolution", "--place", "99,0"), 2, "(row, column), got 99,0"),
        (("cnn", "--figure", "convolution", "--channel", "3"), 2, "has filters 0 to 2, got 3"),
        (("cnn", "--figure", "feature-maps", "--image", "1000"), 2, "must be from 0 to 999"),
        (("cnn", "--figure", "recurrent"), 2, "no recurrent state"),
        (("cnn", "--figure", "latent"), 1, "train one with model=autoencoder"),
        (("cnn", "--figure", "line"), 2, "regression with one input"),
        (("cnn", "--figure", "filtres"), 2, "Did you mean 'filters'"),
        (("cnn", "--layer", "conv1"), 2, "--layer is of a figure: add --figure"),
        (("cnn", "--epochs", "--layer", "conv1"), 2, "--epochs takes no other option"),
        (("descents", "--epochs"), 1, "no run of descents is a training"),
        (("bottlenecks", "--figure", "filters"), 1, "holds 2 runs with weights, say which: ae8-s0, ae2-s0"),
    ],
)
def test_mistakes_are_told_in_one_sentence(words: tuple[str, ...], code: int, said: str, here: Path) -> None:
    told = typed("inspect", *words, cwd=here, code=code)
    assert said in told and "Traceback" not in told
