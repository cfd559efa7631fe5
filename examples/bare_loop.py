"""The bare loop: watch, stop, or ignore; no callbacks."""

import torch

import passo

data = passo.load("fashion-mnist-sample", per_class=50)
model = passo.build("mlp", data.in_shape, len(data.classes), seed=0)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
batches = passo.Batches(data.train.images, data.train.labels, 64)
schedule = passo.make_schedule("OneCycleLR", optimizer, epochs=5, steps_per_epoch=len(batches), max_lr=0.1)

for record in passo.fit(model, torch.nn.CrossEntropyLoss(), optimizer, batches, epochs=5, schedule=schedule):
    if record.end is not None:
        print(f"epoch {record.epoch}: training loss {record.end.train_loss:.3f}, lr {record.lr:.4f}")
    if record.loss < 0.2:
        break  # stopping is `break`

print(passo.evaluate(model, torch.nn.CrossEntropyLoss(), [(data.test.images, data.test.labels)]))
