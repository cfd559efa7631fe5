"""A text's values put in by Jinja2, in a sandbox: a note that somebody sent reaches values, and runs nothing.

What is wrong is answered with the file, the line, and for an unknown name with the nearest and the list.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from typing import Any

from passo.errors import PassoError, StoreError, require
from passo.notes.formats import FILTERS
from passo.notes.sourced import pointed, written
from passo.registry import unknown

_FAILURES = (LookupError, ValueError, TypeError, ArithmeticError, AttributeError, RecursionError, MemoryError)
_SHORT = 200  # letters of what Jinja or Python says


def render(name: str, text: str, words: Mapping[str, Any], environment: Any = None) -> str:
    """The text of one file with its values; `words` are what it may use; `environment` is a sandbox of the caller's.

    Raises the error of what it asked for, or `StoreError`, with the file and the line.
    """
    jinja2 = require("jinja2", "notes")
    environment = environment or sandboxed()
    environment.undefined = undefined(words)
    try:
        return pointed(environment.from_string(text, globals=dict(words)).render())
    except PassoError as error:
        raise placed(error, name, _line(error)) from error
    except jinja2.TemplateSyntaxError as error:
        raise placed(_misspelt(error, environment), name, error.lineno) from error
    except jinja2.exceptions.SecurityError as error:
        raise placed(StoreError(f"a text may not do this: “{_brief(error)}”"), name, _line(error)) from error
    except jinja2.TemplateError as error:
        raise placed(StoreError(f"a value is missing: “{_brief(error)}”"), name, _line(error)) from error
    except _FAILURES as error:
        told = StoreError(f"a value cannot be computed from this study: “{_brief(error)}”")
        raise placed(told, name, _line(error)) from error


def sandboxed() -> Any:
    """The sandbox: no attribute that begins with an underscore, nothing that changes an object, no file to include."""
    sandbox = require("jinja2.sandbox", "notes")
    environment = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(FILTERS)
    environment.finalize = written
    return environment


def undefined(words: Mapping[str, Any]) -> Any:
    """What stands for a name that is not there: whatever is done with it, the nearest and the list are told."""
    jinja2 = require("jinja2", "notes")

    class Unknown(jinja2.StrictUndefined):  # type: ignore[misc, name-defined]
        def _fail_with_undefined_error(self, *arguments: Any, **options: Any) -> Any:
            if self._undefined_obj is jinja2.utils.missing and not self._undefined_hint:
                raise unknown("value", self._undefined_name, words)
            if isinstance(self._undefined_obj, Mapping):
                raise unknown("value", self._undefined_name, map(str, self._undefined_obj))
            super()._fail_with_undefined_error(*arguments, **options)

    asked = {**vars(jinja2.Undefined), **vars(jinja2.StrictUndefined)}
    for name in asked.keys() - {"__init__", "__getattr__", "__repr__", "__doc__", "__module__", "__slots__"}:
        if name.startswith("__"):
            setattr(Unknown, name, Unknown._fail_with_undefined_error)
    return Unknown


def placed(error: PassoError, name: str, line: int | None) -> PassoError:
    """The same error with the file of a text, and the line where it is known."""
    if line:
        return type(error)(f"section {name} of the note, line {line}: {error}")
    return type(error)(f"section {name} of the note: {error}")


def line_of(text: str, *sought: str) -> int | None:
    """The line of a text in which one of these stands first; None where it was put together of values.

    >>> line_of("a\\nb {{ see('c') }}", 'see("c")', "see('c')"), line_of("a", "b")
    (2, None)
    """
    found = [place for one in sought if (place := text.find(one)) >= 0]
    return text.count("\n", 0, min(found)) + 1 if found else None


def _line(error: BaseException) -> int | None:
    """The line of the text in which an error arose."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return lines[-1] if lines else None


def _misspelt(error: Any, environment: Any) -> PassoError:
    """What is wrong in how a text is written; the words of Jinja, which are English, in quotation marks."""
    if found := re.fullmatch(r"No (filter|test) named '(.*)'\.", str(error.message)):
        kind, known = ("filter", environment.filters) if found[1] == "filter" else ("test", environment.tests)
        return unknown(kind, found[2], known)
    return StoreError(f"this cannot be read: “{_brief(error.message)}”")


def _brief(error: object) -> str:
    return " ".join(str(error).split())[:_SHORT]
