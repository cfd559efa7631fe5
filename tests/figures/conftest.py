"""The invented study of the analysis tests, once for all tests of this folder."""

import sys
from pathlib import Path

import pytest

from passo.store import StoredStudy

sys.path.append(str(Path(__file__).resolve().parents[1] / "analysis"))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> StoredStudy:
    from synthetic_study import write

    return write(tmp_path_factory.mktemp("figures") / "study", libraries=True)
