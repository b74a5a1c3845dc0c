# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_probe: knock at other hosts' declared ports; hold what they got here against this host's packet filter."""

from __future__ import annotations

from typing import Any

from ..finding import OK, UNKNOWN, Action, Metric, Result
from ..firewall import SPEC as FIREWALL
from ..firewall.collect import COLLECTORS
from ..firewall.run import context_of
from ..host import Host
from ..registry import Rules
from ..steps import Step
from . import rules_probe
from .collect import Door, knock_all
from .compare import Compared, compare
from .declared import OPT_IN, Options, Plan, plan, read_options
from .questions import Arrival, Questions
from .rules_probe import COMPARE, KNOCK, Context

RULES = Rules(rules_probe.RULES)
PLANNED_ONLY = "nothing was knocked at: check mode only plans"
DOOR = Door()


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of firewall_probe, take the step that they name. Raise InputError before anything is sent.

    In check mode no packet is sent; what would be knocked at is the same plan.
    """
    options = read_options(params, host.name())
    if params["step"] == COMPARE:
        return _compare(params, options, host, check_mode)
    planned = plan(options)
    knocks = [] if check_mode else knock_all(host, planned.pairs, options.rate, options.wait, DOOR)
    heard: dict[str, list[dict[str, Any]]] = {}
    for knock in knocks:
        heard.setdefault(knock.pair.host, []).append(knock.as_dict())
    context = Context(host.name(), host.platform, options.own, planned)
    data = {"knocks": heard, "left_out": dict(planned.left_out)}
    return Result(RULES.judge(context, KNOCK), actions=_actions(planned, check_mode), data=data)


def _actions(planned: Plan, check_mode: bool) -> list[Action]:
    """Return a step for each address that is knocked at."""
    ports: dict[tuple[str, str], list[str]] = {}
    for pair in planned.pairs:
        ports.setdefault((pair.host, pair.address), []).append(str(pair.port))
    steps = [
        Step("knock", f"{host} {address}", f"{len(each)} declared TCP ports", details={"ports": ", ".join(each)})
        for (host, address), each in ports.items()
    ]
    return [step.planned() if check_mode else step.ended() for step in steps]


def _compare(params: dict[str, Any], options: Options, host: Host, check_mode: bool) -> Result:
    silent = PLANNED_ONLY if check_mode else "" if options.own.enabled else f"nothing is compared: {OPT_IN}"
    found = [] if silent else _compared(params, options, host)
    context = Context(host.name(), host.platform, options.own, compared=tuple(found), silent=silent)
    return Result(RULES.judge(context, COMPARE), metrics(found), data={"pairs": [each.as_dict() for each in found]})


def _compared(params: dict[str, Any], options: Options, host: Host) -> list[Compared]:
    """Ask the packet filter, as an audit of this host does, about all that others got."""
    if host.platform not in COLLECTORS:
        unread = Arrival(UNKNOWN, f"the packet filter of a {host.platform} host cannot be read by this release")
        return compare(options.own, params["heard"], lambda _address, _port, _source: unread)
    asked = {name: option.get("default") for name, option in FIREWALL.items()}
    context = context_of({**asked, "policy": params["policy"], "timeout": params["timeout"]}, host)
    return compare(options.own, params["heard"], Questions(context).ask)


def metrics(found: list[Compared]) -> list[Metric]:
    """Given all pairs as compared, return their numbers."""
    agreed, unknown = (sum(each.status == status for each in found) for status in (OK, UNKNOWN))
    numbers = {"pairs": len(found), "agreed": agreed, "not_compared": unknown}
    numbers["disagreed"] = len(found) - agreed - unknown
    return [Metric(f"cryptobot_firewall_probe_{name}", value) for name, value in numbers.items()]
