# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about what rules open though nobody asked for it: unserved ports, wide sources, what is new. All are pure.

Openings are not read off the rules: the model is asked about each range of ports that rules or the policy tell apart.
What any port is open to is left to firewall.default_deny, so an opening is what lies beyond that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from .context import Context, Reach
from .history import moment
from .listeners import DHCP_CLIENT_PORTS
from .model.choices import PORTS
from .model.exposure import PROTOCOL_NUMBERS, Published
from .model.intervals import Intervals, count, intersect, merge, network, spanning, subtract
from .model.network import ANY_SOURCE, LINK_LOCAL
from .model.ruleset import Match
from .model.shadow import on_the_way
from .rules_hygiene import unseen
from .rules_sockets import SOCKETS, allowed_text, describe_all, in_words, some, well

RULES = Rules()
_MEANT = "no other sources than the policy's"
PORTS_SUBJECT = "ports that nobody serves"
MEND_MEMORY = (
    "Look who changed what the message names, and judge what is open by hand. A real run makes a new baseline as soon "
    "as it can write there; mend the folder, or set cryptobot_state_dir to another."
)
_NAMED_RULES = 5  # that a message spells out
_MOST = 512  # ranges of ports that rules tell apart and that are asked about, for each protocol
_PRIVATE = {
    4: merge(network(text)[1] for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")),
    6: merge([network("fc00::/7")[1], LINK_LOCAL]),
}
# From how many public addresses on an opening is too broad. /8 was the largest network of IPv4 that was ever given to
# one site (RFC 790), /32 is what a provider of IPv6 gets for all its customers (RIPE-738, section 5.1.2).
BROAD = {4: 1 << (32 - 8), 6: 1 << (128 - 32)}


class AllowedPort(NamedTuple):
    """Ports of a protocol that neither rules nor policy tell apart, for peers of one family.

    ``free`` are those that nobody serves beyond loopback. ``named``: the policy speaks of them. ``opened`` are the
    sources to which rules open them beyond what the policy says, by which ``rule``; ``doubtful`` those perhaps.
    """

    proto: str
    family: int
    ports: Intervals
    free: Intervals
    named: bool
    opened: Intervals
    doubtful: Intervals
    rule: str

    @property
    def broad(self) -> bool:
        """Whether it is open to more public addresses than one site has, although the policy limits it."""
        return self.named and count(subtract(self.opened, _PRIVATE[self.family])) >= BROAD[self.family]


def openings(context: Context, alike: Mapping[str, list[Intervals]], *, named: bool = False) -> list[AllowedPort]:
    """Given what rules and policy tell apart of the ports of this host, return who gets through to them, in the
    families whose rules were seen; ``named``: of those alone that the policy speaks of.
    """
    families = [family for family in context.families if not context.ruleset.why_unavailable(family)]
    return [
        _opening(context, proto, family, ports, subtract(ports, served))
        for proto in PROTOCOL_NUMBERS
        for served in [_served(context, proto)]
        for ports in alike[proto][:_MOST]
        if not named or _is_named(context, proto, ports)
        for family in families
    ]


def _served(context: Context, proto: str) -> Intervals:
    """Return the ports on which something listens beyond loopback, and those that DHCP clients open when they ask."""
    listeners = (*(reach.listener for reach in context.reaches if reach.listener.bound), *context.clients)
    ports = [each.port for each in listeners if each.proto == proto]
    return merge(spanning(port, port) for port in (*ports, *(DHCP_CLIENT_PORTS if proto == "udp" else ())))


def _alike(context: Context) -> dict[str, list[Intervals]]:
    """Return by protocol the ranges of ports that are treated alike; without the one that no rule thinks of."""
    rules = [rule for _table, chains in on_the_way(context.ruleset) for each in chains for rule in each.rules]
    tests = [test for rule in rules for test in rule.tests if isinstance(test, Match) and "dport" in test.fields]
    named = [row[test.fields.index("dport")] for test in tests for row in test.rows]
    alone = [spanning(rule.verdict.port, rule.verdict.port) for rule in rules if rule.verdict and rule.verdict.port]
    alike: dict[str, list[Intervals]] = {}
    for proto in PROTOCOL_NUMBERS:
        policy = [entry.ports for entry in context.inputs.policy if entry.proto == proto]
        bounds = {bound for numbers in {*named, *policy, *alone} for bound in intersect(numbers, PORTS)}  # type: ignore[arg-type]
        edges = sorted({*PORTS, *bounds})
        alike[proto] = list(zip(edges, edges[1:]))
    return alike


def _is_named(context: Context, proto: str, ports: Intervals) -> bool:
    """Return whether the policy speaks of some ports today."""
    return any(not entry.expired(context.inputs.today) for entry in context.allowances(proto, ports[0]))


def _opening(context: Context, proto: str, family: int, ports: Intervals, free: Intervals) -> AllowedPort:
    first, usual = ports[0], context.unthought[family, proto]
    exposure = context.port(proto, first, family)
    allowed = merge([usual.open, context.allowed_at(proto, first, family)])
    opened = subtract(exposure.open, allowed)
    doubtful = subtract(exposure.unknown, merge([allowed, usual.unknown]))
    named = _is_named(context, proto, ports)
    return AllowedPort(proto, family, ports, free, named, opened, doubtful, exposure.decided_by(opened or doubtful))


Rows = Iterable[tuple[AllowedPort, Intervals]]  # openings, each with the ports of it that matter
By = dict[int, tuple[Intervals, str]]  # by family the sources, and the rule that decides


def _grouped(rows: Rows) -> dict[tuple[str, Intervals], By]:
    """Given openings, return them by ports: those of one rule are put together, and the families of one range."""
    alike: dict[tuple[str, int, Intervals, str], list[Intervals]] = {}
    for each, ports in rows:
        alike.setdefault((each.proto, each.family, each.opened or each.doubtful, each.rule), []).append(ports)
    found: dict[tuple[str, Intervals], By] = {}
    for (proto, family, sources, rule), parts in alike.items():
        found.setdefault((proto, merge(parts)), {})[family] = (sources, rule)
    return found


def _named(proto: str, ports: Intervals) -> str:
    """Return ports as a reader writes them: tcp/80, 8000-8004."""
    spans = [(first, end - 1) for first, end in zip(ports[::2], ports[1::2])]
    return f"{proto}/" + some([str(first) if first == last else f"{first}-{last}" for first, last in spans])


def _outcome(context: Context, status: str, key: tuple[str, Intervals], by: By, text: str, more: str = "") -> Outcome:
    subject = _named(*key)
    sources = in_words(context, {family: part for family, (part, _rule) in by.items()})
    rules = {f"IPv{family}": rule for family, (_part, rule) in by.items()}
    message = text.format(subject, describe_all(sources), "; ".join(sorted(set(rules.values()))), more)
    return Outcome(status, message, _MEANT, {"sources": sources, "decided_by": rules}, subject=subject)


@RULES.rule(
    "firewall.latent_opening",
    procedure="W2.3",
    remedy="Remove the rule that opens it; or add the port to cryptobot_firewall_policy, with required: false.",
    source="CIS Controls v8.1, 4.8: what no service needs is closed; whoever listens there next is open at once",
    many=True,
)
def judge_latent_opening(context: Context) -> list[Outcome]:
    """Rules open no port to the outside on which nothing listens and which the policy does not allow."""
    if context.inputs.narrow:
        text = "listeners out of scope are not looked at, so that of no port it is known that nobody serves it"
        return [Outcome(SKIPPED, text, subject=PORTS_SUBJECT)]
    alike = _alike(context)
    found = openings(context, alike)
    free = [(each, each.free) for each in found if each.free and not each.broad]
    opened = _grouped((each, ports) for each, ports in free if each.opened)
    findings = [_latent(context, key, by) for key, by in opened.items()]
    doubtful = _grouped((each, ports) for each, ports in free if each.doubtful and not each.opened)
    text = "{0} may be open to {1}, and nothing listens there. Decided by: {2}"
    findings += [_outcome(context, UNKNOWN, key, by, text) for key, by in doubtful.items()]
    findings += _left_out(alike)
    message = f"of {len(found)} ranges of ports that rules tell apart none is open to the outside and served by nobody"
    if findings or unseen(context):
        return findings
    return [well(context, "firewall.latent_opening", PORTS_SUBJECT, message, "tcp", "udp")]


def _latent(context: Context, key: tuple[str, Intervals], by: By) -> Outcome:
    unread = context.unread(key[0])
    whether = f"whether anything listens there could not be seen: {unread}" if unread else "nothing listens there"
    text = "{0} is open to {1}, and {3}. Decided by: {2}"
    return _outcome(context, UNKNOWN if unread else WARNING, key, by, text, whether)


def _left_out(alike: Mapping[str, list[Intervals]]) -> Iterator[Outcome]:
    more = sum(max(0, len(ranges) - _MOST) for ranges in alike.values())
    if more:
        text = f"{more} further ranges of ports that rules tell apart are not looked at"
        yield Outcome(UNKNOWN, text, expected=f"at most {_MOST} of a protocol", actual=more, subject=PORTS_SUBJECT)


@RULES.rule(
    "firewall.too_broad",
    procedure="W2.3",
    remedy="Give the rule the networks that the policy names for the port, or say in the policy who needs it.",
    source="NIST SP 800-41r1, section 4.1: as narrow as what is needed; for the bounds RFC 790 and RIPE-738",
)
def judge_too_broad(context: Context) -> list[Outcome]:
    """A port that the policy limits is not open to whole /8 (IPv4) or /32 (IPv6) of public addresses beyond it."""
    found = openings(context, _alike(context), named=True)
    broad = _grouped((each, each.ports) for each in found if each.broad)
    text = "the policy limits {0}, and it is open to {1}. Decided by: {2}"
    findings = [_outcome(context, WARNING, key, by, text) for key, by in broad.items()]
    if findings or unseen(context):
        return findings
    named = merge(each.ports for each in found)
    text = f"none of {count(named)} ports of the policy is open to whole /8 or /32 of public addresses beyond it"
    return [Outcome(OK, text, subject="ports of the policy")]


@RULES.rule(
    "firewall.published_port",
    procedure="W2.3",
    remedy=(
        "Publish the port on one address (docker run -p 127.0.0.1:8000:8000), filter in the forward chain (for Docker "
        "in DOCKER-USER), or add it to cryptobot_firewall_policy."
    ),
    source="rules for this host's own sockets, so those of ufw, never meet what is passed on: moby#22054",
    many=True,
)
def judge_published_port(context: Context) -> list[Outcome]:
    """Ports that rules lead to other hosts, such as containers, are open to those only whom the policy allows."""
    findings = [outcome for each in context.published for outcome in _published(context, each)]
    if context.published_partly:
        rules = list(context.published_partly)
        text = f"not all ports that these rules lead to other hosts are looked at: {'; '.join(rules[:_NAMED_RULES])}"
        findings.append(Outcome(UNKNOWN, text, expected=_MEANT, actual=rules, subject="published ports"))
    if findings or unseen(context):
        return findings
    text = f"none of {len(context.published)} ports that are led to other hosts is open to more than the policy allows"
    return [Outcome(OK, text, subject="published ports")]


def _published(context: Context, each: Published) -> Iterator[Outcome]:
    """Given a port that a rule leads elsewhere, return what is wrong with it: an unknown beside what is open."""
    opened, doubtful = each.exposure.open, each.exposure.unknown
    if context.snapshot.system != "linux":  # elsewhere what filters on that way is not read
        opened, doubtful = (), ANY_SOURCE[each.family]
    allowed = context.allowed_at(each.proto, each.port, each.family)
    for status, verb, part in (CRITICAL, "is", opened), (UNKNOWN, "may be", doubtful):
        beyond = subtract(part, allowed)
        if beyond:
            sources = in_words(context, {each.family: beyond})
            decided = each.exposure.decided_by(beyond)
            text = (
                f"{place(each)} {verb} open to {describe_all(sources)}, past the rules for sockets of this host: it is "
                f"led there by {each.rule}. {allowed_text(context, each.proto, each.port)} Decided by: {decided}"
            )
            actual = {"sources": sources, "led_by": each.rule, "decided_by": decided}
            yield Outcome(status, text, _MEANT, actual, subject=place(each))


def place(each: Published) -> str:
    """Return a published port and where it leads, in words."""
    address = ipaddress.IPv4Address(each.address) if each.family == 4 else ipaddress.IPv6Address(each.address)
    return f"{each.proto}/{each.port} to {address} port {each.target}"


@RULES.rule(
    "firewall.new_exposure",
    procedure="W2.3",
    remedy="Ask who opened it. A real run with baseline=move takes what it sees as known.",
    source="what has changed since somebody looked is what has to be looked at: CIS Controls v8.1, 4.2",
)
def judge_new_exposure(context: Context) -> list[Outcome]:
    """Nothing is open to anybody to whom it was not when the baseline was taken, but what the policy allows."""
    history, forgotten = context.inputs.history, context.inputs.forgotten
    if forgotten:
        text = f"whether anything was opened since an earlier run cannot be told: {forgotten}"
        return [Outcome(UNKNOWN, text, remedy=MEND_MEMORY, subject=SOCKETS)]
    if not history.at:
        text = "no earlier run is remembered: what this one sees is the baseline, unless it is in check mode"
        return [Outcome(SKIPPED, text, subject=SOCKETS)]
    new = [(reach, sources) for reach in context.reaches for sources in [_new(context, reach, "open")] if sources]
    findings = [_newly(context, reach, sources) for reach, sources in new]
    unknown = [str(reach.listener) for reach in context.reaches if _new(context, reach, "unknown")]
    if unknown:
        text = f"whether {some(unknown)} are open to more than on {moment(history.at)} could not be seen"
        findings.append(Outcome(UNKNOWN, text, actual=unknown, subject=SOCKETS))
    text = f"of {len(context.reaches)} listening sockets none is open to more than on {moment(history.at)}"
    return findings or [well(context, "firewall.new_exposure", SOCKETS, text, "tcp", "udp")]


def _new(context: Context, reach: Reach, part: str) -> dict[int, Intervals]:
    """Given a listener, return by family the sources open (or unknown) to it that were not open at the baseline."""
    history = context.inputs.history
    new = {
        family: history.beyond(reach.name(family), getattr(exposure, part), exposure.through if part == "open" else ())
        for family, exposure in reach.outside.items()
        if getattr(exposure, part)
    }
    return {family: sources for family, sources in new.items() if sources}


def _newly(context: Context, reach: Reach, new: dict[int, Intervals]) -> Outcome:
    listener, at = reach.listener, moment(context.inputs.history.at)
    meant = all(not subtract(part, context.allowed(listener, family)) for family, part in new.items())
    sources = in_words(context, new)
    rules = sorted({reach.outside[family].decided_by(part) for family, part in new.items()})
    text = (
        f"{listener}, {listener.owner()}, is open to {describe_all(sources)}, and was not on {at}. "
        f"{allowed_text(context, listener.proto, listener.port)} Decided by: {'; '.join(rules)}"
    )
    actual = {"sources": sources, "since": f"after {at}"}
    return Outcome(OK if meant else WARNING, text, "as at the baseline", actual, subject=str(listener))
