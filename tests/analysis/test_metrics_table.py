"""The metrics of runs as a table: nothing lost, nothing twice, and read back by other programs as it was written."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from passo.analysis.metrics_table import metrics_table
from passo.errors import ConfigError, FolderInUse, MissingExtra, StoreError
from passo.store import Store, StoredStudy, open_study

RECORDED = {  # run → metric → {step: value}
    "adam-s0": {"train/loss": {1: 2.5, 2: 0.1 + 0.2, 3: math.nan}, "validation/loss": {3: 1e-300}},
    "adam-s1": {"train/loss": {1: math.inf}},
    "sgd": {"lr": {2: -0.5}},
}


def study(folder: Path, name: str = "adam") -> StoredStudy:
    with Store.create(folder, name="three", config={}) as store:
        for seed in (0, 1):
            run = store.add_run(name, config={}, seed=seed)
            for metric, values in RECORDED[f"adam-s{seed}"].items():
                for step, value in values.items():
                    run.scalars(step, step / 3, {metric: value})
            run.finish()
        run = store.add_run("sgd", config={})
        run.scalars(2, 0.5, {"lr": -0.5})
        run.finish()
    return open_study(folder)


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def test_the_long_form_holds_each_recorded_value_once(tmp_path: Path) -> None:
    path = metrics_table(study(tmp_path / "s")).save(tmp_path / "m.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["run"], row["metric"], int(row["step"])): float(row["value"]) for row in rows}
    wanted = {
        (r, m, s): v for r, metrics in RECORDED.items() for m, values in metrics.items() for s, v in values.items()
    }
    assert len(rows) == len(wanted) == 6 and set(found) == set(wanted)
    assert all(same(found[key], wanted[key]) for key in wanted)
    first = rows[0]
    assert (first["configuration"], first["seed"], float(first["epoch"])) == ("adam", "0", 1 / 3)
    assert rows[-1]["seed"] == ""


def test_the_wide_form_has_one_row_a_step_and_empty_cells_where_nothing_was_recorded(tmp_path: Path) -> None:
    path = metrics_table(study(tmp_path / "s"), wide=True).save(tmp_path / "w.csv")
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["run", "configuration", "seed", "step", "epoch", "lr", "train/loss", "validation/loss"]
    assert [row[0:4] + row[5:] for row in rows] == [
        ["adam-s0", "adam", "0", "1", "", "2.5", ""],
        ["adam-s0", "adam", "0", "2", "", "0.30000000000000004", ""],
        ["adam-s0", "adam", "0", "3", "", "NaN", "1e-300"],
        ["adam-s1", "adam", "1", "1", "", "inf", ""],
        ["sgd", "sgd", "", "2", "-0.5", "", ""],
    ]


def test_one_run_is_asked_for_by_its_path_or_as_an_object(tmp_path: Path) -> None:
    stored = study(tmp_path / "s")
    named = metrics_table(tmp_path / "s" / "sgd")
    assert named == metrics_table(stored.run("sgd")) == metrics_table([stored.run("sgd")])
    assert named.columns["run"] == ["sgd"] and len(metrics_table(str(tmp_path / "s"))) == 6


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    table = metrics_table(study(tmp_path / "s"))
    (tmp_path / "m.csv").write_text("mine")
    with pytest.raises(FolderInUse, match="m.csv is there already"):
        table.save(tmp_path / "m.csv")
    assert (tmp_path / "m.csv").read_text() == "mine"
    table.save(tmp_path / "m.csv", force=True)
    assert (tmp_path / "m.csv").read_text().startswith("run,configuration")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "s"]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = metrics_table(study(tmp_path / "s"))
    (tmp_path / "m.csv").write_text("mine")

    def full(value: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("passo.analysis.metrics_table._cell", full)
    with pytest.raises(StoreError, match="cannot write .*m.csv: no space left on device"):
        table.save(tmp_path / "m.csv", force=True)
    assert (tmp_path / "m.csv").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "s"]


def test_a_name_that_a_spreadsheet_would_run_is_text_and_other_letters_survive(tmp_path: Path) -> None:
    plain = metrics_table(study(tmp_path / "a")).save(tmp_path / "a.csv").read_bytes()
    risky = metrics_table(study(tmp_path / "b", "=1+1")).save(tmp_path / "b.csv").read_text()
    other = metrics_table(study(tmp_path / "c", "ação")).save(tmp_path / "c.csv").read_bytes()
    assert risky.splitlines()[1].startswith("'=1+1-s0,'=1+1,0,")
    assert plain.startswith(b"run,") and other.startswith(b"\xef\xbb\xbfrun,")
    assert "ação-s0,ação,0" in other.decode("utf-8-sig")


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    table = metrics_table(study(tmp_path / "s"))
    with pytest.raises(ConfigError, match="written as .csv or .parquet, got 'm.xlsx'"):
        table.save(tmp_path / "m.xlsx")
    with Store.create(tmp_path / "e", name="e", config={}) as store:
        store.add_run("silent", config={}).finish()
    with pytest.raises(StoreError, match="no metric was recorded in silent"):
        metrics_table(tmp_path / "e")
    with Store.create(tmp_path / "f", name="f", config={}) as store:
        run = store.add_run("odd", config={})
        run.scalars(1, 1.0, {"epoch": 1.0})
        run.finish()
    assert len(metrics_table(tmp_path / "f")) == 1
    with pytest.raises(ConfigError, match="a metric is called 'epoch'"):
        metrics_table(tmp_path / "f", wide=True)


def test_parquet_without_pyarrow_says_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'passo\[parquet\]'"):
        metrics_table(study(tmp_path / "s")).save(tmp_path / "m.parquet")
    assert not (tmp_path / "m.parquet").exists()


@pytest.mark.parametrize("wide", [False, True])
def test_parquet_holds_the_same_columns_with_empty_cells_and_nan_told_apart(tmp_path: Path, wide: bool) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = metrics_table(study(tmp_path / "s"), wide=wide)
    read = parquet.read_table(table.save(tmp_path / "m.parquet"))
    assert repr(read.to_pydict()) == repr(table.columns)  # repr: NaN is not equal to itself
    assert str(read.schema.field("step").type) == "int64" and read["seed"].null_count == 1


def test_pandas_takes_the_columns_and_the_file_alike(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = metrics_table(study(tmp_path / "s"))
    frame = pandas.read_csv(table.save(tmp_path / "m.csv"))
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame(table.columns), check_dtype=False)
