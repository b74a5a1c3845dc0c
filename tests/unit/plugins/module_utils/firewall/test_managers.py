# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What managers of rules have stored beside what runs, and what the next boot makes of it.

The texts are what ufw, firewalld and iptables-save left on three Debian releases; a scenario changes them as the
command that it names does (tried with ufw 0.36.2 in a namespace; the fleet tests do the same on whole hosts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux import collect_managers as collecting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux import nft_stored
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.collect import collect
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.collect_managers import (
    ACTIVE,
    ENABLED,
    HOOKS,
    NFT_CONF,
    NFT_RUNS,
    PLUGINS,
    collect_managers,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.restore import compare, load
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.stack import Readings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.ufw import setting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import LEGACY, XTABLES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.reading import Reading
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Boot, Manager
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.declared import Opening
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.nftables import ruleset
from unit.fake_host import FakeHost

from .recorded import SYSTEMS, facts, readings

MANAGERS: list[tuple[str, list[Any]]] = [
    ("ufw-default", [("ufw", True, True, 0)]),
    ("ufw-g7", [("ufw", True, True, 0)]),
    ("ufw-rich", [("ufw", True, True, 3)]),  # one rule by hand; ufw limit fills its IPv6 chains at the next load only
    ("ufw-flushed", [("ufw", True, False, 2)]),
    ("firewalld-zones", [("firewalld", True, True, 0)]),
    ("firewalld-g7", [("firewalld", True, True, 3)]),
    ("nft-default-deny", []),
]


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("scenario", "expected"), MANAGERS)
def test_a_manager_of_rules_is_enabled_loaded_and_differs(system: str, scenario: str, expected: list[Any]) -> None:
    managers = facts(system, scenario).managers
    assert [(view.name, view.enabled, view.loaded, len(view.differences)) for view in managers] == expected
    assert [view.unavailable for view in managers] == [""] * len(expected)


SETTINGS = [
    ("ENABLED=yes\n", "yes"),
    ('# ENABLED=no\nENABLED="YES" # a word\n', "YES"),
    ("ENABLED=no\nENABLED=yes", "yes"),
    ("", ""),
    ("ENABLEDX=yes", ""),
]


@pytest.mark.parametrize(("text", "expected"), SETTINGS)
def test_a_setting_is_the_last_one_unquoted(text: str, expected: str) -> None:
    assert setting(text, "ENABLED") == expected


NO_RULES = '{"nftables": []}'
Change = Callable[[str], str]


def replaced(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text, text
        return text.replace(old, new, 1)

    return change


def ufw_host(v4: Change = str, v6: Change = str, *, scenario: str = "ufw-g7", **files: Optional[Change]) -> Readings:
    """Return a host with ufw of which iptables-save, ip6tables-save and files print something else."""
    made = readings("debian-12", scenario)
    saves = dict(made.saves)
    for family, change in ((4, v4), (6, v6)):
        saves[XTABLES, family] = Reading(change(saves[XTABLES, family].text))
    managers = dict(made.managers)
    for name, change in files.items():
        path = next(path for path in managers if path.endswith(f"/{name.replace('_', '.')}"))
        managers[path] = Reading(change(managers[path].text)) if change else Reading(unavailable=f"{path} is denied")
    return made._replace(nft=Reading(NO_RULES), saves=saves, managers=managers)  # what iptables-save prints is all


def ufw_view(made: Readings) -> Manager:
    (view,) = parse(made).managers
    return view


IN_USER = "-A ufw-user-input "
DENY, ALLOW = "-p tcp -m tcp --dport 5432 -j DROP", "-s 127.0.0.1/32 -p tcp -m tcp --dport 5432 -j ACCEPT"
HAND = "-p tcp -m tcp --dport 5432 -j ACCEPT"
FIRST_JUMP = "-A INPUT -j ufw-before-logging-input\n"
LOOP = "for c in before-logging before after after-logging reject track; do iptables -D INPUT -j ufw-$c-input"


def turned(text: str) -> str:
    deny, allow = f"{IN_USER}{DENY}\n", f"{IN_USER}{ALLOW}\n"
    assert text.index(deny) < text.index(allow)
    return text.replace(deny, "X").replace(allow, deny).replace("X", allow)


UFW: list[tuple[str, Readings, list[str], str]] = [
    ("as it is stored", ufw_host(), [], ""),
    (
        "iptables -P INPUT ACCEPT",
        ufw_host(replaced(":INPUT DROP", ":INPUT ACCEPT")),
        ["the policy of ip INPUT is ACCEPT, and DROP by /etc/default/ufw"],
        "ufw reload",
    ),
    (
        "DEFAULT_INPUT_POLICY changed and not loaded",
        ufw_host(ufw=replaced('DEFAULT_INPUT_POLICY="DROP"', 'DEFAULT_INPUT_POLICY="REJECT"')),
        [
            line
            for family, ufw in (("ip", "ufw"), ("ip6", "ufw6"))
            for line in (
                f"only in ufw-init, not in {family} filter {ufw}-reject-input: -j REJECT",
                f"only in ufw-init, not in {family} filter {ufw}-skip-to-policy-input: -j REJECT",
                f"only in the kernel: rule 1 of {family} filter {ufw}-skip-to-policy-input: -j DROP",
            )
        ],
        "ufw reload",
    ),
    (
        "deny and allow turned round",
        ufw_host(turned),
        [
            (
                "the order of ip filter ufw-user-input is another: where /etc/ufw/user.rules has -p tcp --dport 5432 "
                f"-j DROP, the kernel has {ALLOW}"
            ),
        ],
        "ufw reload",
    ),
    (
        "before.rules edited and not loaded",
        ufw_host(before_rules=replaced("-m conntrack --ctstate INVALID -j DROP", "-p tcp --dport 9 -j ACCEPT")),
        [
            "only in /etc/ufw/before.rules, not in ip filter ufw-before-input: -p tcp --dport 9 -j ACCEPT",
            "only in the kernel: rule 4 of ip filter ufw-before-input: -m conntrack --ctstate INVALID -j DROP",
        ],
        "ufw reload",
    ),
    (
        "after6.rules edited and not loaded",
        ufw_host(after6_rules=replaced("\nCOMMIT\n", "\n-A ufw6-after-input -p tcp --dport 9 -j ACCEPT\nCOMMIT\n")),
        ["only in /etc/ufw/after6.rules, not in ip6 filter ufw6-after-input: -p tcp --dport 9 -j ACCEPT"],
        "ufw reload",
    ),
    (
        "iptables -I INPUT",
        ufw_host(replaced(FIRST_JUMP, f"-A INPUT {HAND}\n{FIRST_JUMP}")),
        [f"only in the kernel: rule 1 of ip filter INPUT, before ufw's chains: {HAND}"],
        f"iptables -D INPUT {HAND}",
    ),
    (
        "iptables -I INPUT 3",
        ufw_host(replaced("-A INPUT -j ufw-after-input\n", f"-A INPUT {HAND}\n-A INPUT -j ufw-after-input\n")),
        [f"only in the kernel: rule 3 of ip filter INPUT, between ufw's chains: {HAND}"],
        f"iptables -D INPUT {HAND}",
    ),
    (
        "ip6tables -A INPUT",
        ufw_host(v6=replaced("-A INPUT -j ufw6-track-input\n", f"-A INPUT -j ufw6-track-input\n-A INPUT {HAND}\n")),
        [f"only in the kernel: rule 7 of ip6 filter INPUT, after ufw's chains: {HAND}"],
        f"ip6tables -D INPUT {HAND}",
    ),
    (
        "fail2ban's own jump is no drift",
        ufw_host(replaced(FIRST_JUMP, f"-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n{FIRST_JUMP}")),
        [],
        "",
    ),
    (
        "a jump is gone",
        ufw_host(replaced("-A INPUT -j ufw-after-input\n", "")),
        ["only in ufw-init, not in ip filter INPUT: -j ufw-after-input"],
        LOOP,
    ),
    (
        "the chains in another order",
        ufw_host(
            replaced(
                "-A INPUT -j ufw-before-input\n-A INPUT -j ufw-after-input\n",
                "-A INPUT -j ufw-after-input\n-A INPUT -j ufw-before-input\n",
            )
        ),
        [
            (
                "the order of ip filter INPUT is another: where ufw-init has -j ufw-before-input, "
                "the kernel has -j ufw-after-input"
            )
        ],
        LOOP,
    ),
    (
        "IPV6=no and IPv6 is not closed: a stop or a flush opened it",
        ufw_host(v6=lambda _text: "*filter\n:INPUT ACCEPT\nCOMMIT\n", ufw=replaced("IPV6=yes", "IPV6=no")),
        [
            *(
                f"the policy of ip6 {chain} is ACCEPT, and DROP by IPV6=no in /etc/default/ufw"
                for chain in ("INPUT", "FORWARD", "OUTPUT")
            ),
            "only in ufw-init, not in ip6 filter INPUT: -i lo -j ACCEPT",
            "the kernel has no chain ip6 filter OUTPUT, which ufw-init fills",
        ],
        "ufw reload",
    ),
]


@pytest.mark.case("FW43")
@pytest.mark.parametrize(("made", "expected", "remedy"), [row[1:] for row in UFW], ids=[row[0] for row in UFW])
def test_what_ufw_has_stored_and_what_runs_is_compared_chain_by_chain_in_order(
    made: Readings, expected: list[str], remedy: str
) -> None:
    view = ufw_view(made)
    assert (view.loaded, list(view.differences), view.unavailable) == (True, expected, "")
    assert view.remedy.startswith(remedy) and bool(view.remedy) == bool(remedy)


def native(text: str) -> Readings:
    """Return a host on which nft added a rule to a table of ufw's: iptables-save prints it without what it matches."""
    made = readings("debian-12", "ufw-g7")
    body = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "192.0.2.1"}}
    rule = {"family": "ip", "table": "filter", "chain": "INPUT", "handle": 999, "expr": [body, {"drop": None}]}
    objects = json.loads(made.nft.text)["nftables"]
    at = next(place for place, one in enumerate(objects) if one.get("rule", {}).get("chain") == "INPUT")
    saves = {**made.saves, (XTABLES, 4): Reading(replaced(FIRST_JUMP, text)(made.saves[XTABLES, 4].text))}
    nft = Reading(json.dumps({"nftables": [*objects[:at], {"rule": rule}, *objects[at:]]}))
    return made._replace(nft=nft, saves=saves)


@pytest.mark.case("FW1")
def test_a_rule_that_nft_added_is_named_with_the_kernels_own_text() -> None:
    view = ufw_view(native(f"-A INPUT -j DROP\n{FIRST_JUMP}"))
    shown = "only in the kernel: rule 1 of ip filter INPUT, before ufw's chains: ip saddr 192.0.2.1 drop"
    assert (view.differences, view.remedy) == ((shown,), "iptables -D INPUT -j DROP")


def test_a_rule_that_iptables_save_does_not_print_is_a_doubt() -> None:
    view = ufw_view(native(FIRST_JUMP))
    assert view.unavailable == "iptables-save prints 6 rules of ip filter INPUT, and the kernel has another number"


def test_a_reload_that_flushes_others_rules_says_so() -> None:
    opened = replaced(":INPUT DROP", ":INPUT ACCEPT")
    assert ufw_view(ufw_host(opened)).remedy == "ufw reload"
    remedy = ufw_view(ufw_host(opened, ufw=replaced("MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes"))).remedy
    assert remedy.startswith("ufw reload; # MANAGE_BUILTINS=yes: the reload flushes what docker")


def test_a_flushed_input_is_mended_by_the_jumps_because_a_reload_does_not_make_them() -> None:
    view = ufw_view(ufw_host(lambda text: re.sub(r"-A INPUT .*\n", "", text)))
    assert (view.loaded, view.differences) == (False, ("ip filter INPUT does not lead to ufw's chains",))
    assert view.remedy.startswith(LOOP)
    assert view.remedy.endswith("; ufw reload")


def test_ufws_chains_in_both_back_ends_are_of_two_loads() -> None:
    made = ufw_host()
    both = {**made.saves, (LEGACY, 4): made.saves[XTABLES, 4]}
    (difference,) = ufw_view(made._replace(saves=both)).differences
    assert difference.startswith("ufw-user-input is in both back ends")


def unsaved() -> Readings:
    made = ufw_host()
    missing = Reading(unavailable="iptables-nft-save is not installed")
    return made._replace(saves={(XTABLES, family): missing for family in (4, 6)})


UNSURE = [
    ("the rules cannot be printed", unsaved(), "iptables-nft-save is not installed"),
    ("a file is denied", ufw_host(user_rules=None), "/etc/ufw/user.rules is denied"),
    ("a file of another form", ufw_host(before_rules=lambda text: f"{text}\nnonsense\n"), "a rule of another form"),
    (
        "an option that is not known",
        ufw_host(
            replaced("-A ufw-before-input ", "-A ufw-after-input -m u32 --u32 1=2 -j DROP\n-A ufw-before-input "),
            after_rules=replaced("\nCOMMIT\n", "\n-A ufw-after-input -m u32 --u32 0x1=0x2 -j DROP\nCOMMIT\n"),
        ),
        "whether -m u32 --u32 0x1=0x2 -j DROP of /etc/ufw/after.rules is -m u32 --u32 1=2 -j DROP",
    ),
    (
        "a table that iptables-nft-save does not print",
        ufw_host(lambda text: f"# Table `nat' is incompatible, use 'nft' tool.\n{text}"),
        "Table `nat' is incompatible",
    ),
]


@pytest.mark.parametrize(("made", "why"), [row[1:] for row in UNSURE], ids=[row[0] for row in UNSURE])
def test_what_cannot_be_compared_is_not_called_different(made: Readings, why: str) -> None:
    view = ufw_view(made)
    assert (view.loaded, view.differences) == (True, ())
    assert why in view.unavailable


SPELLED = [
    ("-p tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT"),
    ("-p icmp --icmp-type echo-request -j ACCEPT", "-p icmp -m icmp --icmp-type 8 -j ACCEPT"),
    ("-p icmpv6 --icmpv6-type 130 -s fe80::/10", "-s fe80::/10 -p ipv6-icmp -m icmp6 --icmpv6-type 130"),
    ("-m limit --limit 3/minute -j REJECT", "-m limit --limit 3/min -j REJECT --reject-with icmp-port-unreachable"),
    ("-m recent --set", "-m recent --set --name DEFAULT --mask 255.255.255.255 --rsource"),
    ("-p tcp --syn -s 10.1.2.3 -d 0.0.0.0/0", "-s 10.1.2.3/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN"),
    ("-m state --state RELATED,ESTABLISHED", "-m state --state ESTABLISHED,RELATED"),
    (
        '-j LOG --log-prefix "[UFW BLOCK] " -m limit --limit 3/min',
        '-m limit --limit 3/min -j LOG --log-prefix "[UFW BLOCK] "',
    ),
]
APART = [
    ("-p tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 23 -j ACCEPT"),
    ("-p tcp --dport 22 -j ACCEPT", "-p udp -m udp --dport 22 -j ACCEPT"),
    ("! -s 10.0.0.0/8 -j ACCEPT", "-s 10.0.0.0/8 -j ACCEPT"),
    ("-m limit --limit 3/min -j ACCEPT", "-m limit --limit 3/sec -j ACCEPT"),
    ('-m comment --comment "-s 10.0.0.1"', '-m comment --comment "-s 10.0.0.2"'),
]


@pytest.mark.parametrize(("pairs", "same"), [(SPELLED, True), (APART, False)])
def test_two_spellings_of_a_rule_are_one_and_two_rules_are_two(pairs: list[tuple[str, str]], same: bool) -> None:
    for stored, runs in pairs:
        one, other = (load([("x", f"*filter\n:C - [0:0]\n-A C {text}\nCOMMIT\n")]) for text in (stored, runs))
        apart = compare(one.chains["filter", "C"], other.chains["filter", "C"])
        assert (apart == ((), (), (), ())) == same, (stored, runs, apart)


def nft_host(conf: str, runs: str, enabled: str = "nftables.service") -> Readings:
    """Return a host whose kernel holds a default deny, with what nftables.conf says and what nft lists."""
    read = {
        ENABLED: Reading("".join(f"{name} enabled enabled\n" for name in enabled.split())),
        ACTIVE: Reading(),
        NFT_CONF: Reading(conf),
        NFT_RUNS: Reading(runs),
    }
    return readings("debian-12", "nft-default-deny")._replace(managers=read)


CONF = """#!/usr/sbin/nft -f
flush ruleset
define trusted = { 10.0.0.0/8, 192.168.0.0/16 }
table inet filter {
    set banned { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 } }
    chain input {
        type filter hook input priority filter; policy drop;
        ct state related,established accept   # what is known
        iif lo accept
        ip saddr $trusted tcp dport { ssh, 443 } counter accept comment "a # is; { text here"
        tcp dport { 8000 } limit rate 5/minute accept; reject with icmpx type admin-prohibited
    }
    chain forward { type filter hook forward priority 0; }
}
"""
LISTED = """table inet filter {
    set banned {
        type ipv4_addr
        flags interval
        elements = { 192.0.2.0/24 }
    }

    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif "lo" accept
        ip saddr { 10.0.0.0/8, 192.168.0.0/16 } tcp dport { 22, 443 } counter accept comment "a # is; { text here"
        tcp dport 8000 limit rate 5/minute burst 5 packets accept
        reject with icmpx admin-prohibited
    }

    chain forward {
        type filter hook forward priority filter; policy accept;
    }
}
""".replace("    ", "\t")
NFT: list[tuple[str, str, str, list[str], str]] = [
    ("as it is stored", CONF, LISTED, [], ""),
    (
        "a rule was added",
        CONF,
        LISTED.replace("\t\treject", "\t\ttcp dport 9 accept\n\t\treject"),
        ["only in the kernel, in chain input of inet filter: tcp dport 9 accept"],
        "",
    ),
    (
        "the policy was changed",
        CONF,
        LISTED.replace("policy drop", "policy accept"),
        [
            "only in nftables.conf, not in chain input of inet filter: policy drop",
            "only in the kernel, in chain input of inet filter: policy accept",
        ],
        "",
    ),
    (
        "the order is another",
        CONF,
        LISTED.replace('\t\tiif "lo" accept\n', "").replace("\t\treject", '\t\tiif "lo" accept\n\t\treject'),
        ["the order of chain input of inet filter is another than in nftables.conf"],
        "",
    ),
    (
        "a rule that may be the same",
        CONF,
        LISTED.replace('iif "lo" accept', "iif 1 accept"),
        [],
        "whether `iif lo accept` of nftables.conf is `iif 1 accept` in chain input of inet filter cannot be told",
    ),
    ("other elements", CONF, LISTED.replace("192.0.2.0/24", "192.0.2.1"), [], "set banned of inet filter has other"),
    ("a command", f"{CONF}add rule inet filter input accept\n", LISTED, [], "has `add rule inet filter input accept`"),
    (
        "a chain was deleted",
        CONF,
        LISTED[: LISTED.index("\tchain forward")] + "}\n",
        ["only in nftables.conf: chain forward of inet filter"],
        "",
    ),
]


OWN = ruleset(
    [
        Opening("tcp", 22, 22, ""),
        Opening("tcp", 22, 22, "10.1.0.2/32"),
        Opening("udp", 9000, 9004, "2001:db8::/32"),
        Opening("tcp", 22, 22, "fd00::1/128"),
    ]
)
OWN_LISTED = """table inet cryptobot {
    chain input {
        type filter hook input priority filter; policy drop;
        iifname "lo" accept
        ct state established,related accept
        ct state invalid drop
        meta l4proto { icmp, ipv6-icmp } accept
        ip6 saddr fe80::/10 udp dport 546 accept
        tcp dport 22 accept
        ip saddr 10.1.0.2 tcp dport 22 accept
        ip6 saddr 2001:db8::/32 udp dport 9000-9004 accept
        ip6 saddr fd00::1 tcp dport 22 accept
    }
}
""".replace("    ", "\t")  # nft 1.0.6 of that text
DELETES, FLAGS = "delete table inet filter\n", "table inet filter { flags dormant; }\n"
NFT += [
    ("what firewall_apply stores", CONF + OWN, LISTED + OWN_LISTED, [], ""),
    (
        "what firewall_apply stores, opened by hand",
        CONF + OWN,
        LISTED + OWN_LISTED.replace("\t\tct state invalid", "\t\taccept\n\t\tct state invalid"),
        ["only in the kernel, in chain input of inet cryptobot: accept"],
        "",
    ),
    ("a table made twice", CONF.replace("table inet", FLAGS + DELETES + "table inet"), LISTED, [], ""),
    ("a table of ip", f"{CONF}table own\n", f"{LISTED}table ip own {{\n}}\n", [], ""),
    ("a table that is not there", f"{CONF}add table ip own\n", LISTED, ["only in nftables.conf: ip own"], ""),
    ("deleted unseen", CONF.replace("table inet", f"{DELETES}table inet"), LISTED, [], f"has `{DELETES.strip()}`"),
    ("destroyed unseen", CONF.replace("table inet", "destroy table inet filter\ntable inet"), LISTED, [], ""),
    (
        "a network that is one host now",
        CONF.replace("10.0.0.0/8", "10.0.0.0/32"),
        LISTED,
        [],
        "10.0.0.0,192.168.0.0/16",
    ),
]


@pytest.mark.case("FW45")
@pytest.mark.parametrize(("conf", "runs", "expected", "unsure"), [row[1:] for row in NFT], ids=[row[0] for row in NFT])
def test_nftables_conf_is_compared_with_what_nft_lists(conf: str, runs: str, expected: list[str], unsure: str) -> None:
    (view,) = parse(nft_host(conf, runs)).managers
    assert (view.loaded, list(view.differences)) == (True, expected)
    assert unsure in view.unavailable and bool(view.unavailable) == bool(unsure)


def boots(made: Readings) -> list[tuple[str, Optional[bool]]]:
    return [(boot.subject, boot.kept) for boot in parse(made).boot]


def with_units(made: Readings, enabled: str, active: str) -> Readings:
    return made._replace(managers={**made.managers, ENABLED: Reading(enabled), ACTIVE: Reading(active)})


BOTH = "15-ip4tables 25-ip6tables"


def iptables_host(enabled: str = "", saved: str = "", plugins: str = "", hooks: str = "") -> Readings:
    """Return a host on which somebody ran iptables: rules for IPv4 and IPv6 that no manager knows."""
    made = readings("debian-12", "iptables-nft")
    read = {ENABLED: Reading(enabled), ACTIVE: Reading(), HOOKS: Reading(hooks), PLUGINS: Reading(plugins)}
    files = {f"/etc/iptables/rules.v{family}": Reading(made.saves[XTABLES, family].text + saved) for family in (4, 6)}
    return made._replace(managers={**read, **(files if saved is not None else {})})


def flushed() -> Readings:
    made = iptables_host("netfilter-persistent.service", "", BOTH)
    return made._replace(nft=Reading(NO_RULES), saves={})


V4, V6 = "ip filter (iptables-nft)", "ip6 filter (iptables-nft)"
MORE = "*filter\n:INPUT DROP\n-A INPUT -p tcp --dport 9 -j ACCEPT\nCOMMIT\n"
BOOT: list[tuple[str, Readings, list[tuple[str, Optional[bool]]]]] = [
    ("iptables rules that nothing loads", iptables_host(), [(V4, False), (V6, False)]),
    ("iptables-persistent loads them", iptables_host("netfilter-persistent.service", "", BOTH), [("next boot", True)]),
    ("it lacks its plugins", iptables_host("netfilter-persistent.service"), [(V4, False), (V6, False)]),
    ("of IPv4 alone", iptables_host("netfilter-persistent.service", "", "15-ip4tables"), [(V6, False)]),
    ("its files have more", iptables_host("netfilter-persistent.service", MORE, BOTH), [(V4, False), (V6, False)]),
    ("they are flushed, and come back", flushed(), [(V4, False), (V6, False)]),
    ("a hook may load them", iptables_host(hooks="/etc/network/if-pre-up.d/fw"), [(V4, None), (V6, None)]),
    ("an unknown loader may", iptables_host("shorewall.service enabled\n"), [(V4, None), (V6, None)]),
    ("no systemd", iptables_host()._replace(managers={}), [("next boot", None)]),
    ("ufw, enabled", ufw_host(), [("next boot", True)]),
    (
        "ufw with rules by hand is view_drift's",
        ufw_host(replaced(FIRST_JUMP, f"-A INPUT {HAND}\n{FIRST_JUMP}")),
        [("next boot", True)],
    ),
    ("ufw, disabled", with_units(ufw_host(), "", ""), [("ufw", False)]),
    ("ufw's rules run and ufw.conf says no", ufw_host(ufw_conf=replaced("=yes", "=no")), [("ufw", False)]),
    ("nftables.conf, disabled", nft_host(CONF, LISTED, "x"), [("inet filter (nft)", False)]),
    ("nftables.conf, enabled", nft_host(CONF, LISTED), [("next boot", True)]),
    ("a table that nftables.conf lacks", nft_host("flush ruleset\n", LISTED), [("inet filter (nft)", False)]),
    (
        "two loaders",
        nft_host(CONF, LISTED, "nftables.service firewalld.service"),
        [("loaders", False), ("next boot", True)],
    ),
    ("nothing runs", readings("debian-12", "nft-empty"), []),
]


@pytest.mark.case("FW45")
@pytest.mark.parametrize(("made", "expected"), [row[1:] for row in BOOT], ids=[row[0] for row in BOOT])
def test_what_runs_and_nothing_loads_is_gone_at_the_next_boot(
    made: Readings, expected: list[tuple[str, Optional[bool]]]
) -> None:
    assert boots(made) == expected


@pytest.mark.case("FW45")
def test_firewalld_that_runs_and_is_disabled_is_gone_at_the_next_boot() -> None:
    made = with_units(readings("debian-12", "firewalld-zones"), "", "firewalld.service loaded active running")
    found = parse(made)
    assert [(view.name, view.loaded) for view in found.managers] == [("firewalld", True)]
    assert found.boot == (
        Boot(
            "firewalld",
            False,
            "firewalld's rules run, and firewalld.service is not enabled: gone at the next boot",
            "systemctl enable firewalld",
        ),
    )


@pytest.mark.case("FW45")
def test_a_port_that_is_not_permanent_is_named_with_its_zone() -> None:
    (view,) = facts("debian-12", "firewalld-g7").managers
    assert "public: ports 8000/tcp runs and is not permanent: gone at the next reload or boot" in view.differences
    assert view.remedy.startswith("To keep what runs: firewall-cmd --runtime-to-permanent")


ZONES = "public (active)\n  interfaces: eth0 {0}\n  ports: 80/tcp\n\ntrusted\n  interfaces: {1}\n"


def test_an_interface_is_drift_where_it_is_in_another_zone_than_the_default_one() -> None:
    made = readings("debian-12", "firewalld-zones")
    stored = Reading("public\n  interfaces: \n  ports: 80/tcp\n\ntrusted\n  interfaces: \n")
    for zones, expected in ((ZONES.format("eth1", ""), ()), (ZONES.format("", "eth1"), ("trusted: interfaces eth1",))):
        asked = {"--list-all-zones": Reading(zones), "--permanent --list-all-zones": stored}
        (view,) = parse(made._replace(managers={**made.managers, **asked})).managers
        assert tuple(line.partition(" runs")[0] for line in view.differences) == expected


def test_rules_are_appended_and_inserted_as_iptables_restore_does() -> None:
    made = load(
        [("x", "*filter\n:C -\n-A C -j A\n-I C -j B\n-I C 2 -j D\n"), ("y", "*filter\n:E -\n[1:2] -A C -j F\n")]
    )
    assert [line.text for line in made.chains["filter", "C"]] == ["-j B", "-j D", "-j A", "-j F"]
    again = load([("x", "*filter\n:C -\n:INPUT DROP\n-A C -j A\n-A INPUT -j C\n:C -\n:INPUT ACCEPT\n")])
    assert (again.chains["filter", "C"], len(again.chains["filter", "INPUT"])) == ([], 1)  # a built-in chain is kept
    assert again.policies == {("filter", "INPUT"): "ACCEPT"}


def test_what_decides_before_firewalld_is_named() -> None:
    made = readings("debian-12", "firewalld-zones")
    plain = readings("debian-12", "nft-default-deny").nft.text
    both = plain[: plain.rindex("]")] + ", " + made.nft.text[made.nft.text.index("[") + 1 :]
    (view,) = parse(made._replace(nft=Reading(both))).managers
    assert any("inet filter input (priority 0, policy drop" in line for line in view.differences)
    assert any("decides before firewalld (priority 10)" in line for line in view.differences)


def test_what_is_stored_and_does_not_run_is_named_with_its_policies() -> None:
    assert {boot.text.rpartition(": ")[2] for boot in parse(flushed()).boot} == {"INPUT policy DROP"}


def test_a_file_that_may_not_be_read_may_load_them() -> None:
    made = iptables_host("netfilter-persistent.service", "", BOTH)
    denied = {f"/etc/iptables/rules.v{family}": Reading(unavailable="it is denied") for family in (4, 6)}
    assert boots(made._replace(managers={**made.managers, **denied})) == [(V4, None), (V6, None)]


def test_firewalld_whose_chains_were_flushed_is_not_in_force() -> None:
    made = readings("debian-12", "firewalld-zones")
    objects = [
        one for one in json.loads(made.nft.text)["nftables"] if one.get("rule", {}).get("chain") != "filter_INPUT"
    ]
    (view,) = parse(made._replace(nft=Reading(json.dumps({"nftables": objects})))).managers
    assert (view.loaded, view.remedy) == (False, "systemctl restart firewalld")


@pytest.mark.parametrize(("family", "expected"), [("bridge", "-200"), ("inet", "0")])
def test_a_priority_by_name_is_the_familys(family: str, expected: str) -> None:
    blocks = nft_stored.parse(f"table {family} t {{\n chain c {{ type filter hook input priority filter; }}\n}}\n")
    assert blocks[f"chain c of {family} t"][0] == f"type filter hook input priority {expected}"


def test_a_listing_that_is_too_long_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_COMPARED", 3)
    found = collect_managers(asked_host("nftables.service enabled\n"))
    assert found[NFT_RUNS].unavailable.startswith("nft -s list ruleset: more than")


def test_docker_and_fail2ban_make_their_chains_anew_while_they_are_enabled() -> None:
    made = with_units(readings("debian-12", "fail2ban"), "fail2ban.service enabled\n", "")
    assert ("fail2ban", False) not in boots(made)
    assert ("fail2ban", False) in boots(with_units(made, "", ""))


SYSTEMD = {"/run/systemd/system/x": ""}
IP = {"ip -j link show": "[]", "ip -j -4": "[]", "ip -j -6": "[]"}


def asked_host(
    enabled: str = "", active: str = "", files: Optional[dict[str, Any]] = None, **commands: Any
) -> FakeHost:
    units = {"systemctl list-unit-files": enabled, "systemctl list-units": active}
    given = {name.replace("_", "-"): answer for name, answer in commands.items()}
    return FakeHost(commands={**IP, "nft": NO_RULES, **units, **given}, files={**SYSTEMD, **(files or {})})


def test_systemd_and_firewalld_are_asked_only_where_they_are() -> None:
    none = FakeHost(commands={**IP, "nft": NO_RULES})
    assert [line for line in (collect(none), none.ran)[1] if "systemctl" in line or "firewall-cmd" in line] == []
    asked = asked_host()
    assert parse(collect(asked)).managers == ()
    assert [line.split()[:3] for line in asked.ran if "systemctl" in line or "firewall-cmd" in line] == [
        ["systemctl", "list-unit-files", "--state=enabled,generated"],
        ["systemctl", "list-units", "--state=active"],
    ]


def test_a_service_that_is_enabled_and_not_in_the_kernel_is_seen() -> None:
    asked = asked_host(
        "firewalld.service enabled\nnftables.service enabled\n",
        files={"/etc/nftables.conf": CONF},
        firewall_cmd=(252, "", "FirewallD is not running"),
    )
    found = parse(collect(asked)).managers
    assert [(view.name, view.loaded, view.remedy) for view in found] == [
        ("firewalld", False, "systemctl restart firewalld"),
        ("nftables.service", False, "systemctl restart nftables"),
    ]


def test_ufw_files_that_may_not_be_read_are_told_with_the_view() -> None:
    files = {"/etc/ufw/ufw.conf": "ENABLED=yes\n", "/etc/ufw/user.rules": SourceDenied("/etc/ufw/user.rules")}
    (ufw,) = parse(collect(asked_host(files=files))).managers
    assert (ufw.enabled, ufw.loaded, "does not exist" in ufw.unavailable) == (True, False, True)


INCLUDES: list[tuple[str, dict[str, Any], str]] = [
    (
        "files of a folder, in order, and a relative one",
        {
            "/etc/nftables.conf": 'include "/etc/nftables.d/*.nft"\ninclude "last"\n',
            "/etc/nftables.d/b.nft": "b",
            "/etc/nftables.d/a.nft": "a",
            "/etc/nftables.d/no.txt": "no",
            "/etc/last": "c",
        },
        "a\nb\nc",
    ),
    ("a folder that is not there", {"/etc/nftables.conf": 'include "/etc/none/*.nft"\nx'}, "x"),
    ("a file that is not there", {"/etc/nftables.conf": 'include "/etc/none.nft"'}, "/etc/none.nft does not exist"),
    ("itself", {"/etc/nftables.conf": 'include "/etc/nftables.conf"'}, "more than 64 files are included"),
    ("none", {}, ""),
]


@pytest.mark.parametrize(("files", "expected"), [row[1:] for row in INCLUDES], ids=[row[0] for row in INCLUDES])
def test_nftables_conf_is_read_with_its_includes_or_it_is_said_why_not(files: dict[str, Any], expected: str) -> None:
    found = collect_managers(asked_host(files=files))[NFT_CONF]
    assert expected in (found.unavailable or found.text.strip())
    assert bool(found.unavailable) == (" " in expected)


HOOK_FILES: list[tuple[dict[str, str], str, str]] = [
    ({"/etc/rc.local": "#!/bin/sh\niptables-restore < /root/x\n"}, "", "/etc/rc.local"),
    ({"/etc/rc.local": "#!/bin/sh\n# iptables-restore\n"}, "", ""),
    ({"/etc/network/interfaces": "  pre-up ip6tables-restore < /x\n"}, "", "/etc/network/interfaces"),
    (
        {"/etc/systemd/system/fw.service": "ExecStart=/sbin/nft -f /x\n"},
        "fw.service enabled\n",
        "/etc/systemd/system/fw.service",
    ),
    ({"/etc/systemd/system/fw.service": "ExecStart=/sbin/nft -f /x\n"}, "", ""),
    ({"/etc/cron.d/audit": "@daily root x firewall_audit\n"}, "", ""),
    ({"/etc/rc.local": "/opt/firewall/listen\n"}, "", ""),
    ({"/etc/rc.local": "/usr/local/sbin/firewall.sh\n"}, "", "/etc/rc.local"),
]


@pytest.mark.parametrize(("files", "enabled", "expected"), HOOK_FILES)
def test_what_else_may_load_rules_at_boot_is_found_by_what_it_runs(
    files: dict[str, str], enabled: str, expected: str
) -> None:
    assert collect_managers(asked_host(enabled, files=files))[HOOKS].text == expected
