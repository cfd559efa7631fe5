"""Real data by name, checked; splits that share nothing; batches in memory.

The names are loaded when they are first used, so that listing the data sets imports neither torch nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from passo.data.augment import Augmentation
    from passo.data.batches import Batches, Together
    from passo.data.cache import cache_folder
    from passo.data.datasets import load
    from passo.data.described import DatasetInfo, FileInfo
    from passo.data.downloads import Progress
    from passo.data.entries import DATASETS, catalogue, info
    from passo.data.opening import fetch
    from passo.data.parts import Data, Split
    from passo.data.perturbations import PERTURBATIONS, perturb
    from passo.data.reading import FileBatches
    from passo.data.scaling import SCALES, Scaling
    from passo.data.sources import Found, Place, where

__all__ = [
    "DATASETS",
    "PERTURBATIONS",
    "SCALES",
    "Augmentation",
    "Batches",
    "Data",
    "DatasetInfo",
    "FileBatches",
    "FileInfo",
    "Found",
    "Place",
    "Progress",
    "Scaling",
    "Split",
    "Together",
    "cache_folder",
    "catalogue",
    "fetch",
    "info",
    "load",
    "perturb",
    "where",
]

_ROOMS = {
    "augment": ("Augmentation",),
    "batches": ("Batches", "Together"),
    "cache": ("cache_folder",),
    "datasets": ("load",),
    "described": ("DatasetInfo", "FileInfo"),
    "downloads": ("Progress",),
    "entries": ("DATASETS", "catalogue", "info"),
    "opening": ("fetch",),
    "parts": ("Data", "Split"),
    "perturbations": ("PERTURBATIONS", "perturb"),
    "reading": ("FileBatches",),
    "scaling": ("SCALES", "Scaling"),
    "sources": ("Found", "Place", "where"),
}
_MODULE_OF = {name: module for module, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
