"""A saved model: rebuilt to the same bits, and nothing in a stranger's folder runs, hangs or fills the memory."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from passo.data import Scaling
from passo.errors import CheckpointError, ConfigError, FolderInUse, PassoError, SchemaMismatch
from passo.models import MODELS, build, model_options
from passo.training.machine import weights_sha256
from passo.training.rebuilding import Description, rebuilt
from passo.training.saved import is_saved, read_model, write_model

torch.set_num_threads(1)
SCALING = Scaling("standardize", 255.0, 0.3, 0.35)


def described(model: nn.Module, name: str, shape: tuple[int, ...] = (1, 28, 28), **options: Any) -> Description:
    options = {**model_options(name), **options} if name in MODELS else options
    digest = weights_sha256(model)
    facts = {"name": name, "options": options, "in_shape": shape, "outputs": 10, "weights_sha256": digest}
    return Description.model_validate_json(json.dumps(facts))


def saved(folder: Path, name: str = "tiny-cnn", shape: tuple[int, ...] = (1, 28, 28), **options: Any) -> nn.Module:
    model = build(name, shape, 10, seed=1, **options)
    write_model(folder, described(model, name, shape, **options), model.state_dict())
    return model


CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("lenet", (1, 28, 28), {}),
    ("lenet", (3, 32, 40), {"channels_last": False}),
    ("mlp", (7,), {"hidden": [5, 4], "norm": "batch", "init": "orthogonal"}),
    ("cnn", (3, 32, 32), {"norm": "group", "dropout": 0.2}),
    ("cnn2", (1, 28, 28), {}),
    ("line", (1,), {}),
    ("lstm", (1, 28, 28), {"layers": 2, "bidirectional": True}),
    ("gru", (12, 3), {}),
    ("rnn", (12, 3), {"activation": "relu"}),
    ("autoencoder", (1, 28, 28), {"kind": "convolutional", "bottleneck": 2}),
    ("gan", (1, 28, 28), {"kind": "convolutional"}),
]


@pytest.mark.parametrize(("name", "shape", "options"), CASES, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(CASES)])
def test_every_model_comes_back_with_the_same_weights_in_the_same_order_of_memory(
    name: str, shape: tuple[int, ...], options: dict[str, Any], tmp_path: Path
) -> None:
    model = saved(tmp_path / "m", name, shape, **options)
    before = torch.get_rng_state()
    again, told = read_model(tmp_path / "m")
    assert torch.equal(torch.get_rng_state(), before) and not again.training
    assert told.name == name and told.in_shape == shape
    own, other = model.state_dict(), again.state_dict()
    assert list(own) == list(other) and all(torch.equal(own[key], other[key]) for key in own)
    assert all(own[key].stride() == other[key].stride() for key in own)


def test_a_description_keeps_the_usual_options_too_and_every_fact(tmp_path: Path) -> None:
    model = build("cnn2", seed=0)
    facts = {"classes": tuple("abcdefghij"), "scaling": SCALING, "trained": {"run": "r", "test/accuracy": 0.5}}
    told = described(model, "cnn2").model_copy(update=facts)
    _, read = read_model(write_model(tmp_path / "m", told, model.state_dict()))
    assert read == told and read.options == {"filters": 16, "kernel": 3, "units": 50, "dropout": 0.3}
    colour = told.model_copy(update={"in_shape": (3, 28, 28), "scaling": Scaling("s", 255.0, (0.1, 0.2, 0.3), 1.0)})
    assert Description.model_validate_json(colour.model_dump_json()) == colour


class Tied(nn.Module):
    """Two names for one tensor, and a channels-last weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.conv = nn.Conv2d(2, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def test_tied_tensors_are_kept_once_and_other_programs_read_the_rest_in_the_usual_order(tmp_path: Path) -> None:
    model = Tied()
    write_model(tmp_path / "m", described(model, "(Tied)"), model.state_dict())
    kept = load_file(tmp_path / "m" / "model.safetensors")
    assert set(kept) == set(model.state_dict()) - {"second.weight"}
    assert torch.equal(kept["conv.weight"], model.conv.weight) and kept["conv.weight"].is_contiguous()
    assert json.loads((tmp_path / "m" / "model.json").read_text())["tied"] == {"second.weight": "first.weight"}
    other = Tied()
    weight = other.first.weight.clone()
    again, _ = read_model(tmp_path / "m", other)
    assert isinstance(again, Tied) and again.second.weight is again.first.weight
    assert torch.equal(again.first.weight, model.first.weight)
    assert torch.equal(other.first.weight, weight), "the caller's own module is not changed"


# ── A model of somebody's own ─────────────────────────────────────────────────────────────────────────────


def own_file_at(folder: Path, body: str = "nn.Linear(in_shape[0], classes)") -> str:
    (folder / "net.py").write_text(
        f"from pathlib import Path\nfrom torch import nn\nPath({str(folder / 'ran')!r}).touch()\n"
        f"def build(in_shape, classes):\n    return {body}\n"
    )
    return f"{folder / 'net.py'}:build"


def test_no_file_is_run_because_a_description_names_it(tmp_path: Path) -> None:
    name, model = own_file_at(tmp_path), nn.Linear(4, 10)
    write_model(tmp_path / "m", described(model, name, (4,)), model.state_dict())
    with pytest.raises(ConfigError, match="passo runs no code because a file names it: hand it over again"):
        read_model(tmp_path / "m")
    assert not (tmp_path / "ran").exists()
    again, _ = read_model(tmp_path / "m", name)
    assert (tmp_path / "ran").exists() and torch.equal(again.state_dict()["weight"], model.weight)
    assert torch.equal(read_model(tmp_path / "m", nn.Linear(4, 10))[0].state_dict()["weight"], model.weight)


def test_a_file_that_has_changed_is_told_and_one_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    name, model = own_file_at(tmp_path), nn.Linear(4, 10)
    told = described(model, name, (4,)).model_copy(update={"file_sha256": "0" * 64})
    write_model(tmp_path / "m", told, model.state_dict())
    with pytest.warns(UserWarning, match="net.py is not as it was when this model was trained"):
        read_model(tmp_path / "m", name)
    with pytest.raises(CheckpointError, match="bias is only in one of them"):
        read_model(tmp_path / "m", nn.Linear(4, 10, bias=False))
    with pytest.raises(CheckpointError, match=r"weight has shape \(10, 4\), and the model's is \(10, 5\)"):
        read_model(tmp_path / "m", nn.Linear(5, 10))


@pytest.mark.parametrize("name", ["os:system", "torch.hub.load", "builtins.eval", "../net.py:build", "(Linear)", ""])
def test_a_name_that_passo_does_not_know_is_not_looked_for(name: str, tmp_path: Path) -> None:
    saved(tmp_path / "m")
    with pytest.raises(ConfigError, match="hand it over again"):
        read_model(changed(tmp_path / "m", name=name))


# ── Damaged and malicious folders ─────────────────────────────────────────────────────────────────────────


def changed(folder: Path, **facts: Any) -> Path:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))
    return folder


def test_a_changed_weight_is_found_by_the_hash(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    weights = load_file(path)
    weights["fc1.bias"][0] += 1e-6
    save_file(weights, path)
    with pytest.raises(CheckpointError, match="damaged or others: their SHA-256 is not the recorded one"):
        read_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"in_shape": [1, 30, 30]}, "fc1.weight has shape"),
        ({"in_shape": [1, 2**15, 2**15]}, "not the weights of model tiny-cnn"),
        ({"in_shape": [2**40, 2**40, 1]}, "in_shape must have at most"),
        ({"in_shape": [0, 28, 28]}, "in_shape"),
        ({"in_shape": "28"}, "in_shape"),
        ({"outputs": 2**40}, "not the weights of model tiny-cnn"),
        ({"outputs": True}, "outputs"),
        ({"name": "lenet"}, "not the weights of model lenet"),
        ({"name": "lstm", "options": {"layers": 10**9}}, "more layers than there are weights"),
        ({"name": "mlp", "options": {"hidden": [10**6, 10**6]}}, "not the weights of model mlp"),
        ({"name": 3}, "name"),
        ({"options": {"filters": 3}}, "filters"),
        ({"weights_sha256": "0" * 63}, "weights_sha256"),
        ({"weights_sha256": "0" * 64}, "not the recorded one"),
        ({"classes": ["a", "b"]}, "outputs must be 2, one for each class, got 10"),
        ({"scaling": {"name": "s", "divisor": 0.0, "mean": 0.0, "sd": 1.0}}, "scaling.divisor must not be 0"),
        ({"scaling": {"name": "s", "divisor": 1.0, "mean": [0.0, 1.0], "sd": 1.0}}, "scaling.mean must be finite, one"),
        ({"scaling": {"name": "s", "sd": float("nan")}}, "scaling.sd must be finite"),
        ({"scaling": 3}, "scaling"),
        ({"columns": ["a"]}, "columns must be as many"),
        ({"tied": []}, "tied must map names to names"),
        ({"tied": {"x": 3}}, "tied must map names to names"),
        ({"tied": {"x": "y"}}, "lacks y, to which another tensor is tied"),
        ({"tied": {"x": "fc1.bias"}}, "x is only in one of them"),
        ({"version": 2}, "has version 2; this passo reads version 1"),
        ({"passo": "checkpoint"}, "does not describe a model"),
    ],
)
def test_a_malformed_description_is_refused_in_one_sentence(facts: dict[str, Any], words: str, tmp_path: Path) -> None:
    saved(tmp_path / "m")
    with pytest.raises(PassoError, match=words) as told:
        read_model(changed(tmp_path / "m", **facts))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"[]", b"3", b"\xff\xfe", b'{"passo": "model"}'])
def test_a_file_that_is_no_description_is_refused(text: bytes, tmp_path: Path) -> None:
    saved(tmp_path / "m")
    (tmp_path / "m" / "model.json").write_bytes(text)
    with pytest.raises((CheckpointError, SchemaMismatch)):
        read_model(tmp_path / "m")


@pytest.mark.parametrize("content", [b"", b"{}", struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", 2) + b"{}"])
def test_damaged_weights_are_refused(content: bytes, tmp_path: Path) -> None:
    saved(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError):
        read_model(tmp_path / "m")


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    saved(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"cannot read .*model.safetensors"):
        read_model(tmp_path / "m")
    assert is_saved(tmp_path / "m") and not is_saved(tmp_path)
    with pytest.raises(CheckpointError, match="is no saved model: it has no model.json"):
        read_model(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(key=st.sampled_from([*Description.model_fields, "tied", "version", "passo"]), value=VALUES)
def test_no_value_of_any_key_leads_to_another_error_than_passo_s_own(
    key: str, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "malformed"
    if not is_saved(folder):
        saved(folder)
    whole = (folder / "model.json").read_text()
    try:
        read_model(changed(folder, **{key: value}))
    except PassoError as told:
        assert "\n" not in str(told)
    finally:
        (folder / "model.json").write_text(whole)


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_holds_anything_is_refused_and_with_force_only_the_two_files_change(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    model = saved(tmp_path / "m")  # an empty folder is free
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with pytest.raises(FolderInUse, match="m is there already"):
        saved(tmp_path / "m")
    write_model(tmp_path / "m", described(model, "tiny-cnn"), model.state_dict(), force=True)
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["model.json", "model.safetensors", "notes.txt"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="cannot write"):
        write_model(tmp_path / "file", described(model, "tiny-cnn"), model.state_dict(), force=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_fills_leaves_no_description_of_half_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = saved(tmp_path / "m")

    def full(path: Path, write: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("passo.training.saved.write_whole", full)
    with pytest.raises(CheckpointError, match="cannot write .*: no space left on device"):
        write_model(tmp_path / "m", described(model, "tiny-cnn"), model.state_dict(), force=True)
    assert not is_saved(tmp_path / "m")


def test_rebuilding_needs_no_files_at_all() -> None:
    model = build("mlp", (4,), 10, seed=3)
    again = rebuilt(described(model, "mlp", (4,)), model.state_dict())
    x = torch.randn(5, 4)
    assert torch.equal(again(x), model.eval()(x))
