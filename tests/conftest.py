"""What every test shares."""

import os

# Before torch is imported: threads that wait by spinning make steps a hundred times slower on a busy machine.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from hypothesis import settings

settings.register_profile("passo", deadline=None)  # machines are shared: no test is timed
settings.load_profile("passo")
