# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every error the core raises, so that a shell around it has one class to catch.

A message names the thing, the value that was seen and what was expected: an operator reads it at night,
without the code.
"""

from __future__ import annotations

from collections.abc import Sequence


class CoreError(Exception):
    """The base of all errors that the core raises on purpose; anything else is a defect of the core."""


class InputError(CoreError):
    """A parameter is wrong. Nothing was done."""

    def __init__(self, name: str, value: object, expected: str, known: Sequence[str] = ()) -> None:
        super().__init__(f"{name} is {value!r}, expected {expected}")
        self.name, self.value, self.expected = name, value, expected
        self.known = tuple(known)  # what may stand there, where that is a list of names


class ToolMissing(CoreError):
    """An executable that is needed is not on the host."""

    def __init__(self, tool: str) -> None:
        super().__init__(f"the command {tool!r} was not found on this host")
        self.tool = tool


class ToolFailed(CoreError):
    """An executable ended with an exit code that the caller did not expect."""

    def __init__(self, argv: Sequence[str], rc: int, stderr: str) -> None:
        last = stderr.strip().splitlines()[-1:] or ["nothing on stderr"]
        super().__init__(f"{argv[0]!r} ended with exit code {rc}: {last[0]}")
        self.argv, self.rc, self.stderr = tuple(argv), rc, stderr


class ToolTimeout(CoreError):
    """An executable, or the whole run, took longer than it may; what was started has been ended."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(f"{what} was ended after {round(seconds, 1):g} s, the time it may take")


class SourceMissing(CoreError):
    """A file, folder or endpoint that was to be read is not there."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} does not exist")
        self.source = source


class SourceDenied(CoreError):
    """A file, folder or endpoint is there and this account may not read it."""

    def __init__(self, source: str, reason: str = "permission denied") -> None:
        super().__init__(f"{source} cannot be read: {reason}")
        self.source = source


class ParseError(CoreError):
    """Text that a tool or file gave is not of the expected form."""

    def __init__(self, source: str, line: int, text: str, reason: str) -> None:
        super().__init__(f"{source}, line {line}: {reason}: {text[:120]!r}")
        self.source, self.line, self.reason = source, line, reason


class LockHeld(CoreError):
    """Another maintenance run works on this host at the moment."""


class ActionFailed(CoreError):
    """An action that the run was told to take did not succeed; the message says what state was left."""
