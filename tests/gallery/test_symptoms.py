"""Every defect of the gallery shows what it is said to, against its twin; the numbers stand far from the borders."""

import numpy as np
import pytest

from passo import gallery
from passo.diagnosis import Evidence
from passo.figures.instruments import INSTRUMENTS
from passo.figures.panels import STEP

CHANCE = 2.25  # a loss near ln 10 = 2.30


def level(run, name="train/loss", last=20):
    return float(np.nanmean(run.metric(name).values[-last:]))


def rows(run, name):
    return run.metric(name).values


def around(run):
    return run.info["watch"]["around"]


def stage(run, name, quantity):
    """A stage's statistic: (steps, parameters)."""
    meta = run.meta("statistics")
    return run.array("statistics")[:, meta["stages"].index(name), :, meta["quantities"].index(quantity)]


SHOWS = {
    "zero-grad": lambda b, h: level(b) > 3 * level(h),
    "schedule-per-epoch": lambda b, h: rows(b, "lr").max() < 0.1 * rows(h, "lr").max() and level(b) > level(h) + 0.3,
    "schedule-per-batch": lambda b, h: rows(b, "lr")[-1] < 1e-6 * rows(b, "lr")[0] and level(b) > level(h) + 0.5,
    "schedule-elsewhere": lambda b, h: (
        not around(b)["schedules"][0]["own"]
        and np.ptp(rows(b, "lr")) == 0
        and rows(h, "lr")[-1] < 0.01 * rows(h, "lr")[0]
        and level(b) > level(h)
    ),
    "lr-high": lambda b, h: b.status == "diverged",
    "lr-low": lambda b, h: level(b) > level(h) + 1,
    "clipping": lambda b, h: level(b) > CHANCE,
    "decay": lambda b, h: level(b) > level(h) + 0.5,
    "underflow": lambda b, h: level(b) > 2 * level(h),
    "training-in-eval": lambda b, h: "eval-mode" in {data.get("what") for *_, data in b.events()},
    "evaluating-in-train": lambda b, h: (
        around(b)["witness"]["evaluation_in_train_mode"] > 0
        and rows(b, "validation/loss")[-1] > rows(h, "validation/loss")[-1] + 0.05
    ),
    "labels-shuffled": lambda b, h: level(b) > CHANCE,
    "labels-off-by-one": lambda b, h: level(b) < level(h) + 0.2 and rows(b, "validation/accuracy")[-1] < 0.05,
    "leak": lambda b, h: (
        around(b)["witness"]["shared"] > 300
        and rows(b, "validation/accuracy")[-1] > rows(b, "test/accuracy")[-1] + 0.02
    ),
    "unscaled": lambda b, h: b.array("witness")[:, 4].max() == 255 and level(b) > CHANCE,
    "sorted": lambda b, h: b.array("witness")[:, 5].max() < 0.7 and level(b) > level(h) + 1,
    "imbalance": lambda b, h: rows(b, "validation/accuracy")[-1] < rows(h, "validation/accuracy")[-1] - 0.1,
    "overfitting": lambda b, h: rows(b, "validation/loss")[-1] > 1.5 * rows(b, "validation/loss").min(),
    "softmax": lambda b, h: b.array("witness")[:, 8].min() == 1 and level(b) > 1.46,
    "missing-parameters": lambda b, h: len(around(b)["lacking"]) >= 4 and level(b) > level(h) + 0.5,
    "frozen": lambda b, h: len(around(b)["frozen"]) >= 4 and level(b) > level(h) + 0.5,
    "zero-init": lambda b, h: level(b) > CHANCE,
    "dead-relu": lambda b, h: level(b) > CHANCE,
    "exploding": lambda b, h: b.status == "diverged" and rows(b, "train/loss")[0] > 2 * rows(h, "train/loss")[0],
    "vanishing": lambda b, h: level(b) > CHANCE and level(h) < 1.5,
    "batch-of-one": lambda b, h: (
        b.array("witness")[:, 0].max() == 1 and rows(b, "validation/loss")[-1] > rows(h, "validation/loss")[-1] + 0.05
    ),
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tmp_path_factory.mktemp("symptoms") / "gallery"


def test_each_defect_has_its_symptom_named():
    assert set(SHOWS) == set(gallery.DEFECTS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")
@pytest.mark.parametrize("key", gallery.DEFECTS)
def test_a_defect_shows_its_symptom_in_its_numbers_and_in_its_instrument(key, study):
    defect = gallery.DEFECTS[key]
    model = defect.models[0]
    twin = gallery.make(defect.twin, model, 0, study)
    assert twin.status == "done"
    broken = gallery.make(key, model, 0, study)
    assert SHOWS[key](broken, twin)
    assert defect.detector not in INSTRUMENTS or apart(INSTRUMENTS[defect.detector], broken, twin)


def apart(instrument, broken, healthy):
    """Whether the instrument's picture tells both runs from each other: over steps by their medians, else anywhere."""
    values = [instrument.read(Evidence(run))[1] for run in (broken, healthy)]
    if instrument.axis == STEP:
        values = [np.nanmedian(found, keepdims=True) for found in values]
    return (abs(values[0] - values[1]) > 0.3 * np.maximum(*map(abs, values))).any()
