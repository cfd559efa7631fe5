"""Instruments that watch a training without disturbing it."""

from passo.recording.lens import Lens, Residual
from passo.recording.microscope import watch

__all__ = ["Lens", "Residual", "watch"]
