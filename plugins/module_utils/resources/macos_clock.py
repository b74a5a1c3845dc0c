# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What macOS says of its clock."""

from __future__ import annotations

import re

from ..errors import CoreError, ParseError, SourceDenied
from ..host import Host
from .model import Clock


def parse_network_time(text: str) -> bool:
    """Given what `systemsetup -getusingnetworktime` prints, return whether the clock is kept."""
    match = re.search(r"^Network Time: (On|Off)\s*$", text, re.MULTILINE)
    if match is None:
        raise ParseError("systemsetup -getusingnetworktime", 1, text.strip(), "expected 'Network Time: On' or 'Off'")
    return match.group(1) == "On"


def parse_automatic_time(text: str) -> bool:
    """Given the setting TMAutomaticTimeOnlyEnabled of timed, return whether the clock is kept."""
    if text.strip() not in ("0", "1"):
        raise ParseError("defaults read com.apple.timed", 1, text.strip(), "expected 0 or 1")
    return text.strip() == "1"


def parse_time_server(text: str) -> str:
    """Given what `systemsetup -getnetworktimeserver` prints, return the server's name."""
    match = re.search(r"^Network Time Server: ([\w.:-]+)\s*$", text, re.MULTILINE)
    if match is None or match.group(1).startswith("-"):
        raise ParseError("systemsetup -getnetworktimeserver", 1, text.strip(), "expected the name of a server")
    return match.group(1)


def parse_sntp(text: str) -> float:
    """Given what `sntp SERVER` prints, return by how many seconds the clock is off. The last line that says it counts.

    It is "+0.033413 +/- 0.016049 server address", with a date before it in some releases.
    """
    found = re.findall(r"(?:^|\s)([+-]\d+\.\d+) \+/- \d+\.\d+ ", text)
    if not found:
        raise ParseError("sntp", 1, text.strip()[-80:], "expected an offset before '+/-'")
    return float(found[-1])


SECONDS = 5.0
TIMED = "/Library/Preferences/com.apple.timed"


def collect_clock(host: Host) -> Clock:
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
