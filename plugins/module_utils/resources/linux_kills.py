# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the kernel of Linux killed for want of memory: its counts and its log, and how far back that goes.

The kernel's own ring is overwritten and belongs to one boot; the journal is rotated away. That an entry of before the
window is still there shows that none of the window was taken away: the oldest go first.
"""

from __future__ import annotations

import json
import re
from typing import Optional

from ..asking import Answer, ask
from ..clock import Clock
from ..errors import CoreError, ParseError, SourceDenied, SourceMissing, ToolFailed
from ..evidence import Event, Evidence
from ..host import Host
from ..processes.linux import parse_stat
from .model import OomKills, kill

_KILLED = re.compile(r"[Kk]illed process (\d+) \(([^)]*)\)")
_MISSED = re.compile(r"Missed \d+ kernel messages")


def parse_counter(source: str, text: str, name: str) -> int:
    """Given lines of "name number" (/proc/vmstat, memory.events), return one number, or raise ParseError."""
    match = re.search(rf"^{re.escape(name)} (\d+)$", text, re.MULTILINE)
    if match is None:
        raise ParseError(source, 1, text[:40], f"no {name}: the kernel counts it since Linux 4.13")
    return int(match.group(1))


def parse_kernel_log(text: str) -> tuple[tuple[Event, ...], tuple[str, ...]]:
    """Given the journal of the kernel as JSON lines, return whom it killed for want of memory, and what is missing.

    A line that is not understood costs itself only.
    """
    kills, left_out = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("-- "):  # "-- No entries --"
            continue
        try:
            when, message = _entry(number, line)
        except ParseError as error:
            left_out.append(str(error))
            continue
        match = _KILLED.search(message)
        if match:
            kills.append(kill(when, f"{match.group(2)} (pid {match.group(1)})"))
        elif _MISSED.match(message):
            left_out.append(f"the kernel's ring was overwritten ({message})")
    return tuple(kills), tuple(left_out)


def _entry(number: int, line: str) -> tuple[float, str]:
    """Return the time and text of an entry. Text that is not UTF-8 is a list of bytes there. Raise ParseError."""
    try:
        entry = json.loads(line)
        message = entry["MESSAGE"]
        text = bytes(message).decode(errors="replace") if isinstance(message, list) else message
        return int(entry["__REALTIME_TIMESTAMP"]) / 1e6, str(text)
    except (ValueError, KeyError, TypeError):
        raise ParseError("the journal", number, line, "expected a JSON object with a time and a message") from None


NO_LOG = "a container has no kernel log of its own"
FIRST_PROCESS = "/proc/1/stat"
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


def collect_kills(host: Host, container: str, now: float, since: float) -> OomKills:
    """Return the kills since the count began, and what the log tells of those since ``since``. Raise CoreError.

    A container's own group counts its own kills from the container's begin on, which is when its first process began;
    /proc/vmstat counts all of the machine since that was booted.
    """
    log = Evidence.unavailable(NO_LOG) if container else kernel_log(host, since)
    own = _of_this_group(host) if container else None
    if own is None:
        total = parse_counter("/proc/vmstat", host.read("/proc/vmstat"), "oom_kill")
        scope = "the machine that holds this container" if container else "this host"
        return OomKills(total, scope, now - host.since_boot(), host.boot_id(), log, fresh=bool(container))
    began = parse_stat(host.read(FIRST_PROCESS)).began
    booted = Clock(now, host.since_boot()).moment(began)
    if booted is None:
        raise SourceDenied(FIRST_PROCESS, "the first process began later than now, so another clock timed it")
    # a container that was started anew begins to count anew, although the machine was not booted in between
    return OomKills(own, "this container", booted, f"{host.boot_id()} {began:.2f}", log, fresh=True)


def _of_this_group(host: Host) -> Optional[int]:
    try:
        return parse_counter("memory.events", host.read("/sys/fs/cgroup/memory.events"), "oom_kill")
    except SourceMissing:
        return None
