"""Training: the step, the loop that yields records, evaluation, and the configuration of a run."""

from passo.training.config import TrainConfig, parse_settings, train_config
from passo.training.evaluate import Evaluation, evaluate
from passo.training.loop import fit
from passo.training.machine import choose_device, environment, keep_memory, weights_sha256
from passo.training.penalty import Penalty
from passo.training.progress import Progress
from passo.training.step import EpochEnd, StepRecord, train_step

__all__ = [
    "EpochEnd",
    "Evaluation",
    "Penalty",
    "Progress",
    "StepRecord",
    "TrainConfig",
    "choose_device",
    "environment",
    "evaluate",
    "fit",
    "keep_memory",
    "parse_settings",
    "train_config",
    "train_step",
    "weights_sha256",
]
