# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the kernel killed for want of memory, by its log in the journal, and how far back that goes. I/O for gather.py.

The kernel's own ring is overwritten and belongs to one boot; the journal is rotated away. That an entry of before the
window is still there shows that none of the window was taken away: the oldest go first.
"""

from __future__ import annotations

from ...asking import Answer, ask
from ...errors import CoreError, ToolFailed
from ...evidence import Evidence
from ...host import Host
from .parse import parse_kernel_log

SECONDS = 20.0
MOST, MOST_UNFILTERED = 200, 20000
# Both are fields that only journald itself writes: nobody can forge an entry of the kernel.
OF_KERNEL, OF_JOURNALD = "_TRANSPORT=kernel", "_TRANSPORT=driver"
WANTED = "[Kk]illed process|Missed [0-9]+ kernel messages"  # the second is journald's own: the ring was overwritten


def kernel_log(host: Host, since: float) -> Evidence:
    """Return the kills that the kernel logged since a time, with the reach of that log."""
    if not host.is_admin():
        return Evidence.unavailable("only root may read the kernel's log")
    try:
        answer, most = _entries(host, since)
        # backwards: systemd before 254 takes the last entries of all and then leaves out those after --until
        before = _ask(host, OF_KERNEL, "--reverse", f"--until=@{since:.0f}", "--lines=1")
    except CoreError as error:
        return Evidence.unavailable(str(error))
    kills, left_out = parse_kernel_log(answer.text)
    if answer.text.count("\n") >= most:
        left_out = (*left_out, f"only the newest {most} entries were read")
    reach = None if "{" not in before.text else since
    if reach is None:
        left_out = (*left_out, "the kernel's log has nothing from before the window, and may have been rotated away")
    complaints = dict.fromkeys((*answer.complaints, *before.complaints))
    return Evidence(kills, reach, (*left_out, *(f"journalctl says: {line}" for line in complaints)))


def _entries(host: Host, since: float) -> tuple[Answer, int]:
    """Return the entries that matter and the most that there can be; a journalctl that cannot search tells them all."""
    chosen = (OF_KERNEL, "+", OF_JOURNALD, f"--since=@{since:.0f}")
    try:
        return _ask(host, *chosen, f"--grep={WANTED}", f"--lines={MOST}"), MOST
    except ToolFailed as error:
        if "pattern matching" not in error.stderr and "--grep" not in error.stderr:
            raise
        return _ask(host, *chosen, f"--lines={MOST_UNFILTERED}"), MOST_UNFILTERED


def _ask(host: Host, *words: str) -> Answer:
    # not --quiet: that hides that there are no files, and that some may not be read
    return ask(host, ["journalctl", *words, "--output=json", "--no-pager"], nothing=(1,), timeout=SECONDS)
