"""The gallery of broken runs: small trainings on real data, each wrong in one known way, beside a healthy twin.

>>> from passo import gallery
>>> len(gallery.DEFECTS), gallery.DEFECTS["zero-grad"].twin
(26, 'healthy')
"""

from passo.gallery.defect import Defect
from passo.gallery.loop import Training, train
from passo.gallery.making import CHAPTERS, DEFECTS, HELD_OUT_SEEDS, SEEDS, Piece, make, make_all, pieces
from passo.gallery.networks import HELD_OUT, MODELS
from passo.gallery.settings import HEALTHY, TWINS

__all__ = [
    "CHAPTERS",
    "DEFECTS",
    "HEALTHY",
    "HELD_OUT",
    "HELD_OUT_SEEDS",
    "MODELS",
    "SEEDS",
    "TWINS",
    "Defect",
    "Piece",
    "Training",
    "make",
    "make_all",
    "pieces",
    "train",
]
