# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options against their SPEC: names, types, choices and paths, every fault of them, and what is right filled in. Pure.

Ansible's own validator stops a level at its first fault and says it in words of Python; this one goes through all of
them. It takes the spellings that Ansible takes (``"8000"`` for a number, ``yes`` for true).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Union

from .spelling import nearest

Step = Union[str, int]
Path = tuple[Step, ...]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TRUE = ("y", "yes", "on", "1", "true", "t", "1.0")
_FALSE = ("n", "no", "off", "0", "false", "f", "0.0")
_POSIX = re.compile(r"[/~$]")  # the host resolves ~ and its own variables
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\|//|[%~$/\\]")
NO_OPTION = "not an option"
WINDOWS_PATH = r"C:\CryptoBot"


class Fault(NamedTuple):
    """One thing that is wrong: where, what is there (None: it has no value to show), what is expected."""

    path: Path
    value: Any
    expected: str
    known: tuple[str, ...] = ()


class Row(dict):  # type: ignore[type-arg]
    """One element of a list of mappings, which remembers its place in the list that the inventory has."""

    def __init__(self, content: Mapping[str, Any], origin: int) -> None:
        super().__init__(content)
        self.origin = origin


class Unfit(Exception):
    """A value that is not of its type; the message is what is expected."""


def fill(
    spec: Mapping[str, Any], given: Mapping[str, Any], platform: str = "linux"
) -> tuple[dict[str, Any], list[Fault]]:
    """Given a SPEC and options, return them typed with every default, and all that does not fit.

    What does not fit has its default, or something of its type.
    """
    faults: list[Fault] = []
    return _options(spec, given, (), platform, faults), faults


def _options(
    spec: Mapping[str, Any], given: Mapping[str, Any], path: Path, platform: str, faults: list[Fault]
) -> dict[str, Any]:
    known = tuple(spec)
    faults += [Fault((*path, str(name)), None, NO_OPTION, known) for name in given if name not in spec]
    filled: dict[str, Any] = {}
    for name, option in spec.items():
        here, value = (*path, name), given.get(name)
        if value is not None:
            filled[name] = _value(option, value, here, platform, faults)
        else:
            if option.get("required") and not _is_misspelt(name, given, spec):
                faults.append(Fault(here, None, "is missing"))
            filled[name] = stand_in(option, platform)
    return filled


def _is_misspelt(name: str, given: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    return any(nearest(str(other), spec) == name for other in given if other not in spec)


def _value(option: Mapping[str, Any], value: Any, path: Path, platform: str, faults: list[Fault]) -> Any:
    """Return a value typed; where it does not fit that is a fault, and something else stands for it."""
    try:
        return _typed(option, value, path, platform, faults)
    except Unfit as unfit:
        faults.append(Fault(path, value, str(unfit)))
        return stand_in(option, platform)


def stand_in(option: Mapping[str, Any], platform: str = "linux") -> Any:
    """Given an option, return its default, or where it must be given something of its type."""
    value = option.get("default")
    if value is None and option.get("required"):
        value = next(iter(option.get("choices") or ()), GUESSES[option.get("type", "str")][0])
    if value is None and not option.get("apply_defaults"):
        return None
    return _typed(option, {} if value is None else value, (), platform, [])


# What may stand for a value that is wrong or missing, until the other mistakes are found.
GUESSES: dict[str, tuple[Any, ...]] = {
    "str": ("1", "1d", "x"),
    "path": ("/x/y/z", "/x/v/w", r"C:\x\y\z", r"C:\x\v\w"),
    "int": (1,),
    "float": (1.0,),
    "bool": (True,),
    "list": ([], ["any"], ["x"]),
    "dict": ({},),
}


def _typed(option: Mapping[str, Any], value: Any, path: Path, platform: str, faults: list[Fault]) -> Any:
    kind = option.get("type", "str")
    if kind == "list":
        return _list(option, value, path, platform, faults)
    if kind == "dict" and "options" in option:
        return _within(option, _mapping(value), path, platform, faults)
    if kind == "path":
        return _path(value, path, platform, faults)
    typed = TYPES[kind](value)
    choices = option.get("choices")
    if choices and typed not in choices:
        raise Unfit("one of " + ", ".join(map(str, choices)))
    return typed


def _within(
    option: Mapping[str, Any], value: Mapping[str, Any], path: Path, platform: str, faults: list[Fault]
) -> dict[str, Any]:
    filled = _options(option["options"], value, path, platform, faults)
    given = [name for name, each in value.items() if each is not None]
    faults += [
        Fault(path, None, f"takes only one of {' and '.join(pair)}")
        for pair in option.get("mutually_exclusive") or ()
        if len([name for name in pair if name in given]) > 1
    ]
    for name, wanted, needed, *any_of in option.get("required_if") or ():
        missing = [each for each in needed if each not in given]
        if filled.get(name) == wanted and (len(missing) == len(needed) if any_of and any_of[0] else missing):
            words = " or ".join(needed) if any_of and any_of[0] else missing[0]
            faults.append(Fault((*path, words), None, f"is missing, because {name} is {wanted}"))
    return filled


def _list(option: Mapping[str, Any], value: Any, path: Path, platform: str, faults: list[Fault]) -> list[Any]:
    element = {**option, "type": option.get("elements", "str")}
    found: list[Any] = []
    for place, each in enumerate(_sequence(value)):
        try:
            typed = _typed(element, each, (*path, place), platform, faults)
            found.append(Row(typed, place) if isinstance(typed, dict) else typed)
        except Unfit as unfit:
            faults.append(Fault((*path, place), each, str(unfit)))
    return found


def _sequence(value: Any) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, str):
        return value.split(",") if value else []
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return [value]
    raise Unfit("a list")


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Unfit("a mapping") from None
    if not isinstance(value, Mapping):
        raise Unfit("a mapping")
    return value


def _text(value: Any) -> str:
    if isinstance(value, (Mapping, list, tuple)):
        raise Unfit("a text")
    return str(value)


def _path(value: Any, path: Path, platform: str, faults: list[Fault]) -> str:
    """Return a path; one that is relative is a fault: what it is relative to is a matter of chance on a host.

    One with a line break or the like is a slip, and one with a NUL is none to any system.
    """
    text = _text(value)
    if _CONTROL.search(text):
        faults.append(Fault(path, value, "a path without control characters"))
    windows = platform == "windows"
    if text and (_WINDOWS if windows else _POSIX).match(text) is None:
        faults.append(Fault(path, value, f"an absolute path, such as {WINDOWS_PATH if windows else '/opt/cryptobot'}"))
    return _like_resolved(text, windows=windows)


def _like_resolved(text: str, *, windows: bool) -> str:
    """Return a path as it may look on the host, which alone knows what ``~`` and its variables stand for."""
    found = re.match(r"~(\w*)|%(\w+)%|\$\{?(\w+)\}?", text)
    if found is None:
        return text
    home, root = (r"C:\Users\user", "C:\\") if windows else ("/home/user", "/")
    start = f"{home}{found[1]}" if text.startswith("~") else f"{root}{found[2] or found[3]}"
    return start + text[found.end() :]


def _whole(value: Any) -> int:
    try:
        number = _number(value)
    except Unfit:
        raise Unfit("a whole number") from None
    if number != int(number):
        raise Unfit("a whole number")
    return int(number)


def _number(value: Any) -> float:
    if not isinstance(value, bool) and isinstance(value, (int, float, str)):
        try:
            number = float(value)
        except ValueError:
            pass
        else:
            if number - number == 0:  # neither infinite nor "not a number"
                return number
    raise Unfit("a number")


def _truth(value: Any) -> bool:
    if isinstance(value, (bool, int, float, str)) and str(value).strip().lower() in _TRUE + _FALSE:
        return str(value).strip().lower() in _TRUE
    raise Unfit("true or false")


TYPES: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "bool": _truth,
    "dict": _mapping,
}
