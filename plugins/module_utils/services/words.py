# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator of each platform calls a service and does with one: the words of messages and remedies. Pure.

UNIT in a remedy stands for the name of the service to its manager.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import NamedTuple

from ..powershell import literal


class Words(NamedTuple):
    """The words of one way to manage services.

    ``kind`` is what it calls a service, ``barred`` how it calls one that nothing can start. ``quote`` makes
    a name one word of a command line that an operator may copy.
    """

    kind: str
    barred: str = "masked"
    quote: Callable[[str], str] = shlex.quote


WORDS: dict[str, Words] = {
    "systemd": Words("unit"),
    "launchd": Words("launchd job", barred="disabled in launchd"),
    "windows": Words("Windows service", barred="disabled", quote=literal),
    "pid_file": Words("script-started service"),
}

# How to let the log of a manager go back far enough.
KEEP_LOG: dict[str, str] = {
    "systemd": "Run as root. Where the journal is too short: journalctl --disk-usage, then raise SystemMaxUse= in "
    "/etc/systemd/journald.conf, make /var/log/journal, and systemctl restart systemd-journald.",
    "launchd": "Run this check more often than its window is long: each run remembers the counter.",
    "windows": "Run as an administrator, elevated, or as one of the Event Log Readers; Get-WinEvent -ListLog System, "
    "Application must answer. Where a log is too short, or keeps its oldest events: wevtutil sl System /ms:134217728 "
    "/rt:false.",
}

# How to see what only the owner and the administrator see.
AS_ADMIN: dict[str, str] = {
    "linux": "Run as root.",
    "darwin": "Run as root.",
    "windows": "Run as an administrator, elevated.",
}


def words_of(manager: str) -> Words:
    """Given who looks after a service, return its words."""
    return WORDS.get(manager, WORDS["pid_file"])
