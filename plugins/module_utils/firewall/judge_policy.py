# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about the policy: is what it allows there and reachable, and does it still hold. All are pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from .audit import Audit, Reach
from .checks import CHECKS
from .judge_sockets import BEST_FIRST
from .model.evaluate import FILTERED, OPEN
from .model.exposure import LIMITED, Exposure
from .model.intervals import BITS, Intervals, network, spanning
from .model.network import ANY_SOURCE
from .model.ruleset import UNKNOWN as NOT_KNOWN
from .policy import ANY, Allowance, is_loopback

POLICY = "policy"
_NAMED = 3
_SUMMED_UP = 2  # entries that have nothing but the blindness in common are one finding
_IS_SERVED, _LETS_THROUGH = "whether anything listens", "whether the packet filter lets peers through"
_STATUSES = {OPEN: OK, LIMITED: WARNING, NOT_KNOWN: UNKNOWN, FILTERED: CRITICAL}


def judge_expected_closed(audit: Audit) -> list[Finding]:
    """Given an audit, return a finding per entry of the policy: whether those whom it allows get through."""
    entries = [entry for entry in audit.wanted.policy if entry.required and not entry.expired(audit.wanted.today)]
    if not entries:
        text = "the policy names nothing that must be reachable"
        return [CHECKS["firewall.expected_closed"].finding(SKIPPED, POLICY, text)]
    findings = [_entry_finding(audit, entry) for entry in entries]
    hidden = [_hidden_part(audit, entry, finding) for entry, finding in zip(entries, findings)]
    unseen = [(part, finding.subject) for part, finding in zip(hidden, findings) if part]
    if len(unseen) < _SUMMED_UP:
        return findings
    return [_summary(unseen), *(finding for part, finding in zip(hidden, findings) if not part)]


def _hidden_part(audit: Audit, entry: Allowance, finding: Finding) -> str:
    """Return what could not be seen at all of an entry; empty where a rule makes it doubtful, or nothing does."""
    serving = _serving(audit, entry)
    if finding.status != UNKNOWN:
        return ""
    if not serving:
        return _IS_SERVED
    reasons = {audit.ruleset.why_blind(family) for family in BITS}
    answers = [_worst_ports(word, serving) for word in entry.sources]
    return _LETS_THROUGH if {answer.rule for answer in answers if answer.verdict == NOT_KNOWN} <= reasons else ""


def _summary(unseen: list[tuple[str, str]]) -> Finding:
    """Given what could not be seen and of which entry, return one finding for all of them."""
    parts: dict[str, list[str]] = {}
    for part, subject in unseen:
        parts.setdefault(part, []).append(subject)
    text = "; ".join(
        f"{part} could not be seen for {len(subjects)} entries: {_some(subjects)}" for part, subjects in parts.items()
    )
    actual = [subject for _part, subject in unseen]
    return CHECKS["firewall.expected_closed"].finding(UNKNOWN, POLICY, text, actual=actual)


def _serving(audit: Audit, entry: Allowance) -> list[Reach]:
    return [reach for reach in audit.reaches if entry.covers(reach.listener.proto, reach.listener.port)]


def _entry_finding(audit: Audit, entry: Allowance) -> Finding:
    check, serving = CHECKS["firewall.expected_closed"], _serving(audit, entry)
    if not serving and audit.unread(entry.proto):
        return check.finding(UNKNOWN, str(entry), f"whether anything listens is not seen: {audit.unread(entry.proto)}")
    if not serving:
        text = f"nothing listens on {entry.proto}/{entry.port_text}, which the policy allows"
        return check.finding(WARNING, str(entry), f"{text} ({entry.why})" if entry.why else text, actual="no listener")
    answers = {word: _worst_ports(word, serving) for word in entry.sources}
    worst = max(answers.values(), key=_order)
    meant = [str(reach.listener) for reach in serving if reach.listener.port in worst.ports]
    words = "; ".join(_words(word, answer, serving) for word, answer in answers.items())
    actual = {word: answer.verdict for word, answer in answers.items()}
    text = f"{_some(meant)}: {words}"
    return check.finding(
        _STATUSES[worst.verdict], str(entry), text, expected="open to those whom it allows", actual=actual
    )


@dataclass(frozen=True)
class _Answer:
    """What becomes of those whom a word of the policy means: verdict, rule, and the ports of a range that it is for."""

    verdict: str
    rule: str
    ports: tuple[int, ...] = ()


def _order(answer: _Answer) -> int:
    return BEST_FIRST.index(answer.verdict)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")


def _words(word: str, answer: _Answer, serving: list[Reach]) -> str:
    """Given an answer, return it in words; where only some ports of a range are meant it names them."""
    closed = answer.verdict != OPEN and len({reach.listener.port for reach in serving}) > 1
    ports = f" on port {_some([str(port) for port in answer.ports])}" if closed else ""
    return f"{answer.verdict} to {word}{ports}, decided by {answer.rule}"


def _worst_ports(word: str, serving: list[Reach]) -> _Answer:
    """Given a word of the policy, return the verdict on it for the ports of a range that are the least open."""
    ports: dict[int, list[Reach]] = {}
    for reach in serving:
        ports.setdefault(reach.listener.port, []).append(reach)
    answers = {port: _best_for(word, several) for port, several in sorted(ports.items())}
    worst = max(answers.values(), key=_order)
    return replace(worst, ports=tuple(port for port, answer in answers.items() if answer.verdict == worst.verdict))


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


def judge_policy_expired(audit: Audit) -> list[Finding]:
    """Given an audit, return a finding per entry of the policy that is past its date."""
    check, today = CHECKS["firewall.policy_expired"], audit.wanted.today
    expired = [entry for entry in audit.wanted.policy if entry.expired(today)]
    dated = sum(1 for entry in audit.wanted.policy if entry.expires is not None)
    findings = []
    for entry in expired:
        users = [str(reach.listener) for reach in _serving(audit, entry)]
        asked = f", ask {entry.owner}" if entry.owner else ""
        used = f"{', '.join(users)} still listens" if users else "nothing listens there any more"
        text = f"{entry} expired on {entry.expires}{asked}: {used}"
        findings.append(
            check.finding(WARNING, str(entry), text, expected=f"{today} or later", actual=str(entry.expires))
        )
    return findings or [check.finding(OK, POLICY, f"none of {dated} entries with a date is past it")]
