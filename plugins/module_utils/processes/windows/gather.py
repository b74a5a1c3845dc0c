# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking Windows for all processes, by one powershell.exe."""

from __future__ import annotations

from ...host import Host
from ...powershell import ask
from ..parse import Census
from .parse import parse_census
from .queries import QUERIES


def gather_windows(host: Host) -> Census:
    """Return the processes of a Windows host. Raise CoreError where they cannot be listed."""
    return parse_census(ask(host, QUERIES), host.now())
