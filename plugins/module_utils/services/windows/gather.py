# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a Windows host about its services, processes, events and sockets, by one powershell.exe."""

from __future__ import annotations

from typing import Optional

from ...errors import CoreError
from ...host import Host
from ...powershell import Answers, ask
from ...processes.model import Census, Details
from ...processes.windows import parse_census
from ...sockets.model import SocketTable
from ...sockets.windows import parse_answers
from ..machine import NOT_ASKED, Machine, Units, Wish
from ..parse import Journal
from .events import parse_events
from .parse import parse_units
from .queries import queries

# What the rules of systemd have no equivalent of here.
LACKS = {
    "daemon_reload": "Windows has no copy of a service's settings to reload: it reads the registry at every start",
    "open_files": "Windows sets no limit of open handles that a service could come near to",
}


def read_windows(host: Host, wish: Wish) -> Machine:
    """Return what there is on a Windows host; where PowerShell itself does not run, why nothing can be seen."""
    now = host.now()
    try:
        answers = ask(host, queries(wish.window, everything=wish.sockets))
    except CoreError as error:
        return _blind(now, f"PowerShell cannot be asked: {error}")
    census = _census(answers, now)
    units = parse_units(answers, census, wish)
    sockets, problem = _sockets(answers) if wish.sockets else (None, NOT_ASKED)
    return Machine(
        now=now,
        uptime=census.uptime,
        boot_id=census.boot_id,
        units=units,
        processes=census.processes,
        details=census.details,
        hidden=census.hidden,
        journal=parse_events(answers, units) if wish.window else Journal.unavailable(NOT_ASKED),
        sockets=sockets,
        sockets_problem=problem,
        lacks=LACKS,
    )


def _blind(now: float, why: str) -> Machine:
    return Machine(
        now,
        0.0,
        "",
        Units(problem=why),
        {},
        hidden=why,
        journal=Journal.unavailable(why),
        sockets_problem=why,
        lacks=LACKS,
    )


def _census(answers: Answers, now: float) -> Census:
    try:
        return parse_census(answers, now)
    except CoreError as error:
        return Census(0.0, "", {}, lambda _pid: Details(), f"the processes cannot be listed: {error}")


def _sockets(answers: Answers) -> tuple[Optional[SocketTable], str]:
    table = parse_answers(answers)
    if len(table.unread) > 1:
        return None, f"the listening sockets cannot be read: {table.unavailable}"
    return table, ""
