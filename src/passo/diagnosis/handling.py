"""How the training loop handles its parts: gradients, modes, schedules, and which parameters it trains."""

from __future__ import annotations

import numpy as np

from passo.analysis.words import significant
from passo.diagnosis.evidence import Evidence
from passo.diagnosis.findings import Detector, Finding, few, found, share, suspected
from passo.language import later, t, tn
from passo.telling import told

BEGUN = 20  # steps before which the pace of a schedule is not judged
BY_BATCH = ("OneCycleLR", "CyclicLR")
BY_EPOCH = ("StepLR", "MultiStepLR", "ExponentialLR", "ReduceLROnPlateau")
COLLAPSED = 1e-3  # of the greatest learning rate: what is left can no longer train
SHOWN = 3


def zero_grad(seen: Evidence) -> Finding | None:
    """Gradients that are added up from step to step and never cleared."""
    noticed = seen.noticed("zero-grad")
    return None if noticed is None else found(told(noticed[1]))


def eval_mode(seen: Evidence) -> Finding | None:
    """Training in eval mode: found where a layer minds, suspected where none does."""
    noticed = seen.noticed("eval-mode")
    if noticed is None:
        return None
    minds = bool(seen.passes["mindful"]) if "witness" in seen.around else True
    return found(told(noticed[1])) if minds else suspected(told(noticed[1]), 0.2)


def evaluated_in_train_mode(seen: Evidence) -> Finding | None:
    """Evaluation in train mode, where a layer minds. Some passes may be meant (dropout at test time), all are not."""
    passes = seen.passes
    loud, all_ = passes["evaluation_in_train_mode"], passes["evaluation"]
    if not loud:
        return None
    layers = ", ".join(passes["mindful"])
    told_ = tn(
        "{n:,} of {all:,} pass without gradients was made in train mode, by a model with {layers}.",
        "{n:,} of {all:,} passes without gradients were made in train mode, by a model with {layers}.",
        loud,
        all=all_,
        layers=layers,
    )
    return found(told_) if 2 * loud > all_ else suspected(told_)


def schedule_elsewhere(seen: Evidence) -> Finding | None:
    """A schedule that is stepped, on another optimizer over the same parameters, while this one's rate stays."""
    beside = [one for one in seen.around["schedules"] if not one["own"] and one["turns"] > 0]
    if not beside or np.ptp(seen.lr):
        return None
    one = beside[0]
    return found(
        t(
            "{name} was stepped {turns:,} times on another optimizer over the same parameters; the learning rate of "
            "this one stayed at {lr}.",
            name=one["name"],
            turns=one["turns"],
            lr=significant(seen.lr[-1]),
        )
    )


def schedule_too_slow(seen: Evidence) -> Finding | None:
    """A schedule made for mini-batches that is stepped far less often than the optimizer."""
    taken = seen.around["taken"]
    for one in seen.around["schedules"]:
        if one["own"] and one["name"] in BY_BATCH and taken >= BEGUN and 0 <= 4 * one["turns"] < taken:
            told_ = t(
                "{name} was stepped {turns:,} times in {taken:,} steps: it counts mini-batches.",
                name=one["name"],
                turns=one["turns"],
                taken=taken,
            )
            if one["total"]:
                told_ += " " + t("Its cycle of {total:,} has come to {share}.", total=one["total"],
                                 share=share(one["turns"] / one["total"]))  # fmt: skip
            return found(told_)
    return None


def schedule_too_fast(seen: Evidence) -> Finding | None:
    """A schedule made for epochs that is stepped with every mini-batch, so that the learning rate is gone early."""
    taken, lr = seen.around["taken"], seen.lr
    gone = np.flatnonzero(lr < COLLAPSED * lr.max())
    for one in seen.around["schedules"]:
        at_each = taken >= BEGUN and one["turns"] >= 0.9 * taken
        if one["own"] and one["name"] in BY_EPOCH and at_each and len(gone):
            return found(
                t(
                    "{name} was stepped {turns:,} times in {taken:,} steps: it counts epochs. The learning rate fell "
                    "from {first} below a thousandth of it by step {step:,}.",
                    name=one["name"],
                    turns=one["turns"],
                    taken=taken,
                    first=significant(lr.max()),
                    step=int(seen.layers.steps[gone[0]]),
                )
            )
    return None


def lacking(seen: Evidence) -> Finding | None:
    """Parameters that could be trained and that the optimizer does not hold."""
    names = seen.around.get("lacking", [])
    if not names:
        return None
    return found(
        tn(
            "{n:,} parameter of the model is not in the optimizer: {names}.",
            "{n:,} parameters of the model are not in the optimizer: {names}.",
            len(names),
            names=few(names),
        )
    )


def frozen(seen: Evidence) -> Finding | None:
    """Parameters that take no gradient. Whether that is meant cannot be seen: suspected."""
    names = seen.around.get("frozen", [])
    if not names:
        return None
    return suspected(
        tn(
            "{n:,} parameter has requires_grad=False and does not move: {names}.",
            "{n:,} parameters have requires_grad=False and do not move: {names}.",
            len(names),
            names=few(names),
        ),
        0.9,
    )


def batch_of_one(seen: Evidence) -> Finding | None:
    """BatchNorm that normalises one example by itself."""
    norms = [name for name in seen.passes["mindful"] if name.startswith("BatchNorm")]
    if not norms:
        return None
    alone = float((seen.seen("examples") == 1).mean())
    if alone < 0.5:
        return None
    told_ = t("{share} of the steps saw one example alone, and the model has {layers}.",
              share=share(alone), layers=", ".join(norms))  # fmt: skip
    return found(told_)


DETECTORS = (
    Detector(
        "zero-grad",
        later("Gradients are never cleared"),
        later(
            "Each step adds the new gradient to all the old ones, so that it goes where earlier batches pointed, "
            "further each time."
        ),
        later("Call optimizer.zero_grad() once per step, before backward()."),
        "optimizer.zero_grad()",
        "A gradient that is one addition further than the last step left it, three steps in a row, was not cleared.",
        "Paszke et al. 2019, torch.optim: gradients accumulate by default",
        zero_grad,
    ),
    Detector(
        "eval-mode",
        later("The model is trained in eval mode"),
        later("Dropout does nothing, and BatchNorm uses statistics that it never learns."),
        later("Call model.train() before each epoch, after evaluating."),
        "model.train()",
        "model.training is False at a step: nothing to estimate.",
        "Ioffe & Szegedy 2015, algorithm 2; Srivastava et al. 2014, section 4",
        eval_mode,
    ),
    Detector(
        "train-mode",
        later("The model is evaluated in train mode"),
        later(
            "Dropout still drops and BatchNorm still takes the statistics of the evaluated batch: the numbers are"
            " too low, and the batch leaks into them."
        ),
        later("Call model.eval() before evaluating, and model.train() after it."),
        "model.eval()",
        "More than half of the passes without gradients: a few may be meant (Monte Carlo dropout).",
        "Ioffe & Szegedy 2015, algorithm 2; Gal & Ghahramani 2016",
        evaluated_in_train_mode,
    ),
    Detector(
        "schedule-elsewhere",
        later("The schedule belongs to another optimizer"),
        later("The optimizer was made anew after its schedule, so that the schedule turns a rate that nobody uses."),
        later("Build the schedule on the optimizer that is stepped, after it."),
        "scheduler = Schedule(optimizer, ...)",
        "A schedule that turns beside an optimizer with the same parameters whose rate stays: nothing to estimate.",
        "torch.optim.lr_scheduler: a schedule knows one optimizer",
        schedule_elsewhere,
    ),
    Detector(
        "schedule-too-slow",
        later("The schedule is stepped too rarely"),
        later("A schedule that counts mini-batches is stepped once an epoch, so that it never leaves its beginning."),
        later("Call scheduler.step() after every optimizer.step()."),
        "scheduler.step()  # after each optimizer.step()",
        "Less than one turn in four steps: gradients may be accumulated, and then a turn in each step of the "
        "optimizer remains.",
        "Smith & Topin 2018 (OneCycleLR); Smith 2017 (CyclicLR): cycles are counted in iterations",
        schedule_too_slow,
    ),
    Detector(
        "schedule-too-fast",
        later("The schedule is stepped with every mini-batch"),
        later(
            "A schedule that counts epochs shrinks the learning rate with each mini-batch, until no step moves "
            "anything."
        ),
        later("Call scheduler.step() once per epoch."),
        "scheduler.step()  # once per epoch",
        "A thousandth of the rate: below it, steps are lost in what is left of the training.",
        "torch.optim.lr_scheduler: StepLR, MultiStepLR, ExponentialLR and ReduceLROnPlateau count epochs",
        schedule_too_fast,
    ),
    Detector(
        "lacking",
        later("Parameters are missing from the optimizer"),
        later("They take gradients and are never moved: a part of the model stays as it was drawn."),
        later("Build the optimizer after the model is whole, from all of its parameters."),
        "optimizer = Optimizer(model.parameters(), ...)",
        "A parameter with requires_grad that no group of the optimizer holds: nothing to estimate.",
        "torch.optim: an optimizer steps the parameters it was given",
        lacking,
    ),
    Detector(
        "frozen",
        later("Layers are frozen"),
        later(
            "Their weights take no gradient. That is right for a pretrained part, and wrong for one that was "
            "drawn at random."
        ),
        later("If it was not meant: set requires_grad to True before the optimizer is built."),
        "model.requires_grad_(True)",
        "Whether it is meant cannot be seen in a run: it is never more than suspected.",
        "Howard & Ruder 2018, section 3.3: unfreezing",
        frozen,
    ),
    Detector(
        "batch-of-one",
        later("BatchNorm sees one example at a time"),
        later("An example is normalised by itself, so that its mean and its scale, which tell much of it, are lost."),
        later("Use larger mini-batches, or GroupNorm or LayerNorm."),
        "passo train batch_size=32",
        "Half of the steps: the last batch of an epoch may be one example.",
        "Wu & He 2018, figure 1: the error of BatchNorm over the batch size",
        batch_of_one,
    ),
)
