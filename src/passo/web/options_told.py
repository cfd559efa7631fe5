"""What each option of a training means, in few words; those of models, optimizers and schedules say it themselves."""

from __future__ import annotations

from passo.language import later, t

ABOUT: dict[str, str] = {
    "dataset.classes": later("how many classes, or which: [0, 3]"),
    "dataset.per_class": later("training images of each class"),
    "dataset.imbalance": later("how many times rarer the rarest class is"),
    "dataset.rare": later("the classes that are rare: [0, 3]"),
    "dataset.perturb": later("changes the test part once: {'noise': 0.2}"),
    "dataset.perturbed": later("which parts are changed so"),
    "dataset.augment": later("changes each training image anew: {'shift': 2}"),
    "dataset.size": later("pixels on a side, of pictures in a folder"),
    "dataset.colour": later("keep colours, of pictures in a folder"),
    "dataset.in_memory": later("hold all pictures of a folder in memory"),
    "dataset.target": later("of a table: the column that is predicted"),
    "dataset.task": later("of a table: classes or numbers"),
    "dataset.validation": later("share of the training images, or how many, that validate"),
    "dataset.scale": later("how inputs are scaled"),
    "dataset.seed": later("decides which images are drawn"),
    "dataset.allow_sample": later("take the small sample where the full data are missing"),
    "task": later("what is learned; without one, what model and data are made for"),
    "epochs": later("how often all training images are seen"),
    "batch_size": later("images in a mini-batch; all: one step an epoch"),
    "sampling": later("the order of images: shuffled, each class as often, or as they lie"),
    "class_weights": later("rarer classes count for more"),
    "label_smoothing": later("share of a label that is spread over all classes"),
    "decay_biases": later("weight decay also of biases and normalisations"),
    "average": later("test a running average of the weights, which keeps this share at each step"),
    "clip_norm": later("greatest norm of all gradients together"),
    "clip_value": later("greatest absolute value of a gradient"),
    "accumulate": later("mini-batches whose gradients make one step"),
    "precision": later("of the forward pass"),
    "nonfinite": later("a loss that is not finite stops the run, or costs the step"),
    "l1": later("λ₁ Σ|w| is added to the loss"),
    "l2": later("λ₂ Σw² is added to the loss"),
    "seed": later("draws weights, the order of images, and dropout"),
    "devices": later("devices, or cores, that share each mini-batch"),
    "num_workers": later("processes that read pictures from the disk"),
    "device": later("auto, cpu, cuda or cuda:1"),
    "early_stopping.patience": later("epochs without a gain before it stops"),
    "early_stopping.min_delta": later("a smaller gain is none"),
    "early_stopping.monitor": later("the metric that should gain"),
    "early_stopping.mode": later("whether it should fall or rise"),
    "early_stopping.restore_best": later("test the best weights, not the last ones"),
    "early_stopping.start_from_epoch": later("epochs that are not counted at first"),
    "record.every": later("look inside at each n-th step; 0: never; auto: as the budget allows"),
    "record.between": later("the first and the last step that are looked at: [1, 100]"),
    "record.budget": later("share of the time that looking may take"),
    "record.parameters": later("which tensors: ['conv1.weight']"),
    "record.coordinates": later("weights that are followed, of each tensor"),
    "record.statistics": later("norms and shares of every tensor as well"),
    "record.histograms": later("steps with histograms of all weights, gradients and updates; 0: none"),
    "record.snapshots": later("steps that are kept whole: [1, 10]"),
    "record.witness": later("what goes into the model and comes out of it"),
    "record.activations": later("what every layer gives out"),
    "record.loss": later("the batch's loss before and after the step"),
    "record.predictions": later("keep the test's probabilities, for its confusions"),
    "record.path": later("points of the weights' path, for the loss surface"),
    "record.probes": later("steps at which curvature, gradient noise, ranks and drift are measured; 0: none"),
}
SECTIONS = {
    "dataset": later("Data"),
    "model": later("Model"),
    "optimizer": later("Optimizer"),
    "schedule": later("Schedule of the learning rate"),
    "training": later("Training"),
    "early_stopping": later("Early stopping"),
    "record": later("What is recorded"),
}


def about(key: str) -> str:
    """An option in a few words; "" for one of a model, an optimizer or a schedule."""
    return t(ABOUT[key]) if key in ABOUT else ""


def ranged(limits: dict[str, float] | None) -> str:
    """The numbers that an option takes, in words.

    >>> ranged({"whole": True, "least": 1}), ranged({"whole": False, "above": 0, "below": 1}), ranged(None)
    ('whole number ≥ 1', 'number > 0 and < 1', '')
    """
    if not limits:
        return ""
    kind = t("whole number") if limits["whole"] else t("number")
    if "count" in limits:
        kind = t("{n:.0f} numbers", n=limits["count"])
    signs = {"least": "≥", "above": ">", "most": "≤", "below": "<"}
    ends = [f"{sign} {limits[name]:g}" for name, sign in signs.items() if name in limits]
    return f"{kind} {t(' and ').join(ends)}".strip()
