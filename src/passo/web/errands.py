"""Questions whose answers take seconds: a process of their own computes one after the other, and pages ask again.

The warm worker stays free for what is dragged and drawn. The process ends when nothing is left to do; the last answers
are kept.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from passo.errors import PassoError, UsageError
from passo.web.worker import Worker

PATIENCE, WAITING, KEPT = 600.0, 4, 12  # seconds for one answer; errands that wait; answers that are kept


@dataclass
class Errand:
    """One question: whether it was answered, and with what."""

    done: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    wrong: PassoError | None = None


class Errands:
    """Keeps the answers of long questions by what was asked."""

    def __init__(self) -> None:
        self._worker = Worker(patience=PATIENCE)
        self._known: OrderedDict[str, Errand] = OrderedDict()
        self._knowing, self._turn = threading.Lock(), threading.Lock()

    def ask(self, do: str, mark: object, **given: Any) -> Any | None:
        """The answer, or None while it is computed; raises what was wrong, and then may be asked anew.

        With another `mark` it is another question: the same run, trained again. Raises `UsageError` where too many
        others wait.
        """
        key = _key(do, mark, given)
        with self._knowing:
            errand = self._known.get(key)
            if errand is None:
                if self._waiting() >= WAITING:
                    raise UsageError(f"{WAITING} other answers are being computed: ask again when one of them is there")
                errand = self._known[key] = Errand()
                threading.Thread(target=self._run, args=(errand, do, given), daemon=True).start()
            self._known.move_to_end(key)
            if errand.wrong is not None:
                del self._known[key]
                raise errand.wrong
            return errand.answer if errand.done.is_set() else None

    def known(self, do: str, mark: object, **given: Any) -> Any | None:
        """The answer where it is there already; nothing is begun."""
        with self._knowing:
            errand = self._known.get(_key(do, mark, given))
            return None if errand is None else errand.answer

    def stop(self) -> None:
        """End the process, if there is one."""
        self._worker.stop()

    def _waiting(self) -> int:
        return sum(not errand.done.is_set() for errand in self._known.values())

    def _run(self, errand: Errand, do: str, given: dict[str, Any]) -> None:
        with self._turn:
            try:
                errand.answer = self._worker.ask(do, **given)
            except PassoError as wrong:
                errand.wrong = wrong
            except Exception as wrong:  # whoever asks must not wait for ever
                errand.wrong = PassoError(f"this could not be computed ({type(wrong).__name__}: {wrong})")
            with self._knowing:
                errand.done.set()
                if not self._waiting():
                    self._worker.stop()
                for key in [key for key, one in self._known.items() if one.done.is_set()][:-KEPT]:
                    del self._known[key]


def _key(do: str, mark: object, given: dict[str, Any]) -> str:
    return json.dumps([do, str(mark), given], sort_keys=True)
