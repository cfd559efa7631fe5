"""A trained run looked at from all sides: what is explained, analysed and drawn of it, for `passo explain`.

A door, as the command line is: it brings the computing half and the reading half together, each part in its own manner
(`explaining` → `analysis` → `figures`), and computes nothing itself.
"""

from passo.looking.explanation import Explanation, Part, Saved, explain
from passo.looking.parts import PARTS

__all__ = ["PARTS", "Explanation", "Part", "Saved", "explain"]
