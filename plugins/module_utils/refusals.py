# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an area refuses of its options: all of it, and not only the first. Pure.

An area reads its options by functions that raise InputError for the first that is wrong: that is what it refuses, and
there is no second list of it. To find the others too, something else is put where the refused value was, and the area
reads again, until it refuses nothing more.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

from .errors import InputError
from .typed import GUESSES, Fault, Path, stand_in

Read = Callable[[dict[str, Any]], object]
OF_THE_HOST = "a path"  # the name of what host.expand refuses: whether an account exists is for the host to say
_LIMIT = 100  # times that an area reads
_STEP = re.compile(r"\.?([A-Za-z_]\w*)|\[([^\[\]]*(?:\[[^\]]*\][^\[\]]*)*)\]")


def refused(spec: Mapping[str, Any], filled: dict[str, Any], read: Read, settled: frozenset[Path]) -> Iterator[Fault]:
    """Given typed options, yield all that ``read`` refuses of them.

    ``settled`` is where something else stands already for what is wrong: what ``read`` says of that is no news.
    """
    work = copy.deepcopy(filled)
    for _turn in range(_LIMIT):
        error = _error(read, work)
        if error is None:
            return
        if not isinstance(error, InputError):
            if not settled:
                raise error
            return
        path = find_path(error.name, error.value, work)
        origin = _origin(path, work)
        beside = {path[:-1] for path in settled}  # what is wrong may be what is missing
        follows = error.value is None and origin[:-1] in beside
        if origin not in settled and not follows and error.name != OF_THE_HOST:
            expected = f"is not set: expected {error.expected}" if error.value is None else error.expected
            yield Fault(origin, error.value, expected, error.known)
        better = _mended(spec, work, path, error, read)
        if better is None:
            return
        work, settles = better
        settled |= {origin} if settles else frozenset()


def _error(read: Read, options: dict[str, Any]) -> Optional[Exception]:
    """Return what reading the options ends in. They are copied: nothing that reads them may change them."""
    try:
        read(copy.deepcopy(options))
    except Exception as error:  # noqa: BLE001 - whatever a wrong option leads to is to be told from the next one
        return error
    return None


def _origin(path: Path, options: Any) -> Path:
    """Given where a value is among the options that are left, return where it was among those that were given."""
    found: list[Any] = []
    here = options
    for step in path:
        here = here[step]
        found.append(getattr(here, "origin", step) if isinstance(step, int) else step)
    return tuple(found)


def find_path(name: str, value: Any, options: Any) -> Path:
    """Given the name that an InputError has (``services[trade].port``) and its value, return where that is.

    Where two rows have that name it is the last one that has the value.
    """
    path: list[Any] = []
    here = options
    for match in _STEP.finditer(name):
        key, row = match.groups()
        if key is not None:
            if not isinstance(here, Mapping) or key not in here:
                break
            path.append(key)
            here = here[key]
        elif isinstance(here, list):
            rest = name[match.end() :]
            index = _row_of(row, rest, value, here)
            if index is None:
                break
            path.append(index)
            here = here[index]
    return tuple(path)


def _row_of(wanted: str, rest: str, value: Any, rows: Sequence[Any]) -> Optional[int]:
    """Return which row is meant by a name or a number."""
    named = [at for at, row in enumerate(rows) if isinstance(row, Mapping) and wanted in _names_of(row)]
    placed = [at for at in range(len(rows)) if wanted == str(at)]
    holding = [at for at in (*placed, *named) if _holds(rows[at], rest, value)]
    found = holding or named or placed
    return found[-1] if found else None


def _names_of(row: Mapping[str, Any]) -> list[str]:
    return [str(row[key]) for key in ("name", "mount") if row.get(key) is not None]


def _holds(row: Any, rest: str, value: Any) -> bool:
    path = find_path(rest, value, row)
    for step in path:
        row = row[step]
    return bool(path) and (row == value or (isinstance(row, list) and value in row))


def _mended(
    spec: Mapping[str, Any], work: dict[str, Any], path: Path, error: InputError, read: Read
) -> Optional[tuple[dict[str, Any], bool]]:
    """Return the options with something else for what was refused, and whether that is an invention.

    As little as possible is replaced: the value itself before its row, a row before the whole list.
    """
    fallback: Optional[tuple[dict[str, Any], bool]] = None
    for candidates in _candidates(spec, work, path, error.value):
        ranked = [(_rank(_error(read, options), error, path, options), options, new) for options, new in candidates]
        rank, options, new = min(ranked, key=lambda each: each[0], default=(_SAME, work, False))
        if rank < _OTHER_VALUE:
            return options, new
        if rank == _OTHER_VALUE and fallback is None:
            fallback = options, new
    return fallback


_NOTHING, _ELSEWHERE, _BESIDE, _OTHER_VALUE, _SAME = range(5)  # what is refused then, the best first


def _rank(other: Optional[Exception], error: InputError, path: Path, options: Any) -> int:
    """Return how good it is that this is what is refused now."""
    if other is None:
        return _NOTHING
    if not isinstance(other, InputError):
        return _SAME
    where = find_path(other.name, other.value, options)
    if where == path and other.expected == error.expected:
        return _OTHER_VALUE if other.value and other.value != error.value else _SAME
    return _BESIDE if where[: len(path) - 1] == path[:-1] else _ELSEWHERE


def _candidates(
    spec: Mapping[str, Any], work: dict[str, Any], path: Path, value: Any
) -> Iterator[list[tuple[dict[str, Any], bool]]]:
    """Yield the options with less and less of what is at a path."""
    if len(path) > 2 and path[-1] == "name" and _is_twice(work, path):
        path = path[:-1]  # the row goes: a name that is made up would be among those that messages list
    old = _at(work, path)
    if isinstance(old, list):
        bad = value if isinstance(value, (list, tuple)) else [value]
        left = [each for each in old if each not in bad]
        yield [(_changed(work, path, left), not left)]
    for depth in range(len(path), 0, -1):
        here = path[:depth]
        option = option_at(spec, here) or {}
        if isinstance(here[-1], int):
            yield [(_changed(work, here, None, drop=True), True)]
        else:
            guesses = GUESSES[option.get("type", "str")]
            others = (*guesses, stand_in(option)) if isinstance(old, str) else (stand_in(option), *guesses)
            yield [(_changed(work, here, other), True) for other in (*others, None)]


def _is_twice(work: dict[str, Any], path: Path) -> bool:
    rows, name = _at(work, path[:-2]), _at(work, path)
    return [row.get("name") for row in rows].count(name) > 1


def _at(options: Any, path: Path) -> Any:
    for step in path:
        options = options[step]
    return options


def _changed(work: dict[str, Any], path: Path, value: Any, *, drop: bool = False) -> dict[str, Any]:
    copied = copy.deepcopy(work)
    holder = _at(copied, path[:-1])
    if drop:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return copied


def option_at(spec: Mapping[str, Any], path: Path) -> Optional[Mapping[str, Any]]:
    """Given a SPEC and where a value is, return the option that it belongs to; None where it is within a free form."""
    option: Mapping[str, Any] = {"options": spec}
    for step in path:
        if isinstance(step, str):
            if step not in (option.get("options") or {}):
                return None
            option = option["options"][step]
    return option
