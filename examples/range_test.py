"""An LR range test: a suggestion, from copies; your model and optimizer stay untouched."""

import torch

import passo

data = passo.load("fashion-mnist-sample")
model = passo.build("lenet", data.in_shape, len(data.classes), seed=0)
optimizer = torch.optim.Adam(model.parameters())
batches = passo.Batches(data.train.images, data.train.labels, 64, generator=torch.Generator().manual_seed(0))

found = passo.lr_range(model, torch.nn.CrossEntropyLoss(), optimizer, batches, lr_min=1e-5, lr_max=1.0)
grew = f"grew away at lr {found.diverged_at:.2g}" if found.diverged_at else "did not grow away"
print(f"suggested lr {found.suggestion:.2g}; the loss {grew}")
