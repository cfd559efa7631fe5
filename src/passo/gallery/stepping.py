"""Defects of the step: gradients, learning rates, schedules, clipping, decay, precision."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from passo.gallery.defect import Defect
from passo.gallery.loop import Optimizer, Schedule, nothing
from passo.gallery.networks import ADAM, HELD_OUT, MODELS, own_optimizer
from passo.gallery.settings import cosine
from passo.language import later


def elsewhere(optimizer: Optimizer, steps: int) -> Schedule:
    """The schedule, built on another optimizer of the same parameters."""
    return cosine(torch.optim.SGD(optimizer.param_groups[0]["params"], lr=optimizer.param_groups[0]["lr"]), steps)


def biting(model: nn.Module) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)


def eaten(model: nn.Module, kind: str) -> Optimizer:
    return own_optimizer(model, kind, decay=1.0 if kind in ADAM else 0.5)


DEFECTS = (
    Defect(
        key="zero-grad",
        title=later("Gradients are never cleared"),
        wrong=later(
            "optimizer.zero_grad() is missing, so each step uses the sum of all gradients since the beginning."
        ),
        broken="loss.backward()\noptimizer.step()",
        cured="optimizer.zero_grad()\nloss.backward()\noptimizer.step()",
        symptom=later("The raw gradient grows from step to step, and each one points where the last one did."),
        cure=later("Call optimizer.zero_grad() once before each backward pass."),
        change={"clear": nothing},
    ),
    Defect(
        key="schedule-per-epoch",
        detector="schedule-too-slow",
        title=later("A schedule for batches is stepped once per epoch"),
        wrong=later("OneCycleLR was given the number of batches, and its step() stands after the loop over them."),
        broken="for epoch in range(5):\n    for x, y in batches:\n        ...\n    scheduler.step()",
        cured="for epoch in range(5):\n    for x, y in batches:\n        ...\n        scheduler.step()",
        symptom=later(
            "The learning rate stays near its first, small value; the schedule ends a few steps into its cycle."
        ),
        cure=later("Call scheduler.step() after each optimizer.step()."),
        twin="healthy-onecycle",
        change={"per_batch": False},
    ),
    Defect(
        key="schedule-per-batch",
        detector="schedule-too-fast",
        title=later("A schedule for epochs is stepped after each batch"),
        wrong=later("StepLR counts epochs, and its step() stands inside the loop over the batches."),
        broken="for x, y in batches:\n    ...\n    scheduler.step()  # StepLR(step_size=2, gamma=0.3)",
        cured="for x, y in batches:\n    ...\nscheduler.step()  # StepLR(step_size=2, gamma=0.3)",
        symptom=later("The learning rate falls to nothing within the first epoch, and the updates with it."),
        cure=later("Call scheduler.step() once at the end of each epoch."),
        twin="healthy-stairs",
        change={"per_batch": True},
    ),
    Defect(
        key="schedule-elsewhere",
        title=later("The schedule belongs to another optimizer"),
        wrong=later(
            "The scheduler was built on an optimizer that makes no steps: the one in use keeps its learning rate."
        ),
        broken="scheduler = CosineAnnealingLR(old_optimizer, steps)\noptimizer = SGD(model.parameters(), lr)",
        cured="optimizer = SGD(model.parameters(), lr)\nscheduler = CosineAnnealingLR(optimizer, steps)",
        symptom=later("The schedule goes on, and the learning rate of the steps stays the same."),
        cure=later("Build the scheduler on the optimizer whose step() is called, and after it."),
        twin="healthy-cosine",
        change={"schedule": elsewhere},
    ),
    Defect(
        key="lr-high",
        title=later("The learning rate is 100 times too high"),
        wrong=later("Each step jumps over the valley that it should walk down."),
        broken="optimizer = SGD(model.parameters(), lr=2.0, momentum=0.9)",
        cured="optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9)",
        symptom=later("The updates are as large as the weights; the loss jumps up in the first steps or is no number."),
        cure=later(
            "Divide the learning rate by ten until the loss falls from the first steps on; passo lr-range finds it."
        ),
        change={"optimizer": partial(own_optimizer, rate=100)},
    ),
    Defect(
        key="lr-low",
        title=later("The learning rate is 100 times too low"),
        wrong=later("Each step goes the right way, and so little of it that the training ends near where it began."),
        broken="optimizer = SGD(model.parameters(), lr=0.0002, momentum=0.9)",
        cured="optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9)",
        symptom=later("The updates are a tiny share of the weights, and the loss falls along a straight line."),
        cure=later("Multiply the learning rate by ten while the loss still falls steadily; passo lr-range finds it."),
        change={"optimizer": partial(own_optimizer, rate=0.01)},
    ),
    Defect(
        key="clipping",
        title=later("Clipping bites at every step"),
        wrong=later("The largest norm that is allowed lies far below the norm that gradients have."),
        broken="nn.utils.clip_grad_norm_(model.parameters(), max_norm=1e-3)",
        cured="nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)",
        symptom=later("The norm of the gradient is the same number at every step, and the updates are tiny."),
        cure=later("Allow a norm that only few steps exceed: look at the norms before clipping first."),
        change={"limit": biting},
        models=tuple(kind for kind in MODELS + HELD_OUT if kind not in ADAM),
        without=later(
            "Adam divides by the size of the gradient, so that the same factor at every step changes little."
        ),
    ),
    Defect(
        key="decay",
        detector="weight-decay",
        title=later("Weight decay eats the weights"),
        wrong=later("The pull towards zero is stronger than what the loss asks for."),
        broken="optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=0.5)",
        cured="optimizer = SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)",
        symptom=later("The weights shrink towards nothing, and the loss stays high."),
        cure=later("Take a weight decay between 1e-5 and 1e-2."),
        change={"optimizer": eaten},
    ),
    Defect(
        key="underflow",
        title=later("Gradients are too small for half precision"),
        wrong=later("A loss of small weight is trained in float16 without a scaler: below 6e-8 a gradient is 0."),
        broken="with torch.autocast('cpu', torch.float16):\n    loss = 3e-6 * loss_fn(model(x), y)\nloss.backward()",
        cured="scaler = torch.amp.GradScaler('cpu')\n...\nscaler.scale(loss).backward()\nscaler.step(optimizer)",
        symptom=later("Most gradients are exactly 0 or one of a few values, and the loss falls slowly or not at all."),
        cure=later("Scale the loss by a GradScaler, or compute in bfloat16, which has the range of float32."),
        twin="healthy-half",
        change={"scaler": nothing},
    ),
)
