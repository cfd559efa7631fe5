"""A note of a study that was forged is made, or refused in one sentence that names the study."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "malformed"))

from damage import Place, forgeries, put, tried

from passo.errors import StoreError
from passo.notes import make, write
from passo.store import DATABASE, StoredStudy, open_study, understood


@pytest.mark.slow
def test_a_note_of_a_forged_study_is_made_or_refused(made_up: StoredStudy, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    shutil.copytree(made_up.folder, folder)
    content = (folder / DATABASE).read_bytes()

    def use(change: tuple[Place, object]) -> None:
        (folder / DATABASE).write_bytes(content)
        put(folder, *change)
        with understood(folder):
            make(open_study(folder))

    tried(forgeries(folder), use, 15)


def test_a_note_says_which_study_it_cannot_understand(made_up: StoredStudy, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    shutil.copytree(made_up.folder, folder)
    put(folder, ("study", "value", "data"), [])
    with pytest.raises(StoreError, match="cannot be understood: it is damaged, or passo did not write it so") as told:
        write(open_study(folder), tmp_path / "note")
    assert str(folder) in str(told.value) and not (tmp_path / "note").exists()
