"""What is told of a run: in both languages, of what was not recorded, of mistakes; and a warning while it trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parent))

from loops import mlp, trained

import passo
from passo.diagnosis import DETECTORS, Diagnosed, Diagnosis, Finding
from passo.diagnosis.diagnosing import OVERSHADOWED
from passo.diagnosis.findings import FOUND
from passo.errors import TrainingWarning, UnknownName, UsageError
from passo.language import speaking


def _step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    nn.functional.cross_entropy(model(torch.randn(8, 1, 28, 28)), torch.randint(0, 10, (8,))).backward()
    optimizer.step()


def test_the_author_of_a_loop_is_told_within_fifty_steps_that_gradients_are_never_cleared() -> None:
    torch.manual_seed(0)
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    lens = passo.watch(optimizer, model)
    with pytest.warns(TrainingWarning, match=r"optimizer.zero_grad\(\)"):
        for _ in range(50):
            _step(model, optimizer)
    assert lens.events[0].step is not None and lens.events[0].step <= 50
    assert passo.diagnose(lens).names[0] == "zero-grad"
    lens.close()


def test_who_does_not_want_to_be_told_is_not() -> None:
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with passo.watch(optimizer, model, warn=False) as lens:  # a warning would be an error here
        for _ in range(6):
            _step(model, optimizer)
        assert [event.what for event in lens.events] == ["zero-grad"]


def test_a_training_of_passo_is_diagnosed_and_says_what_it_lacks(tmp_path: Path) -> None:
    settings = {"dataset": {"name": "fashion-mnist-sample", "per_class": 30}, "model": "mlp", "epochs": 1}
    run = passo.train(**settings, out=tmp_path / "bare")  # type: ignore[arg-type]
    found = passo.diagnose(passo.open(tmp_path / "bare").runs[0])
    assert run is not None and found.names == () and set(found.blind) == {"statistics", "witness", "activations"}
    assert "record.every=1" in str(found)
    record = {"every": 1, "witness": True, "activations": True}
    passo.train(**settings, record=record, out=tmp_path / "watched")  # type: ignore[arg-type]
    whole = passo.diagnose(passo.open(tmp_path / "watched").runs[0])
    assert whole.names == () and not whole.blind and whole.looked == len(DETECTORS), str(whole)
    older = passo.open(tmp_path / "watched").runs[0]
    del older.info["watch"]["around"]
    found = passo.diagnose(older)
    assert set(found.blind) == {"around"}
    assert "newer versions of passo" in str(found) and "record.every" not in str(found)


def test_it_is_told_in_the_reader_s_language() -> None:
    found = passo.diagnose(trained(clear=False, epochs=1))
    assert str(found).startswith("1. Gradients are never cleared (found)")
    with speaking("pt-BR"):
        found = passo.diagnose(trained(clear=False, epochs=1))
        assert str(found).startswith("1. Os gradientes nunca são zerados (encontrado)")
        assert found.findings[0].evidence.startswith("os gradientes não foram zerados entre os últimos")


def test_what_is_to_be_typed_names_the_run_or_asks_the_lens() -> None:
    one = Diagnosed(DETECTORS["vanishing"], Finding(FOUND, ""))
    assert one.command("my runs/a-s0") == "passo inspect 'my runs/a-s0' --figure layers"
    assert one.command("") == 'lens.figure("layers")'
    told = Diagnosis("a-s0", (one,) * 7, {}, 26, "runs/a-s0").lines()
    assert sum(line.strip() == "→ passo inspect runs/a-s0 --figure layers" for line in told) == 5
    assert told[-1] == "2 more are found or suspected: passo doctor runs/a-s0 --all"


def test_silence_says_how_many_looked() -> None:
    assert Diagnosis("a", (), {}, 1).lines() == ["Nothing was found: 1 detector looked."]
    assert Diagnosis("a", (), {}, 0).lines() == ["No detector could look: too little was recorded."]


def test_a_run_that_has_just_begun_is_no_patient() -> None:
    model = mlp()
    with passo.watch(torch.optim.Adam(model.parameters()), model) as lens:
        found = passo.diagnose(lens)
    assert found.findings == () and "could not look" in str(found)


def test_mistakes_are_told() -> None:
    with pytest.raises(UsageError, match="a stored run or a lens"):
        passo.diagnose("my-run")
    model = mlp()
    with passo.watch(torch.optim.Adam(model.parameters()), model) as lens, pytest.raises(UnknownName, match="detector"):
        passo.diagnose(lens, only="zero-gard")


def test_every_detector_says_what_why_and_from_where() -> None:
    for name, one in DETECTORS.items():
        assert name == one.name and all((one.title, one.meaning, one.cure, one.try_, one.reason, one.source)), name
    assert {*OVERSHADOWED, *(effect for effects in OVERSHADOWED.values() for effect in effects)} <= set(DETECTORS)


def test_a_lens_before_its_first_step_says_that_it_has_not_begun() -> None:
    model = mlp()
    lens = passo.watch(torch.optim.Adam(model.parameters()), model)
    blind = passo.diagnose(lens).blind
    assert "statistics" not in blind and "lr-high" in blind["steps"] and "unscaled" in blind["steps"]


def test_answers_that_cannot_be_read_are_told_so() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    lens = passo.watch(optimizer, model)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(torch.randn(8, 4)), torch.randn(8, 1)).backward()
        optimizer.step()
    blind = passo.diagnose(lens).blind
    assert "labels-shuffled" in blind["answers"] and "witness" not in blind


def test_a_lens_is_told_no_command_that_cannot_change_its_loop() -> None:
    one = Diagnosed(DETECTORS["lr-high"], Finding("found", "It jumps."))
    assert one.command("") == "" and one.command("a/b") == "passo lr-range"
    assert "→" not in "\n".join(Diagnosis("watched", (one,), {}, 1).lines())
