# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about the rules of the packet filter: void, repeated, unused, out of date. Each says only what is shown."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from ..finding import OK, SKIPPED, WARNING
from ..registry import Outcome, Rules
from .context import Context
from .history import DAY, moment, name_of, unused_since
from .model.evaluate import FILTERED, OPEN
from .model.exposure import PROTOCOL_NUMBERS
from .model.intervals import BITS, EVERYTHING, NOTHING, contains, few, intersect
from .model.network import ANY_SOURCE
from .model.packet import LOOPBACK
from .model.ruleset import ACCEPT, FilterRule, Match
from .model.shadow import Shadow, scope_of
from .rules_filter import RULES_SUBJECT
from .rules_sockets import some

RULES = Rules()
_UNUSED_DAYS = 30
_UNTIL = re.compile(
    r"\b(?:until|till|expires?|expiry|valid to|remove)\b(?: on| by| after)?[\s:=(]{1,3}"
    r"(\d{4})[-/.](\d{2})[-/.](\d{2})\b",
    re.IGNORECASE,
)


@RULES.rule(
    "firewall.shadowed_rule",
    procedure="W2.3",
    remedy={
        "linux": "Put the narrower rule first (ufw: delete the rule, then `ufw insert 1 ...`), or remove it.",
        "darwin": "Take the wider rule's 'quick' away, or put the narrower rule where it decides.",
        "windows": "Narrow the rule that blocks (Set-NetFirewallRule), or remove the other.",
    },
    source=(
        "Linux: the first match decides; Windows: a block beats an allow; pf: the last match, or the first quick one"
    ),
)
def judge_shadowed_rule(context: Context) -> list[Outcome]:
    """No rule is made void by one that takes precedence and says the opposite."""
    return _void(context, "is made void by an earlier one", opposite=True)


@RULES.rule(
    "firewall.duplicate_rule",
    procedure="W2.3",
    remedy="Remove the rule that never decides: whoever removes the other one later would wonder that nothing changes.",
    source="NIST SP 800-41r1, section 5.2.2: rules are reviewed for those that others make redundant",
)
def judge_duplicate_rule(context: Context) -> list[Outcome]:
    """No rule only repeats what one that takes precedence says."""
    return _void(context, "only repeats an earlier one", opposite=False)


def _void(context: Context, what: str, *, opposite: bool) -> list[Outcome]:
    found = [shadow for shadow in context.shadows if shadow.opposite == opposite and not shadow.rule.implied]
    if found:
        return [_never_decides(context, shadow) for shadow in found]
    if unseen(context):
        return []
    return [Outcome(OK, f"no rule on the way to a socket {what}", subject=RULES_SUBJECT)]


def unseen(context: Context) -> bool:
    """Return whether rules or routes could not be seen: then it is not judged what is not there."""
    return bool(context.network.unavailable) or any(context.ruleset.why_unavailable(family) for family in BITS)


def _never_decides(context: Context, shadow: Shadow) -> Outcome:
    kind, earlier = (rule.verdict.kind if rule.verdict else "" for rule in (shadow.rule, shadow.by))
    effect = _effect(context, shadow, kind) if shadow.opposite else "; it says the same of all that this one names"
    text = f"{shadow.rule} never decides, because {shadow.by} takes precedence{effect}"
    return Outcome(WARNING, text, expected=kind, actual=earlier, subject=shadow.rule.where)


def _effect(context: Context, shadow: Shadow, kind: str) -> str:
    """Given a rule that never decides, return what becomes of the packets that it names, where all have one answer.

    What another rule lets in, or stops, all the same is not what a reader of this one expects.
    """
    answers = [set(_verdicts(context, rule, shadow.families)) for rule in shadow.parts]
    verdicts = set[str]().union(*answers)
    if not all(answers) or verdicts not in ({OPEN}, {FILTERED}):
        return ""
    said = "what it allows" if kind == ACCEPT else "what it stops"
    same = (kind == ACCEPT) == (verdicts == {OPEN})
    becomes = "open" if verdicts == {OPEN} else "closed"
    return f"; {said} is {becomes} to the outside all the same" if same else f"; {said} stays {becomes} to the outside"


def _verdicts(context: Context, rule: FilterRule, families: tuple[int, ...]) -> Iterator[str]:
    """Given a rule, return the verdicts on the sources and ports that it names from outside; none where it is about
    what the host sends itself, or names too many ports to ask about each.
    """
    scope = scope_of(rule)
    names = {name for test in rule.tests if isinstance(test, Match) for row in test.rows for name in row}
    if frozenset([LOOPBACK]) in names:
        return
    for family in (family for family in families if family in context.families):
        sources = intersect(scope.get(("saddr",), EVERYTHING), ANY_SOURCE[family])
        if sources and contains(scope.get(("family",), EVERYTHING), family):
            for proto, number in PROTOCOL_NUMBERS.items():
                if contains(scope.get(("proto",), EVERYTHING), number):
                    for port in few(scope.get(("dport",), NOTHING)):
                        yield context.port(proto, port, family).verdict(sources)


def allowing(context: Context) -> list[FilterRule]:
    """Return the rules that let something in on the way to a socket, each once."""
    written = [rule for _table, chain in context.ruleset.reached() for rule in chain.rules]
    allow = [rule for rule in written if not rule.implied and rule.verdict is not None and rule.verdict.kind == ACCEPT]
    return list({rule.where: rule for rule in allow}.values())


def unused(context: Context) -> dict[str, float]:
    """Return by their short names since when rules that allow are known to have let nothing in."""
    inputs = context.inputs
    return unused_since(inputs.history, inputs.boot_id, allowing(context), inputs.now)


@RULES.rule(
    "firewall.dead_rule",
    procedure="W2.3",
    remedy="Ask who needed it, and remove it: what nobody uses is only of use to somebody else.",
    source="CIS Controls v8.1, 4.4 and 12.2; a month covers the jobs that run once in it",
)
def judge_dead_rule(context: Context) -> list[Outcome]:
    """Each rule that allows something has let something in, within the time that its counter is known to cover."""
    allow, since, now = allowing(context), unused(context), context.inputs.now
    idle = [rule for rule in allow if rule.packets == 0]
    dead = [rule for rule in idle if now - since.get(name_of(rule), now) >= _UNUSED_DAYS * DAY]
    findings = [_dead(rule, since[name_of(rule)]) for rule in dead]
    others = len(idle) - len(dead)
    silent = [rule.where for rule in allow if rule.packets is None]
    if others:
        text = (
            f"{others} rules that allow have counted no packet yet, which says nothing before {_UNUSED_DAYS} days of "
            "it are remembered"
        )
        findings.append(Outcome(SKIPPED, text, subject="counters that are young"))
    if silent:
        text = f"{len(silent)} of {len(allow)} rules that allow have no counter, so nothing tells whether they are "
        text += f"used: {some(silent)}"
        findings.append(Outcome(SKIPPED, text, subject="rules without a counter"))
    if findings or unseen(context):
        return findings
    text = f"each of {len(allow)} rules that allow has counted packets"
    return [Outcome(OK, text, subject=RULES_SUBJECT)]


def _dead(rule: FilterRule, since: float) -> Outcome:
    text = f"{rule} has counted no packet, as far back as its counter is known to reach: {moment(since)}"
    return Outcome(WARNING, text, expected="packets", actual=0, subject=rule.where)


@RULES.rule(
    "firewall.rule_expired",
    procedure="W2.3",
    remedy="Remove the rule, or ask whoever wrote the comment for a new date.",
    source="a rule that its own comment calls temporary is nobody's decision any more from the day after",
)
def judge_rule_expired(context: Context) -> list[Outcome]:
    """No rule has a comment with a date until which it was meant to stay, and which is past."""
    rules = {rule.where: rule for rule in context.ruleset.rules}
    dated = [(rule, day) for rule in rules.values() for day in _until(rule.comment)]
    today = context.inputs.today
    past = [_outdated(rule, day, today) for rule, day in dated if day < today]
    if past or unseen(context):
        return past
    text = f"of {len(dated)} rules whose comment names a last day none is past it"
    return [Outcome(OK, text, subject=RULES_SUBJECT)]


def _outdated(rule: FilterRule, day: dt.date, today: dt.date) -> Outcome:
    text = f"{rule}: its comment says {rule.comment!r}, and {day} is past"
    return Outcome(WARNING, text, expected=f"{today} or later", actual=str(day), subject=rule.where)


def _until(comment: str) -> list[dt.date]:
    """Given a comment, return the one last day that it names; several, or none that is a date, name none."""
    days = set()
    for year, month, day in _UNTIL.findall(comment):
        try:
            days.add(dt.date(int(year), int(month), int(day)))
        except ValueError:
            return []
    return list(days) if len(days) == 1 else []
