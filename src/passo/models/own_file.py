"""A model from the user's own file: `model=path/to/file.py:build`.

Building such a model runs the file. So a file is imported only after `allow(name)`, and `allow` is called by those who
have the name from the person at the keyboard, in this process: the command line, for words that were typed. Never call
it with a name that was read, from a study, a checkpoint or any other file: whoever wrote that file would choose what
runs here. A configuration that is read back may hold such a name; it is checked for its form alone, and `build` refuses
it until the command names the file again.

Worker processes inherit what was allowed, through the environment.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from torch import nn

from passo.errors import ConfigError
from passo.registry import nearest, unknown

MARK = ".py:"
_ALLOWED = "PASSO_OWN_MODELS"
_CALLS = ("nn", "modules", "module.py")  # where torch calls a module
_loaded: dict[str, tuple[str, ModuleType]] = {}  # absolute path → (SHA-256 of the file, the module)


def is_own(name: str) -> bool:
    """Whether a model's name is a file's and a function's.

    >>> is_own("nets/mine.py:build"), is_own("lenet")
    (True, False)
    """
    return isinstance(name, str) and (MARK in name or name.endswith(".py"))


def allow(name: str) -> None:
    """Let this process, and those it starts, import the file that `name` names. Who may call it: see the module."""
    split(name)
    os.environ[_ALLOWED] = "\n".join(sorted({*_allowed(), _key(name)}))


def allow_typed(words: Sequence[str]) -> None:
    """`allow` each `model=FILE.py:FUNCTION` (or `model.name=…`) among the words of a command line."""
    for word in words:
        key, _, value = word.partition("=")
        if key in ("model", "model.name") and is_own(value):
            allow(value)


def allowed(name: str) -> bool:
    """Whether `name` was allowed here."""
    return _key(name) in _allowed()


def split(name: str) -> tuple[Path, str]:
    """The file and the function of a name; raises `ConfigError` where it is not `FILE.py:FUNCTION`."""
    path, _, function = name.rpartition(MARK)
    if not path or "\n" in path or not function.isidentifier():
        raise ConfigError(f"a model of your own is named FILE.py:FUNCTION, as in nets/mine.py:build, got {name!r}")
    return Path(f"{path}.py").expanduser(), function


def label(name: str) -> str:
    """A short form for folders and titles: the file's stem and the function.

    >>> label("nets/mine.py:build"), label("lenet")
    ('mine-build', 'lenet')
    """
    if not is_own(name):
        return name
    path, function = split(name)
    return f"{path.stem}-{function}"


def sha256(name: str) -> str:
    """The digest of the file as it is now, without what it imports: a name alone does not say what was trained."""
    return hashlib.sha256(_content(name)).hexdigest()


def builder(name: str) -> Callable[..., nn.Module]:
    """The function that `name` names, which is called as `build(in_shape, classes, **options)`.

    The file is run once, and again when it has changed. Modules beside it can be imported while it runs.
    Raises `ConfigError`: not allowed, no such file or function, or the file fails.
    """
    if not allowed(name):
        raise ConfigError(
            f"model {name} is a file, and passo runs a file only when the command itself names it: say model={name} "
            "there if you trust it; in Python, build the model yourself and hand it on"
        )
    path, function = split(name)
    module = _module(name)
    found: Callable[..., nn.Module] | None = getattr(module, function, None)
    if not callable(found):
        near = nearest(function, [n for n, value in vars(module).items() if inspect.isfunction(value)])
        hint = f"; did you mean {near!r}?" if near else f": write def {function}(in_shape, classes) there"
        raise ConfigError(f"{path} has no function {function!r}{hint}")
    return found


def options(name: str) -> dict[str, Any] | None:
    """The options that the builder names after shape and classes, and their defaults; None where it takes any."""
    declared = list(inspect.signature(builder(name)).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in declared):
        return None
    later = [p for p in declared[2:] if p.kind is p.POSITIONAL_OR_KEYWORD]
    return {p.name: p.default for p in (*later, *(p for p in declared if p.kind is p.KEYWORD_ONLY))}


def check_options(name: str, given: Mapping[str, Any]) -> None:
    """Raise `ConfigError` for an option that the user's builder does not take, or for what `builder` refuses."""
    known = options(name)
    if known is None:
        return
    for option in given:
        if option not in known:
            raise ConfigError(str(unknown(f"option of model {name}", option, known)))


def build(name: str, in_shape: Sequence[int], classes: int, **options: Any) -> nn.Module:
    """Call the user's builder; raises `ConfigError` where it fails, or returns no `torch.nn.Module`."""
    function = builder(name)
    try:
        model = function(in_shape, classes, **options)
    except Exception as error:
        _failed(f"model {name} cannot be built", name, error)
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{name} must return a torch.nn.Module, got {type(model).__name__}")
    return model


def failing(name: str, error: BaseException) -> str | None:
    """What to say of an error that a file's model raised when it was called; None for any other error."""
    frames = traceback.extract_tb(error.__traceback__)
    called = any(frame.name == "_call_impl" and Path(frame.filename).parts[-3:] == _CALLS for frame in frames)
    if not is_own(name) or not called or not isinstance(error, Exception):
        return None
    return _told(f"model {name} fails on what it is shown", name, error)


def _allowed() -> set[str]:
    return set(os.environ.get(_ALLOWED, "").split("\n")) - {""}


def _key(name: str) -> str:
    """A name with its file's absolute path, so that another working folder does not change what is meant."""
    path, function = split(name)
    return f"{path.absolute()}:{function}"


def _content(name: str) -> bytes:
    path, _ = split(name)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"model {name}: there is no file {path} in {Path.cwd()}") from None
    except OSError as error:
        raise ConfigError(f"model {name}: cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _module(name: str) -> ModuleType:
    """The file as a module, run once as long as it stays the same."""
    content = _content(name)
    digest = hashlib.sha256(content).hexdigest()
    path = str(split(name)[0].absolute())
    if path in _loaded and _loaded[path][0] == digest:
        return _loaded[path][1]
    spec = importlib.util.spec_from_file_location(f"passo_own_{hashlib.sha256(path.encode()).hexdigest()[:12]}", path)
    assert spec is not None and spec.loader is not None  # the path ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and copies look their module up there
    sys.path.append(str(Path(path).parent))
    try:
        exec(compile(content, path, "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[spec.name]
        _failed(f"model {name}: the file cannot be run", name, error)
    finally:
        sys.path.remove(str(Path(path).parent))
    _loaded[path] = (digest, module)
    return module


def _failed(what: str, name: str, error: Exception) -> NoReturn:
    raise ConfigError(_told(what, name, error)) from error


def _told(what: str, name: str, error: Exception) -> str:
    """One sentence with the error's own words, and the last line of the user's file that it passed through."""
    path = str(split(name)[0].absolute())
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines = [error.lineno]
    where = f" (line {lines[-1]} of {path})" if lines else ""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{what}: {type(error).__name__}: {text}{where}"
