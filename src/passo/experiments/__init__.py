"""Experiments: one training, an LR range test, descents over a surface, and studies of many runs."""

from passo.experiments.descent import brightness, descend, surface
from passo.experiments.ranges import LrRange, lr_range
from passo.experiments.run import Loaders, Result
from passo.experiments.single import Trained, train, training
from passo.experiments.studyfile import read_study, shipped
from passo.experiments.sweep import Progress, Study, study

__all__ = [
    "Loaders",
    "LrRange",
    "Progress",
    "Result",
    "Study",
    "Trained",
    "brightness",
    "descend",
    "lr_range",
    "read_study",
    "shipped",
    "study",
    "surface",
    "train",
    "training",
]
