# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about the policy: is what it allows there and reachable, and does it still hold. All are pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from .context import Context, Reach
from .listeners import Listener
from .model.evaluate import FILTERED, OPEN
from .model.exposure import LIMITED, Exposure, Published
from .model.intervals import BITS, Intervals, network, spanning
from .model.network import ANY_SOURCE
from .model.ruleset import UNKNOWN as NOT_KNOWN
from .policy import ANY, Allowance, is_loopback
from .rules_sockets import BEST_FIRST, some

RULES = Rules()
POLICY = "policy"
_NAMED = 3
_SUMMED_UP = 2  # entries that have in common only what could not be seen are one finding
_IS_SERVED, _LETS_THROUGH = "whether anything listens", "whether the packet filter lets peers through"
_STATUSES = {OPEN: OK, LIMITED: WARNING, NOT_KNOWN: UNKNOWN, FILTERED: CRITICAL}


@RULES.rule(
    "firewall.expected_closed",
    procedure="W2.3",
    remedy="Start the service, bind it to the right address, allow the port; or take the entry out of the policy.",
    source="a blocked port of a service is an outage for whoever needs it",
)
def judge_expected_closed(context: Context) -> list[Outcome]:
    """What the policy allows is served, and can be reached by those whom it allows."""
    entries = [entry for entry in context.inputs.policy if entry.required and not entry.expired(context.inputs.today)]
    if not entries:
        text = "the policy names nothing that must be reachable"
        return [Outcome(SKIPPED, text, subject=POLICY)]
    findings = [_entry_finding(context, entry) for entry in entries]
    hidden = [_hidden_part(context, entry, finding) for entry, finding in zip(entries, findings)]
    unseen = [(part, finding.subject) for part, finding in zip(hidden, findings) if part]
    if len(unseen) < _SUMMED_UP:
        return findings
    return [_summary(unseen), *(finding for part, finding in zip(hidden, findings) if not part)]


def _hidden_part(context: Context, entry: Allowance, finding: Outcome) -> str:
    """Return what could not be seen at all of an entry; empty where a rule makes it doubtful, or nothing does."""
    serving = _serving(context, entry)
    if finding.status != UNKNOWN:
        return ""
    if not serving:
        return _IS_SERVED
    reasons = {context.ruleset.why_unavailable(family) for family in BITS}
    answers = [_worst_ports(word, serving) for word in entry.sources]
    return _LETS_THROUGH if {answer.rule for answer in answers if answer.verdict == NOT_KNOWN} <= reasons else ""


def _summary(unseen: list[tuple[str, str]]) -> Outcome:
    """Given what could not be seen and of which entry, return one finding for all of them."""
    parts: dict[str, list[str]] = {}
    for part, subject in unseen:
        parts.setdefault(part, []).append(subject)
    text = "; ".join(
        f"{part} could not be seen for {len(subjects)} entries: {some(subjects, _NAMED)}"
        for part, subjects in parts.items()
    )
    actual = [subject for _part, subject in unseen]
    return Outcome(UNKNOWN, text, actual=actual, subject=POLICY)


def _serving(context: Context, entry: Allowance) -> list[Reach]:
    """Return what serves the ports of an entry, be it another host to which rules lead them."""
    reaches = (*context.reaches, *map(_as_reach, context.published))
    return [reach for reach in reaches if entry.covers(reach.listener.proto, reach.listener.port)]


def _as_reach(led: Published) -> Reach:
    anywhere = "0.0.0.0" if led.family == 4 else "::"  # noqa: S104 - it is named, nothing is bound
    return Reach(Listener(led.proto, anywhere, led.port, {}, {}), {led.family: led.exposure}, {})


def _entry_finding(context: Context, entry: Allowance) -> Outcome:
    serving = _serving(context, entry)
    if not serving and context.unread(entry.proto):
        return Outcome(
            UNKNOWN, f"whether anything listens is not seen: {context.unread(entry.proto)}", subject=str(entry)
        )
    if not serving:
        text = f"nothing listens on {entry.proto}/{entry.port_text}, which the policy allows"
        return Outcome(
            WARNING, f"{text} ({entry.why})" if entry.why else text, actual="no listener", subject=str(entry)
        )
    answers = {word: _worst_ports(word, serving) for word in entry.sources}
    worst = max(answers.values(), key=_order)
    meant = [str(reach.listener) for reach in serving if reach.listener.port in worst.ports]
    words = "; ".join(_words(word, answer, serving) for word, answer in answers.items())
    actual = {word: answer.verdict for word, answer in answers.items()}
    text = f"{some(meant, _NAMED)}: {words}"
    return Outcome(
        _STATUSES[worst.verdict], text, expected="open to those whom it allows", actual=actual, subject=str(entry)
    )


class _Answer(NamedTuple):
    """What becomes of those whom a word of the policy means: verdict, rule, and the ports of a range that it is for."""

    verdict: str
    rule: str
    ports: tuple[int, ...] = ()


def _order(answer: _Answer) -> int:
    return BEST_FIRST.index(answer.verdict)


def _words(word: str, answer: _Answer, serving: list[Reach]) -> str:
    """Given an answer, return it in words; where only some ports of a range are meant it names them."""
    closed = answer.verdict != OPEN and len({reach.listener.port for reach in serving}) > 1
    ports = f" on port {some([str(port) for port in answer.ports], _NAMED)}" if closed else ""
    return f"{answer.verdict} to {word}{ports}, decided by {answer.rule}"


def _worst_ports(word: str, serving: list[Reach]) -> _Answer:
    """Given a word of the policy, return the verdict on it for the ports of a range that are the least open."""
    ports: dict[int, list[Reach]] = {}
    for reach in serving:
        ports.setdefault(reach.listener.port, []).append(reach)
    answers = {port: _best_for(word, several) for port, several in sorted(ports.items())}
    worst = max(answers.values(), key=_order)
    return worst._replace(ports=tuple(port for port, answer in answers.items() if answer.verdict == worst.verdict))


def _best_for(word: str, serving: list[Reach]) -> _Answer:
    """Given a word of the policy (any, loopback, a network), return the most open verdict on it, and its rule."""
    verdicts = [
        _Answer(OPEN if exposure.nearly_open(sources) else exposure.verdict(sources), exposure.decided_by(sources))
        for reach in serving
        for exposure, sources in _asked(word, reach)
    ]
    closed = _Answer(FILTERED, "where it is bound: " + ", ".join(sorted({reach.listener.address for reach in serving})))
    return min(verdicts, default=closed, key=_order)


def _asked(word: str, reach: Reach) -> Iterator[tuple[Exposure, Intervals]]:
    """Given a word of the policy, return the exposures of a listener that it asks about, and the sources it means."""
    if is_loopback(word):
        for family, exposure in reach.inside.items():
            address = reach.listener.inside[family]
            yield exposure, spanning(address, address)
    elif word == ANY:
        yield from ((exposure, ANY_SOURCE[family]) for family, exposure in reach.outside.items())
    else:
        family, sources = network(word)
        if family in reach.outside:
            yield reach.outside[family], sources


@RULES.rule(
    "firewall.policy_expired",
    procedure="W2.3",
    remedy="Ask its owner: remove the rule and the entry, or give the entry a new date and reason.",
    source="temporary openings stay open: an entry allows nothing from the day after its date",
)
def judge_policy_expired(context: Context) -> list[Outcome]:
    """No entry of the policy has passed its date."""
    today = context.inputs.today
    expired = [entry for entry in context.inputs.policy if entry.expired(today)]
    dated = sum(1 for entry in context.inputs.policy if entry.expires is not None)
    findings = []
    for entry in expired:
        users = [str(reach.listener) for reach in _serving(context, entry)]
        asked = f", ask {entry.owner}" if entry.owner else ""
        used = f"{', '.join(users)} still listens" if users else "nothing listens there any more"
        text = f"{entry} expired on {entry.expires}{asked}: {used}"
        findings.append(
            Outcome(WARNING, text, expected=f"{today} or later", actual=str(entry.expires), subject=str(entry))
        )
    return findings or [Outcome(OK, f"none of {dated} entries with a date is past it", subject=POLICY)]
