"""ONNX: what another program computes from the file is what torch computes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from passo.errors import ConfigError, FolderInUse, MissingExtra
from passo.models import build
from passo.training.onnx_file import write_onnx
from passo.training.rebuilding import Description

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
torch.set_num_threads(1)


def described(name: str, shape: tuple[int, ...] | None = (1, 28, 28), task: str = "classify") -> Description:
    facts = {"name": name, "in_shape": shape, "outputs": 10, "task": task, "weights_sha256": "0" * 64}
    return Description.model_validate_json(json.dumps(facts))


def computed(path: Path, x: Tensor) -> Tensor:
    """What the file says, by onnx's own reference implementation in NumPy."""
    from onnx.reference import ReferenceEvaluator

    return torch.from_numpy(ReferenceEvaluator(str(path)).run(None, {"input": x.numpy()})[0])


@pytest.mark.parametrize(
    ("name", "shape", "options", "task"),
    [
        ("lenet", (1, 28, 28), {}, "classify"),
        ("cnn", (3, 16, 12), {"norm": "batch", "filters": [4, 6]}, "classify"),
        ("mlp", (5,), {"hidden": [7], "dropout": 0.5}, "regress"),
        pytest.param("gru", (1, 8, 8), {}, "classify", marks=pytest.mark.slow),
        pytest.param("lstm", (6, 3), {"layers": 2, "bidirectional": True}, "classify", marks=pytest.mark.slow),
        pytest.param("rnn", (6, 3), {}, "classify", marks=pytest.mark.slow),
        pytest.param("autoencoder", (1, 9, 9), {"kind": "convolutional"}, "reconstruct", marks=pytest.mark.slow),
        pytest.param("gan", (1, 8, 8), {}, "generate", marks=pytest.mark.slow),
    ],
)
def test_the_file_computes_what_torch_computes_for_any_batch(
    name: str, shape: tuple[int, ...], options: dict[str, Any], task: str, tmp_path: Path
) -> None:
    model = build(name, shape, 10, seed=2, **options).eval()
    path = write_onnx(tmp_path / "m.onnx", model, described(name, shape, task))
    for batch in (1, 2, 7):
        x = torch.randn(batch, *((model.latent,) if name == "gan" else shape))
        with torch.no_grad():
            wanted = model(x)
        torch.testing.assert_close(computed(path, x), wanted, atol=1e-5, rtol=1e-5)
    outputs = [output.name for output in onnx.load(path).graph.output]
    assert outputs == (["logits"] if task == "classify" else ["output"])
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]


def test_the_file_tells_shape_and_scaling_and_nothing_of_this_machine(tmp_path: Path) -> None:
    told = described("mlp", (5,))
    content = write_onnx(tmp_path / "m.onnx", build("mlp", (5,), 10, seed=0).eval(), told).read_bytes()
    (kept,) = [prop.value for prop in onnx.load(tmp_path / "m.onnx").metadata_props if prop.key == "passo"]
    assert Description.model_validate_json(kept) == told
    assert (
        b".py" not in content and str(Path.home()).encode() not in content and str(Path.cwd()).encode() not in content
    )


def test_exporting_is_silent_and_says_no_to_a_file_that_is_there(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = build("mlp", (5,), 10, seed=0).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_onnx(tmp_path / "m.onnx", model, described("mlp", (5,)))
    assert capfd.readouterr() == ("", "")
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(FolderInUse, match="m.onnx is there already"):
        write_onnx(tmp_path / "m.onnx", model, described("mlp", (5,)))
    assert (tmp_path / "m.onnx").read_text() == "mine"
    write_onnx(tmp_path / "m.onnx", model, described("mlp", (5,)), force=True)
    onnx.checker.check_model(str(tmp_path / "m.onnx"))


class Undecided(nn.Module):
    """Its path depends on its numbers, which no exporter can follow."""

    def forward(self, x: Tensor) -> Tensor:
        return x if bool(x.sum() > 0) else -x


def test_a_model_that_torch_cannot_export_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"torch cannot export model \(Undecided\) as ONNX") as told:
        write_onnx(tmp_path / "m.onnx", Undecided(), described("(Undecided)", (3,)))
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="whose shape was not recorded"):
        write_onnx(tmp_path / "m.onnx", Undecided(), described("(Undecided)", None))


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_the_extra_the_line_that_installs_it_is_said(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(MissingExtra, match=r"pip install 'passo\[onnx\]'"):
        write_onnx(tmp_path / "m.onnx", nn.Identity(), described("mlp", (5,)))
