# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about the packet filter itself: is it there, is it seen, does it hold together. Each is a pure function."""

from __future__ import annotations

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from .context import Context
from .model.evaluate import FILTERED, OPEN
from .model.intervals import BITS, EVERYTHING, contains
from .model.network import ANY_SOURCE
from .model.packet import LOOPBACK, TCP, UDP
from .model.ruleset import (
    ACCEPT,
    AWAY,
    DROP,
    FORWARD,
    GOTO,
    JUMP,
    LEGACY,
    REJECT,
    RETURN,
    Chain,
    FilterRule,
    Table,
)
from .model.ruleset import UNKNOWN as NOT_KNOWN
from .model.shadow import scope_of
from .model.walk import MAX_DEPTH

RULES = Rules()
RULES_SUBJECT = "kernel rules"


@RULES.rule(
    "firewall.rules_visible",
    procedure="W2.3",
    remedy={
        "linux": (
            "Run the audit as root (become: true), with nftables, and iptables where it is used, installed on the host."
        ),
        "darwin": "Run the audit as root (become: true).",
        "windows": "Run the audit by an administrator; see that the service mpssvc (Windows Firewall) runs.",
    },
    source="Linux and pf show rules to root only; a filter that is not seen is never called closed or open",
)
def judge_rules_visible(context: Context) -> list[Outcome]:
    """The packet filter of the host could be read, in every back end that holds rules."""
    ruleset = context.ruleset
    reasons = sorted({reason for family in BITS for reason in ruleset.unavailable.get(family, ())})
    if reasons:
        text = f"{'; '.join(reasons)}. Without them it is not judged whether a filter is active, complete and sound"
        return [Outcome(UNKNOWN, text, expected="all rules of the kernel", actual=reasons, subject=RULES_SUBJECT)]
    backends = sorted({table.backend for table in ruleset.tables if table.holds_rules})
    of = f" of {' and '.join(backends)}" if backends else ""
    text = f"{ruleset.rule_count} rules in {len(ruleset.tables)} tables{of}"
    return [Outcome(OK, text, subject=RULES_SUBJECT)]


@RULES.rule(
    "firewall.blind",
    procedure="W2.3",
    remedy={
        "linux": (
            "Run the audit as root with the tool that the message names installed, or judge what it names by hand."
        ),
        "darwin": "Run the audit as root (become: true), or judge what the message names by hand.",
        "windows": "Run the audit by an administrator, or judge what the message names by hand.",
    },
    source="socket owners, ipsets, routes and XDP programs need root, or tools of their own",
)
def judge_blind(context: Context) -> list[Outcome]:
    """Everything else on the host that decides who can connect could be seen."""
    found = [Outcome(UNKNOWN, reason, subject=subject) for subject, reason in sorted(context.unavailable.items())]
    return found or [Outcome(OK, "socket owners, routes and all that rules name could be read", subject="sight")]


def _visible_families(context: Context) -> list[int]:
    return [family for family in context.families if not context.ruleset.why_unavailable(family)]


@RULES.rule(
    "firewall.inactive",
    procedure="W2.3",
    remedy={
        "linux": (
            "Allow SSH, then enable the host's firewall (ufw enable; systemctl enable --now firewalld or nftables)."
        ),
        "darwin": "Run socketfilterfw --setglobalstate on; for ports, write rules for pf and run pfctl -E.",
        "windows": "Allow WinRM or SSH, then Set-NetFirewallProfile -All -Enabled True.",
    },
    source="CIS Debian Linux 12 Benchmark, chapter 4: a host firewall is active; NIST SP 800-41r1, section 4.1",
)
def judge_inactive(context: Context) -> list[Outcome]:
    """The host filters what comes in, for IPv4 and for IPv6, on each interface."""
    if not context.families and not context.network.unavailable:
        return [Outcome(SKIPPED, "this host has no address beyond loopback", subject="IPv4")]
    return [_activity(context, family) for family in _visible_families(context)]


def _activity(context: Context, family: int) -> Outcome:
    subject = f"IPv{family}"
    chains = [_chain_name(*pair) for pair in context.ruleset.base_chains(family) if stops(*pair)]
    unfiltered = _unfiltered(context, family) if chains else []
    if chains and not unfiltered:
        return Outcome(OK, f"{subject} is filtered by {', '.join(chains)}", subject=subject)
    text = f"nothing filters what comes in by {subject}: no chain on the way to a socket drops or rejects anything"
    if unfiltered:
        text = f"nothing filters what comes in by {subject} on {', '.join(unfiltered)}; the rest by {', '.join(chains)}"
    if not context.inputs.require_filter:
        return Outcome(
            SKIPPED, f"{text}; the inventory does not ask this host to filter (require_filter)", subject=subject
        )
    if context.network.only_link_local(family):
        text = f"{text}; its only addresses of that family are link-local, which neighbours alone can reach"
        return Outcome(WARNING, text, expected="an active packet filter", actual="none", subject=subject)
    return Outcome(CRITICAL, text, expected="an active packet filter", actual="none", subject=subject)


def _unfiltered(context: Context, family: int) -> list[str]:
    """Given a family, return the interfaces that no chain which can stop anything sits on."""
    sits_on = [chain.devices for table, chain in context.ruleset.base_chains(family) if stops(table, chain)]
    if not all(sits_on):  # a chain that names no interface sits on all of them
        return []
    named = {device for devices in sits_on for device in devices}
    return sorted(name for name in context.network.ways.get(family, {}) if name not in named)


def stops(table: Table, chain: Chain) -> bool:
    """Return whether a base chain can stop any packet of TCP or UDP, itself or by the chains that it leads to."""
    return chain.policy == DROP or any(
        rule.verdict is not None and rule.verdict.kind in (DROP, REJECT, NOT_KNOWN, AWAY) and _is_about_ports(rule)
        for part in table.reached_from(chain.name)
        for rule in part.rules
    )


def _is_about_ports(rule: FilterRule) -> bool:
    """Return whether a rule can match TCP or UDP: one that stops pings alone makes no filter."""
    numbers = scope_of(rule).get(("proto",), EVERYTHING)
    return contains(numbers, TCP) or contains(numbers, UDP)


def _chain_name(table: Table, chain: Chain) -> str:
    return f"{table.family} {table.name} {chain.name}"


def _is_active(context: Context, family: int) -> bool:
    return any(stops(*pair) for pair in context.ruleset.base_chains(family))


@RULES.rule(
    "firewall.default_deny",
    procedure="W2.3",
    remedy={
        "linux": "Make the default of the input chain drop, after rules that allow what the policy names.",
        "darwin": "Begin the rules of pf with 'block in all' and pass what the policy names, then pfctl -E.",
        "windows": "Set-NetFirewallProfile -All -DefaultInboundAction Block, after rules for the policy.",
    },
    source="deny by default: NIST SP 800-41r1, section 4.2; CIS Debian Linux 12 Benchmark, 4.2 to 4.4",
)
def judge_default_deny(context: Context) -> list[Outcome]:
    """A port that no rule thinks of is closed to the outside, and so is the way through this host where it has one."""
    families = _visible_families(context)
    passing = [family for family in families if context.network.stack.forwards.get(family, frozenset()) - {LOOPBACK}]
    return [*(_default(context, family) for family in families), *(_way_through(context, family) for family in passing)]


def _way_through(context: Context, family: int) -> Outcome:
    """Given a family in which packets are passed on, return whether what no rule names is stopped on that way."""
    subject = f"IPv{family} passed on"
    chains = context.ruleset.base_chains(family, (FORWARD,))
    rest = [(_chain_name(table, chain), _rest(table, chain)) for table, chain in chains if not chain.devices]
    stopping = [name for name, kind in rest if kind in (DROP, REJECT)]
    if stopping:
        return Outcome(OK, f"what no rule names is stopped by {', '.join(stopping)}", subject=subject)
    doubtful = bool(context.ruleset.gaps) or any(kind != ACCEPT for _name, kind in rest)
    text = f"this host passes packets of IPv{family} on, and no chain of the forward hook stops what no rule names"
    status = UNKNOWN if doubtful else WARNING if context.inputs.require_filter else SKIPPED
    return Outcome(status, text, expected=FILTERED, actual=NOT_KNOWN if doubtful else OPEN, subject=subject)


def _rest(table: Table, chain: Chain, depth: int = 0) -> str:
    """Return what a chain does with a packet that no test fits: what its first rule without tests says, or its end."""
    for rule in chain.rules:
        if rule.verdict is None or rule.tests:
            continue
        kind = rule.verdict.kind
        if kind in (JUMP, GOTO):
            inner = table.chains.get(rule.verdict.target)
            kind = _rest(table, inner, depth + 1) if inner and depth < MAX_DEPTH else NOT_KNOWN
        if kind != RETURN or rule.verdict.kind != JUMP:
            return chain.policy if kind == RETURN and chain.hook else kind
    return chain.policy if chain.hook else RETURN


def _default(context: Context, family: int) -> Outcome:
    subject = f"IPv{family}"
    if not _is_active(context, family):
        return Outcome(SKIPPED, f"nothing is filtered by {subject} at all: see firewall.inactive", subject=subject)
    asked = {proto: exposure for (of_family, proto), exposure in context.unthought.items() if of_family == family}
    verdicts = {proto: exposure.verdict(ANY_SOURCE[family]) for proto, exposure in asked.items()}
    decided = "; ".join(sorted({exposure.decided_by(ANY_SOURCE[family]) for exposure in asked.values()}))
    text = ", ".join(f"{proto} {verdict}" for proto, verdict in verdicts.items())
    message = f"by {subject} a port that no rule names is: {text}. Decided by: {decided}"
    if not set(verdicts.values()) - {FILTERED}:
        return Outcome(OK, message, subject=subject)
    if not context.inputs.require_filter:
        return Outcome(
            SKIPPED, f"{message}; the inventory does not ask this host to filter (require_filter)", subject=subject
        )
    status = UNKNOWN if set(verdicts.values()) <= {FILTERED, NOT_KNOWN} else WARNING
    return Outcome(status, message, expected=FILTERED, actual=verdicts, subject=subject)


@RULES.rule(
    "firewall.backends",
    procedure="W2.3",
    remedy="Move the rules of one into the other, then flush it: each filters what the other let through.",
    source="https://wiki.nftables.org/wiki-nftables/index.php/Legacy_xtables_tools",
)
def judge_backends(context: Context) -> list[Outcome]:
    """Only one of iptables-legacy and nf_tables holds rules."""
    legacy = [_name(table) for table in context.ruleset.tables if table.holds_rules and table.backend == LEGACY]
    modern = [_name(table) for table in context.ruleset.tables if table.holds_rules and table.backend != LEGACY]
    if legacy and modern:
        text = f"iptables-legacy holds rules ({', '.join(legacy)}) and so does nf_tables ({', '.join(modern)})"
        return [
            Outcome(
                WARNING, text, expected="one back end", actual={"legacy": legacy, "nft": modern}, subject=RULES_SUBJECT
            )
        ]
    if _some_unavailable(context):
        return []
    several = sorted({table.backend for table in context.ruleset.tables if table.holds_rules})
    names = " and ".join(several)
    text = f"rules are in one back end only ({names})" if several else "there are no rules"
    if len(several) > 1:
        text = f"{names} hold rules, and what one lets through the others filter as well: all are read"
    return [Outcome(OK, text, subject=RULES_SUBJECT)]


def _name(table: Table) -> str:
    return f"{table.family} {table.name}"


def _some_unavailable(context: Context) -> bool:
    return any(context.ruleset.why_unavailable(family) for family in BITS)
