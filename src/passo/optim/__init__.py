"""Optimizers and learning-rate schedules by name, and each optimizer's equations."""

from passo.optim.catalogue import (
    check_optimizer,
    describe,
    make_optimizer,
    needs_closure,
    optimizers,
    parameter_groups,
)
from passo.optim.preview import SchedulePreview, preview
from passo.optim.schedules import check_schedule, make_schedule, schedules
from passo.optim.stepping import Schedule, as_schedule, check_same_optimizer

__all__ = [
    "Schedule",
    "SchedulePreview",
    "as_schedule",
    "check_optimizer",
    "check_same_optimizer",
    "check_schedule",
    "describe",
    "make_optimizer",
    "make_schedule",
    "needs_closure",
    "optimizers",
    "parameter_groups",
    "preview",
    "schedules",
]
