"""The gallery of broken runs: what is broken is one part of a plain loop, it hurts, and its twin is the same loop."""

import ast
from dataclasses import fields

import pytest
import torch
from torch.nn import functional as F

from passo import gallery
from passo.diagnosis import DETECTORS
from passo.errors import FolderInUse, UnknownName, UsageError
from passo.experiments.sink import Draft
from passo.gallery import making
from passo.gallery.examples import data
from passo.gallery.networks import network, own_optimizer
from passo.gallery.settings import healthy
from passo.language import speaking, t
from passo.seeding import derive, generator, isolated
from passo.store import Store, open_study

SHOWN = ("softmax", "labels-off-by-one", "zero-grad")


def scalars(draft: Draft) -> list[tuple[int, float, dict[str, float]]]:
    return [arguments for name, arguments, _ in draft.calls if name == "scalars"]


def trained(training: gallery.Training, model: str = "mlp", seed: int = 0) -> Draft:
    draft = Draft()
    gallery.train(training, model, seed, draft)
    return draft


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A study with three defects of one model and their twin."""
    return gallery.make_all(tmp_path_factory.mktemp("g") / "gallery", SHOWN, models=["mlp"], seeds=[0], jobs=1)


def test_the_healthy_loop_is_plain_pytorch_to_the_bit(shown):
    """The loop written out, without parts, hooks or a store."""
    found = shown.run("healthy-mlp-s0").metric("train/loss").values.tolist()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with isolated(derive(0, "gallery")):
        model = network("mlp")
        optimizer = own_optimizer(model, "mlp")
        x, y = data().train.images, data().train.labels
        drawing, losses = generator(0, "gallery", "order"), []
        for _ in range(5):
            model.train()
            for rows in torch.randperm(len(x), generator=drawing).split(64):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x[rows]), y[rows])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
    torch.set_num_threads(threads)
    assert found == losses


def test_a_defect_that_is_switched_off_is_its_twin_bit_for_bit(shown):
    twin, draft = shown.run("healthy-mlp-s0"), trained(gallery.DEFECTS["zero-grad"].training(switch=False))
    for name in ("train/loss", "validation/loss", "test/accuracy"):
        again = [values[name] for _, _, values in scalars(draft) if name in values]
        assert again == twin.metric(name).values.tolist()


def test_twin_and_defect_begin_with_the_same_weights_and_batches(shown):
    first = {run.id: run.array("witness")[0, :5].tolist() for run in shown.runs}
    assert first["zero-grad-mlp-s0"] == first["labels-off-by-one-mlp-s0"] == first["healthy-mlp-s0"]
    losses = {run.id: run.metric("train/loss").values for run in shown.runs}
    assert losses["zero-grad-mlp-s0"][0] == losses["healthy-mlp-s0"][0]
    assert losses["zero-grad-mlp-s0"][2] != losses["healthy-mlp-s0"][2]


def test_a_run_of_the_gallery_is_an_ordinary_run_of_a_study(shown):
    run = shown.run("zero-grad-mlp-s0")
    assert (run.name, run.seed, run.status) == ("zero-grad-mlp", 0, "done")
    assert {"train/loss", "lr", "train/accuracy", "validation/loss", "validation/accuracy"} <= set(run.metrics())
    assert len(run.metric("train/loss").values) == 200
    assert len(run.metric("validation/loss").values) == 5
    assert {"statistics", "activations", "witness"} <= {name.split("/")[0] for name in run.arrays()}
    assert run.info["watch"]["optimizer"] == "SGD"
    assert {data["what"] for _, _, _, data in run.events()} == {"zero-grad"}


def test_the_test_images_are_seen_by_no_instrument(shown):
    witness = shown.run("healthy-mlp-s0").info["watch"]["around"]["witness"]
    assert (witness["trained"], witness["shared"]) == (2560, 0)
    assert witness["evaluated"] <= 440


def test_what_is_there_is_not_made_again(shown):
    """Only the missing run is told of; the others keep their numbers, and all of them are one finished study."""
    told = []
    again = gallery.make_all(shown.folder, [*SHOWN, "frozen"], ["mlp"], [0], jobs=1, told=lambda *one: told.append(one))
    assert told == [("frozen-mlp-s0", 5, 5)]
    assert [run.id for run in again.runs] == [*(run.id for run in shown.runs), "frozen-mlp-s0"]
    assert [run.finished for run in again.runs[:4]] == [run.finished for run in shown.runs]
    assert again.status == "done"
    assert gallery.make("frozen", "mlp", 0, shown.folder).finished == again.runs[4].finished


def test_a_study_of_another_kind_is_left_alone(tmp_path):
    Store.create(tmp_path / "study", name="other", config={"optimizer": "adam"}).close()
    with pytest.raises(FolderInUse, match="not of the gallery"):
        gallery.make("softmax", "mlp", 0, tmp_path / "study")
    assert open_study(tmp_path / "study").config == {"optimizer": "adam"}


def test_each_twin_is_made_once():
    wanted = gallery.pieces()
    assert len(wanted) == len({piece.id for piece in wanted})
    assert sum(piece.what == "healthy" for piece in wanted) == len(gallery.MODELS) * len(gallery.SEEDS)
    assert gallery.pieces(["clipping"], ["allconv"], [0]) == []


@pytest.mark.parametrize("defect", gallery.DEFECTS.values(), ids=gallery.DEFECTS)
def test_a_defect_replaces_parts_of_the_loop_and_says_how(defect):
    parts = {field.name for field in fields(gallery.Training)}
    assert set(defect.change) <= parts
    assert defect.training() != defect.training(switch=False) == healthy(defect.twin)
    assert len(defect.models) >= 2
    assert len(set(defect.models) & set(gallery.MODELS)) >= 2
    assert bool(defect.without) == (set(defect.models) < {*gallery.MODELS, *gallery.HELD_OUT})
    assert defect.broken != defect.cured
    for code in (defect.broken, defect.cured):
        ast.parse(code)
    with speaking("pt-BR"):
        assert t(defect.title) != defect.title


def test_what_is_not_there_is_named():
    with pytest.raises(UnknownName, match="Did you mean 'zero-grad'"):
        gallery.make("zerograd")
    with pytest.raises(UnknownName, match="Known: "):
        gallery.make("softmax", "vgg")
    with pytest.raises(UsageError, match="mlp cannot have the defect batch-of-one: BatchNorm refuses"):
        gallery.make("batch-of-one", "mlp")


def test_each_defect_names_the_detector_that_tells_it():
    assert {one.detector for one in gallery.DEFECTS.values()} == set(DETECTORS)
    assert gallery.DEFECTS["decay"].detector == "weight-decay" and gallery.DEFECTS["sorted"].detector == "sorted"


def test_the_runs_of_another_version_are_not_taken_for_today_s(tmp_path, monkeypatch):
    gallery.make(store=tmp_path / "gallery")
    monkeypatch.setattr(making, "CONFIG", {**making.CONFIG, "recipes": making.RECIPES + 1})
    with pytest.raises(FolderInUse, match="the gallery of another version of passo"):
        gallery.make("frozen", store=tmp_path / "gallery")
