# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What macOS says of its clock. I/O on behalf of gather.py."""

from __future__ import annotations

from ...errors import CoreError, SourceDenied
from ...host import Host
from ..records import Clock
from .parse import parse_automatic_time, parse_network_time, parse_sntp, parse_time_server

SECONDS = 5.0
TIMED = "/Library/Preferences/com.apple.timed"


def look_at_clock(host: Host) -> Clock:
    """Return whether macOS keeps its clock by the network, and where its server answers by how much it is off.

    Raise SourceDenied, with the reason of each, where neither systemsetup nor the setting of timed says it, and where
    it is to be kept but the server does not answer: a setting is no proof that anything came of it.
    """
    source, kept = _network_time(host)
    if not kept:
        return Clock(source, synchronised=False)
    return Clock(f"{source} and sntp", synchronised=True, offset=_offset(host, source))


def _network_time(host: Host) -> tuple[str, bool]:
    """Return who says whether the clock is kept, and what. Only root may ask systemsetup."""
    try:
        return "systemsetup", parse_network_time(_say(host, "systemsetup", "-getusingnetworktime"))
    except CoreError as error:
        refused = error
    try:
        return "timed", parse_automatic_time(_say(host, "defaults", "read", TIMED, "TMAutomaticTimeOnlyEnabled"))
    except CoreError as error:
        raise SourceDenied("the state of the clock", f"{refused}; {error}") from error


def _offset(host: Host, source: str) -> float:
    """Return by how much the clock is off, as the time server says. Raise SourceDenied where it does not."""
    try:
        server = parse_time_server(_say(host, "systemsetup", "-getnetworktimeserver"))
        return parse_sntp(_say(host, "sntp", server))
    except CoreError as error:
        reason = f"{source} says that it is to be kept by the network, and whether it is was not told ({error})"
        raise SourceDenied("the state of the clock", reason) from error


def _say(host: Host, *command: str) -> str:
    return host.run(command, timeout=SECONDS).stdout
