# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about sockets: who gets through to whom, beside what the policy allows. Each is a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..finding import CRITICAL, OK, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from .context import Context, Reach
from .model.evaluate import FILTERED, OPEN
from .model.exposure import LIMITED, Exposure, describe
from .model.intervals import Intervals, subtract
from .model.network import ANY_SOURCE
from .model.ruleset import UNKNOWN as NOT_KNOWN
from .policy import Allowance

RULES = Rules()
SOCKETS = "listening sockets"
_NAMED = 5  # listeners or ports that a summary names
BEST_FIRST = (OPEN, LIMITED, NOT_KNOWN, FILTERED)

Answers = dict[int, tuple[str, str]]  # by family what becomes of everybody, and the rule that decides it


@RULES.rule(
    "firewall.unexpected_open",
    procedure="W2.3",
    remedy="Stop it, bind it to loopback or close the port; or add it to cryptobot_firewall_policy with its reason.",
    source="the policy is the list of all that may be open",
    many=True,
)
def judge_unexpected_open(context: Context) -> list[Outcome]:
    """No socket can be reached by anybody whom the policy does not allow."""
    findings, unseen = [], []
    for reach in context.reaches:
        opened = _excess(context, reach, "open")
        doubtful = _excess(context, reach, "unknown")
        if opened:
            findings.append(_unexpected(context, reach, opened, CRITICAL))
        if doubtful and _only_unavailable(context, reach, doubtful):
            unseen.append(reach)
        elif doubtful:
            findings.append(_unexpected(context, reach, doubtful, UNKNOWN))
    if unseen:
        findings.append(_unseen(context, unseen))
    return findings or [_nothing_unexpected(context)]


def _excess(context: Context, reach: Reach, part: str) -> dict[int, Intervals]:
    """Given a listener, return by family the sources that are open (or unknown) to it beyond the policy."""
    beyond = {
        family: subtract(getattr(exposure, part), context.allowed(reach.listener, family))
        for family, exposure in reach.outside.items()
    }
    return {family: sources for family, sources in beyond.items() if sources}


def _only_unavailable(context: Context, reach: Reach, doubtful: dict[int, Intervals]) -> bool:
    """Return whether all doubt about a listener comes from rules or routes that could not be seen at all."""
    network, why = context.network.unavailable, context.ruleset.why_unavailable
    return all(
        reach.outside[family].decided_by(sources) in (why(family), network) for family, sources in doubtful.items()
    )


def _unexpected(context: Context, reach: Reach, beyond: dict[int, Intervals], status: str) -> Outcome:
    listener = reach.listener
    rules = {family: reach.outside[family].decided_by(sources) for family, sources in beyond.items()}
    sources = in_words(context, beyond)
    verb = "is open to" if status == CRITICAL else "may be open to"
    because = "; ".join(sorted(set(rules.values())))
    message = (
        f"{listener}, {listener.owner()}, {verb} {describe_all(sources)}. "
        f"{allowed_text(context, listener.proto, listener.port)} "
        f"Decided by: {because}"
    )
    actual = {
        "sources": sources,
        "decided_by": _named(rules),
        "pids": list(listener.pids),
        "exe": list(listener.exes),
        "unit": list(listener.units),
    }
    return Outcome(status, message, expected="no other sources than the policy's", actual=actual, subject=str(listener))


def _named(rules: dict[int, str]) -> dict[str, str]:
    return {f"IPv{family}": rule for family, rule in rules.items()}


def allowed_text(context: Context, proto: str, port: int) -> str:
    """Return what the policy says of a port, as a sentence."""
    entries = context.allowances(proto, port)
    if not entries:
        return "The policy does not name it."
    return "The policy says: " + "; ".join(_entry_text(context, entry) for entry in entries) + "."


def _entry_text(context: Context, entry: Allowance) -> str:
    return f"{entry}, expired on {entry.expires}" if entry.expired(context.inputs.today) else str(entry)


def _unseen(context: Context, unseen: list[Reach]) -> Outcome:
    names = [f"{reach.listener} ({reach.listener.owner()})" for reach in unseen]
    message = (
        f"{len(names)} sockets take more peers from outside than the policy allows: {some(names)}. "
        "Whether the packet filter stops them could not be seen."
    )
    return Outcome(UNKNOWN, message, actual=[str(reach.listener) for reach in unseen], subject=SOCKETS)


def some(names: Sequence[str], most: int = _NAMED) -> str:
    """Return the first of some names, and how many there are beside them."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if names[most:] else "")


def _nothing_unexpected(context: Context) -> Outcome:
    message = f"of {len(context.reaches)} listening sockets none can be reached by others than the policy allows"
    return well(context, "firewall.unexpected_open", SOCKETS, message, "tcp", "udp")


@RULES.rule(
    "firewall.any_source_internal",
    procedure="W2.3",
    remedy="Allow the networks that need it instead of any, or bind the service to loopback.",
    source="PostgreSQL, Redis, Kafka, monitoring and search are meant for the hosts of the site only",
)
def judge_any_source_internal(context: Context) -> list[Outcome]:
    """Services that are internal (databases, caches, monitoring) cannot be reached from everywhere."""
    internal = [reach for reach in context.reaches if _is_internal(context, reach)]
    findings = [_reachable_by_all(context, reach) for reach in internal if _open_to_all(reach)]
    unknown = [str(reach.listener) for reach in internal if _may_be_open(reach)]
    if unknown:
        message = f"whether everybody can reach {some(unknown)} could not be seen"
        findings.append(Outcome(UNKNOWN, message, actual=unknown, subject="internal services"))
    message = f"of {len(internal)} listeners on internal ports none can be reached from everywhere"
    return findings or [well(context, "firewall.any_source_internal", "internal services", message, "tcp")]


def well(context: Context, check: str, subject: str, message: str, *protos: str) -> Outcome:
    """Return that nothing was found; it is not known where sockets of these protocols could not be read."""
    unread = context.unread(*protos)
    if unread:
        return Outcome(UNKNOWN, f"{message}, but not all are seen: {unread}", subject=subject)
    return Outcome(OK, message, subject=subject)


def _is_internal(context: Context, reach: Reach) -> bool:
    return reach.listener.proto == "tcp" and reach.listener.port in context.inputs.internal_ports


def _open_to_all(reach: Reach) -> list[int]:
    return [family for family, exposure in reach.outside.items() if exposure.nearly_open(ANY_SOURCE[family])]


def _may_be_open(reach: Reach) -> bool:
    """Return whether it is not known of a family: that the other one is open does not answer for it."""
    known = _open_to_all(reach)
    return any(exposure.unknown for family, exposure in reach.outside.items() if family not in known)


def _reachable_by_all(context: Context, reach: Reach) -> Outcome:
    """A policy that says any has at least been thought about: then it is a warning."""
    listener, families = reach.listener, _open_to_all(reach)
    meant = all(not subtract(ANY_SOURCE[family], context.allowed(listener, family)) for family in families)
    rules = {family: reach.outside[family].decided_by(ANY_SOURCE[family]) for family in families}
    message = (
        f"{listener}, {listener.owner()}, is an internal service and is open to everybody by "
        f"{' and '.join(f'IPv{family}' for family in families)}. {allowed_text(context, listener.proto, listener.port)}"
    )
    return Outcome(
        WARNING if meant else CRITICAL,
        message,
        expected="the networks that need it",
        actual={"sources": "any", "decided_by": _named(rules)},
        subject=str(listener),
    )


@RULES.rule(
    "firewall.family_difference",
    procedure="W2.3",
    remedy="Give the other family the same rules, or bind the service to one family only.",
    source="rules are often written for IPv4 alone: ip6tables and rich rules of family ipv4 leave IPv6 as it was",
)
def judge_family_difference(context: Context) -> list[Outcome]:
    """IPv4 and IPv6 peers are treated alike.

    Those are compared to whom a route leads: what has none is no matter of rules. Where IPv6 has link-local addresses
    only, there is nothing to compare.
    """
    ports: dict[tuple[str, int], dict[int, list[Exposure]]] = {}
    for reach in context.reaches:
        for family, exposure in reach.outside.items():
            if family in context.families and _routed(context, family) and not context.network.only_link_local(family):
                by_family = ports.setdefault((reach.listener.proto, reach.listener.port), {})
                by_family.setdefault(family, []).append(exposure)
    both = {port: exposures for port, exposures in ports.items() if len(exposures) > 1}
    answers = {port: _by_family(context, exposures) for port, exposures in both.items()}
    findings = [_difference(port, answers[port]) for port in both if _differ(answers[port])]
    unknown = [f"{proto}/{port}" for proto, port in both if NOT_KNOWN in _verdicts(answers[proto, port])]
    if unknown:
        message = f"whether IPv4 and IPv6 peers of {some(unknown)} are treated alike could not be seen"
        findings.append(Outcome(UNKNOWN, message, actual=unknown, subject=SOCKETS))
    message = f"of {len(both)} ports served by IPv4 and IPv6 none is treated differently"
    return findings or [well(context, "firewall.family_difference", SOCKETS, message, "tcp", "udp")]


def _by_family(context: Context, exposures: dict[int, list[Exposure]]) -> Answers:
    return {family: _to_everybody(_routed(context, family), several) for family, several in sorted(exposures.items())}


def _verdicts(answers: Answers) -> set[str]:
    return {verdict for verdict, _rule in answers.values()}


def _differ(answers: Answers) -> bool:
    return NOT_KNOWN not in _verdicts(answers) and len(_verdicts(answers)) > 1


def _difference(port: tuple[str, int], answers: Answers) -> Outcome:
    subject = "/".join(map(str, port))
    words = ", ".join(f"{verdict} by IPv{family}" for family, (verdict, _rule) in answers.items())
    rules = " and ".join(f"{rule} (IPv{family})" for family, (_verdict, rule) in answers.items())
    actual = {f"IPv{family}": verdict for family, (verdict, _rule) in answers.items()}
    return Outcome(
        WARNING, f"{subject} is {words}; decided by {rules}", expected="alike", actual=actual, subject=subject
    )


def _routed(context: Context, family: int) -> Intervals:
    return subtract(ANY_SOURCE[family], context.network.stack.stray.get(family, ()))


def _to_everybody(everybody: Intervals, several: list[Exposure]) -> tuple[str, str]:
    """Given the exposures of the listeners of one port, return the most open verdict on everybody, and its rule.

    A few banned addresses make no difference between the families.
    """
    verdicts = [OPEN if exposure.nearly_open(everybody) else exposure.verdict(everybody) for exposure in several]
    verdict = min(verdicts, key=BEST_FIRST.index)
    return verdict, several[verdicts.index(verdict)].decided_by(everybody)


def in_words(context: Context, sources: Mapping[int, Intervals]) -> dict[str, list[str]]:
    """Given sources by family, return words for them, by the families' names."""
    own = context.network.local
    return {f"IPv{family}": describe(family, part, own[family]) for family, part in sources.items()}


def describe_all(sources: Mapping[str, list[str]]) -> str:
    """Given words for sources by family, return them as part of a sentence."""
    return " and to ".join(f"{', '.join(words)} by {name}" for name, words in sources.items())
