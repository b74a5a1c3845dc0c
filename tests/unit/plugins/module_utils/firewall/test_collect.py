# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of a Linux host, what each failure is called, and that nothing is loaded by looking."""

from __future__ import annotations

import errno
import json
import struct
from typing import Any, Optional

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.collect import (
    collect,
    collect_places,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.nft_kernel import (
    RULES_REQUEST,
    TABLES_REQUEST,
    may_ask_for_frames,
    parse_tables,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import LEGACY, XTABLES

from .recorded import FIXTURES
from .small import STACK

PLACE = {"family": "ip", "table": "filter"}
NO_NF_TABLES = (1, "", "netlink: Error: cache initialization failed: Protocol not supported")  # as recorded, input 12
EMPTY_NFT = '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}'
WITH_XT = json.dumps(
    {
        "nftables": [
            {"table": {"family": "ip", "name": "filter"}},
            {"chain": {**PLACE, "name": "INPUT", "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
            {
                "rule": {
                    **PLACE,
                    "chain": "INPUT",
                    "handle": 5,
                    "expr": [{"xt": {"type": "match", "name": "multiport"}}],
                }
            },
        ]
    }
)
SAVE = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
IP = {"ip -j link show": "[]", "ip -j -4": "[]", "ip -j -6": "[]", **STACK}


def kernel_says(name: str) -> bytes:
    return bytes.fromhex((FIXTURES / f"nft/linux-6.18/{name}.hex").read_text(encoding="utf-8"))


def host(commands: Optional[dict[str, Any]] = None, **values: Any) -> FakeHost:
    return FakeHost(commands={**IP, **(commands or {})}, **values)


def unavailable(asked: FakeHost) -> dict[int, tuple[str, ...]]:
    return dict(parse(collect(asked)).ruleset.unavailable)


def test_the_kernels_own_list_of_tables_is_read() -> None:
    assert sorted(parse_tables(kernel_says("tables"))) == [
        ("inet", "web"),
        ("ip", "filter"),
        ("ip6", "filter"),
        ("netdev", "edge"),
    ]
    assert parse_tables(kernel_says("no-tables")) == []
    with pytest.raises(SourceDenied, match="error 1"):
        parse_tables(kernel_says("not-root"))


def test_another_account_than_root_sees_no_rules_and_no_tool_is_run_for_them() -> None:
    asked = host(
        {"nft": EMPTY_NFT, "iptables-legacy-save": SAVE},
        admin=False,
        files={"/proc/net/ip_tables_names": SourceDenied("x")},
    )
    assert unavailable(asked)[4] == ("the kernel shows its packet filter to root only, and this account is not root",)
    assert [line for line in asked.ran if not line.startswith("ip -j")] == []


NO_NFT = [
    ("the kernel has no tables", kernel_says("no-tables"), {}, ""),
    (
        "the kernel has tables that only nft reads",
        kernel_says("tables"),
        {},
        "nft is not installed, and the kernel has the nf_tables tables",
    ),
    ("the kernel does not say", None, {}, "nft is not installed, and the kernel did not say"),
    (
        "the kernel does not tell this account",
        kernel_says("not-root"),
        {},
        "nft is not installed, and the kernel did not say",
    ),
]


@pytest.mark.parametrize(
    ("answer", "commands", "expected"), [case[1:] for case in NO_NFT], ids=[case[0] for case in NO_NFT]
)
def test_without_nft_the_kernel_proves_that_there_are_no_tables_or_it_is_unknown(
    answer: Optional[bytes], commands: dict[str, str], expected: str
) -> None:
    reasons = unavailable(host(commands, kernel={TABLES_REQUEST: answer} if answer is not None else {}))
    assert (reasons[4] == ()) if not expected else reasons[4][0].startswith(expected)


def only_xtables() -> bytes:
    """The recorded answer, cut down to its tables of iptables-nft."""
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.netlink import HEADER, messages

    kept = [(kind, body) for kind, body in messages(kernel_says("tables")) if b"filter" in body]
    return b"".join(HEADER.pack(HEADER.size + len(body), kind, 2, 1, 0) + body for kind, body in kept)


def test_without_nft_tables_of_iptables_are_read_by_its_own_tool() -> None:
    asked = host({"iptables-nft-save": SAVE, "ip6tables-nft-save": SAVE}, kernel={TABLES_REQUEST: only_xtables()})
    found = parse(collect(asked)).ruleset
    assert (found.unavailable, [table.backend for table in found.tables]) == ({4: (), 6: ()}, [XTABLES, XTABLES])


FAILURES = [
    (
        {"nft": (1, "", "netlink: Error: Operation not permitted")},
        "'nft' ended with exit code 1: netlink: Error: Operation not permitted",
    ),
    ({"nft": "Error: JSON support not compiled-in"}, "nft -j list ruleset, line 1: not the JSON of a ruleset"),
]


@pytest.mark.parametrize(("commands", "expected"), FAILURES)
def test_a_tool_that_fails_is_named_with_its_reason(commands: dict[str, Any], expected: str) -> None:
    assert any(reason.startswith(expected) for reason in unavailable(host(commands))[4])


SAVE_FAILURES = [
    ({}, "the kernel has iptables-nft tables of IPv4, and iptables-nft-save is not installed"),
    ({"iptables-nft-save": (4, "", "no")}, "'iptables-nft-save' ended with exit code 4: no"),
    ({"iptables-nft-save": "*filter\n"}, "iptables-nft of IPv4, line "),
]


@pytest.mark.case("FW1")
@pytest.mark.parametrize(("commands", "expected"), SAVE_FAILURES)
def test_where_iptables_save_fails_only_rules_with_extensions_are_unknown(commands: Any, expected: str) -> None:
    found = parse(collect(host({"nft": WITH_XT, "ip6tables-nft-save": "", **commands})))
    assert found.unavailable["extensions of iptables-nft of IPv4"].startswith(expected)
    assert found.ruleset.unavailable == {4: (), 6: ()}
    assert found.ruleset.tables[0].chains["INPUT"].policy == "drop"


def error(code: int) -> bytes:
    """What the kernel answers where it refuses: netlink(7), NLMSG_ERROR."""
    return struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -code)


NO_SUCH_NETLINK = SourceDenied("netlink family 12", "Protocol not supported")
NO_SUCH_NETLINK.__cause__ = OSError(errno.EPROTONOSUPPORT, "Protocol not supported")


@pytest.mark.case("FW41")
@pytest.mark.parametrize(
    ("answer", "known"),
    [
        (error(errno.EINVAL), True),  # tried: what nfnetlink has no subsystem for
        (NO_SUCH_NETLINK, True),
        (kernel_says("no-tables"), True),
        (error(errno.EPERM), False),
        (kernel_says("tables"), False),
        (only_xtables(), False),
        (None, False),
    ],
)
def test_where_nft_fails_the_kernel_may_prove_that_there_are_no_tables(answer: Any, known: bool) -> None:
    files = {"/proc/net/ip_tables_names": "filter\n"}
    commands = {"nft": NO_NF_TABLES, "iptables-legacy-save": SAVE}
    found = parse(collect(Asked(commands={**IP, **commands}, files=files, answer=answer))).ruleset
    assert [table.backend for table in found.tables] == [LEGACY]
    assert (found.unavailable == {4: (), 6: ()}) is known
    assert known or "Protocol not supported" in found.unavailable[4][0]


class Asked(FakeHost):
    """A host whose kernel answers, or refuses to be asked."""

    def __init__(self, answer: Any, **values: Any) -> None:
        super().__init__(**values)
        self.answer = answer

    def ask_kernel(self, family: int, request: bytes) -> bytes:
        if isinstance(self.answer, Exception):
            raise self.answer
        return super().ask_kernel(family, request) if self.answer is None else self.answer


LISTED = "table inet t {\n\tflags dormant\n}\n"
GARBLED = '{"nftables": [{"table": {"family": "inet", "name": "t", "handle": 4, "flags": "inet"}}]}'
AT_INGRESS = '{"nftables": [{"table": {"family": "netdev", "name": "t"}}, {"chain": {"hook": "ingress"}}]}'


@pytest.mark.case("FW2")
@pytest.mark.parametrize(("text", "asked"), [(EMPTY_NFT, False), (WITH_XT, False), (GARBLED, True), (AT_INGRESS, True)])
def test_the_text_of_the_rules_is_asked_for_only_where_the_json_leaves_something_out(text: str, asked: bool) -> None:
    commands = {"nft -j": text, "nft -t": LISTED, "iptables-nft-save": "", "ip6tables-nft-save": ""}
    assert ("nft -t list ruleset" in asked_lines(commands)) is asked


# Of ``ether type ip ip saddr ...`` nft prints the second part; the kernel's dump and the code of the rules have both.
FRAMED = json.dumps(
    {
        "nftables": [
            {"table": {"family": "ip", "name": "t"}},
            {"chain": {"family": "ip", "table": "t", "name": "c", "hook": "output", "prio": 0, "policy": "accept"}},
            *(
                {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": handle, "expr": [{"drop": None}]}}
                for handle in (2, 3, 4)
            ),
        ]
    }
)
CODE = """ip t c 2
  [ meta load iiftype => reg 1 ]
  [ cmp eq reg 1 0x00000001 ]
  [ payload load 2b @ link header + 12 => reg 1 ]
  [ cmp eq reg 1 0x00000008 ]
  [ immediate reg 0 drop ]
ip t c 3 2
  [ meta load iiftype => reg 1 ]
  [ cmp eq reg 1 0x00000200 ]
  [ payload load 2b @ link header + 12 => reg 1 ]
ip t c 4 3
  [ meta load iiftype => reg 1 ]
  [ cmp eq reg 1 0x00000001 ]
  [ payload load 2b @ network header + 2 => reg 1 ]
table ip t {
"""
RULES = [("rules-iiftype", True), ("rules-plain", False), ("not-root", True), (None, True)]


@pytest.mark.case("FW2")
@pytest.mark.parametrize(("rules", "asked"), RULES)
def test_the_code_of_rules_is_asked_for_where_the_kernel_has_a_test_that_nft_hides(
    rules: Optional[str], asked: bool
) -> None:
    kernel = {TABLES_REQUEST: kernel_says("tables"), **({RULES_REQUEST: kernel_says(rules)} if rules else {})}
    at = host({"nft -j": FRAMED, "nft -t": CODE}, kernel=kernel)
    found = parse(collect(at)).ruleset
    assert ("nft -t --debug=netlink list ruleset" in at.ran) is asked
    tests = [[test.text for test in rule.tests] for rule in found.tables[0].chains["c"].rules]
    assert [bool(texts) for texts in tests] == [asked, False, False]


@pytest.mark.case("FW1")
def test_a_dump_of_rules_that_ends_in_an_error_is_no_answer() -> None:
    with pytest.raises(SourceDenied, match="error 1"):
        may_ask_for_frames(kernel_says("rules-plain") + kernel_says("not-root"))


CUT = GARBLED[: GARBLED.index('"inet"}}')]  # as nft 1.0.6 printed it of a dormant table, exit code 0
BESIDE = '{"nftables": [{"table": {"family": "ip", "name": "awake"}}]}\n'
CUT_TABLES = [
    ({"nft -j list table ip awake": BESIDE}, [("t", True), ("awake", False)], 0),
    ({"nft -j list table ip awake": CUT}, [("t", True)], 1),
    ({"nft -j list table ip awake": (1, "", "no")}, [("t", True)], 1),
]


@pytest.mark.case("FW2")
@pytest.mark.parametrize(("commands", "tables", "unseen"), CUT_TABLES)
def test_json_that_ends_in_the_middle_costs_only_the_tables_that_do_so_alone(
    commands: dict[str, Any], tables: list[tuple[str, bool]], unseen: int
) -> None:
    text = LISTED + "table ip awake {\n}\n"
    found = parse(collect(host({**commands, "nft -j list ruleset": CUT, "nft -t": text}))).ruleset
    assert (sorted((table.name, table.dormant) for table in found.tables), len(found.unavailable[4])) == (
        sorted(tables),
        unseen,
    )
    untold = unavailable(host({"nft -j list ruleset": CUT, "nft -t": (1, "", "no text")}))
    assert untold[4] == ("'nft' ended with exit code 1: no text",)


# The kernel of this recording has inet web, ip filter, ip6 filter and netdev edge; what an nft says that lost some.
WEB = '{"nftables": [{"table": {"family": "inet", "name": "web"}}]}'
LOST = [
    ({"nft": '{"nftables": []}'}, ["inet web", "ip filter", "netdev edge"]),
    ({"nft": '{"nftables": [NaN]}'}, ["inet web", "ip filter", "netdev edge"]),
    ({"nft": '{"nftables": [{"rule": 5}]}'}, ["inet web", "ip filter", "netdev edge"]),
    ({"nft": WEB}, ["ip filter", "netdev edge"]),
    ({"nft -j": WEB[:-4], "nft -t": "table inet web {"}, ["inet web", "ip filter", "netdev edge"]),
    (
        {"nft -j": WEB[:-4], "nft -t": "table netdev edge {\n\tflags dormant\n}\ntable inet web {\n}\n"},
        ["inet web", "ip filter"],
    ),
]


@pytest.mark.case("FW1")
@pytest.mark.parametrize(("commands", "missed"), LOST)
def test_a_table_that_the_kernel_has_and_nft_does_not_print_is_never_believed_away(
    commands: dict[str, Any], missed: list[str]
) -> None:
    reasons = unavailable(host(commands, kernel={TABLES_REQUEST: kernel_says("tables")}))
    assert sorted(reasons[4]) == [
        f"nft does not print the table {name}, which the kernel has, as whole JSON" for name in missed
    ]
    assert any("ip6 filter" in reason for reason in reasons[6])


BRIDGED = json.dumps(
    {
        "nftables": [
            {"table": {"family": "bridge", "name": "b"}},
            {"chain": {"family": "bridge", "table": "b", "name": "c", "hook": "input", "prio": 0, "policy": "drop"}},
        ]
    }
)
LINKS = [
    ('[{"ifname": "va"}, {"ifname": "br0"}, {"ifname": "port", "master": "br0"}]', [("br0",)]),
    ('[{"ifname": "va"}]', []),
    ((1, "", "no"), [()]),
]


@pytest.mark.case("FW25")
@pytest.mark.parametrize(("links", "devices"), LINKS)
def test_rules_of_bridges_count_for_what_comes_by_a_bridge(links: Any, devices: list[tuple[str, ...]]) -> None:
    found = parse(collect(host({"nft": BRIDGED, "ip -j link show": links}))).ruleset
    assert [gap.devices for gap in found.gaps] == devices


@pytest.mark.case("FW2")
def test_a_table_is_dormant_by_the_text_and_unknown_without_it() -> None:
    told = parse(collect(host({"nft -j": GARBLED, "nft -t": LISTED}))).ruleset
    untold = parse(collect(host({"nft -j": GARBLED, "nft -t": (1, "", "no")})))
    assert ([table.dormant for table in told.tables], told.gaps) == ([True], ())
    assert (len(untold.ruleset.gaps), next(iter(untold.unavailable))) == (1, "flags and devices of nf_tables")


def test_legacy_tools_are_only_asked_about_tables_that_the_kernel_has() -> None:
    files = {"/proc/net/ip_tables_names": "filter\n", "/proc/net/ip6_tables_names": ""}
    asked = host({"nft": EMPTY_NFT, "iptables-legacy-save": SAVE, "ip6tables-legacy-save": SAVE}, files=files)
    found = parse(collect(asked)).ruleset
    assert ([(table.backend, table.family) for table in found.tables], found.unavailable) == (
        [(LEGACY, "ip")],
        {4: (), 6: ()},
    )
    assert "ip6tables-legacy-save" not in asked.ran


NAMES = [("iptables v1.4.21", LEGACY), ("iptables v1.8.9 (legacy)", LEGACY), ("iptables-save v1.8.9 (nf_tables)", None)]


@pytest.mark.parametrize(("version", "expected"), NAMES)
def test_the_plain_save_command_is_taken_for_the_back_end_that_it_says(version: str, expected: Optional[str]) -> None:
    asked = host(
        {"nft": EMPTY_NFT, "iptables-save --version": version, "iptables-save": SAVE},
        files={"/proc/net/ip_tables_names": "filter\n"},
    )
    found = parse(collect(asked)).ruleset
    assert [table.backend for table in found.tables] == ([expected] if expected else [])
    assert bool(found.unavailable[4]) == (expected is None)


def test_legacy_tables_that_may_not_be_read_are_a_blindness_of_their_family_only() -> None:
    asked = host({"nft": EMPTY_NFT}, files={"/proc/net/ip_tables_names": SourceDenied("/proc/net/ip_tables_names")})
    assert {family: bool(reasons) for family, reasons in unavailable(asked).items()} == {4: True, 6: False}


def test_ipsets_are_read_where_rules_name_them_and_their_absence_is_told() -> None:
    with_set = SAVE.replace("-p tcp", "-m set --match-set office src -p tcp")
    asked = host({"nft": WITH_XT, "iptables-nft-save": with_set, "ip6tables-nft-save": ""})
    assert "rules name ipsets" in parse(collect(asked)).unavailable["ipsets"]
    assert "ipset save" not in asked_lines(
        {"nft": WITH_XT, "iptables-nft-save": SAVE, "ip6tables-nft-save": "", "ipset save": ""}
    )


def asked_lines(commands: dict[str, Any]) -> list[str]:
    asked = host(commands, kernel={TABLES_REQUEST: kernel_says("no-tables"), RULES_REQUEST: kernel_says("no-tables")})
    collect(asked)
    return asked.ran


def test_without_ip_the_routes_are_not_known() -> None:
    facts = parse(collect(FakeHost(commands={"nft": EMPTY_NFT})))
    assert "'ip' was not found" in facts.network.unavailable
    assert "routes" in facts.unavailable


RANGES = [("1024\t2048\n", (1024, 2048)), ("", (32768, 60999)), ("strange", (32768, 60999))]


@pytest.mark.parametrize(("text", "expected"), RANGES)
def test_the_range_of_clients_ports_is_the_kernels_or_its_default(text: str, expected: tuple[int, int]) -> None:
    files = {"/proc/sys/net/ipv4/ip_local_port_range": text} if text else {}
    assert parse(collect(host({"nft": EMPTY_NFT}, files=files))).ephemeral == expected


def test_the_places_of_processes_are_what_this_account_may_see() -> None:
    links = {"/proc/5/exe": "/usr/bin/python3", "/proc/5/cwd": "/opt/cryptobot", "/proc/6/exe": SourceDenied("x")}
    asked = FakeHost(links=links, files={"/proc/5/cmdline": "python3\0/opt/run.py\0"})
    assert collect_places(asked, [5, 6, 7]) == {
        5: ("/usr/bin/python3", "/opt/cryptobot", "python3", "/opt/run.py", ""),
        6: (),
        7: (),
    }
