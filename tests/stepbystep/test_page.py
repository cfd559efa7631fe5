"""The page "From the book to passo" runs from top to bottom as it stands, with warnings as errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "from-the-book.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_every_listing_of_the_page_runs_in_its_order(tmp_path: Path) -> None:
    assert len(BLOCKS) >= 5
    code = "import torch\ntorch.set_num_threads(1)\n" + "\n".join(BLOCKS)
    environment = {**os.environ, "MPLBACKEND": "Agg", "PASSO_ROOT": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(", 3, 144)")


def test_every_method_that_the_page_names_is_there() -> None:
    from passo.stepbystep import StepByStep

    told = re.findall(
        r"`(?:sbs\.)?((?:_|set_|save_|load_|lr_|capture_|add_|make_)\w+)", PAGE.read_text(encoding="utf-8")
    )
    known = set(dir(StepByStep)) | {"_gradients", "_parameters"}
    assert told and sorted(set(told) - known) == []
