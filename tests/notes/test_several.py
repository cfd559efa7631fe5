"""A note in several languages is written side by side; what goes wrong in one comes home."""

from __future__ import annotations

from pathlib import Path

import pytest

from passo.errors import StoreError
from passo.notes import write
from passo.notes.several import write_each

TEXT = (("00-title.md", "# Title\n\nSubtitle.\n"), ("10-one.md", "# One\n\nOf {{ epochs }} epochs.\n"))


def test_each_language_is_written_by_a_process_of_its_own_and_is_the_same_as_written_here(made_up, tmp_path):
    places = {lang: tmp_path / f"there-{lang}" for lang in ("en", "pt-BR")}
    told: list[str] = []
    made = write_each(made_up, places, told=lambda lang, written: told.append(lang), processes=2, own=TEXT)
    here = write_each(made_up, {lang: tmp_path / f"here-{lang}" for lang in places}, processes=1, own=TEXT)
    assert sorted(told) == ["en", "pt-BR"] and list(made) == ["en", "pt-BR"]
    for lang, written in made.items():
        assert written.html.parent == places[lang]
        assert written.html.read_bytes() == here[lang].html.read_bytes()
        assert f'lang="{lang}"' in written.html.read_text(encoding="utf-8")


def test_an_error_in_one_language_is_raised_here_and_the_other_is_written(made_up, tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "thesis.docx").touch()
    with pytest.raises(StoreError, match=r"holds other things \(thesis\.docx\)"):
        write_each(made_up, {"en": tmp_path / "en", "pt": tmp_path / "pt"}, processes=2, own=TEXT)
    assert (tmp_path / "pt" / "note.html").is_file()


@pytest.mark.parametrize("older", [False, True])
def test_ctrl_c_while_files_are_written_leaves_no_half_of_a_note(made_up, tmp_path, monkeypatch, older):
    out = tmp_path / "note"
    if older:
        write(made_up, out, own=TEXT)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    written = []

    def third(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt
        with path.open("wb") as file:
            return file.write(content)

    monkeypatch.setattr(Path, "write_bytes", third)
    with pytest.raises(KeyboardInterrupt):
        write(made_up, out, own=(*TEXT, ("20-two.md", "# Two\n\nMore.\n")))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert out.exists() == older
