"""Train a CNN on real images, and read what was kept: curves, the test, the traces of one weight."""

import tempfile
from pathlib import Path

import passo

folder = Path(tempfile.mkdtemp()) / "first"
data = passo.load("fashion-mnist-sample", per_class=50)
done = passo.train(data, "lenet", optimizer="adam", lr=1e-3, epochs=2, seed=0, record={"every": 1}, out=folder)
print(f"test accuracy {done.test.accuracy:.1%}, weights {done.weights_sha256[:12]}")

study = passo.open(folder)  # years later, without torch
run = study.runs[0]
print("validation loss by epoch:", run.metric("validation/loss").values.round(3))
print("stages recorded:", run.meta("trace")["stages"])
