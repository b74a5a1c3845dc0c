# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both filters by a second route: a plain evaluator of what the manuals say, beside the model, on rules made at random.

The evaluators here read the rules' own words and know nothing of tables and chains.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Optional

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.pf import (
    MAIN,
    PfSources,
    filter_table,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import ANY_SOURCE, Network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.reading import Reading
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers

from .small import OWN4, OWN6
from .windows_host import raw

SOURCES = ("10.0.0.7", "10.1.0.7", "192.0.2.9", "203.0.113.99")
NETWORKS = ("10.0.0.0/8", "10.0.0.0/16", "192.0.2.0/24", "203.0.113.99")
PORTS = (22, 8000, 8001, 9000)
NETWORK = Network({4: (OWN4,), 6: (OWN6,)}, {family: {"en0": ANY_SOURCE[family]} for family in (4, 6)})


def within(source: str, networks: str) -> bool:
    return networks == "Any" or any(
        ipaddress.ip_address(source) in ipaddress.ip_network(part) for part in networks.split("\n")
    )


# Windows: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/rules

WINDOWS_RULE = st.fixed_dictionaries(
    {
        "Action": st.sampled_from(["Allow", "Block"]),
        "Profile": st.sampled_from(["Any", "Domain, Private", "Public", "Private, Public"]),
        "Source": st.sampled_from(["Local", "GroupPolicy"]),
        "Protocol": st.sampled_from(["TCP", "UDP", "Any"]),
        "LocalPort": st.sampled_from(["Any", "8000", "22\n8001", "8000-8999"]),
        "RemoteAddress": st.sampled_from(["Any", "10.0.0.0/8", "10.0.0.0/16\n192.0.2.0/24", "203.0.113.99"]),
        "Program": st.sampled_from(["Any", "C:\\a.exe", "System"]),
        "Service": st.sampled_from(["Any", "*", "one"]),
        "Override": st.sampled_from(["False", "False", "False", "True"]),
    }
)
WINDOWS_PROFILE = st.fixed_dictionaries(
    {
        "Enabled": st.sampled_from(["True", "True", "True", "False"]),
        "DefaultInboundAction": st.sampled_from(["Block", "Block", "Allow", "NotConfigured"]),
        "AllowInboundRules": st.sampled_from(["True", "True", "True", "False"]),
        "AllowLocalFirewallRules": st.sampled_from(["True", "True", "False"]),
    }
)
PROCESS = st.sampled_from([("C:\\A.EXE", ()), ("C:\\a.exe", ("One", "two")), ("System", ()), ("C:\\b.exe", ("three",))])


def windows_answers(rules: list[dict[str, str]], profile: dict[str, str]) -> Answers:
    names = [str(number) for number, _rule in enumerate(rules)]
    rows = list(zip(names, rules))
    anything = {"LocalUser": "Any", "RemoteUser": "Any", "RemoteMachine": "Any", "Authentication": "NotRequired"}
    answers = raw(
        "windows-server-2019",
        profiles=[
            {"Name": name, "DisabledInterfaceAliases": "", **profile} for name in ("Domain", "Private", "Public")
        ],
        rules=[
            {
                "InstanceID": name,
                "Action": rule["Action"],
                "Profile": rule["Profile"],
                "PolicyStoreSourceType": rule["Source"],
            }
            for name, rule in rows
        ],
        port_filters=[
            {"InstanceID": name, "Protocol": rule["Protocol"], "LocalPort": rule["LocalPort"], "RemotePort": "Any"}
            for name, rule in rows
        ],
        address_filters=[
            {"InstanceID": name, "LocalAddress": "Any", "RemoteAddress": rule["RemoteAddress"]} for name, rule in rows
        ],
        application_filters=[{"InstanceID": name, "Program": rule["Program"]} for name, rule in rows],
        service_filters=[{"InstanceID": name, "Service": rule["Service"]} for name, rule in rows],
        interface_filters=[{"InstanceID": name, "InterfaceAlias": "Any"} for name in names],
        interface_type_filters=[{"InstanceID": name, "InterfaceType": "Any"} for name in names],
        security_filters=[
            {"InstanceID": name, **anything, "OverrideBlockRules": rule["Override"]} for name, rule in rows
        ],
    )
    return Answers(answers)


def windows_opens(
    rules: list[dict[str, str]], profile: dict[str, str], process: tuple[str, tuple[str, ...]], port: int, source: str
) -> bool:
    """Say whether Windows lets a first packet in, from the words of its documentation; the network is private."""
    if profile["Enabled"] == "False":
        return True
    matching = [rule for rule in rules if windows_matches(rule, profile, process, port, source)]
    if profile["AllowInboundRules"] == "False":
        return False
    if any(rule["Action"] == "Allow" and rule["Override"] == "True" for rule in matching):
        return True
    if any(rule["Action"] == "Block" for rule in matching):
        return False
    return bool(matching) or profile["DefaultInboundAction"] == "Allow"


def windows_matches(
    rule: dict[str, str], profile: dict[str, str], process: tuple[str, tuple[str, ...]], port: int, source: str
) -> bool:
    program, services = process
    port_ok = (
        rule["Protocol"] == "Any"
        or rule["LocalPort"] == "Any"
        or any(int(part.split("-")[0]) <= port <= int(part.split("-")[-1]) for part in rule["LocalPort"].split("\n"))
    )
    return (
        rule["Profile"] in ("Any", "Domain, Private", "Private, Public")
        and not (rule["Source"] == "Local" and profile["AllowLocalFirewallRules"] == "False")
        and rule["Protocol"] in ("TCP", "Any")
        and port_ok
        and within(source, rule["RemoteAddress"])
        and rule["Program"].lower() in ("any", program.lower())
        and (
            rule["Service"] == "Any"
            or rule["Service"] in [name.lower() for name in services]
            or (rule["Service"] == "*" and bool(services))
        )
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(WINDOWS_RULE, max_size=6), WINDOWS_PROFILE, PROCESS, st.sampled_from(PORTS), st.sampled_from(SOURCES))
def test_windows_rules_are_evaluated_as_the_documentation_says(
    rules: list[dict[str, str]], profile: dict[str, str], process: Any, port: int, source: str
) -> None:
    known = parse(windows_answers(rules, profile))
    number = int(ipaddress.ip_address(source))
    asked = Listener("tcp", "0.0.0.0", port, {4: None}, {4: 0x7F000001}, (7,), (process[0],), services=process[1])
    found = Exposer(known.ruleset, known.network, known.receivers).outside(asked, 4).verdict(spanning(number, number))
    assert found == ("open" if windows_opens(rules, profile, process, port, source) else "filtered")


# pf: pf.conf(5): the last rule that matches decides, one marked quick at once; without any the packet passes.

PF_RULE = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["pass", "block drop", "block return"]),
        "direction": st.sampled_from(["in ", "out ", ""]),
        "quick": st.sampled_from(["", "", "quick "]),
        "on": st.sampled_from(["", "", "on en0 ", "on en1 ", "on ! en0 ", "on en "]),
        "proto": st.sampled_from(["", "proto tcp ", "proto udp "]),
        "source": st.sampled_from(["any", "10.0.0.0/8", "! 10.0.0.0/16", "203.0.113.99", "<site>", "! <site>"]),
        "port": st.sampled_from(
            ["", " port = 22", " port 8000:8004", " port > 8000", " port 22 >< 9000", " port != 22"]
        ),
    }
)
CALLS = st.sampled_from(
    [
        'anchor "a" all',
        'anchor "a" quick all',
        'anchor "a" in on en0 proto tcp from 10.0.0.0/8 to any',
        'anchor "b" all',
        'anchor "*" all',
    ]
)
SITE = {4: spanning(int(ipaddress.ip_address("10.1.0.0")), int(ipaddress.ip_address("10.1.255.255"))), 6: ()}


def pf_text(rule: dict[str, str]) -> str:
    proto = rule["proto"] or ("proto tcp " if rule["port"] else "")
    family = "inet " if "<" not in rule["source"] and rule["source"] != "any" else ""
    words = f"{rule['action']} {rule['direction']}{rule['quick']}{rule['on']}{family}{proto}"
    state = " flags S/SA keep state" if rule["action"] == "pass" else ""
    return f"{words}from {rule['source']} to any{rule['port']}{state}"


def pf_matches(text: str, port: int, source: str) -> bool:
    words = text.split()
    if "out" in words or "udp" in words:
        return False
    if " on " in text and ("en1" in words or "! en0" in text):
        return False
    address = text.split(" from ")[1].split(" to ", maxsplit=1)[0] if " from " in text else "any"
    hit = address == "any" or within(source, {"<site>": "10.1.0.0/16"}.get(address.lstrip("! "), address.lstrip("! ")))
    if hit == address.startswith("!"):
        return False
    asked = text.split(" port ")[1].split(" flags ", maxsplit=1)[0] if " port " in text else ""
    checks = {
        "": True,
        "= 22": port == 22,
        "8000:8004": 8000 <= port <= 8004,
        "> 8000": port > 8000,
        "22 >< 9000": 22 < port < 9000,
        "!= 22": port != 22,
    }
    return checks[asked]


def pf_walk(texts: dict[str, list[str]], name: str, port: int, source: str) -> tuple[Optional[str], bool]:
    """Walk a ruleset as pf does: return the action of the rule that decides so far, and whether it decided at once."""
    decided: Optional[str] = None
    for text in texts[name]:
        if not pf_matches(text, port, source):
            continue
        if not text.startswith("anchor"):
            decided = text.split()[0]
            if " quick" in text:
                return decided, True
            continue
        called = text.split('"')[1]
        for inner in sorted(set(texts) - {MAIN}) if called == "*" else [called]:
            found, at_once = pf_walk(texts, inner, port, source)
            decided = found or decided
            if at_once:
                return decided, True
            if found and " quick" in text:
                break
        else:
            continue
        return decided, True
    return decided, False


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(PF_RULE, CALLS), max_size=6),
    st.fixed_dictionaries({"a": st.lists(PF_RULE, max_size=3), "b": st.lists(PF_RULE, max_size=2)}),
    st.sampled_from(PORTS),
    st.sampled_from(SOURCES),
)
def test_pf_rules_are_evaluated_as_the_manual_says(
    rules: list[Any], anchors: dict[str, list[dict[str, str]]], port: int, source: str
) -> None:
    texts = {name: [pf_text(rule) for rule in inner] for name, inner in anchors.items()}
    texts[MAIN] = [rule if isinstance(rule, str) else pf_text(rule) for rule in rules]
    readings = {name: Reading("\n".join(lines)) for name, lines in texts.items()}
    nothing = PfSources({MAIN: Reading()})
    table = filter_table(PfSources(readings, tables={(MAIN, "site"): SITE}), nothing, frozenset(["lo"]))
    asked = Listener("tcp", "0.0.0.0", port, {4: None}, {4: 0x7F000001})
    number = int(ipaddress.ip_address(source))
    found = Exposer(Ruleset((table,)), NETWORK).outside(asked, 4).verdict(spanning(number, number))
    decided, _at_once = pf_walk(texts, MAIN, port, source)
    assert found == ("filtered" if decided == "block" else "open"), texts
