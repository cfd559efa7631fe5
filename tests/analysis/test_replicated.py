"""The table of differences, on made-up studies: it has every printed number that ours is not, and no other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from passo.analysis.replicated import departures, replicated
from passo.analysis.replication_page import markdown
from passo.errors import StoreError, UnknownName
from passo.store import Store, StoredStudy, open_study
from passo.studies.published import METRICS, published_note

Columns = Mapping[str, Sequence[float]]
KERNELS = {"torch": "AVX2", "MKL_CBWR": "AVX2", "PASSO_MKL_VENDOR": "GenuineIntel"}


def study(folder: Path, runs: Mapping[str, Columns], shared: Sequence[str] = ()) -> StoredStudy:
    """A replication with these numbers for each column and epoch; each epoch took two seconds."""
    with Store.create(folder, name="published-note-exact", config={"threads": 1, "kernels": KERNELS}) as store:
        store.facts(environment={"torch": "2.13.0", "platform": "Linux"})
        for name, columns in runs.items():
            run = store.add_run(name, config={})
            for epoch in range(1, len(columns["train_loss"]) + 1):
                run.scalars(938 * epoch, epoch, {METRICS[key]: values[epoch - 1] for key, values in columns.items()})
                run.event("epoch", "", 938 * epoch, seconds=2.0, shared="another" if name in shared else None)
            run.finish()
    return open_study(folder)


def printed(name: str) -> dict[str, list[float]]:
    (run,) = published_note().chosen([name])
    return {column: list(values) for column, values in run.printed.items()}


def test_a_number_differs_exactly_where_its_printed_digits_do() -> None:
    published = {"val_loss": [0.7229, 0.6484], "lr": [0.000909, 0.0]}
    same = {"val_loss": [0.72294, 0.64836], "lr": [0.0009090909, 1e-7]}
    assert list(departures("a", published, same)) == []
    other = {"val_loss": [0.72296, 0.6484], "lr": [0.0009090909, 1e-6]}
    found = [(one.epoch, one.column, one.published, one.ours) for one in departures("a", published, other)]
    assert found == [(1, "val_loss", "0.7229", "0.7230"), (2, "lr", "0.000000", "0.000001")]


def test_all_runs_as_they_were_printed_leave_an_empty_table(tmp_path: Path) -> None:
    names = published_note().names
    found = replicated(study(tmp_path / "s", {name: printed(name) for name in names}, shared=names[5:9]))
    assert (found.departures, found.whole, found.epochs) == ((), True, 190)
    assert found.numbers == sum(len(run.printed) * run.epochs for run in published_note().runs) == 890
    assert found.trained == 190 - 40
    assert found.sentence() == "Of all 14 runs, all 890 printed numbers are ours, to the last digit."
    assert "Empty: no printed number differs." in markdown(found)


def test_one_digit_changed_is_one_row_that_names_run_epoch_and_column(tmp_path: Path) -> None:
    ours = printed("20-epochs-adam")
    ours["val_accuracy"][6] += 0.0002
    found = replicated(study(tmp_path / "s", {"20-epochs-adam": ours}))
    (one,) = found.departures
    assert (one.run, one.epoch, one.column, one.published, one.ours) == (
        "20-epochs-adam", 7, "val_accuracy", "0.8045", "0.8047",
    )  # fmt: skip
    assert one.size == pytest.approx(0.0002)
    assert "79 of 80 printed numbers are ours; 1 differ" in found.sentence()
    assert "| 20-epochs-adam | 7 | val_accuracy | 0.8045 | 0.8047 |" in markdown(found)


def test_an_interrupted_replication_is_compared_as_far_as_it_came(tmp_path: Path) -> None:
    part = {column: values[:3] for column, values in printed("optimisers-adam").items()}
    found = replicated(study(tmp_path / "s", {"optimisers-adam": part}))
    assert (found.whole, found.epochs, found.numbers, found.seconds) == (False, 3, 15, 6.0)
    assert "Of the 3 epochs that are there, all 15" in found.sentence()
    row = next(row for row in found.by_run().rows if row[0] == "optimisers-adam")
    assert row[1] == "3 of 10"


def test_the_page_tells_other_kernels_and_their_largest_difference(tmp_path: Path) -> None:
    ours = printed("optimisers-adam")
    ours["train_loss"][1] += 0.0123
    found = replicated(study(tmp_path / "a", {"optimisers-adam": printed("optimisers-adam")}))
    other = replicated(study(tmp_path / "b", {"optimisers-adam": ours}))
    rows = [line for line in markdown(found, [other]).splitlines() if line.startswith("| AVX2 |")]
    assert rows[0].endswith("| 10 | 50 | 0 | – | – |")
    assert rows[1].endswith("| 10 | 50 | 1 | 0.0123 | epoch 2, optimisers-adam |")
    assert "Of the 2 tried here, 1 gives every printed number." in markdown(found, [other])


def test_a_study_of_something_else_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", name="demo", config={}) as store:
        store.add_run("adam", config={}).finish()
    with pytest.raises(StoreError, match="is no replication of the published note: passo replicate makes one"):
        replicated(open_study(tmp_path / "s"))


def test_an_unknown_run_of_the_note_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="20-epochs-adam-lambda"):
        published_note().chosen(["20-epochs-adam-lamda"])
