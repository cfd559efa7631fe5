"""What `passo note NAME` answers where NAME is neither a study nor a folder with a text."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from passo.cli import main


def test_a_folder_with_a_text_is_among_what_may_have_been_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my-text").mkdir()
    (tmp_path / "my-text" / "note.toml").write_text('study = "gone"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["passo", "note", "my-textt"])
    with suppress(SystemExit):
        main()
    told = " ".join("".join(capsys.readouterr()).split())
    assert "unknown study or text 'my-textt'. Did you mean 'my-text'?" in told
