# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be said of knocks: at what this host could knock, and whether what others got here is as its rules say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Check, Finding
from ..registry import Outcome, Rules, finding_of
from .compare import Compared
from .declared import OPT_IN, Declared, Plan
from .questions import Arrival

RULES = Rules()
KNOCK, COMPARE = "knock", "compare"  # the steps, each with rules of its own
_NAMED = 8
_GOT = {"open": "connects", "refused": "is refused", "timeout": "times out", "unreachable": "gets no further"}


class Context(NamedTuple):
    """What this host declares, and what became of its knocks or of others' here.

    ``silent`` is why nothing is compared at all: it is planned only, or not allowed.
    """

    host: str
    system: str
    own: Declared
    plan: Plan = Plan((), {})
    compared: tuple[Compared, ...] = ()
    by: tuple[str, ...] = ()
    silent: str = ""

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding; those that name no place are about all knocks."""
        return finding_of(check, outcome, "tcp", self.system)


@RULES.rule(
    "firewall.probe_knocks",
    procedure="T3.2",
    remedy="Give the host an address in `cryptobot_firewall_probe_addresses`, or what else the message names, and "
    "run `ansible-playbook cryptobot.maintenance.weekly --tags probe` again.",
    source="what is left out is named",
    per=KNOCK,
)
def judge_knocks(context: Context) -> Iterator[Outcome]:
    """Every declared port of the other hosts could be knocked at from this one."""
    plan, hosts = context.plan, len({pair.host for pair in context.plan.pairs})
    done = f"knocked at {len(plan.pairs)} declared ports of {hosts} other hosts"
    if not context.own.enabled:
        yield Outcome(SKIPPED, f"nothing is knocked at: {OPT_IN}", remedy="Set `cryptobot_firewall_probe: true`.")
        return
    refused = {host: why for host, why in plan.left_out.items() if why == OPT_IN}
    left = {host: why for host, why in plan.left_out.items() if host not in refused}
    if refused:
        yield Outcome(SKIPPED, f"not knocked at {_some(sorted(refused))}: {OPT_IN}", subject="not enabled", remedy="")
    if left or not plan.pairs:
        why = "; ".join(f"{host}: {why}" for host, why in left.items()) or "no other host of this run takes part"
        yield Outcome(UNKNOWN, f"{done}; left out: {why}", actual=dict(left))
    else:
        yield Outcome(OK, done, actual=len(plan.pairs), remedy="")


@RULES.rule(
    "firewall.probe",
    procedure="T3.2",
    remedy="See why each host that is named could not knock, or what its rules leave open; without --limit all hosts "
    "of the inventory take part.",
    source="an answer of the network is held against the verdict of firewall_audit's model",
    per=COMPARE,
)
def judge_probe(context: Context) -> Iterator[Outcome]:
    """What other hosts get at the declared ports of this one is what its packet filter says."""
    if context.own.udp:
        text = f"{_some(context.own.udp)}: not knocked at, because silence of UDP does not tell open from filtered"
        yield Outcome(SKIPPED, text, subject="udp", remedy="")
    if context.silent:
        yield Outcome(SKIPPED, context.silent, remedy="")
        return
    agreed = sum(each.status == OK for each in context.compared)
    judged = agreed + sum(1 for _each in _disagreeing(context))
    reasons = _reasons(context)
    text = f"{agreed} of {judged} connections from {_some(context.by) or 'no host'} ended as the rules of this host say"
    numbers = {"agreed": agreed, "compared": judged, "pairs": len(context.compared)}
    if reasons or not judged:
        named = "; ".join(f"{why}: {_some(pairs)}" for why, pairs in reasons.items()) or "nothing was compared"
        yield Outcome(UNKNOWN, f"{text}; not compared: {named}", "all compared", {**numbers, "not_compared": reasons})
    else:
        yield Outcome(OK, text, actual=numbers, remedy="")


@RULES.rule(
    "firewall.probe_disagrees",
    procedure="T3.2",
    remedy="Follow one connection: `tcpdump -ni any port PORT` on this host while the other one connects.",
    source="a filter or NAT outside of this host (a cloud's security group, a router, the other host's own rules) is "
    "seen by a connection alone",
    per=COMPARE,
    many=True,
)
def judge_disagreement(context: Context) -> Iterator[Outcome]:
    """No connection of another host ends otherwise than the packet filter of this one says."""
    groups: dict[tuple[Any, ...], list[Compared]] = {}
    for each in _disagreeing(context):
        groups.setdefault((each.pair, each.heard.answer, each.arrival), []).append(each)
    for (pair, answer, arrival), (first, *others) in groups.items():
        who = _some(f"{each.by} ({each.heard.source})" for each in (first, *others))
        got = {"answer": answer, "by": [first.by, *(each.by for each in others)], "ms": first.heard.ms}
        said = f"{arrival.verdict}: {arrival.rule}"
        text = f"{pair} {_GOT[answer]} from {who}, but the rules of this host say {said}; {_who(arrival)}"
        yield Outcome(first.status, text, said, got, _remedy(first), str(pair))


def _remedy(each: Compared) -> str:
    port, peer = each.pair.port, each.heard.source
    if each.status == CRITICAL:
        return (
            f"Something answers that the rules do not know. On {each.by} look for NAT (`nft list ruleset`); "
            f"on this host `tcpdump -ni any host {peer} and tcp port {port}` shows whether they come here at "
            "all. Until then take the port for open."
        )
    return (
        f"A filter, NAT or route beyond this host stops {peer}: look at the security group or network ACL of the "
        f"cloud, the routers, and what {each.by} lets out. Where that is meant, narrow `from` of the port in "
        "`cryptobot_firewall_policy`, and this host's rules with it."
    )


def _who(arrival: Arrival) -> str:
    if arrival.elsewhere:
        return f"NAT leads it to {arrival.elsewhere}"
    return f"{arrival.listener} listens" if arrival.listener else "nobody is known to listen"


def _disagreeing(context: Context) -> Iterator[Compared]:
    return (each for each in context.compared if each.status in (CRITICAL, WARNING))


def _reasons(context: Context) -> dict[str, list[str]]:
    """Return all pairs that were not compared, by the reason."""
    reasons: dict[str, list[str]] = {}
    for each in context.compared:
        if each.status == UNKNOWN:
            reasons.setdefault(each.why, []).append(str(each.pair))
    if not context.own.addresses:
        reasons[context.own.unusable or "no address of this host is declared"] = ["all ports"]
    beyond = context.own.size - len(context.own.pairs())
    if beyond:
        reasons["the policy names more ports than one run knocks at"] = [f"{beyond} further ports"]
    return reasons


def _some(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return ", ".join(distinct[:_NAMED]) + more
