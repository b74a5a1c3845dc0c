# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the statements of nftables' JSON rules do to a first packet (libnftables-json(5), "STATEMENTS").

Each statement is one small function that adds to the draft of a rule. A statement that is not listed may decide
anything, so the rule's verdict is unknown from there on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from ..model.ruleset import (
    ACCEPT,
    AWAY,
    CONNECTION_STATES,
    DIVERT,
    DROP,
    GOTO,
    JUMP,
    REJECT,
    RETURN,
    UNKNOWN,
    Doubt,
    Effect,
    FilterRule,
    Fixed,
    Match,
    Verdict,
)
from .nft_draft import Draft
from .nft_tests import IPV4_ONLY, IPV6_ONLY, TCP_ONLY, Left, Sets, keys_of, read_left, read_match, rows_of
from .nft_text import render, render_rule
from .nft_values import NotModelled, to_address

_ANSWERS = {"tcp reset": (TCP_ONLY,), "icmp": (IPV4_ONLY,), "icmpv6": (IPV6_ONLY,)}
_MARKS = {"meta": "mark", "ct": "ct_mark"}
CONTINUE = "continue"
NOT_SHOWN = "not told"  # put where a version of nft is known to leave out what a rule asks for
_REWRITTEN = ("saddr", "daddr", "sport", "dport")


def read_rule(where: str, statements: list[Any], sets: Sets) -> list[FilterRule]:
    """Given the statements of a rule, return the rules of the model that do the same to a first packet."""
    draft = Draft(where, render_rule(statements), sets)
    for statement in statements:
        name, body = next(iter(statement.items()))
        STATEMENTS.get(name, _unlisted)(draft, body)
        if draft.ended:
            break
    return draft.done()


def read_verdict(statement: Any) -> Verdict:
    """Given a verdict as a map holds it (``{"jump": {"target": "web"}}``), return it."""
    name, body = next(iter(statement.items()))
    if name in (JUMP, GOTO):
        return Verdict(name, str(body["target"]))
    return Verdict(name if name in (ACCEPT, DROP, RETURN, CONTINUE) else UNKNOWN)


def _nothing(_draft: Draft, _body: Any) -> None:
    """Say what has no part in the verdict: counters, logs, copies, priorities."""


def _unlisted(draft: Draft, _body: Any) -> None:
    draft.decide(Verdict(UNKNOWN))


def _final(kind: str) -> Callable[[Draft, Any], None]:
    return lambda draft, _body: draft.decide(Verdict(kind))


def _reject(draft: Draft, body: Any) -> None:
    """Nft leaves out a test that the kind of the answer implies: only TCP is reset, ICMP is the answer of IPv4."""
    draft.test(*_ANSWERS.get((body or {}).get("type", ""), ()))
    draft.decide(Verdict(REJECT))


def _chain(kind: str) -> Callable[[Draft, Any], None]:
    return lambda draft, body: draft.decide(Verdict(kind, str(body["target"])))


def _match(draft: Draft, body: Any) -> None:
    draft.test(*read_match(body, draft.sets))


def _quiet(draft: Draft, body: Any) -> None:
    """A limit holds for the first packet of a quiet sender, and "over a limit" does not."""
    over = bool(body.get("inv", False))
    draft.test(Fixed(not over, f"{'over ' if over else ''}a limit"))


def _limit(draft: Draft, body: Any) -> None:
    """Limits by name (``@name``) are objects of their own, which are not read."""
    if isinstance(body, dict):
        _quiet(draft, body)
    else:
        draft.test(Doubt(f"limit {body}"))


def _doubt(name: str) -> Callable[[Draft, Any], None]:
    return lambda draft, body: draft.test(Doubt(render({name: body})))


def _set_update(draft: Draft, body: Any) -> None:
    """Adding to a set holds always, unless a limit goes with the element."""
    inner = body.get("stmt") or []
    for statement in inner if isinstance(inner, list) else [inner]:
        name, content = next(iter(statement.items()))
        STATEMENTS.get(name, _unlisted)(draft, content)


def _vmap(draft: Draft, body: Any) -> None:
    try:
        _add_map(draft, body["key"], body["data"], read_verdict)
    except NotModelled:
        draft.decide(Verdict(UNKNOWN), Doubt(render({"vmap": body})))
    draft.ended = True  # where no key fits, the kernel ends the rule


def _add_map(draft: Draft, key: Any, data: Any, read_target: Callable[[Any], Verdict]) -> None:
    """Add a map as one verdict per different target; the key ``*`` stands for all that are not named."""
    lefts = [read_left(part) for part in (key["concat"] if isinstance(key, dict) and "concat" in key else [key])]
    by_target: dict[Verdict, list[Any]] = {}
    pairs = keys_of(data, draft.sets)
    for entry, target in pairs:
        if entry != "*":
            by_target.setdefault(read_target(target), []).append(entry)
    tests = {verdict: _key_test(lefts, keys) for verdict, keys in by_target.items()}
    draft.test(*(guard for left in lefts for guard in left.guards))
    for verdict, test in tests.items():
        if verdict.kind != CONTINUE:
            draft.decide(verdict, test)
    for target in [target for entry, target in pairs if entry == "*"]:
        rest = _key_test(lefts, [entry for entry, _target in pairs if entry != "*"], negated=True)
        draft.decide(read_target(target), rest)


def _key_test(lefts: list[Left], keys: list[Any], *, negated: bool = False) -> Match:
    text = f"{' . '.join(left.field for left in lefts)} {render({'set': keys})}"
    return Match(tuple(left.field for left in lefts), rows_of(lefts, "==", {"set": keys}, {}), text, negated)


def _mangle(draft: Draft, body: Any) -> None:
    kind, key = next(iter(body["key"].items()))
    if kind == "payload" and key.get("field") in _REWRITTEN:
        draft.decide(Verdict(AWAY))
    elif kind in _MARKS and key.get("key") == "mark":
        kept, added = _affine(body["value"], body["key"]) or (0, None)
        draft.effects.append(Effect(_MARKS[kind], added, ~kept))


def _affine(value: Any, key: Any) -> Optional[tuple[int, int]]:
    """Given what a mark is set to, return (a, b) where that is ``(old & a) | b``; None where it is something else."""
    if isinstance(value, int):
        return (0, value)
    if value == key:
        return (-1, 0)
    sign = next(iter(value)) if isinstance(value, dict) else ""
    if sign not in ("&", "|") or not isinstance(value[sign][1], int):
        return None
    inner, number = _affine(value[sign][0], key), value[sign][1]
    if inner is None:
        return None
    return (inner[0] & number, inner[1] & number) if sign == "&" else (inner[0] & ~number, inner[1] | number)


def _notrack(draft: Draft, _body: Any) -> None:
    draft.effects.append(Effect("ct_state", CONNECTION_STATES["untracked"]))


def _divert(draft: Draft, body: Any) -> None:
    """DNAT and redirect: to a constant address and port, or to those that a map names."""
    body = body or {}
    address, port = body.get("addr"), body.get("port")
    chosen = address.get("map") if isinstance(address, dict) else None
    try:
        if chosen is None:
            return draft.decide(_destination(address, port))
        _add_map(draft, chosen["key"], chosen["data"], lambda target: _destination(target, port))
    except NotModelled:
        draft.decide(Verdict(AWAY), Doubt(draft.text))
    draft.ended = True
    return None


def _destination(address: Any, port: Any) -> Verdict:
    """Given an address (with its port, where a map gives both) and a port, return the divert to there.

    What is not a constant leads to somewhere that is not modelled.
    """
    if isinstance(address, dict) and len(address.get("concat", ())) == 2:
        address, port = address["concat"]
    if isinstance(address, (dict, list)) or not (port is None or isinstance(port, int)):
        return Verdict(AWAY)
    return Verdict(DIVERT, "", None if address is None else to_address(address), port)


def _xt(draft: Draft, body: Any) -> None:
    """An extension of iptables-nft, which this JSON does not spell out; old versions do not even name it."""
    kind = (body or {}).get("type")
    if kind == "target":
        return draft.decide(Verdict(UNKNOWN))
    draft.test(Doubt(render({"xt": body})))
    draft.unnamed = draft.unnamed or kind is None
    return None


STATEMENTS: dict[str, Callable[[Draft, Any], None]] = {
    "match": _match,
    "vmap": _vmap,
    "accept": _final(ACCEPT),
    "drop": _final(DROP),
    "reject": _reject,
    "return": _final(RETURN),
    "jump": _chain(JUMP),
    "goto": _chain(GOTO),
    "queue": _final(UNKNOWN),
    "synproxy": _final(UNKNOWN),
    "tproxy": _final(AWAY),
    "fwd": _final(AWAY),
    "dnat": _divert,
    "redirect": _divert,
    "snat": _final(ACCEPT),
    "masquerade": _final(ACCEPT),
    "mangle": _mangle,
    "notrack": _notrack,
    "limit": _limit,
    "ct count": _quiet,
    "quota": _doubt("quota"),
    NOT_SHOWN: _doubt(NOT_SHOWN),
    "set": _set_update,
    "map": _set_update,
    "meter": _set_update,
    "xt": _xt,
    **dict.fromkeys(("counter", "log", "last", "comment", "continue", "dup", "flow", "secmark", "reset"), _nothing),
    **dict.fromkeys(("ct helper", "ct timeout", "ct expectation"), _nothing),
}
