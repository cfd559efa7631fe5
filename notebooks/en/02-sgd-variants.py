# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 02 SGD variants
#
# Part of the note *One step at a time*: What averages, momentum, adaptive steps and learning-rate schedules do to a gradient: watched at every step of small trainings on real images.
#
# In Colab: *File → Upload notebook*. In Kaggle: *Create → Notebook*, then *File → Import notebook*.
#
# > Everything here was trained on the embedded sample of 3,000 real images and tested on 1,000, so that it runs anywhere in about a minute. Accuracies are therefore lower, and differences between three seeds larger, than on the full data set: `passo note optimizers --dataset fashion-mnist` writes this note on all of it.

# %%
# Installs passo where it is missing; the torch that is there already is kept.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("passo") is None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "passo[notes]"], check=True)

# %%
# Studies and figures are kept here. In Colab, to keep them in Drive:
#   from google.colab import drive; drive.mount("/content/drive"); OUT = Path("/content/drive/MyDrive/passo")
import os
from pathlib import Path

OUT = Path(".")
OUT.mkdir(parents=True, exist_ok=True)
os.chdir(OUT)

# %%
import passo

study = passo.study("optimizers").run()  # half a minute; what is there already is not run again


# %%
def show(name):
    figure = passo.draw(name, study)
    figure.save("figures")  # PNG, SVG
    print(figure.sentence)
    return figure


# %% [markdown]
# ## SGD, momentum and Nesterov
#
# Can a step be improved by what came before it, without asking every weight for itself? Plain stochastic gradient descent \[[11](#source-robbins1951)\] has no memory: each step is the last gradient times the learning rate. Momentum \[[12](#source-polyak1964)\] gives it one. In PyTorch's form \[[7](#source-torch)\], with momentum $\mu$, dampening $\tau$ and weight decay $\lambda$:
#
# $$
# \begin{aligned}
# d_t &= g_t + \lambda\, \theta_{t-1} \\
# b_t &= \mu\, b_{t-1} + (1-\tau)\, d_t, \qquad b_1 = d_1 \\
# \theta_t &= \theta_{t-1} - \eta\, b_t
# \end{aligned} \tag{10}
# $$
#
# Here $g_t$ is the gradient, $d_t$ the same with the pull of the weight decay, $b_t$ the *buffer*, which is the memory, and $\eta$ the learning rate. Without momentum the step uses $d_t$ in the place of $b_t$. Note where $\eta$ stands: outside. In other textbooks, and in Keras, it is inside the buffer, and then a change of the learning rate takes many steps to reach the weights. In PyTorch a scheduler acts at once, on everything that the buffer has gathered. Keep that in mind for the section on schedulers; a later one measures it.
#
# ### Momentum is an EWMA without its brake
#
# Compare $b_t = \mu b_{t-1} + d_t$ with an EWMA: the factor $(1-\mu)$ before the new value is missing. So the buffer is the EWMA divided by $1-\mu$. If the gradient stayed the same for ever, it would grow towards
#
# $$
# \lim\limits_{t\to\infty} b_t = d \sum_{k=0}^{\infty} \mu^k = \frac{d}{1-\mu} \tag{11}
# $$
#
# With $\mu = 0.9$ that is 10 times the gradient, and nine tenths of the way are done after 22 steps.
#
# <a id="figure-momentum-limit"></a>

# %%
show("momentum-limit")

# %% [markdown]
# **Figure 7.** Momentum is an EWMA without the factor 1 − β, so it adds up what an EWMA averages: above, computed for a constant gradient; below, on real gradients.

# %% [markdown]
# The upper panel of [Figure 7](#figure-momentum-limit) is that sum, computed. The lower one is measured; watch how near to the limit it comes, and how often.
#
# Noise does not grow as a constant does. If the gradients are independent, their standard deviation in the buffer is multiplied by only $1/\sqrt{1-\mu^2}$, here 2.29. So momentum lifts the signal over the noise by the ratio of the two, which is $\sqrt{(1+\mu)/(1-\mu)}$, the very $\sqrt{N}$ of the first section. Where do real gradients lie between these limits? For the tensor `conv1.weight` in the run `momentum`, the root mean square of the buffer is 2.4 times that of the gradient: about what independent noise would give. Taken as a whole, these gradients agree about as much as they contradict each other.
#
# Two things follow. First, momentum with learning rate $\eta$ takes steps up to $1/(1-\mu)$ times as long as plain SGD with the same $\eta$. A comparison of the two at the same learning rate is also a comparison of two step lengths. Second, there is a variant that separates the two effects: **dampening** with $\tau = \mu$ puts the brake back in. Then $b_t$ is exactly the EWMA, with the same limit as plain SGD, so all that it adds is smoothing. One more detail of PyTorch: the first gradient enters undampened, $b_1 = d_1$. An average that starts at its first value has no bias towards zero, so it needs no correction; but that first mini-batch keeps a weight of $\mu^{t-1}$, 10 times what its age would give it.
#
# ### Nesterov looks ahead
#
# Nesterov's idea \[[13](#source-nesterov1983), [14](#source-sutskever2013)\]: if the velocity is going to carry us on anyhow, take the gradient where we are going to be, not where we are. PyTorch rewrites this so that the gradient is still taken at the weights that it holds, and changes the step instead:
#
# $$
# \theta_t = \theta_{t-1} - \eta\, (d_t + \mu\, b_t) \tag{12}
# $$
#
# Why is that a look ahead? Suppose the next gradient equals this one. Then the next buffer will be $b_{t+1} = \mu b_t + d_t$. That is the bracket. **Nesterov's step is the momentum step of one step later**, under the guess that the gradient stays. When the gradient has just turned, $d_t$ appears in the bracket twice, once by itself and once inside $b_t$, so the turn is taken sooner. All four of this section fit into a few lines of Python:

# %%
import torch

torch.manual_seed(0)
start = torch.randn(1000)
gradients = [torch.randn(1000) for _ in range(50)]
theta, lr, mu, tau, nesterov = start.clone(), 0.01, 0.9, 0.0, True

# %%
b = None
for g in gradients:
    b = g.clone() if b is None else mu * b + (1 - tau) * g
    theta = theta - lr * (g + mu * b if nesterov else b)

# %%
weight = torch.nn.Parameter(start.clone())
sgd = torch.optim.SGD([weight], lr=lr, momentum=mu, dampening=tau, nesterov=nesterov)
for g in gradients:
    weight.grad = g
    sgd.step()
assert torch.allclose(theta, weight, atol=1e-5)

# %% [markdown]
# <a id="figure-sgd-traces"></a>

# %%
show("sgd-traces")

# %% [markdown]
# **Figure 8.** conv1.weight\[0, 0, 2, 2\] in three runs of seed 0, each with its own gradients and its own scale.

# %% [markdown]
# The panels of [Figure 8](#figure-sgd-traces) come from three trainings with the same first weights and the same images in the same order. After the first step their weights differ, so their gradients do as well. Look at how often each direction changes its sign: plain SGD at 20 % of the steps, momentum at 16 %, Nesterov at 26 %.
#
# ### Paths in a valley
#
# Two parameters can be drawn. From the mean brightness of the upper half of an image, the model `line` predicts the mean brightness of its lower half: $\hat y = b + w x$, on real images again. Its loss is a long valley \[[15](#source-goh2017)\]. Across, it is 57 times as curved as along. That ratio, the condition number, is the trouble of gradient descent in one number: the steep direction limits the learning rate to below $2$ over its curvature, here 0.93, and the flat direction has to get along with that.
#
# <a id="figure-sgd-paths"></a>

# %%
show("sgd-paths")

# %% [markdown]
# **Figure 9.** From the mean brightness of the upper half of an image to the mean brightness of its lower half by one weight and one bias; shades are levels of the mean squared error over all images, dots the mini-batch steps, rings the ends.

# %% [markdown]
# All paths of [Figure 9](#figure-sgd-paths) start 1.2 from the minimum, see the same mini-batches and take 50 steps with learning rate 0.1. Plain SGD ends 0.97 away, momentum 0.12, Nesterov 0.12. Neither of the two swings past the minimum at this learning rate; a larger one comes in the next section. The closest at the end is `line-momentum`. (This surface was walked once, from one start; it is a picture, not a measurement with intervals.) Watch the corners as well as the ends: what has a memory cannot turn at once.
#
# ### And on the images?
#
# <a id="figure-sgd-curves"></a>

# %%
show("sgd-curves")

# %% [markdown]
# **Figure 10.** Validation loss and accuracy per epoch. Lines are means over seeds, bands their 95 % intervals; bands wider than the frame are cut.

# %% [markdown]
# *Test accuracy, and the paired difference to plain SGD.*
#
# | configuration | settings | test accuracy | difference | verdict |
# | --- | --- | --- | --- | --- |
# | Plain SGD | η 0.03 | 62.1 ± 15.6 % |  |  |
# | SGD with dampened momentum | η 0.03, μ 0.9, τ 0.9 | 66.6 ± 8.1 % | +4.5 points, interval −7.3 to 16.2 | not distinguishable |
# | SGD with momentum | η 0.03, μ 0.9 | 72.8 ± 5.7 % | +10.7 points, interval −8.0 to 29.4 | not distinguishable |
# | SGD with Nesterov momentum | η 0.03, μ 0.9 | 75.5 ± 5.7 % | +13.4 points, interval −3.1 to 29.9 | not distinguishable |
#
# All four use the learning rate 0.03. In [Figure 10](#figure-sgd-curves) watch the bands before the lines: where they overlap, three seeds may have been lucky. Read the table with the two effects in mind. *Smoothing alone:* SGD with dampened momentum cannot be told apart in test accuracy from plain SGD (+4.5 points, interval −7.3 to 16.2). *Smoothing and longer steps:* SGD with momentum cannot be told apart in test accuracy from plain SGD (+10.7 points, interval −8.0 to 29.4). *The longer steps alone:* SGD with momentum cannot be told apart in test accuracy from SGD with dampened momentum (+6.2 points, interval −7.5 to 19.9). *The look-ahead:* SGD with Nesterov momentum reaches a higher test accuracy than SGD with momentum (+2.7 points, interval 0.1 to 5.3). By their means, the longer steps matter more than the smoothing.
#
# In theory momentum is for valleys: it averages away the zigzag across and adds up the way along. In practice the first thing that it brings is a step up to 10 times as long, and whoever compares it with plain SGD at the same learning rate compares that too. Other surfaces tell other stories; this races all of them down a ravine, each at a learning rate of its own choice:

# %% [markdown]
# ```sh
# passo descend ravine --optimizer sgd --optimizer momentum --optimizer nesterov --optimizer adam --tune 9 --out ravine.html
# ```

# %% [markdown]
# ## Sources
#
# 7. <a id="source-torch"></a>PyTorch documentation, “torch.optim”, pytorch.org/docs.
# 11. <a id="source-robbins1951"></a>H. Robbins, S. Monro, “A stochastic approximation method”, *Ann. Math. Statistics* 22, 1951.
# 12. <a id="source-polyak1964"></a>B. T. Polyak, “Some methods of speeding up the convergence of iteration methods”, *USSR Comput. Math. Math. Phys.* 4, 1964.
# 13. <a id="source-nesterov1983"></a>Y. Nesterov, “A method of solving a convex programming problem with convergence rate O(1/k²)”, *Soviet Math. Doklady* 27, 1983.
# 14. <a id="source-sutskever2013"></a>I. Sutskever et al., “On the importance of initialization and momentum in deep learning”, *ICML*, 2013.
# 15. <a id="source-goh2017"></a>G. Goh, “Why momentum really works”, *Distill*, 2017.
