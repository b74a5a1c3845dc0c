# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a running process was started, as /proc shows it: folder, account, environment."""

from __future__ import annotations

from ...errors import SourceDenied, SourceMissing
from ...host import Host
from ..model import Launch


def seen_on_linux(host: Host, pid: int) -> Launch:
    """Given the pid of a running process, return how it was started; a process that has ended tells nothing."""
    try:
        pairs = host.read(f"/proc/{pid}/environ").split("\0")
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return Launch(host.link(f"/proc/{pid}/cwd"), _ids(host.read(f"/proc/{pid}/status")), environment)
    except (SourceMissing, SourceDenied):
        return Launch("/")


def _ids(status: str) -> tuple[int, int, tuple[int, ...]]:
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    groups = tuple(int(group) for group in fields.get("Groups", "").split())
    return int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1]), groups
