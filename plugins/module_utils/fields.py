# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects that a PowerShell query answers, read by name and kind: what is of another kind is a ParseError."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, Optional

from .errors import ParseError


class Fields(NamedTuple):
    """One object of an answer: ``source`` is the query, ``number`` which of its objects it is, from 1."""

    source: str
    number: int
    raw: dict[str, Any]

    def text(self, name: str) -> str:
        """Return a property as text; empty where the object has none. Null is none, and so is an empty object: that is
        what ConvertTo-Json makes of a command in a property that gave nothing.
        """
        value = self.raw.get(name)
        return "" if value is None or value == {} else str(value)

    def whole(self, name: str, default: Optional[int] = None) -> int:
        """Return a property as a whole number, ``default`` where there is none. Raise ParseError."""
        value = self.raw.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise self.wrong(name, "expected a number")
        try:
            return int(value)
        except (ValueError, OverflowError):
            raise self.wrong(name, "expected a number") from None

    def flag(self, name: str) -> bool:
        """Return whether a property is true; one that is not there is not."""
        return self.raw.get(name) is True

    def when(self, name: str) -> Optional[float]:
        """Return a date that ``Utc`` gave as seconds since the epoch; None where there is none. Raise ParseError."""
        text = self.text(name)
        if not text:
            return None
        try:
            moment = datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
            return moment.timestamp() + float(f"0{text[19:-1] or '.0'}")
        except ValueError:
            raise self.wrong(name, "expected a date such as 2026-11-22T03:00:00.000Z") from None

    def wrong(self, name: str, reason: str) -> ParseError:
        """Return the error that a property is not what it must be."""
        return ParseError(f"the query {self.source!r}", self.number, repr(self.raw.get(name)), f"{name}: {reason}")


def fields_of(source: str, objects: Sequence[Any]) -> list[Fields]:
    """Given what a query answered, return its objects. Raise ParseError where one is no object."""
    for number, each in enumerate(objects, start=1):
        if not isinstance(each, dict):
            raise ParseError(f"the query {source!r}", number, repr(each), "expected an object")
    return [Fields(source, number, each) for number, each in enumerate(objects, start=1)]
