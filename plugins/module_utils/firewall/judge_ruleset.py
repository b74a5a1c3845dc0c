# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about the packet filter itself: is it there, is it seen, does it hold together. Each is a pure function."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from .audit import Audit
from .checks import CHECKS
from .model.evaluate import FILTERED
from .model.exposure import Exposure
from .model.intervals import BITS
from .model.network import ANY_SOURCE
from .model.packet import TCP, UDP, is_among
from .model.ruleset import ACCEPT, AWAY, DROP, LEGACY, REJECT, Chain, Match, Rule, Table
from .model.ruleset import UNKNOWN as NOT_KNOWN
from .views import View

RULES_SUBJECT = "kernel rules"
_SHOWN = 5  # differences that a message spells out
_LISTED = 50  # differences that are listed beside it


def judge_rules_visible(audit: Audit) -> list[Finding]:
    """Given an audit, return whether all rules of the kernel could be read; without that nothing else is certain."""
    check, ruleset = CHECKS["firewall.rules_visible"], audit.ruleset
    reasons = sorted({reason for family in BITS for reason in ruleset.blind.get(family, ())})
    if reasons:
        text = f"{'; '.join(reasons)}. Without them it is not judged whether a filter is active, complete and sound"
        return [check.finding(UNKNOWN, RULES_SUBJECT, text, expected="all rules of the kernel", actual=reasons)]
    backends = sorted({table.backend for table in ruleset.tables if table.holds_rules})
    of = f" of {' and '.join(backends)}" if backends else ""
    text = f"{ruleset.rule_count} rules in {len(ruleset.tables)} tables{of}"
    return [check.finding(OK, RULES_SUBJECT, text)]


def judge_blind(audit: Audit) -> list[Finding]:
    """Given an audit, return a finding per thing beside the rules that could not be seen."""
    check = CHECKS["firewall.blind"]
    found = [check.finding(UNKNOWN, subject, reason) for subject, reason in sorted(audit.blind.items())]
    return found or [check.finding(OK, "sight", "socket owners, routes and all that rules name could be read")]


def _visible_families(audit: Audit) -> list[int]:
    return [family for family in audit.families if not audit.ruleset.why_blind(family)]


def judge_inactive(audit: Audit) -> list[Finding]:
    """Given an audit, return per family whether anything stops packets that come in."""
    check = CHECKS["firewall.inactive"]
    if not audit.families and not audit.network.blind:
        return [check.finding(SKIPPED, "IPv4", "this host has no address beyond loopback")]
    return [_activity(audit, family) for family in _visible_families(audit)]


def _activity(audit: Audit, family: int) -> Finding:
    check, subject = CHECKS["firewall.inactive"], f"IPv{family}"
    chains = [_chain_name(*pair) for pair in audit.ruleset.base_chains(family) if stops(*pair)]
    unfiltered = _unfiltered(audit, family) if chains else []
    if chains and not unfiltered:
        return check.finding(OK, subject, f"{subject} is filtered by {', '.join(chains)}")
    text = f"nothing filters what comes in by {subject}: no chain on the way to a socket drops or rejects anything"
    if unfiltered:
        text = f"nothing filters what comes in by {subject} on {', '.join(unfiltered)}; the rest by {', '.join(chains)}"
    if not audit.wanted.require_filter:
        return check.finding(
            SKIPPED, subject, f"{text}; the inventory does not ask this host to filter (require_filter)"
        )
    if audit.network.only_link_local(family):
        text = f"{text}; its only addresses of that family are link-local, which neighbours alone can reach"
        return check.finding(WARNING, subject, text, expected="an active packet filter", actual="none")
    return check.finding(CRITICAL, subject, text, expected="an active packet filter", actual="none")


def _unfiltered(audit: Audit, family: int) -> list[str]:
    """Given a family, return the interfaces that no chain which can stop anything sits on."""
    sits_on = [chain.devices for table, chain in audit.ruleset.base_chains(family) if stops(table, chain)]
    if not all(sits_on):  # a chain that names no interface sits on all of them
        return []
    named = {device for devices in sits_on for device in devices}
    return sorted(name for name in audit.network.ways.get(family, {}) if name not in named)


def stops(table: Table, chain: Chain) -> bool:
    """Return whether a base chain can stop any packet of TCP or UDP, itself or by the chains that it leads to."""
    rules = [rule for part in table.reached_from(chain.name) for rule in part.rules if _is_about_ports(rule)]
    verdicts = {rule.verdict.kind for rule in rules if rule.verdict}
    return chain.policy == DROP or not verdicts.isdisjoint((DROP, REJECT, NOT_KNOWN, AWAY))


def _is_about_ports(rule: Rule) -> bool:
    """Return whether a rule can match TCP or UDP: one that stops pings alone makes no filter."""
    protocols = [test for test in rule.tests if isinstance(test, Match) and test.fields == ("proto",)]
    return any(all(_holds(test, proto) for test in protocols) for proto in (TCP, UDP))


def _holds(test: Match, proto: int) -> bool:
    return any(is_among(proto, numbers, test.mask) for (numbers,) in test.rows) != test.negated


def _chain_name(table: Table, chain: Chain) -> str:
    return f"{table.family} {table.name} {chain.name}"


def _is_active(audit: Audit, family: int) -> bool:
    return any(stops(*pair) for pair in audit.ruleset.base_chains(family))


def judge_default_deny(audit: Audit) -> list[Finding]:
    """Given an audit, return per family whether a port that no rule thinks of is closed."""
    return [_default(audit, family) for family in _visible_families(audit)]


def _default(audit: Audit, family: int) -> Finding:
    check, subject = CHECKS["firewall.default_deny"], f"IPv{family}"
    if not _is_active(audit, family):
        return check.finding(SKIPPED, subject, f"nothing is filtered by {subject} at all: see firewall.inactive")
    asked = {proto: seen for (of_family, proto), seen in audit.unthought.items() if of_family == family}
    verdicts = {proto: seen.verdict(ANY_SOURCE[family]) for proto, seen in asked.items()}
    decided = "; ".join(sorted({_rule(seen, family) for seen in asked.values()}))
    text = ", ".join(f"{proto} {verdict}" for proto, verdict in verdicts.items())
    message = f"by {subject} a port that no rule names is: {text}. Decided by: {decided}"
    if not set(verdicts.values()) - {FILTERED}:
        return check.finding(OK, subject, message)
    if not audit.wanted.require_filter:
        return check.finding(
            SKIPPED, subject, f"{message}; the inventory does not ask this host to filter (require_filter)"
        )
    status = UNKNOWN if set(verdicts.values()) <= {FILTERED, NOT_KNOWN} else WARNING
    return check.finding(status, subject, message, expected=FILTERED, actual=verdicts)


def _rule(exposure: Exposure, family: int) -> str:
    return exposure.decided_by(ANY_SOURCE[family])


def judge_backends(audit: Audit) -> list[Finding]:
    """Given an audit, return whether iptables-legacy and nf_tables both hold rules."""
    check = CHECKS["firewall.backends"]
    legacy = [_name(table) for table in audit.ruleset.tables if table.holds_rules and table.backend == LEGACY]
    modern = [_name(table) for table in audit.ruleset.tables if table.holds_rules and table.backend != LEGACY]
    if legacy and modern:
        text = f"iptables-legacy holds rules ({', '.join(legacy)}) and so does nf_tables ({', '.join(modern)})"
        return [
            check.finding(
                WARNING, RULES_SUBJECT, text, expected="one back end", actual={"legacy": legacy, "nft": modern}
            )
        ]
    if _some_blind(audit):
        return []
    several = sorted({table.backend for table in audit.ruleset.tables if table.holds_rules})
    names = " and ".join(several)
    text = f"rules are in one back end only ({names})" if several else "there are no rules"
    if len(several) > 1:
        text = f"{names} hold rules, and what one lets through the others filter as well: all are read"
    return [check.finding(OK, RULES_SUBJECT, text)]


def _name(table: Table) -> str:
    return f"{table.family} {table.name}"


def _some_blind(audit: Audit) -> bool:
    return any(audit.ruleset.why_blind(family) for family in BITS)


def judge_shadowed_rule(audit: Audit) -> list[Finding]:
    """Given an audit, return a finding per rule that an earlier one makes void."""
    check = CHECKS["firewall.shadowed_rule"]
    findings = []
    for shadow in audit.shadows:
        kind, earlier = (rule.verdict.kind if rule.verdict else "" for rule in (shadow.rule, shadow.by))
        effect = "what it allows stays closed" if kind == ACCEPT else "what it stops stays open"
        text = f"{shadow.rule} never decides, because {shadow.by} takes precedence; {effect}"
        findings.append(check.finding(WARNING, shadow.rule.where, text, expected=kind, actual=earlier))
    if findings or _some_blind(audit):
        return findings
    return [check.finding(OK, RULES_SUBJECT, "no rule on the way to a socket is made void by an earlier one")]


def judge_view_drift(audit: Audit) -> list[Finding]:
    """Given an audit, return per manager of rules whether the kernel does what it says."""
    check = CHECKS["firewall.view_drift"]
    if _some_blind(audit):  # what is off is so without comparing it
        return [finding for view in audit.facts.views if not view.enabled for finding in _view(view)]
    found = [finding for view in audit.facts.views for finding in _view(view)]
    if not audit.facts.views:
        text = "no manager of rules (ufw, firewalld, nftables.service) is here"
        return [check.finding(SKIPPED, "managers", text)]
    return found


def _view(view: View) -> Iterator[Finding]:
    check = CHECKS["firewall.view_drift"]
    if not view.enabled:
        yield check.finding(SKIPPED, view.name, view.off or f"{view.name} is installed and not enabled")
    elif not view.loaded:
        text = f"{view.name} is enabled, and the kernel does not hold its rules"
        yield check.finding(CRITICAL, view.name, text, expected="its rules in the kernel", actual="none")
    elif view.differences:
        shown = "; ".join(view.differences[:_SHOWN])
        text = f"{view.name} and the kernel differ in {len(view.differences)} places: {shown}"
        listed = list(view.differences[:_LISTED])
        yield check.finding(WARNING, view.name, text, expected="what is stored", actual=listed)
    elif view.blind:
        yield check.finding(UNKNOWN, view.name, f"what {view.name} has stored could not be read: {view.blind}")
    else:
        yield check.finding(OK, view.name, f"the rules of {view.name} are in force")
