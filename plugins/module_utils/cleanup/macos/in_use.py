# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What processes have open on macOS, by lsof(8), which comes with the system."""

from __future__ import annotations

from ...asking import ask
from ...errors import CoreError, ParseError
from ...host import Host
from ..records import Identity, InUse

SECONDS = 60.0
# -F: one field a line, named by its first letter: descriptor, type, device, inode. -n -P: no names of hosts, ports.
ARGV = ("lsof", "-n", "-P", "-w", "-F", "ftDi")
_KINDS = ("REG", "DIR", "VREG", "VDIR")


def in_use_macos(host: Host) -> InUse:
    """Return the files and folders that processes have open; to root lsof shows those of all processes."""
    try:
        # 1: some files could not be looked at, or a process ended meanwhile; what was seen is listed all the same. -w
        # keeps warnings away, so what it says beside are errors
        answer = ask(host, ARGV, nothing=(1,), timeout=SECONDS)
        found = parse_lsof(answer.text)
    except CoreError as error:
        return InUse(unseen=f"lsof does not tell ({error})")
    if not found:
        return InUse(unseen="lsof shows no open file at all")
    unseen = [] if host.is_admin() else ["the processes of other accounts are shown to root only"]
    return InUse(found, "; ".join([*unseen, *answer.complaints[:2]]))


def parse_lsof(text: str) -> frozenset[Identity]:
    """Given what ``lsof -F ftDi`` printed, return the device and inode of each regular file and folder.

    Raise ParseError where the text is not of that form.
    """
    found: set[Identity] = set()
    fields: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] in ("p", "f"):
            _add(found, fields, number)
            fields = {}
        elif line[:1] in ("t", "D", "i"):
            fields[line[0]] = line[1:]
        elif line:
            raise ParseError("lsof", number, line, "expected a field p, f, t, D or i")
    _add(found, fields, 0)
    return frozenset(found)


def _add(found: set[Identity], fields: dict[str, str], number: int) -> None:
    if fields.get("t") not in _KINDS or "i" not in fields or "D" not in fields:
        return
    try:
        found.add((int(fields["D"], 16), int(fields["i"])))
    except ValueError as error:
        raise ParseError("lsof", number, str(fields), str(error)) from error
