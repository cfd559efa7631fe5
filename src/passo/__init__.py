"""passo: the laboratory for the training of neural networks.

>>> import passo
>>> "train" in dir(passo)
True

Names are loaded when they are first used: `import passo` imports neither torch nor a charting library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passo import stepbystep
    from passo.analysis import Smoothing, compare, ewma, moving_average, recompute
    from passo.analysis.event_files import export_tensorboard
    from passo.analysis.metrics_table import metrics_table
    from passo.data import Batches, load
    from passo.diagnosis import diagnose
    from passo.errors import PassoError
    from passo.experiments import Loaders, landscape, lr_range, resume, study, train, verify_range
    from passo.experiments.race import descend
    from passo.explaining.interchange import export_onnx, load_model, save_model
    from passo.figures import draw, draw_run
    from passo.figures.player import race_page
    from passo.looking import explain
    from passo.models import build
    from passo.notes import note
    from passo.optim import make_optimizer, make_schedule, preview
    from passo.recording import probe, record_path, watch
    from passo.store import find as open
    from passo.training import Penalty, evaluate, fit

__version__ = "0.1.0"

__all__ = [
    "Batches",
    "Loaders",
    "PassoError",
    "Penalty",
    "Smoothing",
    "build",
    "compare",
    "descend",
    "diagnose",
    "draw",
    "draw_run",
    "evaluate",
    "ewma",
    "explain",
    "export_onnx",
    "export_tensorboard",
    "fit",
    "landscape",
    "load",
    "load_model",
    "lr_range",
    "make_optimizer",
    "make_schedule",
    "metrics_table",
    "moving_average",
    "note",
    "open",
    "preview",
    "probe",
    "race_page",
    "recompute",
    "record_path",
    "resume",
    "save_model",
    "stepbystep",
    "study",
    "train",
    "verify_range",
    "watch",
]

_HOME = {
    "passo.analysis": ("Smoothing", "compare", "ewma", "moving_average", "recompute"),
    "passo.analysis.event_files": ("export_tensorboard",),
    "passo.analysis.metrics_table": ("metrics_table",),
    "passo.data": ("Batches", "load"),
    "passo.diagnosis": ("diagnose",),
    "passo.errors": ("PassoError",),
    "passo.experiments": ("Loaders", "landscape", "lr_range", "resume", "study", "train", "verify_range"),
    "passo.experiments.race": ("descend",),
    "passo.explaining.interchange": ("export_onnx", "load_model", "save_model"),
    "passo.figures": ("draw", "draw_run"),
    "passo.figures.player": ("race_page",),
    "passo.looking": ("explain",),
    "passo.models": ("build",),
    "passo.notes": ("note",),
    "passo.optim": ("make_optimizer", "make_schedule", "preview"),
    "passo.recording": ("probe", "record_path", "watch"),
    "passo.stepbystep": ("stepbystep",),  # the module itself
    "passo.store": ("open",),
    "passo.training": ("Penalty", "evaluate", "fit"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_OTHER_NAME = {"open": "find"}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'passo' has no attribute {name!r}")
    module = importlib.import_module(_MODULE_OF[name])
    value = module if module.__name__ == f"passo.{name}" else getattr(module, _OTHER_NAME.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
