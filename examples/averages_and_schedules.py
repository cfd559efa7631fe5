"""Moving averages by any of their names, and schedules before any training."""

import numpy as np

import passo

print(passo.Smoothing(periods=19), "→ β", round(passo.Smoothing(periods=19).beta, 3))
series = np.sin(np.linspace(0, 6, 50)) + np.random.default_rng(0).normal(0, 0.3, 50)
print("moving average:", passo.moving_average(series, 19)[-3:].round(3))
print("EWMA, corrected:", passo.ewma(series, periods=19, bias_correction=True)[-3:].round(3))

curve = passo.preview("CyclicLR", lr=0.01, epochs=4, steps_per_epoch=50, max_lr=0.1, step_size_up="1 epoch")
print(curve.name, "steps per", curve.when, "and peaks at", curve.lr.max().round(3))
