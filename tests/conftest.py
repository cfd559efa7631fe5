"""What every test shares."""

import os

# Before torch is imported: threads that wait by spinning make steps a hundred times slower on a busy machine.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
