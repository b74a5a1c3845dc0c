# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds for any input: parsers name what is wrong, and every source gets exactly one verdict."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.ipset import parse_ipsets
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.iptables import Dump, parse_save
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.nft import parse_nft
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.stack import parse_network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import count, merge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import Packet
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import XTABLES

from .recorded import FIXTURES, scenarios
from .small import OWN4, ask, filter_table, ruleset

RECORDED = [
    json.loads((FIXTURES / f"nft/debian-12/{name}.json").read_text(encoding="utf-8"))
    for name in scenarios("debian-12")
    if name.startswith("nft-") and name != "nft-blocklist"
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
SAVED = (FIXTURES / "iptables-save/debian-12/iptables-nft.nft.v4").read_text(encoding="utf-8")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of everything inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, part in inner for deeper in places(part, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], junk)
    return changed


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_ruleset_with_a_damaged_part_is_parsed_or_named_and_stays_a_ruleset(data: Any) -> None:
    text = data.draw(st.sampled_from(RECORDED))
    path = data.draw(st.sampled_from(places(text)))
    damaged = json.dumps(replaced(text, path, data.draw(JUNK)))
    with contextlib.suppress(ParseError):
        pieces = ask(parse_nft(damaged), Packet(4, 6, OWN4, 22, 40000, "eth0"), ANY_SOURCE[4])
        assert {piece.verdict for piece in pieces} <= {"open", "filtered", "unknown"}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SAVED) - 1), st.integers(0, 30), st.text(max_size=12))
def test_a_damaged_save_is_parsed_or_named(begin: int, length: int, junk: str) -> None:
    with contextlib.suppress(ParseError):
        parse_save(Dump(XTABLES, 4, SAVED[:begin] + junk + SAVED[begin + length :], {}))


@given(st.text())
def test_no_text_brings_a_parser_down(text: str) -> None:
    for parse in (
        parse_nft,
        parse_ipsets,
        lambda given: parse_save(Dump(XTABLES, 4, given, {})),
        lambda given: parse_network(given, {4: given}),
    ):
        with contextlib.suppress(ParseError):
            parse(text)


NETS = st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "0.0.0.0/1", "128.0.0.0/2", "198.51.100.0/24"])
LINES = st.builds(
    lambda sign, net, port, rest, target: f"{sign}-s {net} {port}{rest}-j {target}",
    st.sampled_from(["", "! "]),
    NETS,
    st.sampled_from(["", "-p tcp --dport 22 ", "-p tcp ! --dport 22 ", "-p udp "]),
    st.sampled_from(["", "-m time --timestart 08:00 ", "-m mark --mark 0x1 "]),
    st.sampled_from(["ACCEPT", "DROP", "RETURN", "LOG", "A", "B", "MARK --set-xmark 0x1/0x1"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=6), st.lists(LINES, max_size=4), st.sampled_from(["ACCEPT", "DROP"]))
def test_every_source_gets_exactly_one_verdict_whatever_the_rules(
    base: list[str], inner: list[str], policy: str
) -> None:
    lines = (
        [f"-A INPUT {line}" for line in base]
        + [f"-A A {line}".replace("-j A", "-j B") for line in inner]
        + ["-A B -s 10.2.0.0/16 -j ACCEPT"]
    )
    lines = [line for line in lines if not line.startswith("-A A") or "-j B" in line or "-j A" not in line]
    rules = ruleset(filter_table(*lines, policy=policy, chains="A B"))
    pieces = ask(rules, Packet(4, 6, OWN4, 22, 40000, "eth0"), ANY_SOURCE[4])
    assert merge(piece.sources for piece in pieces) == ANY_SOURCE[4]
    assert sum(count(piece.sources) for piece in pieces) == count(ANY_SOURCE[4])
