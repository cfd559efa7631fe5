"""What every test shares."""

import os
import signal

# Before torch is imported: tests share their machine, so OpenMP threads wait without much spinning.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

from hypothesis import settings

settings.register_profile("passo", deadline=None)  # machines are shared: no test is timed
settings.load_profile("passo")

# A shell that starts this in the background has Ctrl-C ignored, and what is ignored is ignored by every child.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
