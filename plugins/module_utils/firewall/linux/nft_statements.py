# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the statements of nftables' JSON rules do to a packet (libnftables-json(5), "STATEMENTS").

Each statement is one small function that adds to the draft of a rule. A statement that is not listed may decide
anything, so the rule's verdict is unknown from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Optional

from ..model import ruleset as to
from ..model.ruleset import Doubt, Effect, FilterRule, Fixed, Match, Test, Verdict
from .nft_tests import (
    IPV4_ONLY,
    IPV6_ONLY,
    TCP_ONLY,
    Asked,
    among,
    asked_of,
    looked_up,
    name_of,
    narrowed,
    needed,
    read_match,
)
from .nft_values import ODD, PLAIN, NotModelled, Objects, affine, is_silent, render, to_address

CONTINUE = "continue"
NOT_SHOWN = "not told"  # put where a version of nft is known to leave out what a rule asks for
_FAMILY_ONLY = {"ip": (IPV4_ONLY,), "ip6": (IPV6_ONLY,)}
_ANSWERS = {"tcp reset": (TCP_ONLY,), "icmp": (IPV4_ONLY,), "icmpv6": (IPV6_ONLY,)}
_UNTRACKED = Effect("ct_state", to.CONNECTION_STATES["untracked"])
_XT_HARMLESS = ("comment", "LOG", "NFLOG", "TRACE")
_EXCHANGE = 5  # packets that a whole short exchange takes: what lets through fewer at once opens nothing for certain
# What rules may write into a packet or its connection: the field of the model that is another one then.
_WRITTEN = {
    **dict(zip(("meta mark", "ct mark", "tcp flags"), ("mark", "ct_mark", "tcp_flags"))),
    **dict.fromkeys(("ip daddr", "ip6 daddr"), "daddr"),
    **{f"{header} {field}": field for header in ("tcp", "udp", "th") for field in ("sport", "dport")},
    **dict.fromkeys(("tcp option", *(f"ip {name}" for name in ("dscp", "ecn", "ttl", "id"))), "header"),
    **{f"ip6 {name}": "header" for name in ("dscp", "ecn", "hoplimit", "flowlabel")},
}
_HEADER = Effect("header", None)  # what a sender does not choose from there on
# What may be written without any rule of the model, or socket, seeing it.
_WRITTEN_UNSEEN = {"meta nftrace", "meta priority", "meta secmark", "ct event", "ct label", "ct helper"}


class Draft:
    """A rule while its statements are read from left to right; it may stand for several rules of the model."""

    def __init__(self, where: str, text: str, objects: Objects, comment: str) -> None:
        self.where, self.text, self.objects, self.comment = where, text, objects, comment
        self.said = ""  # the text of the statement that is read
        self.tests: list[Test] = []
        self.effects: list[Effect] = []
        self.packets: Optional[int] = None
        self.ended = False
        self.unnamed = False  # an extension was met of which not even the kind is known
        self.rules: list[FilterRule] = []

    def test(self, *tests: Test) -> None:
        """Add tests."""
        asked = [test for test in tests if test not in _FAMILY_ONLY.get(self.objects.family, ())]
        if asked:
            self.settle()
            self.tests += asked

    @property
    def asks_family(self) -> bool:
        """Whether a test of it holds for one family only."""
        return any(isinstance(test, Match) and "family" in test.fields for test in self.tests)

    def settle(self) -> None:
        """End a rule here: what was changed is changed whether or not the tests to come hold.

        Behind it, what was asked of the packet as it was before cannot be asked again.
        """
        if self.effects:
            self._add(None, ())
            changed = {effect.field for effect in self.effects}
            kept = [test for test in self.tests if not isinstance(test, Match) or changed.isdisjoint(test.fields)]
            again = [] if len(kept) == len(self.tests) else [Doubt(f"{self.text} (asks for what it changes)")]
            self.tests, self.effects = [*kept, *again], []

    def decide(self, verdict: Verdict, *tests: Test) -> None:
        """Add a verdict, under further tests where it is one of several."""
        self._add(verdict, tests)
        self.ended = self.ended or not tests

    def _add(self, verdict: Optional[Verdict], tests: Sequence[Test]) -> None:
        asked, done = (*self.tests, *tests), tuple(self.effects)
        self.rules.append(
            FilterRule(self.where, self.text, asked, done, verdict, packets=self.packets, comment=self.comment)
        )

    def done(self) -> list[FilterRule]:
        """Return the rules that were made."""
        if self.unnamed and not self.ended:
            self.decide(Verdict(to.AWAY))
        if self.effects and not self.ended:
            self._add(None, ())
        return self.rules


def read_rule(where: str, statements: Sequence[Any], objects: Objects, comment: str = "") -> list[FilterRule]:
    """Given the statements of a rule, return the rules of the model that do the same to a packet."""
    said = [render(statement) for statement in statements]
    text = " ".join(words for words, statement in zip(said, statements) if not is_silent(statement))
    draft = Draft(where, text, objects, comment)
    for draft.said, statement in zip(said, statements):
        _apply(draft, statement)
        if draft.ended:
            break
    return draft.done()


def _apply(draft: Draft, statement: dict[str, Any]) -> None:
    name, body = next(iter(statement.items()))
    STATEMENTS.get(name, _unlisted)(draft, body)


def changes_of(statement: dict[str, Any]) -> Optional[str]:
    """Given a statement, return the field of the model that it changes, if it does."""
    if "notrack" in statement:
        return "ct_state"
    return _WRITTEN.get(name_of(statement["mangle"]["key"])) if "mangle" in statement else None


def read_verdict(statement: Any) -> Verdict:
    """Given a verdict as a map holds it (``{"jump": {"target": "web"}}``), return it."""
    name, body = next(iter(statement.items()))
    if name in (to.JUMP, to.GOTO):
        return Verdict(name, str(body["target"]))
    return Verdict(name if name in (to.ACCEPT, to.DROP, to.RETURN, CONTINUE) else to.UNKNOWN)


def _nothing(_draft: Draft, _body: Any) -> None:
    """Say what has no part in the verdict: logs, copies of packets, labels, what only forwarded packets feel."""


def _unlisted(draft: Draft, _body: Any) -> None:
    """It may decide, and it may change the packet: nothing behind it is certain."""
    draft.decide(Verdict(to.AWAY))


def _final(kind: str, *guards: Test) -> Callable[[Draft, Any], None]:
    def decide(draft: Draft, _body: Any) -> None:
        draft.test(*guards)
        draft.decide(Verdict(kind))

    return decide


def _counter(draft: Draft, body: Any) -> None:
    if isinstance(body, dict):  # one by name counts for several rules
        draft.packets = body.get("packets")


def _reject(draft: Draft, body: Any) -> None:
    """Nft leaves out a test that the kind of the answer implies: only TCP is reset, ICMP is the answer of IPv4.

    Of a rule that resets TCP nft also leaves out ``meta nfproto`` where the table has both families.
    """
    kind = (body or {}).get("type", "")
    draft.test(*_ANSWERS.get(kind, ()))
    known = draft.objects.families_known or draft.objects.family in _FAMILY_ONLY or draft.asks_family
    if kind == "tcp reset" and not known:
        draft.test(Doubt(f"{draft.text} ({NOT_SHOWN} whether it is of one family only)"))
    draft.decide(Verdict(to.REJECT))


def _chain(kind: str) -> Callable[[Draft, Any], None]:
    return lambda draft, body: draft.decide(Verdict(kind, str(body["target"])))


def _match(draft: Draft, body: Any) -> None:
    draft.test(*read_match(body, draft.objects, draft.said))


def _limit(draft: Draft, body: Any) -> None:
    """A limit that lets a whole exchange through at once holds for a quiet sender; "over" it does not."""
    text = render({"limit": body})
    if not isinstance(body, dict):
        try:
            body = draft.objects.body("limit", body)
        except NotModelled:
            body = {"rate_unit": "unknown"}
    enough = "rate_unit" not in body and body.get("burst", _EXCHANGE) >= _EXCHANGE
    draft.test(Fixed(not body.get("inv", False), text, chosen=True) if enough else Doubt(text))


def _connections(draft: Draft, body: Any) -> None:
    """A quiet sender has one connection, this one: no number but 0 is too few for it."""
    draft.test(Fixed((body["val"] < 1) == bool(body.get("inv", False)), render({"ct count": body}), body["val"] > 0))


def _doubt(name: str) -> Callable[[Draft, Any], None]:
    return lambda draft, body: draft.test(Doubt(render({name: body})))


def _update(draft: Draft, body: Any) -> None:
    """Adding to a set ends the rule where the set is full; a limit that goes with the element is asked as elsewhere."""
    key = body.get("elem", body.get("key"))
    draft.test(*looked_up(key["elem"]["val"] if isinstance(key, dict) and "elem" in key else key, None, draft.objects))
    if body.get("op") != "delete" and _is_full(draft.objects, body.get("set", body.get("map"))):
        draft.test(Doubt(f"{body.get('set', body.get('map'))} is full"))
    inner = body.get("stmt") or []
    for statement in inner if isinstance(inner, list) else [inner]:
        _apply(draft, statement)


def _is_full(objects: Objects, name: Optional[str]) -> bool:
    """Return whether a set may have no room. How full the hidden set of a meter is nobody tells: like limits, it is
    taken to be quiet.
    """
    if name is None:
        return False
    body = objects.body("set", name[1:])
    return len(body.get("elem") or ()) >= int(body.get("size", 0xFFFF))


def _vmap(draft: Draft, body: Any) -> None:
    _decide_by_map(draft, body, read_verdict, to.UNKNOWN)


def _decide_by_map(draft: Draft, body: Any, read_target: Callable[[Any], Verdict], otherwise: str) -> None:
    """Add what a map decides, ``otherwise`` where it is not modelled. Where no key fits the kernel ends the rule."""
    key, data = body["key"], body["data"]
    draft.settle()
    try:
        entries = _entries(asked_of(key), draft.objects, data, read_target, render(key))
        draft.test(*asked_of(key).guards)
    except (NotModelled, *ODD):
        draft.test(*narrowed(key))
        entries = [(Verdict(otherwise), Doubt(draft.text))]
    for verdict, test in entries:
        if verdict.kind != CONTINUE:
            draft.decide(verdict, test)
    onward = [test for verdict, test in entries if verdict.kind == CONTINUE]  # for these keys the rule goes on
    draft.test(*(onward[:1] if len(onward) < 2 else [Doubt(draft.text)]))
    draft.ended = not onward


def _entries(
    asked: Asked, objects: Objects, data: Any, read_target: Callable[[Any], Verdict], text: str
) -> list[tuple[Verdict, Test]]:
    """Given a map, return its verdicts, each with the test for its keys. Raise NotModelled, or one of ODD.

    Keys do not overlap, and so their order is free, but for ranges of several fields: there the first listed wins
    (tried on kernel 6.18). The key ``*`` is for all that are not named. Jumps come last: what a chain changes must not
    fit another key of the same map.
    """
    pairs = [(_bare(key), read_target(target)) for key, target in objects.elements(data)]
    named, rest = [pair for pair in pairs if pair[0] != "*"], [target for key, target in pairs if key == "*"]
    groups: list[tuple[Verdict, list[Any]]] = []
    if len(asked.lefts) > 1 and any(_spans(key) for key, _target in named):
        groups = [(verdict, [key for key, _target in run]) for verdict, run in groupby(named, key=itemgetter(1))]
        if any(verdict.kind in (CONTINUE, to.JUMP) for verdict, _keys in groups):
            raise NotModelled("keys that may overlap, and verdicts that are none")
    else:
        by_target: dict[Verdict, list[Any]] = {}
        for key, target in named:
            by_target.setdefault(target, []).append(key)
        groups = list(by_target.items())
    entries: list[tuple[Verdict, Test]] = []
    for verdict, keys in groups:
        entries += [(verdict, test) for test in among(asked, objects, {"set": keys}, f"{text} {render({'set': keys})}")]
    beside = {"set": [key for key, _target in named]}
    entries += [(target, test) for target in rest for test in among(asked, objects, beside, f"{text} *", negated=True)]
    jumps = [verdict for verdict, _test in entries if verdict.kind == to.JUMP]
    if len(entries) > len(groups) + len(rest) or (len(jumps) > 1 and not objects.changed.isdisjoint(asked.fields)):
        raise NotModelled("elements with limits, or keys that the chains of other keys change")
    return sorted(entries, key=lambda entry: entry[0].kind == to.JUMP)


def _bare(key: Any) -> Any:
    """Given an element's key, return it without what goes with the element, unless that may keep it from matching."""
    return key["elem"]["val"] if isinstance(key, dict) and PLAIN.issuperset(key.get("elem", ("no element",))) else key


def _spans(key: Any) -> bool:
    """Return whether a key of several fields holds a range."""
    parts = key["concat"] if isinstance(key, dict) and "concat" in key else [key]
    return any(part == "*" or isinstance(part, dict) or (isinstance(part, str) and part[-1:] == "*") for part in parts)


def _mangle(draft: Draft, body: Any) -> None:
    """Add what is written into a packet. What is written where the model has no field makes all behind it unknown."""
    key, value, name = body["key"], body["value"], name_of(body["key"])
    draft.test(*narrowed(key))
    if isinstance(value, dict) and "map" in value:
        draft.test(*looked_up(value["map"]["key"], value["map"]["data"], draft.objects))
    elif isinstance(value, dict):
        draft.test(*needed(value))
    if name == "tcp option":
        draft.test(Doubt(render(key), chosen=True))
    if name in ("ct zone", "meta pkttype"):
        draft.decide(Verdict(to.UNKNOWN))
    elif name in ("meta mark", "ct mark"):
        kept, added = affine(value, key) or (0, None)
        draft.effects.append(Effect(_WRITTEN[name], added, ~kept))
    elif _WRITTEN.get(name) == "header":
        draft.effects.append(_HEADER)
    elif name not in _WRITTEN_UNSEEN:
        draft.effects += [Effect(_WRITTEN[name], None)] if name in _WRITTEN else []
        draft.decide(Verdict(to.AWAY))


def _divert(draft: Draft, body: Any, kept: str) -> None:
    """DNAT and redirect: to a constant address and port, or to those that a map names."""
    body = body or {}
    draft.test(*_FAMILY_ONLY.get(body.get("family", ""), ()))
    address, port = body.get("addr"), body.get("port")
    if isinstance(address, dict) and "map" in address:
        _decide_by_map(draft, address["map"], lambda target: _destination(target, port, kept), to.AWAY)
    elif isinstance(port, dict) and "map" in port:
        _decide_by_map(draft, port["map"], lambda target: _destination(address, target, kept), to.AWAY)
    else:
        draft.decide(_destination(address, port, kept))


def _destination(address: Any, port: Any, kept: str) -> Verdict:
    """Given an address (with its port, where a map gives both) and a port, return the divert to there.

    Without an address ``kept`` says whose it is. What is not a constant leads to somewhere that is not modelled.
    """
    if isinstance(address, dict) and len(address.get("concat", ())) == 2:
        address, port = address["concat"]
    if isinstance(address, (dict, list)) or not (port is None or isinstance(port, int)):
        return Verdict(to.AWAY)
    if address is None:
        return Verdict(to.DIVERT, kept, port=port)
    return Verdict(to.DIVERT, "", to_address(address), port)


def _translate(draft: Draft, body: Any) -> None:
    body = body or {}
    draft.test(*_FAMILY_ONLY.get(body.get("family", ""), ()))
    for part in (body.get("addr"), body.get("port")):
        if isinstance(part, dict) and "map" in part:
            draft.test(*looked_up(part["map"]["key"], part["map"]["data"], draft.objects))
    draft.decide(Verdict(to.TRANSLATE))


def _reset(draft: Draft, _body: Any) -> None:
    """It takes an option away, if there is one."""
    draft.test(TCP_ONLY)
    draft.effects.append(_HEADER)


def _xt(draft: Draft, body: Any) -> None:
    """An extension of iptables-nft, which this JSON does not spell out; old versions do not even name it."""
    kind, name = (body or {}).get("type"), (body or {}).get("name")
    if kind == "target" and name not in _XT_HARMLESS:
        draft.decide(Verdict(to.REJECT if name == "REJECT" else to.AWAY))
    elif name not in _XT_HARMLESS:
        draft.test(Doubt(render({"xt": body})))
        draft.unnamed = draft.unnamed or kind is None


STATEMENTS: dict[str, Callable[[Draft, Any], None]] = {
    **{kind: _final(kind) for kind in (to.ACCEPT, to.DROP, to.RETURN)},
    **{kind: _chain(kind) for kind in (to.JUMP, to.GOTO)},
    **{kind: _final(to.AWAY) for kind in ("tproxy", "fwd")},
    **{kind: _doubt(kind) for kind in ("quota", NOT_SHOWN)},
    **dict.fromkeys(("set", "map", "meter"), _update),
    **dict.fromkeys(("snat", "masquerade"), _translate),
    **dict.fromkeys(("log", "last", "comment", CONTINUE, "dup", "flow", "secmark"), _nothing),
    **dict.fromkeys(("ct helper", "ct timeout", "ct expectation"), _nothing),
    "match": _match,
    "counter": _counter,
    "vmap": _vmap,
    "reject": _reject,
    "queue": _final(to.UNKNOWN),
    "synproxy": _final(to.UNKNOWN, TCP_ONLY),
    "dnat": lambda draft, body: _divert(draft, body, to.SAME),
    "redirect": lambda draft, body: _divert(draft, body, ""),
    "mangle": _mangle,
    "notrack": lambda draft, _body: draft.effects.append(_UNTRACKED),
    "reset": _reset,
    "limit": _limit,
    "ct count": _connections,
    "xt": _xt,
}
