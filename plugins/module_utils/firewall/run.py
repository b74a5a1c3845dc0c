# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_audit: who can reach which socket of this host, beside who should. It reads, and changes nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ..errors import CoreError
from ..finding import UNKNOWN, Result
from ..host import Host
from ..sockets.parse import SocketTable
from ..sockets.table import listening
from .audit import Wanted, build_audit
from .checks import CHECKS
from .gather import GATHERERS, Gatherer
from .judge import judge
from .listeners import Listener, listeners_of
from .policy import Allowance, parse_policy
from .report import metrics, report
from .scope import Own, in_scope


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of firewall_audit, return what is found. Raise InputError where the policy is wrong.

    Check mode makes no difference: nothing is ever changed.
    """
    wanted = _wanted(params, host)
    gatherer = GATHERERS.get(host.platform)
    if gatherer is None:
        text = (
            f"the packet filter of a {host.platform} host cannot be read by this release, expected {sorted(GATHERERS)}"
        )
        return Result([CHECKS["firewall.rules_visible"].finding(UNKNOWN, host.name(), text)])
    table, blind = _sockets(host)
    listeners = listeners_of(table.sockets)
    chosen = _chosen(params, host, gatherer, listeners, wanted.policy)
    audit = build_audit(wanted, gatherer.facts(host), chosen, _blind_in_scope(params, chosen, blind))
    data = {**report(audit, params["limit"]), "outside_scope": len(listeners) - len(chosen)}
    return Result(judge(audit), metrics(audit), data=data)


def _wanted(params: dict[str, Any], host: Host) -> Wanted:
    today = dt.datetime.fromtimestamp(host.now(), tz=dt.timezone.utc).date()
    internal = frozenset(params["internal_ports"])
    return Wanted(parse_policy(params["policy"]), today, params["require_filter"], internal)


def _sockets(host: Host) -> tuple[SocketTable, dict[str, str]]:
    """Return the listening sockets, and what could not be seen of them."""
    try:
        table = listening(host)
    except CoreError as error:
        return SocketTable(()), {"sockets": str(error)}
    return table, {"socket owners": table.blind} if table.blind else {}


def _blind_in_scope(params: dict[str, Any], chosen: list[Listener], blind: dict[str, str]) -> dict[str, str]:
    """Return what matters of the blindness: whoever narrowed the scope did not ask who owns the listeners outside."""
    if params["scope"] == "policy" and all(listener.pids for listener in chosen):
        return {subject: reason for subject, reason in blind.items() if subject != "socket owners"}
    return blind


def _chosen(
    params: dict[str, Any],
    host: Host,
    gatherer: Gatherer,
    listeners: tuple[Listener, ...],
    policy: tuple[Allowance, ...],
) -> list[Listener]:
    """Return the listeners in scope; only a narrowed scope needs to know where processes work."""
    if params["scope"] == "all":
        return list(listeners)
    pids = {pid for listener in listeners for pid in listener.pids}
    places = gatherer.places(host, pids if params["own_paths"] else ())
    own = Own(tuple(params["own_paths"]), tuple(params["own_units"]), tuple(params["own_users"]))
    return in_scope(listeners, policy, own, places)
