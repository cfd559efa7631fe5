"""What every test shares."""

import os
import re
import signal
import string

# Before torch is imported: tests share their machine, so OpenMP threads wait without much spinning.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ["PASSO_LANG"] = "en"  # whatever the machine speaks

import pytest
from hypothesis import settings

settings.register_profile("passo", deadline=None)  # machines are shared: no test is timed
settings.load_profile("passo")

# A shell that starts this in the background has Ctrl-C ignored, and what is ignored is ignored by every child.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _Foreign(dict[str, object]):
    """A catalogue that knows every message, and answers with its words between brackets."""

    def get(self, message: str, default: object = None) -> object:
        return [_bracketed(form) for form in default] if isinstance(default, list) else _bracketed(message)


def _bracketed(message: str) -> str:
    """Every word of a message in ⟦ ⟧; its fields stand outside."""
    parts = []
    for words, field, spec, conversion in string.Formatter().parse(message):
        parts.append(f"⟦{words}⟧" if words else "")
        if field is not None:
            parts.append("{" + field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}")
    return "".join(parts)


@pytest.fixture
def foreign(monkeypatch):
    """A language in which all that can be translated stands in ⟦ ⟧.

    The fixture is a function: the words (of three letters or more) of a text that stand outside, and so will be English
    in every language; names that are allowed to are given.
    """
    from passo import language

    def outside(text: str, *allowed: str) -> list[str]:
        left = re.sub(r"⟦[^⟧]*⟧", " ", text)
        return [word for word in re.findall(r"[^\W\d_][\w'-]{2,}", left) if word not in allowed]

    monkeypatch.setattr(language, "_catalogue", lambda tag: _Foreign())
    with language.speaking("pt-BR"):
        yield outside
