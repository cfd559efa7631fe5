"""What the numbers say: small frozen dataclasses, computed from a study folder. No torch, nothing drawn."""

from passo.analysis.adversaries import Adversaries, adversaries
from passo.analysis.answers import Answers, answers
from passo.analysis.apart import Apart
from passo.analysis.averages import (
    Smoothing,
    correction,
    ewma,
    moving_average,
    moving_average_weights,
    weights_by_lag,
)
from passo.analysis.budgets import budgets
from passo.analysis.calibration import Calibration, calibration
from passo.analysis.classified import Classified, classified
from passo.analysis.compare import Comparison, Difference, Outcome, compare
from passo.analysis.convergence import convergences
from passo.analysis.curves import Band, bands, runs_of
from passo.analysis.curves import tell as tell_bands
from passo.analysis.descents import Descent, Surface, descent, surface
from passo.analysis.descents import tell as tell_descents
from passo.analysis.distances import Distances, distances
from passo.analysis.ends import endings
from passo.analysis.hardest import Hardest, hardest
from passo.analysis.importance import importance
from passo.analysis.intervals import Interval, interval, t_quantile
from passo.analysis.landscapes import LossSurface, loss_surface, random_walk
from passo.analysis.layers import Layers
from passo.analysis.memory import half_life, mean_age
from passo.analysis.overfitting import Overfitting, overfitting
from passo.analysis.paired import FairComparison, fair
from passo.analysis.planes import plane
from passo.analysis.predictions import Predictions, cross_entropy, divergence, entropy, predictions
from passo.analysis.profiles import profiles
from passo.analysis.ranges import RangeCurve, RangeSummary, Suggestion, lr_ranges, range_summary, rules_agree
from passo.analysis.recomputed import Recomputed, recompute
from passo.analysis.reconstructed import Reconstructed, reconstructed
from passo.analysis.recorded import Recorded
from passo.analysis.regressed import Regressed, regressed
from passo.analysis.schedules import Effect, Plan, ScheduleEffect, plans, schedule_effect
from passo.analysis.sensitivity import sensitivity
from passo.analysis.tables import Table
from passo.analysis.targets import targets
from passo.analysis.tuning import best_of
from passo.analysis.updates import Residual, Traces, residual, traces
from passo.analysis.verified import RangeCheck, range_check
from passo.analysis.whole import Clipping, LossChange

__all__ = [
    "Adversaries",
    "Answers",
    "Apart",
    "Band",
    "Calibration",
    "Classified",
    "Clipping",
    "Comparison",
    "Descent",
    "Difference",
    "Distances",
    "Effect",
    "FairComparison",
    "Hardest",
    "Interval",
    "Layers",
    "LossChange",
    "LossSurface",
    "Outcome",
    "Overfitting",
    "Plan",
    "Predictions",
    "RangeCheck",
    "RangeCurve",
    "RangeSummary",
    "Recomputed",
    "Reconstructed",
    "Recorded",
    "Regressed",
    "Residual",
    "ScheduleEffect",
    "Smoothing",
    "Suggestion",
    "Surface",
    "Table",
    "Traces",
    "adversaries",
    "answers",
    "bands",
    "best_of",
    "budgets",
    "calibration",
    "classified",
    "compare",
    "convergences",
    "correction",
    "cross_entropy",
    "descent",
    "distances",
    "divergence",
    "endings",
    "entropy",
    "ewma",
    "fair",
    "half_life",
    "hardest",
    "importance",
    "interval",
    "loss_surface",
    "lr_ranges",
    "mean_age",
    "moving_average",
    "moving_average_weights",
    "overfitting",
    "plane",
    "plans",
    "predictions",
    "profiles",
    "random_walk",
    "range_check",
    "range_summary",
    "recompute",
    "reconstructed",
    "regressed",
    "residual",
    "rules_agree",
    "runs_of",
    "schedule_effect",
    "sensitivity",
    "surface",
    "t_quantile",
    "targets",
    "tell_bands",
    "tell_descents",
    "traces",
    "weights_by_lag",
]
