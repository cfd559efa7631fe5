"""What every test shares."""

import os

# Before torch is imported: tests share their machine, so OpenMP threads wait without much spinning.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from hypothesis import settings

settings.register_profile("passo", deadline=None)  # machines are shared: no test is timed
settings.load_profile("passo")
