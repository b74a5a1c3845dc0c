# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an operator of each platform calls a service and does with one: the words of messages and remedies. Pure.

UNIT in a remedy stands for the name of the service to its manager.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..powershell import literal


@dataclass(frozen=True)
class Words:
    """The words of one way to manage services.

    ``kind`` is what it calls a service, ``barred`` how it calls one that nothing can start. ``remedies`` by rule go
    before those of the catalogue, which are those of systemd. ``quote`` makes a name one word of a command line that an
    operator may copy.
    """

    kind: str
    barred: str = "masked"
    remedies: Mapping[str, str] = field(default_factory=dict)
    quote: Callable[[str], str] = shlex.quote


WORDS: dict[str, Words] = {
    "systemd": Words("unit"),
    "launchd": Words(
        "launchd job",
        barred="disabled in launchd",
        remedies={
            "state": "Read the log that `launchctl print TARGET` names (stderr path), remove the cause, then "
            "`launchctl kickstart TARGET`, or `launchctl bootstrap DOMAIN PLIST` where it is not loaded.",
            "enabled": "launchctl enable TARGET (or disable) and keep its plist in /Library/LaunchDaemons, or correct "
            "`enabled` in the inventory.",
            "restarts": "Read the log that `launchctl print TARGET` names (stderr path) for what ended it.",
        },
    ),
    "windows": Words(
        "Windows service",
        barred="disabled",
        quote=literal,
        remedies={
            "state": "Read its own log and the System log (Get-WinEvent -FilterHashtable @{LogName='System'; "
            "ProviderName='Service Control Manager'} -MaxEvents 20), remove the cause, then Start-Service -Name UNIT.",
            "enabled": "Set-Service -Name UNIT -StartupType Automatic (or Manual), or correct `enabled` in the "
            "inventory.",
            "restarts": "Read its own log and the System log around the restarts for what ended it.",
        },
    ),
    "pid_file": Words(
        "script-started service",
        remedies={
            "state": "Read the log that it writes, remove the cause, then start it by its own command.",
            "restarts": "Read the log that it writes around the restarts for what ended it.",
        },
    ),
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
LOOK_AS_ADMIN: dict[str, str] = {
    "linux": "Run as root.",
    "darwin": "Run as root.",
    "windows": "Run as an administrator, elevated.",
}


def words_of(manager: str) -> Words:
    """Given who looks after a service, return its words."""
    return WORDS.get(manager, WORDS["pid_file"])
