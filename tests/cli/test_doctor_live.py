"""`passo train` warns while it trains: what it tells, once, when; and that looking changes nothing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import passo
from passo.cli.app import app
from passo.cli.training import configuration
from passo.diagnosis import DETECTORS, Diagnosed, Finding, live
from passo.errors import TrainingWarning
from passo.experiments import Attending, Keeping, Result, training
from passo.language import speaking
from passo.recording import witness
from passo.recording.glimpses import Glimpses
from passo.store import open_study

SMALL = ("dataset=fashion-mnist-sample", "dataset.per_class=100", "model=mlp", "batch_size=32")
HIGH = ("optimizer=adam", "lr=10", "epochs=2")
OWN = """
from torch import nn

def twice(*_, **__):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Softmax(1))

def zero(*_, **__):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model
"""


def _passo(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, " ".join((done.output + str(done.exception or "")).split())


def _trained(
    folder: Path, words: Sequence[str], attending: Attending | None, keeping: Keeping | None = None
) -> tuple[str | None, Path]:
    """The hash of the weights; None where it did not come to its end."""
    sha = None
    with training(configuration([*SMALL, *words]), folder, attending=attending, keeping=keeping) as opened:
        for record in opened.records:
            sha = record.weights_sha256 if isinstance(record, Result) else sha
    return sha, folder


def _told(folder: Path, words: Sequence[str]) -> list[tuple[str, int]]:
    """What was told of a training, and when; an error of the doctor, which a training does not notice, is one here."""
    found: list[tuple[str, int]] = []
    errors: list[Exception] = []

    def doctor(run: Any) -> Sequence[Diagnosed]:
        try:
            return live(run)
        except Exception as error:
            errors.append(error)
            raise

    attending = Attending(doctor, lambda finding, step, _: found.append((finding.name, step)))
    _trained(folder, words, attending)
    assert not errors and not (attending._glimpses and attending._glimpses.broken)
    return found


def test_a_learning_rate_that_is_too_high_is_told_once_at_step_50_and_kept(tmp_path: Path) -> None:
    code, said = _passo("train", *SMALL, *HIGH, "--out", tmp_path / "run")
    assert code == 0 and said.count("The learning rate is too high") == 1 and "→ passo lr-range" in said
    (event,) = [one for one in open_study(tmp_path / "run").runs[0].events() if one[0] == "warning"]
    assert event[1] == 50 and event[3] == {"what": "doctor", "detector": "lr-high"}
    shown = _passo("runs", "show", tmp_path / "run")[1]
    assert "warning at step 50: The learning rate is too high: A step moves the weights by" in shown
    with speaking("pt-BR"):
        assert "A taxa de aprendizado é alta demais: Um passo move" in _passo("runs", "show", tmp_path / "run")[1]


def test_no_doctor_tells_nothing(tmp_path: Path) -> None:
    code, said = _passo("train", *SMALL, *HIGH, "--no-doctor", "--out", tmp_path / "run")
    assert code == 0 and "too high" not in said and not open_study(tmp_path / "run").runs[0].events()


def test_a_training_that_is_lost_before_step_50_is_told_why(tmp_path: Path) -> None:
    code, said = _passo("train", *SMALL, "optimizer=sgd", "lr=1e12", "epochs=1", "--out", tmp_path / "run")
    assert code == 1 and said.index("The learning rate is too high") < said.index("is not finite at step")


@pytest.mark.parametrize(
    "words",
    [
        ("optimizer=adam", "lr=0.001", "epochs=3"),
        ("optimizer=sgd", "lr=0.1", "epochs=3", "clip_norm=1"),
        ("model=lenet", "optimizer=rmsprop", "lr=0.001", "epochs=3"),
        ("model=tiny-cnn", "optimizer=sgd", "lr=0.01", "epochs=3"),  # it starts slowly
        ("optimizer=adam", "lr=0.001", "epochs=4", "schedule=warmup-cosine", "schedule.warmup=3"),
    ],
)
def test_a_healthy_training_is_not_warned_of(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert _told(tmp_path / "run", words) == []


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("optimizer=adam", "lr=1e-6", "epochs=3"), "lr-low"),
        (("optimizer=sgd", "lr=0.1", "clip_norm=1e-4", "epochs=2"), "clipping"),
        (("optimizer=adam", "lr=0.01", "dataset.per_class=10", "epochs=50"), "over-fitting"),
        (("model=own.py:twice", "optimizer=adam", "lr=0.001", "epochs=2"), "softmax-twice"),
        (("model=own.py:zero", "optimizer=adam", "lr=0.001", "epochs=2"), "zero-init"),
    ],
)
def test_what_is_broken_is_told_while_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], name: str
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    if words[0].startswith("model=own"):
        passo.models.own_file.allow(words[0].removeprefix("model="))
    ((found, step),) = _told(tmp_path / "run", words)
    assert found == name and step >= 50


@pytest.mark.parametrize("words", [("optimizer=adam",), ("model=lenet", "optimizer=sgd", "clip_norm=1", "average=0.9")])
def test_a_training_with_a_doctor_ends_bit_for_bit_like_one_without(tmp_path: Path, words: tuple[str, ...]) -> None:
    words = (*words, "lr=0.01", "epochs=2", "record.every=7")
    (plain, one), (watched, other) = (
        _trained(tmp_path / name, words, who) for name, who in (("plain", None), ("watched", Attending(live)))
    )
    assert plain is not None and plain == watched
    arrays = [open_study(folder).runs[0].arrays() for folder in (one, other)]
    assert arrays[0] == arrays[1] and "trace/steps" in arrays[0]  # of the doctor's looks nothing is kept


def test_a_training_that_stops_and_goes_on_with_a_doctor_ends_in_the_same_bits(tmp_path: Path) -> None:
    words = ("optimizer=adam", "lr=0.001", "epochs=3", "record.every=5")
    whole, _ = _trained(tmp_path / "whole", words, None)
    with training(configuration([*SMALL, *words]), tmp_path / "parts", attending=Attending(live)) as opened:
        for record in opened.records:
            if record.step == 40:
                break
    assert _trained(tmp_path / "parts", words, Attending(live))[0] == whole


def test_what_was_told_before_a_training_stopped_is_not_told_again(tmp_path: Path) -> None:
    told: list[int] = []
    doctor = Attending(live, lambda _finding, step, _place: told.append(step))
    with training(configuration([*SMALL, *HIGH]), tmp_path / "run", attending=doctor) as opened:
        for record in opened.records:
            if record.step == 52:
                break
    assert told == [50]
    assert _told(tmp_path / "run", HIGH) == []


def test_a_doctor_that_fails_does_not_cost_the_training(tmp_path: Path) -> None:
    def fails(run: Any) -> Sequence[Diagnosed]:
        raise ArithmeticError("the doctor is ill")

    assert _trained(tmp_path / "run", HIGH, Attending(fails))[0] is not None


def test_a_look_that_fails_does_not_cost_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(x: torch.Tensor) -> torch.Tensor:
        raise TypeError("no such numbers on this device")

    monkeypatch.setattr(witness, "_of_inputs", fails)
    doctor = Attending(live)
    assert _trained(tmp_path / "run", ("optimizer=adam", "epochs=1"), doctor)[0] is not None
    assert doctor._glimpses is not None and doctor._glimpses.broken


def test_a_generator_and_a_discriminator_are_trained_without_a_doctor(tmp_path: Path) -> None:
    words = ("model=gan", "dataset.scale=symmetric", "dataset.per_class=10", "epochs=1")
    assert _told(tmp_path / "run", words) == []


def test_python_is_warned_by_a_warning_in_its_own_words(tmp_path: Path) -> None:
    finding = Diagnosed(DETECTORS["lr-high"], Finding("found", "It jumps."))
    data = passo.load("fashion-mnist-sample", per_class=100)
    with pytest.warns(TrainingWarning, match=r"^step 15: The learning rate is too high. It jumps. Try"):
        passo.train(data, "mlp", out=tmp_path / "run", epochs=1, doctor=lambda run: [finding])


@pytest.mark.parametrize(("name", "said"), [("sorted", "come sorted by class"), ("unscaled", "inputs are not scaled")])
def test_batches_of_ones_own_are_looked_at(tmp_path: Path, name: str, said: str) -> None:
    part = passo.load("fashion-mnist-sample", per_class=200).train
    images, labels = torch.as_tensor(part.images).reshape(-1, 1, 28, 28), torch.as_tensor(part.labels).long()
    if name == "sorted":
        images, labels = images[labels.argsort()], labels.sort().values
    else:
        images = images * 100
    batches = list(zip(images.split(32), labels.split(32), strict=True))
    with pytest.warns(TrainingWarning, match=f"step 50: .*{said}"):
        passo.train(batches, "mlp", out=tmp_path / "run", epochs=1, optimizer="sgd", lr=0.01, doctor=live)


def test_a_look_that_fails_leaves_nothing_on_the_training() -> None:
    model = nn.Sequential(nn.EmbeddingBag(10, 4, sparse=True), nn.Linear(4, 2))  # sparse gradients have no such norm
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    glimpses = Glimpses(optimizer, model)
    glimpses.open(1)
    model(torch.randint(0, 10, (6, 3))).sum().backward()
    optimizer.step()
    glimpses.close()
    assert glimpses.broken and not glimpses._handles and not glimpses._theta
    assert not optimizer._optimizer_step_pre_hooks and not optimizer._optimizer_step_post_hooks
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())


def test_a_warning_that_is_an_error_does_not_end_the_training(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _trained(tmp_path / "run", HIGH, Attending(live))[0] is not None


def test_passes_of_other_instruments_are_no_evaluation_in_train_mode(tmp_path: Path) -> None:
    words = ["model=cnn2", "record.every=1", "record.loss=true"]
    assert _told(tmp_path / "run", words) == []
