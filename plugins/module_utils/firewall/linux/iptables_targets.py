# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target of an iptables rule does to a first packet (iptables-extensions(8), "TARGET EXTENSIONS")."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Optional

from ..model.ruleset import (
    ACCEPT,
    AWAY,
    CONNECTION_STATES,
    DIVERT,
    DROP,
    JUMP,
    REJECT,
    RETURN,
    UNKNOWN,
    Effect,
    Verdict,
)
from ..model.ruleset import GOTO as TO_CHAIN
from .iptables_options import GOTO, TARGET, Part

Outcome = tuple[tuple[Effect, ...], Optional[Verdict]]

_VERDICTS = {
    "ACCEPT": ACCEPT,
    "DROP": DROP,
    "REJECT": REJECT,
    "RETURN": RETURN,
    "SNAT": ACCEPT,
    "MASQUERADE": ACCEPT,
    "NETMAP": AWAY,
    "TPROXY": AWAY,
    "SAME": AWAY,
}
# What neither decides nor changes anything that rules look at.
_HARMLESS = {
    *("LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "LED", "RATEEST", "IDLETIMER", "SET", "TEE"),
    *("CLASSIFY", "DSCP", "TOS", "TTL", "HL", "ECN", "TCPMSS", "TCPOPTSTRIP", "CHECKSUM", "SECMARK", "CONNSECMARK"),
}


def read_target(parts: list[Part], chains: set[str]) -> Outcome:
    """Given the parts of a rule and the chains of its table, return what it changes and its verdict, if it has one.

    A target that is not listed, or has options of another form, may decide anything: its verdict is unknown.
    """
    target = next((part for part in parts if part.kind in (TARGET, GOTO)), None)
    if target is None or target.name in _HARMLESS:
        return (), None
    if target.name in chains:
        return (), Verdict(JUMP if target.kind == TARGET else TO_CHAIN, target.name)
    if target.name in _VERDICTS:
        return (), Verdict(_VERDICTS[target.name])
    try:
        return _READERS[target.name](target)
    except (KeyError, ValueError):
        return (), Verdict(UNKNOWN)


def _word(part: Part, name: str) -> str:
    return next((option.value for option in part.options if option.name == name and option.words), "")


def _mark(field: str) -> Callable[[Part], Outcome]:
    return lambda part: ((_mark_effect(field, part),), None)


def _mark_effect(field: str, part: Part) -> Effect:
    """``--set-xmark value/mask`` is ``(old & ~mask) ^ value``: foretold where the value lies within the mask."""
    if any(option.name == "--save-mark" for option in part.options):
        return Effect("ct_mark", None)
    if any(option.name == "--restore-mark" for option in part.options):
        return Effect("mark", None)
    value, _slash, mask = _word(part, "--set-xmark").partition("/")
    if not value:
        return Effect(field, None)
    number, bits = int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF
    return Effect(field, number, bits) if number & ~bits == 0 else Effect(field, None)


def _conntrack(part: Part) -> Outcome:
    untracked = part.name == "NOTRACK" or any(option.name == "--notrack" for option in part.options)
    return ((Effect("ct_state", CONNECTION_STATES["untracked"]),) if untracked else ()), None


def _dnat(part: Part) -> Outcome:
    text = _word(part, "--to-destination")
    address, port = text, ""
    if text.startswith("["):
        address, _bracket, port = text[1:].partition("]")
    elif text.count(":") == 1:
        address, _colon, port = text.partition(":")
    port = port.lstrip(":")
    if "-" in address or "-" in port or "/" in port:
        return (), Verdict(AWAY)
    number = int(ipaddress.ip_address(address)) if address else None
    return (), Verdict(DIVERT, "", number, int(port) if port else None)


def _redirect(part: Part) -> Outcome:
    ports = _word(part, "--to-ports") or _word(part, "--to-port")
    if "-" in ports:
        return (), Verdict(AWAY)
    return (), Verdict(DIVERT, "", None, int(ports) if ports else None)


_READERS: dict[str, Callable[[Part], Outcome]] = {
    "MARK": _mark("mark"),
    "CONNMARK": _mark("ct_mark"),
    "CT": _conntrack,
    "NOTRACK": _conntrack,
    "DNAT": _dnat,
    "REDIRECT": _redirect,
}
