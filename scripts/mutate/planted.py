# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant a mistake in a module that is loaded already: the functions that differ get the mutated code.

So a trial needs no import of its own. What only an import computes (a constant, a default, a table, a class body)
cannot be planted so, and is tried the slow way (trial.py).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, Optional

# Flags of a code object: it is the body of a function (inspect.CO_NEWLOCALS), not of a module or a class.
_FUNCTION = inspect.CO_NEWLOCALS


def plant(module_name: str, path: str, original: str, mutated: str) -> bool:
    """Given a module, its file, its source and the mutated one, change the module in this process.

    Return whether that could be done; where it could not, nothing was changed.
    """
    before, after = (compile(source, path, "exec") for source in (original, mutated))
    names = list(_changed(before, after, ()))
    if not names or any(name is None for name, _code in names):
        return False
    module = importlib.import_module(module_name)
    found = [(_function(module, name), code) for name, code in names if name]
    if any(function is None for function, _code in found):
        return False
    for function, code in found:
        function.__code__ = code
    return True


def _changed(
    before: CodeType, after: CodeType, way: tuple[str, ...]
) -> Iterator[tuple[Optional[tuple[str, ...]], CodeType]]:
    """Yield the way to each outermost function that differs, with its new code; None where anything else differs."""
    if _own(before) != _own(after):
        yield None, after
        return
    for old, new in zip(_inner(before), _inner(after)):
        if old == new:
            continue
        if not old.co_flags & _FUNCTION:
            yield from _changed(old, new, (*way, old.co_name))
        elif old.co_name.startswith("<"):  # a lambda in a table: no name leads to it
            yield None, new
        else:
            yield (*way, old.co_name), new


def _own(code: CodeType) -> tuple[Any, ...]:
    """Return what a body does itself, without the functions and classes defined in it."""
    # 1 and True are equal, and so are 0.0 and -0.0, though a program tells them apart
    constants = [repr(value) for value in code.co_consts if not isinstance(value, CodeType)]
    return code.co_code, code.co_names, code.co_varnames, constants, len(_inner(code))


def _inner(code: CodeType) -> list[CodeType]:
    return [value for value in code.co_consts if isinstance(value, CodeType)]


def _function(module: ModuleType, way: tuple[str, ...]) -> Any:
    """Return the function at the end of a way of names, without what decorators put around it, or None."""
    holder: Any = module
    for name in way[:-1]:
        holder = vars(holder).get(name)
        if holder is None:
            return None
    value = vars(holder).get(way[-1])
    value = value.fget if isinstance(value, property) else value
    value = getattr(value, "__func__", value)
    value = inspect.unwrap(value) if callable(value) else value
    return value if isinstance(value, FunctionType) and value.__module__ == module.__name__ else None
