# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_audit: who can reach which socket of this host, beside who should. It reads, and changes nothing."""

from __future__ import annotations

import datetime as dt
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..accepted import accept, parse_accepted
from ..errors import CoreError
from ..finding import UNKNOWN, Finding, Result
from ..host import Host
from ..memory import recall_or_why, remember
from ..registry import Rules
from ..sockets.collect import listening
from ..sockets.model import SocketTable
from . import rules_filter, rules_hygiene, rules_managers, rules_openings, rules_policy, rules_sockets
from .collect import COLLECTORS
from .context import SOCKETS, Context, Inputs, build_context
from .history import as_memory, read_history
from .listeners import Listener, listeners_of
from .policy import Allowance, parse_policy
from .report import metrics, remembered, report
from .scope import Names, OwnProcesses, Places, in_scope

RULES = Rules(
    rules_filter.RULES,
    rules_hygiene.RULES,
    rules_managers.RULES,
    rules_sockets.RULES,
    rules_openings.RULES,
    rules_policy.RULES,
)
ACCEPTED = RULES.check(
    "firewall.exceptions",
    "No exception has passed its date, and each is in force for something.",
    procedure="W2.3",
    remedy="Ask its owner: mend what it was for, or give the exception a new date and reason.",
    source="an accepted risk has an owner and an end: NIST SP 800-39, section 3.3",
)
MEMORY = "firewall"


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of firewall_audit, return what is found. Raise InputError where the policy is wrong.

    Nothing is ever changed but what is remembered, and that not in check mode.
    """
    inputs = _wanted(params, host)
    if host.platform not in COLLECTORS:
        text = (
            f"the packet filter of a {host.platform} host cannot be read by this release, expected {sorted(COLLECTORS)}"
        )
        return Result([RULES["firewall.rules_visible"].finding(UNKNOWN, host.name(), text)])
    with _nothing_collected():
        context, outside_scope = _known(params, host, inputs)
        found = list(RULES.judge(context))
        data = {**report(context, params["limit"]), "outside_scope": outside_scope}
    if not check_mode:
        memory = as_memory(remembered(context, keep=params["baseline"] == "keep"))
        data["remembered"] = remember(params["state_dir"], MEMORY, memory)
        found += [] if data["remembered"] or inputs.forgotten else [_not_remembered(params["state_dir"])]
    findings = accept(ACCEPTED, found, inputs.accepted, inputs.today)
    return Result(findings, metrics(context, findings), data=data)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Have Python look for no garbage in a block: of many small records that all stay it finds none, and takes long."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _not_remembered(state_dir: str) -> Finding:
    text = f"what this run sees could not be remembered in {state_dir}, so no later run can tell what was opened since"
    return RULES["firewall.new_exposure"].finding(UNKNOWN, state_dir, text, remedy=rules_openings.MEND_MEMORY)


def context_of(params: dict[str, Any], host: Host) -> Context:
    """Given the options of firewall_audit, return what is known of who can reach which socket, before it is judged.

    Raise InputError where the policy is wrong, and KeyError on a platform that is not read.
    """
    return _known(params, host, _wanted(params, host))[0]


def _known(params: dict[str, Any], host: Host, inputs: Inputs) -> tuple[Context, int]:
    """Return what is known, and how many listeners lie outside the scope that was asked for."""
    collector = COLLECTORS[host.platform]
    table, unavailable = _sockets(host, collector.listens)
    listeners = listeners_of(table.sockets, owners_known=not table.unavailable)
    asked = _asked_pids(params, listeners)
    snapshot, places = collector.collect(host, asked)
    chosen = _chosen(params, collector.names, listeners, inputs.policy, places)
    unavailable = {**_unavailable_in_scope(params, chosen, unavailable), **_unplaced(asked, places)}
    return build_context(inputs, snapshot, chosen, unavailable), len(listeners) - len(chosen)


def _wanted(params: dict[str, Any], host: Host) -> Inputs:
    today = dt.datetime.fromtimestamp(host.now(), tz=dt.timezone.utc).date()
    memory, forgotten = recall_or_why(params["state_dir"], MEMORY)
    history = read_history(memory)
    if memory and not history.at:
        forgotten = f"what {MEMORY}.json in {params['state_dir']} remembers is damaged"
    return Inputs(
        parse_policy(params["policy"]),
        today,
        params["require_filter"],
        frozenset(params["internal_ports"]),
        parse_accepted("exceptions", params["exceptions"], RULES.checks),
        history,
        host.now(),
        host.boot_id(),
        params["scope"] == "policy",
        forgotten,
    )


def _sockets(host: Host, listens: str) -> tuple[SocketTable, dict[str, str]]:
    """Return the listening sockets, and what could not be seen of them; ``listens`` is what must be among them."""
    try:
        table = listening(host)
    except CoreError as error:
        return SocketTable(()), {SOCKETS: str(error)}
    if listens and not table.sockets:
        return table, {SOCKETS: table.unavailable or f"no listening socket is seen at all, not even that of {listens}"}
    unread = {f"{proto} {SOCKETS}": reason for proto, reason in table.unread.items()}
    return table, {**unread, **({"socket owners": table.unavailable} if table.unavailable else {})}


def _unavailable_in_scope(
    params: dict[str, Any], chosen: list[Listener], unavailable: dict[str, str]
) -> dict[str, str]:
    """Return what of it matters: whoever narrowed the scope did not ask who owns the listeners outside."""
    if params["scope"] == "policy" and all(listener.pids for listener in chosen):
        return {subject: reason for subject, reason in unavailable.items() if subject != "socket owners"}
    return unavailable


def _asked_pids(params: dict[str, Any], listeners: tuple[Listener, ...]) -> set[int]:
    """Return the processes whose working places matter: only a narrowed scope that names folders asks for any."""
    if params["scope"] == "all" or not params["own_paths"]:
        return set()
    return {pid for listener in listeners for pid in listener.pids}


def _unplaced(asked: set[int], places: Places) -> dict[str, str]:
    """Return that nothing is known of where processes work: then none looks like one of Cryptobot's."""
    if not asked or any(any(found) for found in places.values()):
        return {}
    return {"places of processes": f"where any of {len(asked)} processes works cannot be seen, so own_paths fits none"}


def _chosen(
    params: dict[str, Any],
    names: Names,
    listeners: tuple[Listener, ...],
    policy: tuple[Allowance, ...],
    places: Places,
) -> list[Listener]:
    """Return the listeners in scope."""
    if params["scope"] == "all":
        return list(listeners)
    own = OwnProcesses(tuple(params["own_paths"]), tuple(params["own_units"]), tuple(params["own_users"]), names)
    return in_scope(listeners, policy, own, places)
