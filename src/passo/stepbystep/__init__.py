"""The class of the book *Deep Learning with PyTorch Step-by-Step*, over passo's own rooms; `Architecture` is its alias.

Its names, attributes and losses are the book's; what is done otherwise, and why, is on the page docs/from-the-book.md.
Drawing needs matplotlib (`passo[book]`), the writer tensorboardX (`passo[tensorboard]`); training needs neither.
"""

from passo.stepbystep.images import Normalize
from passo.stepbystep.theclass import Architecture, StepByStep

__all__ = ["Architecture", "Normalize", "StepByStep"]
