# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every mistake in the options of an area, found by the area's own code, and said in one line each. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .option_secrets import secrets_among
from .printable import printable
from .redact import MASK, redact
from .redaction.forms import TELLING
from .refusals import Read, option_at, refused
from .spelling import nearest
from .typed import NO_OPTION, Fault, Path, fill

_MOST = 100  # mistakes in the options of one area
_WIDTH = 60  # characters of a value
_NAMES = ("name", "mount", "path", "port", "pattern")  # what a row of a list is known by, the best first


class Mistake(NamedTuple):
    """One thing that is wrong: its ``place`` (``services[2] (trade).port``), its value (empty: there is none to show),
    what is expected there, and what was perhaps meant.
    """

    place: str
    value: str
    expected: str
    meant: str = ""

    def __str__(self) -> str:
        said = (
            f"{self.place} is {self.value}: expected {self.expected}"
            if self.value
            else f"{self.place}: {self.expected}"
        )
        return printable(f"{said}; did you mean {self.meant}?" if self.meant else said)


def find_mistakes(
    spec: Mapping[str, Any], given: Mapping[str, Any], read: Read, platform: str = "linux"
) -> list[Mistake]:
    """Given an area's SPEC, its options as they are written and the function that reads them, return all mistakes.

    ``read`` takes the options typed and with their defaults, and raises InputError.
    """
    filled, faults = fill(spec, given, platform)
    faults += refused(spec, filled, read, frozenset(path for fault in faults for path in _settled(fault)))
    services = given.get("services")
    rows = services if isinstance(services, (list, tuple)) else ()
    secrets = secrets_among(set(secrets_of(spec, given)), {"services": rows})
    return [_mistake(fault, spec, given, secrets) for fault in faults[:_MOST]]


def _settled(fault: Fault) -> tuple[Path, ...]:
    """Return where a fault may have another for its consequence: what is misspelt is also what is missing."""
    return (fault.path, fault.path[:-1]) if fault.expected == NO_OPTION else (fault.path,)


def _mistake(fault: Fault, spec: Mapping[str, Any], given: Mapping[str, Any], secrets: Collection[str]) -> Mistake:
    telling = _telling(secrets, spec)
    where = place(fault.path, given, telling)
    expected = _without(fault.expected, [each for each in telling if _UNLIKE_WORDS.search(each)])
    option = option_at(spec, fault.path) or {}
    if fault.expected == NO_OPTION:
        meant = nearest(str(fault.path[-1]), fault.known)
        return Mistake(where, "", expected if meant else f"{expected}, expected one of {', '.join(fault.known)}", meant)
    if fault.value is None:
        return Mistake(where, "", expected)
    leaves = set(_leaves(fault.value))
    hidden = option.get("no_log") and (not leaves or leaves & set(secrets))
    value = MASK if hidden else _without(shown(fault.value), telling)
    first = fault.value[0] if isinstance(fault.value, (list, tuple)) and fault.value else fault.value
    return Mistake(
        where, value, expected, nearest(str(first), fault.known or list(map(str, option.get("choices") or ())))
    )


def shown(value: Any) -> str:
    """Given a value, return it for one line of a message: what may be secret masked, and never cut within a word."""
    text = bounded(str(value))
    return redact(repr(value)) if isinstance(value, str) and not text.endswith(" characters)") else text


def bounded(text: str, width: int = _WIDTH) -> str:
    """Given a text, return it as one line without what may be secret, and cut between words where it is too long."""
    line = redact(printable(text))
    if len(line) <= width:
        return line
    kept = re.match(rf".{{0,{width}}}(?<!\w)|", line)
    start = kept.group().rstrip() if kept else ""
    return f"{start}... ({len(line)} characters)".lstrip(".")


_UNLIKE_WORDS = re.compile(r"^(?=.*\d).{8,}", re.DOTALL)  # what no text of ours has in it by chance


def _telling(secrets: Collection[str], spec: Mapping[str, Any]) -> list[str]:
    """Return the secrets that are hidden wherever they stand, the longest first: not those that are ordinary words."""
    words = set(_words(spec))
    return sorted((each for each in secrets if len(each) >= TELLING and each not in words), key=len, reverse=True)


def _words(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the words of a SPEC: its names and choices."""
    for name, option in spec.items():
        yield name
        yield from map(str, option.get("choices") or ())
        yield from _words(option.get("options") or {})


def _without(text: str, secrets: Sequence[str]) -> str:
    """Return a text without secrets, where they are whole words of it."""
    for secret in secrets:
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def place(path: Path, given: Any, secrets: Sequence[str] = ()) -> str:
    """Given where a value is among the options, return it as people write it: ``services[2] (trade).port``.

    Only what stands in brackets is the inventory's; secrets are taken out of that.
    """
    text, value = "", given
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, (list, tuple)) and step < len(value) else None
            text += f"[{step}]{_without(_label(value), secrets)}"
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
            name = step if re.fullmatch(r"[\w ]+", step) else shown(step)
            text += f".{name}" if text else name
    return text


def _label(value: Any) -> str:
    """Return what a row is known by, in brackets."""
    names = [value[key] for key in _NAMES if value.get(key)] if isinstance(value, Mapping) else []
    return f" ({shown(names[0]).strip(chr(39))})" if names else ""


def secrets_of(spec: Mapping[str, Any], given: Any) -> Iterator[str]:
    """Given a SPEC and options, yield the texts that must not be shown."""
    for name, option in spec.items() if isinstance(given, Mapping) else ():
        value = given.get(name)
        if option.get("no_log") and value:
            yield from _leaves(value)
        for each in value if isinstance(value, list) else [value]:
            yield from secrets_of(option.get("options") or {}, each)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
