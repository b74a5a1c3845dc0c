# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was read as text, or why it could not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, Optional

from ..asking import ask
from ..errors import CoreError
from ..host import Host


class Reading(NamedTuple):
    """A text that was read, or why it could not be."""

    text: str = ""
    unavailable: str = ""

    def sure(self) -> str:
        """Return what was read. Raise CoreError saying why it was not."""
        if self.unavailable:
            raise CoreError(self.unavailable)
        return self.text


NOTHING_READ = Reading()  # nothing was asked for


def complete(host: Host, argv: Sequence[str], harmless: str = r"(?!)") -> Reading:
    """Return what a command prints, or why it does not; what it complains of is a reason even where it ends with 0.

    ``harmless`` is a pattern of lines on standard error that take nothing away. Raise ToolTimeout as ``command``.
    """
    host.remaining()
    try:
        return Reading(ask(host, argv, harmless=harmless).whole(argv[0]))
    except CoreError as error:
        return Reading(unavailable=str(error))


def command(host: Host, argv: Sequence[str], expect: Optional[Collection[int]] = (0,)) -> Reading:
    """Return what a command prints, or why it does not: half of what is left is for the others, should this one hang.

    Raise ToolTimeout when the time of the run is used up.
    """
    most = min(60.0, host.remaining() / 2)
    try:
        return Reading(host.run(argv, expect=expect, timeout=most).stdout)
    except CoreError as error:
        return Reading(unavailable=str(error))
