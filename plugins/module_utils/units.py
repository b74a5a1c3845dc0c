# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Numbers for people and numbers from people: bytes, durations, percentages."""

from __future__ import annotations

import re

from .errors import InputError

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgtp])i?)?b?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)", re.IGNORECASE | re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def human_bytes(count: float) -> str:
    """Given bytes, return them in the binary unit that keeps the number below 1024 (``1.5 GiB``)."""
    size, step = float(round(count)), 0
    while abs(size) >= 1023.95 and step < len(_BINARY) - 1:  # what would be written as 1024.0
        size, step = size / 1024, step + 1
    return f"{size:.0f} B" if step == 0 else f"{size:.1f} {_BINARY[step]}"


def human_seconds(seconds: float) -> str:
    """Given seconds, return them in the largest unit that leaves at least one (``3.0 d``)."""
    for letter, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= size * 0.9992:  # what would be written as 60.0 of the smaller unit
            return f"{seconds / size:.1f} {letter}"
    return f"{seconds:.1f} s"


def parse_bytes(name: str, value: object, *, bare: bool = False) -> int:
    """Given the name and value of a parameter (``500M``, ``1.5 GiB``, ``4096B``), return bytes. Units are binary.

    A number without a unit is refused, because nobody can tell what was meant; 0 needs none, and ``bare`` allows it
    where the option's own name says bytes. Raise InputError.
    """
    text = str(value).strip()
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InputError(name, value, "a size such as 500M or 1.5GiB")
    _check_unit(name, value, match.group(1), bare or text != match.group(1), ("G", "M", "B"))
    power = "kmgtp".index(match.group(2).lower()) + 1 if match.group(2) else 0
    return int(float(match.group(1)) * 1024**power)


def parse_seconds(name: str, value: object) -> float:
    """Given the name and value of a parameter (``90s``, ``15m``, ``7d``), return seconds.

    A number without a unit is refused, except 0; so is ``M``, which is as often meant for months. Raise InputError.
    """
    match = _DURATION.fullmatch(str(value).strip())
    if match is None:
        raise InputError(name, value, "a duration such as 90s, 15m, 12h or 7d")
    number, unit = match.groups()
    if unit == "M":
        raise InputError(name, value, f"a duration: {number}m are minutes, and a month is 30d")
    _check_unit(name, value, number, bool(unit), ("d", "h", "m", "s"))
    return float(number) * _SECONDS[unit.lower()]


def _check_unit(name: str, value: object, number: str, given: bool, units: tuple[str, ...]) -> None:
    if not given and float(number):
        first, *others, last = (f"{number}{unit}" for unit in units)
        raise InputError(name, value, f"a unit: {number} what? write {first} ({', '.join(others)} or {last})")
