"""The tests of this folder share a task of which the truth is known: `cornered`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent))
