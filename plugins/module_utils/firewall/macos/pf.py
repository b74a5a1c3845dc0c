# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of pf as chains of the model. Pure.

In pf the last rule that matches decides, and one marked ``quick`` at once. So of all rules that match the first quick
one decides, and without any the last of the others: in that order they are a chain in which the first match decides.
The rules of an anchor stand where it is called and ask for what the call asks for. Of a call marked quick nothing that
comes later counts, if a rule in it matches. See pf.conf(5), PARAMETERS and ANCHORS.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...errors import CoreError, ParseError
from ...finding import EMPTY
from ..model import ruleset as to
from ..model.intervals import Intervals, merge, network, spanning, subtract
from ..model.ruleset import Chain, Effect, FilterRule, Match, Table, Test, Verdict
from ..reading import Reading
from .pf_line import NO_NAMES, Line, PfNames, interface_name, parse_line

BACKEND = "pf"
MAIN = ""  # the ruleset that is no anchor
_PASSED = 1  # the mark of what a translation passes by itself
_DEEPEST = 16
_STATUS = re.compile(r"^Status:\s+(Enabled|Disabled)", re.MULTILINE)
_SERVICE = re.compile(r"^([\w.+-]+)\s+(\d{1,5})/(?:tcp|udp)", re.MULTILINE)
_NOISE = ("No ALTQ support in kernel", "ALTQ related functions disabled")


class PfSources(NamedTuple):
    """Texts of pf by anchor, and what names stand for; ``tables`` by anchor and name."""

    texts: Mapping[str, Reading]
    names: PfNames = NO_NAMES
    tables: Mapping[tuple[str, str], Mapping[int, Intervals]] = EMPTY

    def names_in(self, anchor: str) -> PfNames:
        """Return what names stand for in an anchor: its own tables go before those of the main ruleset."""
        main = {name: numbers for (place, name), numbers in self.tables.items() if place == MAIN}
        own = {name: numbers for (place, name), numbers in self.tables.items() if place == anchor}
        known = self.names
        return PfNames({**known.tables, **main, **own}, known.addresses, known.networks, known.services)


def is_enabled(text: str) -> bool:
    """Given ``pfctl -s info``, return whether pf filters at all. Raise ParseError."""
    match = _STATUS.search(text)
    if match is None:
        raise ParseError("pfctl -s info", 1, text, "expected 'Status: Enabled' or 'Status: Disabled'")
    return match.group(1) == "Enabled"


def parse_anchors(text: str) -> list[str]:
    """Given ``pfctl -v -s Anchors``, return the anchors by their full names."""
    return [name for name in (line.strip() for line in text.splitlines()) if name and name not in _NOISE]


def parse_skipped(text: str) -> frozenset[str]:
    """Given ``pfctl -v -s Interfaces``, return the interfaces that pf leaves alone, as tests name them."""
    found = (line.split() for line in text.splitlines() if line[:1].strip())
    return frozenset(interface_name(words[0]) for words in found if "(skip)" in words[1:])


def parse_services(text: str) -> dict[str, int]:
    """Given /etc/services, return ports by name; of several lines for a name the first counts."""
    found: dict[str, int] = {}
    for name, port in _SERVICE.findall(text):
        found.setdefault(name, int(port))
    return found


def parse_table(text: str) -> dict[int, Intervals]:
    """Given ``pfctl -T show``, return the addresses by family; the narrowest entry counts, ``!`` takes out.

    Raise ParseError naming the line that is no address.
    """
    found: dict[int, Intervals] = {4: (), 6: ()}
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        word = line.strip()
        if word and word not in _NOISE:
            entries.append(_entry(number, word))
    for _size, family, numbers, taken_out in sorted(entries, key=lambda entry: entry[0]):
        known = found[family]
        found[family] = subtract(known, numbers) if taken_out else merge([known, numbers])
    return found


def _entry(number: int, word: str) -> tuple[int, int, Intervals, bool]:
    try:
        net = ipaddress.ip_network(re.sub(r"%[^/]*", "", word.lstrip("! ")))
    except ValueError as error:
        raise ParseError("a table of pf", number, word, str(error)) from None
    family, numbers = network(str(net))
    return net.prefixlen, family, numbers, word[:1] == "!"


class _Step(NamedTuple):
    """A rule in pf's order, and whether it decides at once."""

    rule: FilterRule
    quick: bool


def filter_table(rules: PfSources, translations: PfSources, skipped: frozenset[str]) -> Table:
    """Given the texts of pf, return them as a table: what redirects, then what filters.

    Raise ParseError or CoreError where the main ruleset cannot be read.
    """
    states = _number("ct_state", to.CONNECTION_STATES["established"])
    begin = [
        _rule("pf", "set skip", to.ACCEPT, Match(("iif",), ((skipped,),), "skipped interfaces"), implied=True),
        _rule("pf", "passed by a translation", to.ACCEPT, _number("mark", _PASSED), implied=True),
        _rule("pf", "state of a connection", to.ACCEPT, states, implied=True),
    ]
    filters = Chain("filter", (*begin, *_in_order(_steps(rules, MAIN))), "input")
    diverting = tuple(step.rule for step in _steps(translations, MAIN))
    return Table(BACKEND, "inet", "pf", {"filter": filters, "rdr": Chain("rdr", diverting, "prerouting", nat=True)})


def _rule(where: str, text: str, verdict: str, *tests: Test, implied: bool = False) -> FilterRule:
    return FilterRule(where, text, tests, verdict=Verdict(verdict), implied=implied)


def _number(field_name: str, number: int) -> Match:
    return Match((field_name,), ((spanning(number, number),),), f"{field_name} {number}")


def _in_order(steps: Sequence[_Step]) -> list[FilterRule]:
    """Given rules in pf's order, return them in the order in which the first that matches decides."""
    quick = [step.rule for step in steps if step.quick]
    return quick + [step.rule for step in reversed(steps) if not step.quick]


def _steps(sources: PfSources, anchor: str, depth: int = 0) -> list[_Step]:
    """Given an anchor, return its rules with those of the anchors that it calls. Raise ParseError or CoreError."""
    if depth > _DEEPEST:
        raise CoreError(f"the anchors of pf call each other in a circle at {anchor!r}")
    names = sources.names_in(anchor)
    steps: list[_Step] = []
    for number, text in enumerate(sources.texts[anchor].sure().splitlines(), start=1):
        if text.strip() and text.strip() not in _NOISE:
            line = parse_line(text, number, names)
            where = f"pf {anchor or 'main'} rule {number}"
            steps += _steps_of(sources, anchor, line, where, depth) if line.inbound else []
    return steps


def _steps_of(sources: PfSources, anchor: str, line: Line, where: str, depth: int) -> Iterable[_Step]:
    if line.action in ("pass", "block"):
        verdict = to.ACCEPT if line.action == "pass" else to.REJECT if line.returns else to.DROP
        return [_Step(_rule(where, line.text, verdict, *line.tests), line.quick)]
    if line.action in ("anchor", "rdr-anchor", "binat-anchor"):
        return _called(sources, anchor, line, where, depth)
    if line.action in ("rdr", "binat"):
        return [_Step(_redirect(line, where), True)]
    if line.action in ("nat", "nat-anchor", "scrub", "scrub-anchor", "dummynet", "dummynet-anchor", "altq", "queue"):
        return []
    raise ParseError("the rules of pf", 1, line.text, f"{line.action!r} is no action that is known")


def _called(sources: PfSources, anchor: str, line: Line, where: str, depth: int) -> list[_Step]:
    """Given the call of an anchor, return the rules that it leads to."""
    steps: list[_Step] = []
    for name in _meant(sources.texts, anchor, line.name):
        try:
            inner = _steps(sources, name, depth + 1)
        except CoreError as error:
            inner = [_Step(_rule(where, f"{line.text} ({error})", to.UNKNOWN), True)]
        steps += [_Step(step.rule._replace(tests=(*line.tests, *step.rule.tests)), step.quick) for step in inner]
    return [_Step(rule, True) for rule in _in_order(steps)] if line.quick else steps


def _meant(texts: Mapping[str, Reading], anchor: str, name: str) -> list[str]:
    """Given the anchor in which another is called, and its name, return those meant: of ``x/*`` all in x."""
    path = name.strip("/") if name.startswith("/") or not anchor else f"{anchor}/{name}"
    if not path.endswith("*"):
        return [path] if path in texts else []
    parent = path[:-1]
    return sorted(known for known in texts if known and known.startswith(parent) and "/" not in known[len(parent) :])


def _redirect(line: Line, where: str) -> FilterRule:
    """Given a line of translation, return it as a rule: the packet goes on with another address or port."""
    if line.negated:
        return _rule(where, line.text, to.ACCEPT, *line.tests)
    effects = (Effect("mark", _PASSED),) if line.passes else ()
    return FilterRule(where, line.text, tuple(line.tests), effects, _target(line))


def _target(line: Line) -> Verdict:
    words = list(line.target)
    try:
        address = int(ipaddress.ip_address(words[0])) if words else None
        port = int(words[words.index("port") + 1]) if "port" in words else None
    except (ValueError, IndexError):
        return Verdict(to.UNKNOWN)
    if line.action != "rdr" or address is None:
        return Verdict(to.UNKNOWN)
    return Verdict(to.DIVERT, address=address, port=port)
