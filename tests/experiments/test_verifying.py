"""Brief trainings at three rates: paired, honest about their end, and kept by a study."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from passo import store
from passo.analysis import lr_ranges, range_check
from passo.data import Batches
from passo.errors import ConfigError
from passo.experiments import study, verify_range
from passo.experiments.short import perform
from passo.experiments.stages import Task
from passo.training import evaluate, train_config

X = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
Y = (X @ torch.tensor([[2.0, -1, 0], [0, 1, -2], [1, 1, 1], [-1, 0, 1]])).argmax(1)


def built(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


def shuffled() -> Batches:
    return Batches(X, Y, 16, generator=torch.Generator().manual_seed(1))


def test_the_three_trainings_of_a_seed_see_the_same_batches() -> None:
    model = built()
    seen: list[Tensor] = []

    def loss_fn(output: Tensor, y: Tensor) -> Tensor:
        seen.append(y)
        return nn.functional.cross_entropy(output, y)

    found = verify_range(
        model, loss_fn, torch.optim.SGD(model.parameters(), lr=9.0), shuffled(), 0.1, steps=20, seeds=1
    )
    assert [t.lr for t in found.trainings] == pytest.approx([0.1 / 3, 0.1, 0.3])
    first, second, third = (seen[i * 20 : i * 20 + 20] for i in range(3))
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(first, second, third, strict=True))
    for training in found.trainings:
        assert training.final == pytest.approx(np.mean(training.loss[-4:]))
        assert training.measured == "mean mini-batch loss of the last 4 steps"


def test_at_the_end_the_validation_loss_is_that_of_the_trained_copy() -> None:
    batches = [(X[:32], Y[:32]), (X[32:64], Y[32:64])]
    validation = [(X[64:], Y[64:])]
    model = built()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    found = verify_range(
        model, nn.CrossEntropyLoss(), optimizer, batches, 0.05, factor=2, steps=10, seeds=1, validation=validation
    )
    for training, lr in zip(found.trainings, (0.025, 0.05, 0.1), strict=True):
        net = built()
        plain = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
        for step in range(10):
            plain.zero_grad()
            loss = nn.functional.cross_entropy(net(batches[step % 2][0]), batches[step % 2][1])
            loss.backward()
            plain.step()
            assert training.loss[step] == loss.item()
        assert training.final == evaluate(net, nn.CrossEntropyLoss(), validation).loss
        assert training.measured == "validation loss"


def test_a_training_that_diverges_ends_at_infinity() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    batches = [(X, X.sum(1, keepdim=True))]
    found = verify_range(model, nn.MSELoss(), optimizer, batches, 0.3, factor=1e4, steps=60, seeds=1)
    below, at, above = found.trainings
    assert math.isfinite(below.final)
    assert math.isfinite(at.final)
    assert above.final == math.inf
    assert len(above.loss) < 60
    check = range_check(found)
    assert check.diverged == (0, 0, 1)
    assert check.against(2) == "lower"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": 0}, "learning rate to verify must be > 0"),
        ({"lr": math.nan}, "learning rate to verify must be > 0"),
        ({"factor": 1}, "factor must be > 1"),
        ({"steps": 2}, "at least 5 steps"),
        ({"seeds": []}, "seeds must be different and at least one"),
    ],
)
def test_nonsense_is_refused(options: dict[str, float], said: str) -> None:
    model = built()
    arguments = {"lr": 0.1, **options}
    with pytest.raises(ConfigError, match=said):
        verify_range(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=1), shuffled(), **arguments)


def test_a_study_keeps_a_verification_and_reads_it_back(tmp_path: Path) -> None:
    training = train_config(
        {"dataset": {"name": "fashion-mnist-sample", "per_class": 20}, "model": "tiny-cnn", "optimizer": "adam"}
    )
    with store.Store.create(tmp_path / "s", name="s", config={}) as opened:
        for seed in (0, 1):
            for factor in (3.0, 1.0, 1 / 3):
                config = training.model_copy(update={"seed": seed}).model_dump(mode="json")
                settings = {"training": config, "lr": 0.01, "factor": factor, "verify_factor": 3.0, "steps": 10}
                draft = perform(Task("lr_verify", f"verify-{factor:.3g}x", seed, settings))
                assert draft.status == "done", draft.error
                draft.replay(opened.add_run(f"verify-{factor:.3g}x", config=settings, seed=seed, kind="lr_verify"))
    check = range_check(store.open_study(tmp_path / "s"))
    assert check.rates == pytest.approx((0.01 / 3, 0.01, 0.03))
    assert (check.seeds, check.steps, check.measured) == ((0, 1), 10, "validation loss")
    assert check.final.shape == (3, 2)
    first = [runs[0][0] for runs in check.losses]
    assert first[0] == first[1] == first[2]  # the same weights and the same first batch at each rate


def test_a_studys_range_test_takes_a_rule_and_a_mode_and_keeps_what_every_rule_says(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nseeds = 2\n[base]\ndataset = {name = "fashion-mnist-sample", per_class = 20}\n'
        'model = "mlp"\nepochs = 1\n[[ranges]]\nname = "range-sgd"\noptimizer = {name = "sgd", lr = 0.1}\n'
        'lr_min = 0.001\nlr_max = 1.0\nsteps = 60\nmode = "linear"\nsuggest = "minimum/10"\n'
        '[[runs]]\nname = "final"\noptimizer = {name = "sgd", lr = "2 * suggested by range-sgd"}\n'
    )
    there = study(tmp_path / "mine.toml").run(tmp_path / "out", jobs=1)
    found = lr_ranges(there, "range-sgd")
    assert (found.rule, found.mode) == ("minimum/10", "linear")
    lowest = [0.1 * c.lr[2:-5][np.argmin(c.smoothed[2:-5])] for c in found.curves]
    assert found.suggestion == pytest.approx(np.sqrt(np.prod(lowest)))
    assert there.run("final-s0").config["optimizer"]["lr"] == pytest.approx(2 * found.suggestion)
    assert found.varied == ("initialisation", "batch order")
    for old, said in (("minimum/10", "unknown rule 'min'"), ("linear", "mode must be exponential or linear")):
        text = (tmp_path / "mine.toml").read_text().replace(old, "min")
        (tmp_path / "wrong.toml").write_text(text)
        with pytest.raises(ConfigError, match=f"run 'range-sgd': {said}"):
            study(tmp_path / "wrong.toml")
