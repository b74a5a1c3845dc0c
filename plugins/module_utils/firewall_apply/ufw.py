# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw: what its files say, and what of that the policy would have otherwise. The calls are those of its own module.

Files: ufw(8), ufw-framework(8). Each rule of user.rules has a line ``### tuple ###`` that says what it was made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ..errors import SourceMissing
from ..host import Host
from ..steps import Step
from .declared import STORE, Opening, Plan, Refused
from .linux import UFW_CONF, setting, starts_at_boot

DEFAULTS, RULES = "/etc/default/ufw", {4: "/etc/ufw/user.rules", 6: "/etc/ufw/user6.rules"}
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
PATHS, UNIT, SYSCTL = ("/etc/ufw", DEFAULTS), "ufw.service", "/etc/ufw/sysctl.conf"
_MARK = "### tuple ###"


class Rule(NamedTuple):
    """One rule as ufw keeps it; ``any`` stands for anything, whatever the family."""

    action: str
    proto: str
    dport: str
    to: str
    sport: str
    source: str
    direction: str
    app: str = ""

    def __str__(self) -> str:
        what = self.app or f"{self.proto}/{self.dport}"
        where = "".join(f" {word} {value}" for word, value in (("to", self.to), ("port", self.sport)) if value != "any")
        return f"{self.action} {what} from {self.source}{where} {self.direction}"


class Ufw(NamedTuple):
    """ufw of this moment: ``rules`` by family."""

    enabled: bool
    active: bool
    at_boot: bool
    ipv6: bool
    default: str
    rules: Mapping[int, tuple[Rule, ...]]


def parse_rules(family: int, text: str) -> tuple[Rule, ...]:
    """Given user.rules or user6.rules, return its rules."""
    lines = (line[len(_MARK) :].split() for line in text.splitlines() if line.startswith(_MARK))
    return tuple(_rule(family, [word for word in words if not word.startswith("comment=")]) for words in lines)


def _rule(family: int, words: list[str]) -> Rule:
    app = ""
    if len(words) == 9:  # with the names of the applications that it was made by, or a dash
        app = next((name for name in words[6:8] if name != "-"), "").replace("%20", " ")
        del words[6:8]
    if len(words) != 7:
        raise Refused(f"a rule of {RULES[family]} is of another form: {' '.join(words)[:120]!r}")
    action, proto, dport, to, sport, source, direction = words
    to, source = ("any" if value == ANYWHERE[family] else value for value in (to, source))
    return Rule(action, proto, dport, to, sport, source, direction, app)


def collect(host: Host) -> Ufw:
    """Return what ufw has now. Raise CoreError."""
    defaults = host.read(DEFAULTS)
    texts = {family: _text(host, path) for family, path in RULES.items()}
    return Ufw(
        setting(host.read(UFW_CONF), "ENABLED") == "yes",
        "Status: active" in host.run(["ufw", "status"]).stdout,
        starts_at_boot(host, UNIT),
        setting(defaults, "IPV6") == "yes",
        setting(defaults, "DEFAULT_INPUT_POLICY"),
        {family: parse_rules(family, text) for family, text in texts.items()},
    )


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except SourceMissing:
        return ""


def wanted_rules(opening: Opening, *, ipv6: bool) -> dict[int, Rule]:
    """Given what is to be open, return the rule that ufw makes of it, by family. Raise Refused where it cannot."""
    if opening.family == 6 and not ipv6:
        raise Refused(f"ufw leaves IPv6 alone (IPV6=no in {DEFAULTS}), but the policy has {opening}")
    source = opening.source.partition("/32" if opening.family == 4 else "/128")[0] or "any"
    source = "any" if source in ANYWHERE.values() else source
    rule = Rule("allow", opening.proto, opening.ports(":"), "any", "any", source, "in")
    families = [opening.family] if opening.family else [4, 6] if ipv6 else [4]
    return dict.fromkeys(families, rule)


def make_plan(there: Ufw, openings: Sequence[Opening]) -> Plan:
    """Given what ufw has and what is to be open, return what its module is to be called with, and what is left."""
    wanted = [(each, wanted_rules(each, ipv6=there.ipv6)) for each in openings]
    keys = {(family, rule) for _opening, rules in wanted for family, rule in rules.items()}
    have = [(family, rule) for family, rules in there.rules.items() for rule in rules if family == 4 or there.ipv6]
    surplus: dict[Rule, list[int]] = {}
    for family, rule in have:
        if _lets_in(rule) and (family, rule) not in keys:
            surplus.setdefault(rule, []).append(family)
    missing = [(each, rules) for each, rules in wanted if any(key not in have for key in rules.items())]
    steps = [*_removals(surplus), *(_addition(each, rules) for each, rules in missing), *_switches(there)]
    left = dict.fromkeys(str(rule) for _family, rule in have if not _lets_in(rule))
    return Plan(tuple(steps), tuple(left))


def _lets_in(rule: Rule) -> bool:
    return rule.action.partition("_")[0] in ("allow", "limit") and rule.direction.startswith("in")


def _removals(surplus: Mapping[Rule, Sequence[int]]) -> Iterator[Step]:
    """Yield the steps that remove rules, given in which families each is too much."""
    for rule, families in surplus.items():
        call = {"rule": rule.action.partition("_")[0], "delete": True, "log": "_log" in rule.action, **_words(rule)}
        one = {"from_ip": ANYWHERE[families[0]]} if len(families) == 1 and rule.source == "any" and not rule.app else {}
        yield Step("remove", str(rule), "no entry of the policy allows it", {**call, **one})


def _addition(opening: Opening, rules: Mapping[int, Rule]) -> Step:
    (family, rule), *more = rules.items()
    one = {"from_ip": ANYWHERE[family]} if opening.source and rule.source == "any" and not more else {}
    return Step("allow", str(opening), "the policy has it", {"rule": "allow", **_words(rule), **one})


def _words(rule: Rule) -> dict[str, Any]:
    """Return a rule as the options of ufw's module."""
    direction, _under, interface = rule.direction.partition("_")
    if rule.app:
        words: dict[str, Optional[str]] = {"name": rule.app}
    else:
        words = {"proto": rule.proto, "to_port": rule.dport}
    words.update({"from_ip": rule.source, "from_port": rule.sport, "to_ip": rule.to, "interface": interface})
    words["direction"] = direction
    return {name: value for name, value in words.items() if value and value != "any"}


def _switches(there: Ufw) -> Iterator[Step]:
    if there.default not in ("drop", "reject"):
        yield Step(
            "deny", "incoming", "what the policy does not name is denied", {"default": "deny", "direction": "incoming"}
        )
    if not (there.enabled and there.active):
        why = "it is not enabled" if not there.enabled else "it is enabled, and its rules are not loaded"
        yield Step("enable", "ufw", why, {"state": "enabled"})
    if not there.at_boot:
        yield Step("enable", UNIT, "it is not started at boot", {"unit": UNIT, "phase": STORE})
