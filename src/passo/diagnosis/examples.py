"""What the model is given: its inputs, its labels, and what it is judged by."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from passo.analysis.words import significant
from passo.diagnosis.evidence import Evidence, NotSeen, late
from passo.diagnosis.findings import Detector, Finding, found, share, suspected
from passo.language import later, t

LARGE = 5.0  # standard deviation, or mean, of inputs beyond which they were not scaled
PLAIN = 0.99  # share of answers that are probabilities
SORTED = 0.5  # of the entropy of all labels: what a mini-batch of sorted data is left with
IMBALANCE, IGNORED = 10.0, 0.7
ENOUGH = 200  # labels on which an accuracy is judged
STEPS, LONG = 10, 100  # of half an epoch: in fewer, and for sure in so many, a model should have learned something


def unscaled(seen: Evidence) -> Finding | None:
    """Inputs as they are stored, 0 to 255."""
    mean, sd = float(np.nanmedian(np.abs(seen.seen("mean")))), float(np.nanmedian(seen.seen("std")))
    if not max(mean, sd) > LARGE:
        return None
    return found(
        t(
            "The inputs have the mean {mean} and the standard deviation {sd}, from {low} to {high}.",
            mean=significant(float(np.nanmedian(seen.seen("mean")))),
            sd=significant(sd),
            low=significant(np.nanmin(seen.seen("min"))),
            high=significant(np.nanmax(seen.seen("max"))),
        )
    )


def probabilities(seen: Evidence) -> Finding | None:
    """Softmax before a cross-entropy that applies it as well."""
    plain = float(np.nanmean(seen.seen("probabilities")))
    if plain < PLAIN or np.isnan(seen.seen("loss")).all():
        return None
    least = np.nanmin(seen.seen("loss"))
    return found(
        t(
            "{share} of the model's answers are probabilities (≥ 0, with the sum 1), and its loss is a cross-entropy, "
            "which applies the softmax itself. Its least value so far is {loss}.",
            share=share(plain),
            loss=significant(least),
        )
    )


def sorted_data(seen: Evidence) -> Finding | None:
    """Mini-batches of one or two classes, in data that have more."""
    labels, _ = seen.labels
    within, pooled = float(np.nanmean(seen.seen("entropy"))), _entropy(labels.sum(0))
    size = float(np.median(seen.seen("examples")))
    possible = min(pooled, np.log(size)) if size > 1 else 0.0
    if labels.sum() < ENOUGH or possible < 0.5 or within >= SORTED * possible:
        return None
    told_ = t(
        "A mini-batch of {size} has {few} classes on the average, and the data have {many}.",
        size=f"{size:.0f}",
        few=significant(float((labels[labels.any(1)] > 0).sum(1).mean())),
        many=int((labels.sum(0) > 0).sum()),
    )
    repeats = seen.passes["repeats"]
    if repeats is not None and repeats > PLAIN:
        told_ += " " + t("Each epoch has the same order.")
    return found(told_)


def shuffled_labels(seen: Evidence) -> Finding | None:
    """Labels that have nothing to do with the inputs: what is new is answered no better than by chance.

    Examples count in the later half of the first epoch, and in the second, where hardly any is known by heart yet; the
    validation too, where there is one; and only where the weights moved as in a training that works.
    """
    labels, right = seen.labels
    each = float(np.nanmedian(seen.seen("examples")))
    passes = seen.witnessed * each / max(seen.passes["trained"], 1)  # not all steps have a row
    new, again = passes <= 1, (passes > 1) & (passes <= 2)
    new &= np.arange(len(new)) >= new.sum() // 2
    moved = float(np.nanmedian(late(seen.change[:, seen.weights])))
    if new.sum() < STEPS or labels[new].sum() < ENOUGH or not 3e-4 < moved < 0.3 or _constant(seen):
        return None
    shares = labels.sum(0) / labels.sum()
    chance, guess = float((shares**2).sum()), 1.3 * float(shares.max())
    tried, share_right = int(labels[new].sum()), float(right[new].sum() / labels[new].sum())
    if share_right > max(chance + 3 * np.sqrt(chance * (1 - chance) / tried), guess):
        return None
    later_on = [float(right[again].sum() / labels[again].sum())] if labels[again].any() else []
    with suppress(NotSeen):
        later_on.append(float(seen.curve("validation/accuracy")[1].max()))
    if any(value > max(2 * chance, guess) for value in later_on):
        return None
    told_ = t(
        "Of {n:,} new examples in the later half of the first epoch, {share} were answered rightly; chance gives "
        "{chance}. The weights move as they should ({moved} of themselves per step).",
        n=tried,
        share=share(share_right),
        chance=share(chance),
        moved=significant(moved),
    )
    return found(told_, 0.9) if later_on or new.sum() >= LONG else suspected(told_)


def shifted_labels(seen: Evidence) -> Finding | None:
    """Training and validation that call the classes otherwise: far worse than chance on the one, good on the other."""
    _, validation = seen.curve("validation/accuracy")
    labels, right = seen.labels
    trained = float(late(right).sum() / max(late(labels).sum(), 1))
    shares = labels.sum(0) / labels.sum()
    chance = float((shares**2).sum())
    examples = max(seen.passes["evaluated"], 1)
    last = float(validation[-2:].max())
    unlucky = chance - 3 * np.sqrt(chance * (1 - chance) / examples)  # what guessing stays above
    if len(validation) < 2 or trained < 3 * chance or not last <= min(0.5 * chance, unlucky):
        return None
    return found(
        t(
            "{trained} of the training examples are answered rightly and {validation} of the validation, which is "
            "below chance ({chance}): the two name their classes differently.",
            trained=share(trained),
            validation=share(last),
            chance=share(chance),
        )
    )


def leak(seen: Evidence) -> Finding | None:
    """Examples that validate and were trained on. A part evaluated apart may be the training part itself: no leak.

    Where the first epoch is not over, or not all examples were compared, that part looks mixed: suspected at most.
    """
    passes = seen.passes
    evaluated, shared = passes["evaluated"], passes["shared"]
    if not evaluated or not shared:
        return None
    told_ = t(
        "{shared:,} of the {evaluated:,} examples that are evaluated were trained on.",
        shared=shared,
        evaluated=evaluated,
    )
    if shared == evaluated and evaluated >= passes["trained"]:
        return suspected(told_, 0.3)  # only the training part is evaluated
    if shared == evaluated or (passes["mixed"] and shared > 0.01 * evaluated):
        return found(told_) if passes["repeats"] is not None else suspected(told_)  # a second epoch was there
    return None


def imbalance(seen: Evidence) -> Finding | None:
    """A class so rare that it is never answered, with a loss that does not make up for it."""
    labels, right = seen.labels
    counts, hits = late(labels).sum(0), late(right).sum(0)
    there = labels.sum(0) > 0
    if there.sum() < 2 or labels.sum() < ENOUGH:
        return None
    ratio = float(labels.sum(0)[there].max() / labels.sum(0)[there].min())
    rare = there & (labels.sum(0) * IMBALANCE <= labels.sum(0).max())
    if ratio < IMBALANCE or not counts[rare].sum():
        return None
    overall, recall = float(hits.sum() / counts.sum()), float(hits[rare].sum() / counts[rare].sum())
    if recall > IGNORED * overall:
        return None
    return found(
        t(
            "The most frequent class has {ratio} times the examples of the rarest. Of the rare ones {recall} are "
            "answered "
            "rightly, of all {overall}.",
            ratio=f"{ratio:.0f}",
            recall=share(recall),
            overall=share(overall),
        )
    )


def _constant(seen: Evidence) -> bool:
    """Whether some layer passes nothing on: then its answers say nothing of the labels."""
    grad = seen.layers.root("grad", "the gradient")[:, seen.weights]
    return bool((np.nanmedian(late(grad), 0) == 0).any())


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


DETECTORS = (
    Detector(
        "unscaled",
        later("The inputs are not scaled"),
        later(
            "Large inputs make large gradients of the first layer and small ones of all others, and saturate what"
            " follows."
        ),
        later("Bring the inputs to mean 0 and standard deviation 1 with the numbers of the training part."),
        "passo train dataset.scale=standardize",
        "Five: images from 0 to 1 have standard deviations below 0.5, standardised inputs 1, bytes 50 to 90.",
        "LeCun et al. 1998, Efficient BackProp, section 4.3",
        unscaled,
    ),
    Detector(
        "softmax-twice",
        later("The loss gets probabilities instead of logits"),
        later("The softmax of probabilities is nearly even: the loss can never fall near 0, and its gradients vanish."),
        later("Leave the softmax out of the model; cross-entropy has it."),
        "nn.CrossEntropyLoss()(logits, y)",
        "99 % of the rows have no negative value and the sum 1, and the gradient is that of a cross-entropy.",
        "torch.nn.CrossEntropyLoss: input are unnormalised logits",
        probabilities,
    ),
    Detector(
        "sorted",
        later("The data come sorted by class"),
        later("Each mini-batch pulls towards its own class, and the model forgets the one before."),
        later("Shuffle the training part anew in each epoch."),
        "DataLoader(..., shuffle=True)",
        "Half of the entropy that a mini-batch of that size can have: random ones of 32 have over nine tenths.",
        "Bengio 2012, Practical recommendations, section 3.1.2",
        sorted_data,
    ),
    Detector(
        "labels-shuffled",
        later("The labels do not belong to the inputs"),
        later("Nothing can be learned that holds for new examples; what falls later is memory."),
        later("Look at some examples with their labels; load and shuffle both together."),
        "passo inspect RUN --epochs",
        "Three standard errors above chance after half an epoch, and twice chance in the next one and in the "
        "validation: models that learn anything pass both within tens of steps.",
        "Zhang et al. 2017, Understanding deep learning requires rethinking generalization, section 2",
        shuffled_labels,
    ),
    Detector(
        "labels-shifted",
        later("Training and validation name their classes differently"),
        later("The model learns one naming and is judged by another: it is worse than guessing."),
        later("Make both parts with the same list of classes, counted from 0."),
        "passo inspect RUN --epochs",
        "Half of chance: guessing gives chance, and only another naming gives less.",
        "Northcutt et al. 2021, section 3: systematic label errors",
        shifted_labels,
    ),
    Detector(
        "leak",
        later("Training examples are in the validation"),
        later("Memory counts as skill: validation is too good, and over-fitting cannot be seen."),
        later("Split first, then augment; take duplicates out of one of the parts."),
        "passo train dataset.validation=0.1",
        "One in a hundred, in batches that mix both kinds: a whole part that was trained on may be evaluated for "
        "comparison.",
        "Kapoor & Narayanan 2023, L1: no clean separation of training and test",
        leak,
    ),
    Detector(
        "imbalance",
        later("Rare classes are ignored"),
        later("The loss is lowest when the rare classes are never answered; accuracy hides it."),
        later("Weigh the loss by class, or draw the rare ones more often; look at balanced accuracy."),
        "passo train class_weights=true",
        "Ten to one, and a recall below seven tenths of the accuracy: a balanced model has both alike.",
        "Buda et al. 2018, section 2.1",
        imbalance,
    ),
)
