# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The application firewall of macOS as a chain of the model. Pure.

It asks which program a socket belongs to, not which port. What socketfilterfw prints, by version: up to macOS 12 the
list begins with "ALF: total number of apps", later without "ALF:"; its entries are the same but for spaces. Meaning:
"Change Firewall settings on Mac", Apple Support, and socketfilterfw(8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...errors import CoreError, ParseError
from ..listeners import Listener
from ..model.intervals import spanning
from ..model.packet import LOOPBACK, Receiver
from ..model.ruleset import ACCEPT, CONNECTION_STATES, DROP, UNKNOWN, Chain, FilterRule, Match, Table, Test, Verdict
from ..reading import Reading

BACKEND = "application-firewall"
NAME = "application firewall"
# What works although all is blocked: DHCP, Bonjour and IPsec (Apple Support: "Block all incoming connections").
ESSENTIAL = ("/usr/libexec/configd", "/usr/sbin/mDNSResponder", "/usr/sbin/racoon")
BUILT_IN = ("/System/*", "/bin/*", "/sbin/*", "/usr/bin/*", "/usr/sbin/*", "/usr/libexec/*")
_LAUNCHD = "/sbin/launchd"
_STATE = re.compile(r"State = (\d)")
_COUNT = re.compile(r"total number of apps = (\d+)", re.IGNORECASE)
_APP = re.compile(r"^\s*\d+\s*:\s*(\S.*?)\s*$")
_VERDICT = re.compile(r"^\s*\(\s*(Allow|Block) incoming connections\s*\)\s*$")


class App(NamedTuple):
    """An entry of the list: the path of a program or of the bundle that it lies in."""

    path: str
    allowed: bool


class AppFirewall(NamedTuple):
    """The application firewall: whether it is on, blocks all, lets in what came with macOS; and its list."""

    on: bool
    blocks_all: bool = False
    built_in: bool = True
    apps: tuple[App, ...] = ()


def parse_settings(readings: Mapping[str, Reading]) -> AppFirewall:
    """Given what socketfilterfw prints by option, return its settings. Raise CoreError where that is not known.

    What it is set to matters only while it is on.
    """
    state = parse_state(readings["--getglobalstate"].sure())
    if state == 0:
        return AppFirewall(on=False)
    if state == 2 or parse_switch(readings["--getblockall"].sure()):
        return AppFirewall(on=True, blocks_all=True)
    built_in = parse_built_in(readings["--getallowsigned"].sure())
    return AppFirewall(on=True, built_in=built_in, apps=parse_apps(readings["--listapps"].sure()))


def parse_state(text: str) -> int:
    """Given ``--getglobalstate``, return 0 (off), 1 (on) or 2 (all is blocked). Raise ParseError."""
    match = _STATE.search(text)
    if match is None or int(match.group(1)) > 2:
        raise ParseError("socketfilterfw --getglobalstate", 1, text, "expected a state from 0 to 2")
    return int(match.group(1))


def parse_switch(text: str) -> bool:
    """Given ``--getblockall`` or ``--getstealthmode``, return whether it is on. Raise ParseError."""
    word = text.strip().rstrip(".!").rpartition(" ")[2].lower()
    if word not in ("enabled", "on", "disabled", "off"):
        raise ParseError("socketfilterfw", 1, text, "expected enabled or disabled, on or off")
    return word in ("enabled", "on")


def parse_built_in(text: str) -> bool:
    """Given ``--getallowsigned``, return whether software that came with macOS is let in unasked. Raise ParseError."""
    for line in text.splitlines():
        if "built-in" in line.lower():
            return parse_switch(line)
    raise ParseError("socketfilterfw --getallowsigned", 1, text, "expected a line about built-in software")


def parse_apps(text: str) -> tuple[App, ...]:
    """Given ``--listapps``, return its entries. Raise ParseError where it holds another number than it says."""
    apps, path = [], ""
    for number, line in enumerate(text.splitlines(), start=1):
        verdict, app = _VERDICT.match(line), _APP.match(line)
        if verdict and not path:
            raise ParseError("socketfilterfw --listapps", number, line, "a verdict without a program")
        if verdict:
            apps.append(App(path, verdict.group(1) == "Allow"))
        path = app.group(1) if app and not verdict else "" if verdict else path
    count = _COUNT.search(text)
    if count is None or int(count.group(1)) != len(apps):
        raise ParseError("socketfilterfw --listapps", 1, text, f"{len(apps)} entries are not the number that it says")
    return tuple(apps)


def app_table(settings: AppFirewall) -> tuple[Table, ...]:
    """Given its settings, return the application firewall as a table; nothing where it is off."""
    if not settings.on:
        return ()
    known = CONNECTION_STATES["established"]
    established = Match(("ct_state",), ((spanning(known, known),),), "established")
    begin = (
        _rule("it does not look at loopback", ACCEPT, Match(("iif",), ((frozenset([LOOPBACK]),),), LOOPBACK)),
        _rule("connections that are there", ACCEPT, established),
    )
    chain = Chain("programs", (*begin, *_listed(settings), *_unlisted(settings)), "input", 1)
    if settings.blocks_all:
        essential = tuple(_rule(f"{path} works although all is blocked", ACCEPT, _program(path)) for path in ESSENTIAL)
        chain = Chain("all is blocked", (*begin, *essential), "input", 1, DROP)
    return (Table(BACKEND, "inet", NAME, {chain.name: chain}),)


def _program(*names: str) -> Match:
    return Match(("program",), ((frozenset(names),),), f"program {', '.join(names)}")


def _rule(text: str, verdict: str, *tests: Test) -> FilterRule:
    return FilterRule(NAME, text, tests, verdict=Verdict(verdict), implied=True)


def _listed(settings: AppFirewall) -> list[FilterRule]:
    return [
        FilterRule(
            f"{NAME} entry {number}",
            f"{'allow' if app.allowed else 'block'} {app.path}",
            (_program(app.path, f"{app.path}/*"),),  # of a bundle the program lies within
            verdict=Verdict(ACCEPT if app.allowed else DROP),
        )
        for number, app in enumerate(settings.apps, start=1)
    ]


def _unlisted(settings: AppFirewall) -> list[FilterRule]:
    """What becomes of programs that are not in the list, which has no rule for them: their signature is not read."""
    asked = "a program that is not in its list: its signature, or whoever sits at the screen, decides"
    built_in = _rule("software that came with macOS is let in", ACCEPT, _program(*BUILT_IN))
    return [*([built_in] if settings.built_in else []), _rule(asked, UNKNOWN)]


def stealth(readings: Mapping[str, Reading]) -> str:
    """Return whether stealth mode is on, in a word."""
    try:
        return "on" if parse_switch(readings["--getstealthmode"].sure()) else "off"
    except CoreError as error:
        return f"not known: {error}"


def receivers(listener: Listener) -> tuple[Receiver, ...]:
    """Given a listener, return its processes as the list names them: by the path of the executable.

    launchd holds sockets for programs that it starts when somebody connects; which of them is not known.
    """
    return tuple(
        Receiver(path if path.startswith("/") and path != _LAUNCHD else None) for path in listener.exes or ("",)
    )
