"""Experiments: one training, an LR range test, descents over a surface, and studies of many runs."""

from passo.experiments.assembling import Loaders
from passo.experiments.attending import Attending
from passo.experiments.concluding import Result
from passo.experiments.descent import brightness, descend, surface
from passo.experiments.keeping import Keeping
from passo.experiments.landscapes import Landscape, landscape
from passo.experiments.ranges import LrRange, RangePlan, RangeTest, lr_range
from passo.experiments.single import Trained, resume, train, training, unfinished
from passo.experiments.studyfile import read_study, shipped
from passo.experiments.sweep import Progress, Study, study
from passo.experiments.verifying import VerifiedRange, verify_range

__all__ = [
    "Attending",
    "Keeping",
    "Landscape",
    "Loaders",
    "LrRange",
    "Progress",
    "RangePlan",
    "RangeTest",
    "Result",
    "Study",
    "Trained",
    "VerifiedRange",
    "brightness",
    "descend",
    "landscape",
    "lr_range",
    "read_study",
    "resume",
    "shipped",
    "study",
    "surface",
    "train",
    "training",
    "unfinished",
    "verify_range",
]
