# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ufw: what its files would load (ufw-init-functions, ufw_start), chain by chain beside what the kernel holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from ...errors import CoreError
from ..model.ruleset import LEGACY, XTABLES, Ruleset
from ..reading import NOTHING_READ, Reading
from ..snapshot import Manager
from .restore import Place, Rules, StoredRule, compare, load

CONF, DEFAULTS = "/etc/ufw/ufw.conf", "/etc/default/ufw"
_KINDS = ("before", "after", "user")
FILES = (CONF, DEFAULTS, *(f"/etc/ufw/{kind}{six}.rules" for kind in _KINDS for six in ("", "6")))
RELOAD = "ufw reload"
_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
_WAYS = ("input", "output", "forward")
_NO_IPV6 = "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\n"
_TABLES = {4: "ip", 6: "ip6"}
TOOLS = {4: "iptables", 6: "ip6tables"}
_COMMANDS = 4  # that a remedy holds
_JUMPS = (
    "for c in {stages}; do {tool} -D {chain} -j {ufw}-$c-{way} 2>/dev/null; {tool} -A {chain} -j {ufw}-$c-{way}; done"
)
Saves = Mapping[tuple[str, int], Reading]
Held = dict[str, tuple[Rules, str]]


def setting(text: str, name: str) -> str:
    """Given a file of NAME=value lines, return the last value, unquoted; empty where it is not there."""
    lines = [line.partition("=")[2] for line in text.splitlines() if line.partition("=")[0].strip() == name]
    return lines[-1].partition(" #")[0].strip().strip("\"'") if lines else ""


def is_on(read: Mapping[str, Reading]) -> bool:
    """Return whether ufw loads its rules when it is started."""
    return _said(read, "ENABLED").lower() == "yes"


def _said(read: Mapping[str, Reading], name: str) -> str:
    """Return a setting as ufw-init has it: it reads ufw.conf last."""
    texts = [read.get(path, NOTHING_READ).text for path in (CONF, DEFAULTS)]
    return next(filter(None, (setting(text, name) for text in texts)), "")


def wanted(read: Mapping[str, Reading], family: int) -> Rules:
    """Given what was read, return what ufw would load for a family. Raise CoreError where a file could not be read."""
    if family != 4 and _said(read, "IPV6").lower() != "yes":
        return load([("ufw-init", _NO_IPV6)])
    six = "6" if family != 4 else ""
    policies = {way: _said(read, f"DEFAULT_{way.upper()}_POLICY") or "ACCEPT" for way in _WAYS}
    files = [f"/etc/ufw/{kind}{six}.rules" for kind in _KINDS]
    stored = [(path, read.get(path, Reading(unavailable=f"{path} was not read")).sure()) for path in files]
    hooks = [f"-A ufw{six}-before-{way} -j ufw{six}-user-{way}" for way in _WAYS]
    first = "\n".join(_first(f"ufw{six}", policies))
    return load([("ufw-init", first), *stored, ("ufw-init", "\n".join(["*filter", *hooks]))])


def _first(ufw: str, policies: Mapping[str, str]) -> Iterator[str]:
    """Return what ufw_start loads before the files: its chains, the jumps to them, and what each policy needs."""
    users = (*_WAYS, *(f"logging-{way}" for way in _WAYS), "limit", "limit-accept")
    yield from (
        "*filter",
        f":{ufw}-logging-deny -",
        f":{ufw}-logging-allow -",
        *(f":{ufw}-user-{user} -" for user in users),
    )
    for way, policy in policies.items():
        yield f":{way.upper()} {'DROP' if policy == 'REJECT' else policy}"
        yield from (f":{ufw}-{stage}-{way} -" for stage in (*_STAGES, "skip-to-policy"))
        yield from (f"-A {way.upper()} -j {ufw}-{stage}-{way}" for stage in _STAGES)
        yield f"-A {ufw}-skip-to-policy-{way} -j {policy}"
        if policy == "REJECT":
            yield f"-A {ufw}-reject-{way} -j REJECT"
        if policy == "ACCEPT":
            tracked = "-m conntrack --ctstate NEW -j ACCEPT"
            yield from (f"-A {ufw}-track-{way} -p {proto} {tracked}" for proto in ("tcp", "udp"))


def held(saves: Saves, family: int) -> Held:
    """Given what the save commands printed, return by back end its rules of a family, and why they may not be all."""
    return {backend: _rules(saves.get((backend, family), NOTHING_READ)) for backend in (XTABLES, LEGACY)}


def _rules(reading: Reading) -> tuple[Rules, str]:
    try:
        text = reading.sure()
        odd = [line for line in text.splitlines() if "incompatible, use 'nft' tool" in line]
        return load([("iptables-save", text)]), odd[0].lstrip("# ") if odd else ""
    except CoreError as error:
        return Rules({}, {}), str(error)


def read_ufw(
    read: Mapping[str, Reading], saves: Saves, ruleset: Ruleset, daemons: re.Pattern[str]
) -> Optional[Manager]:
    """Given what was read, return how ufw and the kernel agree; None where ufw is not installed.

    ``daemons`` is how the chains begin that programs make anew by themselves.
    """
    if CONF not in read or read[CONF].unavailable:
        return None
    if not is_on(read):
        return Manager("ufw", enabled=False)
    sides = [_side(read, held(saves, family), ruleset, daemons, family) for family in _TABLES]
    found = [pair for side in sides for pair in side.differences]
    commands = list(dict.fromkeys(command for _text, command in found if command))[:_COMMANDS]
    if RELOAD in commands and _said(read, "MANAGE_BUILTINS").lower() == "yes":
        commands.append(
            "# MANAGE_BUILTINS=yes: the reload flushes what docker, fail2ban and others made; restart those"
        )
    return Manager(
        "ufw",
        enabled=True,
        loaded=all(side.loaded for side in sides),
        differences=tuple(text for text, _command in found),
        unavailable="; ".join(dict.fromkeys(doubt for side in sides for doubt in side.doubts)),
        stored="/etc/ufw and /etc/default/ufw",
        remedy="; ".join(commands),
    )


class _Side(NamedTuple):
    """ufw and the kernel for one family: whether its rules are in force, and each difference with what mends it."""

    loaded: bool
    differences: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()


class _Pair(NamedTuple):
    """What is compared: ufw's own beginning of names (ufw, ufw6), the back end, what is stored and what runs."""

    ufw: str
    family: int
    backend: str
    stored: Rules
    running: Rules
    ruleset: Ruleset
    daemons: re.Pattern[str]

    @property
    def tool(self) -> str:
        """The command that changes these rules."""
        return TOOLS[self.family] + ("-legacy" if self.backend == LEGACY else "")

    @property
    def defaults(self) -> str:
        """What sets the policies."""
        closed = ("filter", f"{self.ufw}-user-input") not in self.stored.chains
        return f"IPV6=no in {DEFAULTS}" if closed else DEFAULTS

    def jumps(self, rules: Rules, way: str) -> list[str]:
        """Return the jumps from a built-in chain to chains of ufw, in order."""
        return [line.text for line in rules.chains.get(("filter", way.upper()), []) if self.ours(line)]

    def ours(self, line: StoredRule) -> bool:
        """Return whether a rule leads to chains of ufw."""
        return f"-j {self.ufw}-" in line.text


def _side(read: Mapping[str, Reading], both: Held, ruleset: Ruleset, daemons: re.Pattern[str], family: int) -> _Side:
    ufw = "ufw6" if family != 4 else "ufw"
    having = [name for name, (rules, _why) in both.items() if ("filter", f"{ufw}-user-input") in rules.chains]
    backend = having[0] if having else XTABLES
    running, reasons = both[backend][0], tuple(why for _rules, why in both.values() if why)
    hooked = any(f"-j {ufw}-before-input" in line.text for line in running.chains.get(("filter", "INPUT"), []))
    if reasons:
        return _Side(True, doubts=reasons)
    try:
        pair = _Pair(ufw, family, backend, wanted(read, family), running, ruleset, daemons)
    except CoreError as error:
        return _Side(bool(having) and hooked, doubts=(str(error),))
    loaded = (bool(having) and hooked) or ("filter", f"{ufw}-user-input") not in pair.stored.chains
    doubts = list[str]()
    found = list(_differences(pair, doubts)) if loaded else []
    if len(having) > 1:
        found.append((f"{ufw}-user-input is in both back ends: one of them holds rules of an earlier load", ""))
    return _Side(loaded, tuple(found) if loaded else (_absent(pair),), tuple(doubts))


def _absent(pair: _Pair) -> tuple[str, str]:
    """Return what is missing and what loads it: ufw itself never mends the jumps while its chains are there."""
    ways = [way for way in _WAYS if pair.jumps(pair.running, way) != pair.jumps(pair.stored, way)]
    name = f"{_TABLES[pair.family]} filter"
    if ("filter", f"{pair.ufw}-before-input") not in pair.running.chains:
        return f"{name} has no chains of ufw", RELOAD
    text = f"{name} INPUT does not lead to ufw's chains" if "input" in ways else f"{name} has no {pair.ufw}-user-input"
    return text, "; ".join([*(_jumps(pair, way) for way in ways), RELOAD])


def _jumps(pair: _Pair, way: str) -> str:
    return _JUMPS.format(stages=" ".join(_STAGES), tool=pair.tool, chain=way.upper(), ufw=pair.ufw, way=way)


def _differences(pair: _Pair, doubts: list[str]) -> Iterator[tuple[str, str]]:
    family = _TABLES[pair.family]
    for (table, chain), policy in pair.stored.policies.items():
        runs = pair.running.policies.get((table, chain), "ACCEPT")
        if table == "filter" and runs != policy:
            yield f"the policy of {family} {chain} is {runs}, and {policy} by {pair.defaults}", RELOAD
    for place in _reached(pair):
        lines = pair.stored.chains.get(place, [])
        name = f"{family} {place[0]} {place[1]}"
        running = pair.running.chains.get(place)
        if running is None and lines:
            yield f"the kernel has no chain {name}, which {lines[0].source} fills", RELOAD
        elif running is not None:
            yield from _chain(pair, place, name, running, doubts)


def _reached(pair: _Pair) -> list[Place]:
    """Return the stored chains that packets come to, as stored or as they run; the others decide nothing."""
    waiting, found = list(pair.stored.policies), list[Place]()
    while waiting:
        place = waiting.pop(0)
        if place in pair.stored.chains and place not in found:
            found.append(place)
            lines = [*pair.stored.chains[place], *pair.running.chains.get(place, [])]
            waiting += [(place[0], to) for line in lines for to in re.findall(r"-[jg] (\S+)", line.text)]
    return found


def _chain(
    pair: _Pair, place: Place, name: str, running: list[StoredRule], doubts: list[str]
) -> Iterator[tuple[str, str]]:
    apart = compare(pair.stored.chains[place], running)
    built_in = place in pair.stored.policies
    jumps = place[0] == "filter" and any(map(pair.ours, pair.stored.chains[place])) and built_in
    mended = _jumps(pair, place[1].lower()) if jumps else RELOAD
    yield from ((f"only in {line.source}, not in {name}: {line.text}", mended) for line in apart.stored)
    if apart.moved:
        stored, runs = apart.moved
        text = f"where {stored.source} has {stored.text}, the kernel has {runs.text}"
        yield f"the order of {name} is another: {text}", mended
    texts = _texts(pair.ruleset, pair.backend, name, len(running))
    if texts is None:
        doubts.append(f"iptables-save prints {len(running)} rules of {name}, and the kernel has another number")
    for number, line in apart.running if place[0] == "filter" else ():
        if not pair.daemons.search(f"{place[1]} {line.text}"):
            where = _where(pair, running, number) if built_in else ""
            text = (texts or {}).get(number, line.text)
            gone = f"{pair.tool} -D {place[1]} {line.text}" if built_in else RELOAD
            yield f"only in the kernel: rule {number} of {name}{where}: {text}", gone
    doubts += [
        f"whether {one.text} of {one.source} is {other.text} in {name} cannot be told" for one, other in apart.doubts
    ]


def _where(pair: _Pair, running: list[StoredRule], number: int) -> str:
    """Return where a rule that somebody added stands: before ufw's chains it decides alone."""
    ours = [place for place, line in enumerate(running, start=1) if pair.ours(line)] or [0]
    return f", {'before' if number < ours[0] else 'after' if number > ours[-1] else 'between'} ufw's chains"


def _texts(ruleset: Ruleset, backend: str, name: str, count: int) -> Optional[dict[int, str]]:
    """Given a chain, return its rules' texts by number as the kernel has them: what nft added to a table of iptables is
    printed wrongly by iptables-save. None where that prints another number of rules.
    """
    for table in ruleset.tables:
        for chain in table.chains.values() if table.backend == backend else ():
            if f"{table} {chain.name}" == name:
                texts = list({rule.where: rule.text for rule in chain.rules}.values())  # one may be several here
                return dict(enumerate(texts, start=1)) if len(texts) == count else None
    return {}
