"""Defects of how data and modes are handled: labels, splits, scaling, order, evaluation."""

from __future__ import annotations

from torch import nn

from passo.gallery import examples
from passo.gallery.defect import Defect
from passo.language import later

MINDFUL = ("mlp", "cnn", "allconv", "wide")
NOT_MINDFUL = later("The network has neither dropout nor BatchNorm, so that the mode makes no difference.")

DEFECTS = (
    Defect(
        key="training-in-eval",
        detector="eval-mode",
        title=later("The training runs in eval mode"),
        wrong=later("model.eval() was called and never undone: dropout does nothing, BatchNorm learns no statistics."),
        broken="model.eval()\nfor x, y in batches:\n    ...",
        cured="model.train()\nfor x, y in batches:\n    ...",
        symptom=later("The model is in eval mode at every step, and BatchNorm's running statistics do not move."),
        cure=later("Call model.train() at the beginning of each epoch."),
        change={"mode": nn.Module.eval},
        models=MINDFUL,
        without=NOT_MINDFUL,
    ),
    Defect(
        key="evaluating-in-train",
        detector="train-mode",
        title=later("The evaluation runs in train mode"),
        wrong=later("model.eval() is missing: dropout is at work and BatchNorm takes the statistics of the batch."),
        broken="with torch.no_grad():\n    logits = model(x)",
        cured="model.eval()\nwith torch.no_grad():\n    logits = model(x)",
        symptom=later("Passes without gradients find the model in train mode; validation is worse than it is."),
        cure=later("Call model.eval() before each evaluation, and model.train() after it."),
        change={"evaluating": nn.Module.train},
        models=MINDFUL,
        without=NOT_MINDFUL,
    ),
    Defect(
        key="labels-shuffled",
        title=later("Labels do not belong to their images"),
        wrong=later("Images and labels were shuffled apart."),
        broken="x = x[torch.randperm(len(x))]",
        cured="order = torch.randperm(len(x))\nx, y = x[order], y[order]",
        symptom=later(
            "The training loss stays near that of guessing, and falls only as far as images are learnt by heart."
        ),
        cure=later("Shuffle images and labels by the same order; look at a few of them together."),
        change={"prepare": examples.shuffled_labels},
    ),
    Defect(
        key="labels-off-by-one",
        detector="labels-shifted",
        title=later("Training labels are off by one"),
        wrong=later("Classes are numbered from 1 in one file and from 0 in the other."),
        broken="y = (y + 1) % 10  # the training part only",
        cured="y = y",
        symptom=later("Training goes well, and validation is worse than guessing: almost every answer is wrong."),
        cure=later("Number the classes by one table for all parts; print names beside images of each part."),
        change={"prepare": examples.shifted_labels},
    ),
    Defect(
        key="leak",
        title=later("The validation set was trained on"),
        wrong=later("The images to validate on were drawn from the whole file, those to train on included."),
        broken="validation = all_images[torch.randperm(len(all_images))[:440]]",
        cured="validation = all_images[len(training):]",
        symptom=later(
            "Most images that are evaluated were trained on; validation is better than any new data will be."
        ),
        cure=later("Split once, before anything else, and keep copies and near copies of an image on one side."),
        change={"prepare": examples.leaked},
    ),
    Defect(
        key="unscaled",
        title=later("Inputs are not scaled"),
        wrong=later("Grey values from 0 to 255 go into a network that is made for values near 1."),
        broken="x = images.float()",
        cured="x = (images.float() - mean) / std",
        symptom=later("Inputs reach 255; the first losses and gradients are large, unless BatchNorm undoes the scale."),
        cure=later("Subtract the training part's mean and divide by its standard deviation, for all parts alike."),
        change={"prepare": examples.unscaled},
    ),
    Defect(
        key="sorted",
        title=later("Sorted data are not shuffled"),
        wrong=later("The examples come class by class, as they lie in the folders, and each batch holds one class."),
        broken="loader = DataLoader(training, batch_size=64)",
        cured="loader = DataLoader(training, batch_size=64, shuffle=True)",
        symptom=later("A batch's labels are all the same; the loss is near 0 within a class and jumps at the next."),
        cure=later("Shuffle the training data anew in each epoch."),
        change={"order": examples.by_class},
    ),
    Defect(
        key="imbalance",
        title=later("Rare classes are ignored"),
        wrong=later("Five classes have 6 images each, the others hundreds, and the loss counts each image alike."),
        broken="loader = DataLoader(training, batch_size=64, shuffle=True)",
        cured="sampler = WeightedRandomSampler(1 / counts[labels], len(labels))\n"
        "loader = DataLoader(training, batch_size=64, sampler=sampler)",
        symptom=later("Rare classes are hardly ever answered, while the accuracy over all examples looks good."),
        cure=later("Draw each class as often as any other, or weigh the loss; look at the accuracy of each class."),
        twin="healthy-balanced",
        change={"order": examples.shuffled},
    ),
    Defect(
        key="overfitting",
        detector="over-fitting",
        title=later("A few examples are learnt by heart"),
        wrong=later("128 images are shown a hundred times each."),
        broken="training = Subset(training, range(128))\nfor epoch in range(100):\n    ...",
        cured="for epoch in range(5):  # as many steps, over all images\n    ...",
        symptom=later("The training loss goes to 0 while the validation loss rises again from its lowest point."),
        cure=later("Take more data or augment them, stop at the lowest validation loss, add dropout or weight decay."),
        change={"prepare": examples.few, "epochs": 100},
    ),
)
