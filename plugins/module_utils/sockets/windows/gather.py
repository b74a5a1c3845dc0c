# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking Windows for its listening sockets: one powershell.exe for sockets, processes and services."""

from __future__ import annotations

from ...errors import CoreError
from ...host import Host
from ...powershell import ask
from ..parse import SocketTable
from .parse import parse_answers
from .queries import QUERIES


def gather_windows(host: Host) -> SocketTable:
    """Return the listening sockets of a Windows host. Raise CoreError where PowerShell or both protocols do not answer.

    Owners are known to every account; the path of an executable, and the account of a process that is no service, only
    to an elevated one.
    """
    table = parse_answers(ask(host, QUERIES))
    if len(table.unread) > 1:
        raise CoreError(table.blind)
    return table
