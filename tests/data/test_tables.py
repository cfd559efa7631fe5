"""CSV files: numbers and classes come out as they went in; what is wrong is said with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from passo.data import load
from passo.data.tables import read, rows_of
from passo.errors import ConfigError, DataCorrupt, DataError, DataNotFound, UnknownName


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def houses(n: int = 20) -> str:
    return "area,rooms,price\n" + "".join(f"{50 + n},{n % 4},{1000.5 + n}\n" for n in range(n))


def test_numbers_are_predicted_from_the_other_columns_scaled_by_the_training_rows(tmp_path: Path) -> None:
    data = load("csv", folder=written(tmp_path, houses()), validation=4)
    assert data.task == "regress" and data.classes == () and data.outputs == 1 and data.in_shape == (2,)
    assert data.counts == {"train": 12, "validation": 4, "test": 4}
    x, y = data.train.images, data.train.labels
    assert x.shape == (12, 2) and x.dtype == y.dtype == torch.float32 and y.shape == (12, 1)
    assert x.double().mean(0).abs().max() < 1e-6 and (x.double().std(0, correction=0) - 1).abs().max() < 1e-6
    assert np.array_equal(data.train.raw[:, 0] - 50 + 1000.5, data.train.targets)  # rows stay together
    assert np.allclose(data.scaling.invert(x.double()), data.train.raw, atol=1e-4)
    every = np.concatenate([part.targets for part in (data.train, data.validation, data.test) if part is not None])
    assert sorted(every) == [1000.5 + n for n in range(20)]


def test_the_target_may_be_named_and_whole_numbers_may_be_classes(tmp_path: Path) -> None:
    data = load("csv", folder=written(tmp_path, houses(40)), target="rooms", task="classify", validation=None)
    assert data.classes == ("0", "1", "2", "3") and data.task == "classify" and data.train.counts == [8, 8, 8, 8]
    assert data.train.labels.dtype == torch.int64
    assert np.array_equal((data.train.raw[:, 0] - 50) % 4, data.train.targets)
    with pytest.raises(UnknownName, match="unknown column of .*t.csv 'prices'. Did you mean 'price'"):
        load("csv", folder=tmp_path / "t.csv", target="prices")


def test_text_is_classes_in_order_with_any_common_separator(tmp_path: Path) -> None:
    rows = [f"{n}.5;{'yes' if n % 3 else 'no'}" for n in range(12)]
    data = load(
        "csv", folder=written(tmp_path, "\ufeffheight;tall\r\n" + "\r\n".join(rows) + "\r\n\r\n"), validation=None
    )
    assert (
        data.classes == ("no", "yes") and sorted(data.train.raw[:, 0].tolist() + data.test.raw[:, 0].tolist())[0] == 0.5
    )
    data = load("csv", folder=tmp_path / "t.csv", classes=["yes", "no"], imbalance=2, validation=None)
    assert data.classes == ("yes", "no") and data.train.counts[0] == 2 * data.train.counts[1]


def test_a_folder_of_two_files_is_the_two_parts(tmp_path: Path) -> None:
    written(tmp_path, "x,kind\n1,a\n2,b\n3,a\n4,b\n", "train.csv")
    written(tmp_path, "x,kind\n5,b\n6,a\n", "test.csv")
    data = load("csv", folder=tmp_path, validation=None, scale="none")
    assert data.train.raw[:, 0].tolist() == [1, 2, 3, 4] and data.test.targets.tolist() == [1, 0]
    written(tmp_path, "x,kind\n5,b\n6,c\n", "test.csv")
    with pytest.raises(DataCorrupt, match="test.csv, line 3, column 'kind': class 'c' is not in the training file"):
        load("csv", folder=tmp_path)
    written(tmp_path, "y,kind\n5,b\n6,a\n", "test.csv")
    with pytest.raises(DataCorrupt, match="test.csv, line 1: expected the same header"):
        load("csv", folder=tmp_path)


@pytest.mark.parametrize(("scale", "low", "high"), [("normalize", 0, 1), ("symmetric", -1, 1), ("none", 50, 69)])
def test_each_way_of_scaling_measures_the_columns(tmp_path: Path, scale: str, low: float, high: float) -> None:
    x = load("csv", folder=written(tmp_path, houses()), validation=None, scale=scale).train.images[:, 0]
    assert low <= x.min() and x.max() <= high and (scale == "none" or (x.min() == low and x.max() == high))


def test_a_column_of_one_value_is_centred_and_stays_finite(tmp_path: Path) -> None:
    text = "c,x,y\n" + "".join(f"0.1,{n},{n}\n" for n in range(10))
    x = load("csv", folder=written(tmp_path, text), validation=None).train.images
    assert x[:, 0].abs().max() < 1e-6 and x.isfinite().all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a header and two or more rows"),
        ("a,b\n1,2\n", "found 1 rows"),
        ("a\n1\n2\n", "line 1: expected the names of two or more columns, found 1"),
        ("a,,c\n1,2,3\n4,5,6\n", "line 1: column 2 has no name"),
        ("a,b,a\n1,2,3\n4,5,6\n", "line 1: two columns are named 'a'"),
        ("1,2\n3,4\n5,6\n", "line 1: .*only numbers: add a header"),
        ("a,b\n1,2\n3\n5,6\n", "line 3: expected 2 columns, found 1"),
        ("a,b\n1,2\n3,4,5\n", "line 3: expected 2 columns, found 3"),
        ("a,b\n1,2\n,4\n5,6\n", "line 3, column 'a': the value is missing"),
        ("a,b\n1,2\nNaN,4\n5,6\n", "line 3, column 'a': the value is missing"),
        ("a,b\n1,2\n3,4\n?,6\n", "line 4, column 'a': the value is missing"),
        ("a,b\n1,2\nred,4\n5,6\n", "line 3, column 'a': expected a number, found 'red'"),
        ("a,b\n1,2\ninf,4\n5,6\n", "line 3, column 'a': expected a number, found 'inf'"),
        ("a,b\n1_000,2\n3,4\n5,6\n", "line 2, column 'a': expected a number, found '1_000'"),
        ('a,b\n"1\n",2\n"3",4\nx,6\n', "line 5, column 'a': expected a number"),
        ('a,b\n1,2\n"3,4\n', "line 3: "),
        ("a,b\n1,x\n2,y\n3,z\n4,w\n", "column 'b' has 4 different values in 4 rows, which are no classes"),
        ("a,b\n1,x\n2,y\n3,\n4,x\n5,y\n", "line 4, column 'b': the class is missing"),
        ("a,b\n1,x\n2,x\n3,x\n4,x\n5,x\n", "column 'b' has 1 different values"),
    ],
)
def test_what_is_wrong_is_said_with_its_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataCorrupt, match=words) as caught:
        load("csv", folder=written(tmp_path, text))
    assert str(tmp_path / "t.csv") in str(caught.value) and "\n" not in str(caught.value)


def test_other_text_and_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("a,b\n1,2\n3,é\n".encode("latin-1"))
    with pytest.raises(DataCorrupt, match="line 3: expected text in UTF-8"):
        load("csv", folder=tmp_path / "t.csv")
    with pytest.raises(DataNotFound, match="no such file"):
        load("csv", folder=tmp_path / "u.csv")
    with pytest.raises(ConfigError, match="dataset.folder=PATH"):
        load("csv")


def test_what_tables_do_not_have_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, houses())
    for options in (
        {"classes": ["a", "b"]},
        {"per_class": 2},
        {"imbalance": 3},
        {"perturb": {"shift": 1}},
        {"size": 8},
    ):
        with pytest.raises(ConfigError):
            load("csv", folder=path, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="target is an option of csv, not of fashion-mnist-sample"):
        load("fashion-mnist-sample", target="x")


@given(st.binary(max_size=120) | st.text(alphabet='ab1,;\t\n\r"\0. -', max_size=80).map(str.encode))
def test_any_bytes_are_a_table_or_one_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        table = read(path)
        load("csv", folder=path, validation=None)
    except (DataError, ConfigError) as error:
        assert "\n" not in str(error)
    else:
        assert len(table.rows) >= 2


# ── Rows to predict ───────────────────────────────────────────────────────────────────────────────────────


def test_the_facts_name_the_columns_in_the_order_in_which_they_are_read(tmp_path: Path) -> None:
    text = "a,price,b\n" + "".join(f"{n},{n},{n}\n" for n in range(10))
    facts = json.loads(json.dumps(load("csv", folder=written(tmp_path, text), target="price").facts()))
    assert (facts["columns"], facts["target"], facts["task"]) == (["a", "b"], "price", "regress")
    images = load("fashion-mnist-sample").facts()
    assert images["task"] == "classify" and "columns" not in images and "target" not in images


def test_rows_to_predict_may_have_their_columns_in_any_order_and_others_beside_them(tmp_path: Path) -> None:
    lines, rows = rows_of(written(tmp_path, "b;note;a\n1;x;2\n\n3;y;4.5\n"), ("a", "b"))
    assert lines == [2, 4] and rows.tolist() == [[2, 1], [4.5, 3]]
    assert rows_of(written(tmp_path, "a\n7\n"), ("a",))[1].tolist() == [[7]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,c\n1,2\n", "line 1: the column 'b' is missing; expected a, b"),
        ("a,b\n", "expected a header and one or more rows, found 0 rows"),
        ("a,b\n1,red\n", "line 2, column 'b': expected a number, found 'red'"),
        ("a,b\n,2\n", "line 2, column 'a': the value is missing"),
    ],
)
def test_rows_that_cannot_be_predicted_are_said_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataCorrupt, match=words):
        rows_of(written(tmp_path, text), ("a", "b"))
