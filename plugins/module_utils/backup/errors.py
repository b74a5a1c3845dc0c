# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of this area beside the core's own."""

from __future__ import annotations

from ..errors import ActionFailed, CoreError
from ..printable import printable


class Unreadable(CoreError):
    """A file of a set is there and its content cannot be read as what it is."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} cannot be read to its end: {reason}")
        self.reason = reason


class CannotJudge(CoreError):
    """Something that is needed to judge a file of a set is missing on this host."""


class CannotRestore(CannotJudge, ActionFailed):
    """Here, or on the server, what is to be restored cannot be taken. It says nothing of the set."""


class NoSpace(ActionFailed):
    """The disk was full. It ends the whole run, whatever is optional, because what follows would fail as well."""


class MemberRefused(ActionFailed):
    """A member of an archive is none that is unpacked; nothing is written outside of the folder for it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the member '{printable(name)[:200]}' is not unpacked: {reason}")
        self.name, self.reason = name, reason
