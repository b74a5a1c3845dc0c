# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random rulesets, written from the manuals and not from our parsers. Pure: a seed and a class give one ruleset.

``plain`` is what ordinary rulesets use; ``exotic`` adds everything that this kernel has; ``alone`` has each of that by
itself, one after the other: what it needs of the kernel, or changes, no other rule does. Rules of nft are given as
single commands (``add rule ...``), so that each line of a ruleset can be left out by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

from . import iptables_words as xt
from . import nft_words as nf
from .words import WORDS, expand

PLAIN, EXOTIC, ALONE = "plain", "exotic", "alone"
Loads = list[list[str]]
_HOOKS = {
    "inet": ("input", "input", "input", "prerouting", "output", "postrouting", "forward", "ingress"),
    "netdev": ("ingress", "ingress", "egress"),
    "arp": ("input", "output"),
    "bridge": ("input", "prerouting", "output", "forward", "postrouting"),
}
_PRIORITIES = (
    -310,
    -300,
    -299,
    -201,
    -200,
    -199,
    -160,
    -150,
    -101,
    -100,
    -99,
    -50,
    -10,
    0,
    0,
    0,
    1,
    10,
    50,
    99,
    100,
    101,
    150,
    300,
)
_NAT_PRIORITIES = (-199, -150, -100, -100, -99, 0, 100, 100, 101)
_USUAL = {
    "prerouting": (-300, -150),
    "input": (0, 0, 0, -150, 10),
    "output": (0,),
    "postrouting": (-150, 0),
    "ingress": (0,),
}
_NAT_USUAL = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
_SYSCTLS = (
    "net.ipv4.conf.all.route_localnet=1",
    "net.ipv4.conf.va.route_localnet=1",
    "net.ipv4.conf.all.rp_filter=1",
    "net.ipv4.conf.va.rp_filter=1",
    "net.ipv4.conf.all.rp_filter=2",
    "net.ipv4.conf.vb.accept_local=1",
    "net.ipv4.tcp_early_demux=0",
    "net.ipv4.tcp_fwmark_accept=1",
    "net.ipv4.fwmark_reflect=1",
    "net.netfilter.nf_conntrack_tcp_loose=0",
    "net.ipv4.ip_forward=1",
    "net.ipv4.conf.va.forwarding=1",
    "net.ipv4.tcp_l3mdev_accept=1",
    "net.netfilter.nf_conntrack_acct=1",
)


def generate(seed: str, kind: str) -> Loads:
    """Given a seed and a class, return the loaders of a ruleset."""
    random = Random(f"{kind} {seed}")
    if kind == ALONE:
        return alone(random, int(seed.rpartition("-")[2]))
    exotic = kind == EXOTIC
    way = random.choice(("nft",) * 6 + ("nft twice", "iptables-nft", "iptables-legacy", "both", "native"))
    loads: Loads = []
    if random.random() < 0.25:
        return [["nft -f -", *_sharp(random, exotic)]]
    if exotic and random.random() < 0.12:
        loads.append([f"sysctl -qw {' '.join(random.sample(_SYSCTLS, random.randint(1, 2)))}"])
    elif random.random() < 0.03:
        loads.append(["sysctl -qw net.ipv4.conf.all.route_localnet=1"])
    if way in ("nft", "nft twice", "both"):
        loads += [["nft -f -", *nft_ruleset(random, exotic)] for _time in range(2 if way == "nft twice" else 1)]
    if way in ("iptables-nft", "iptables-legacy", "both", "native"):
        backend = "nft" if way in ("iptables-nft", "native") else "legacy"
        loads += iptables_rulesets(random, exotic, backend)
    if way == "native":
        loads.append(["nft -f -", *_native(random, exotic)])
    return loads


# --- each by itself ---


def alone(random: Random, number: int) -> Loads:
    """Return the ruleset of a number: one rule of one template, against the policy of its chain."""
    backend, template = _TEMPLATES[number % len(_TEMPLATES)]
    policy, verdict = random.choice((("drop", "accept"), ("accept", "drop")))
    if backend == "nft":
        return [["nft -f -", *_alone_nft(random, template, policy, verdict)]]
    return _alone_iptables(random, backend, template, policy.upper(), verdict.upper())


def _alone_nft(random: Random, template: str, policy: str, verdict: str) -> list[str]:
    table = f"{random.choice(('inet', 'inet', 'ip', 'ip6'))} a{random.randrange(100)}"
    hook = random.choice(("input", "input", "input", "prerouting", "output", "postrouting"))
    chain = f"add chain {table} c0 {{ type filter hook {hook} priority {random.choice((0, 0, -300, -150))} ;"
    words = {**WORDS, **nf.MORE_WORDS, "jump": (verdict,), "test": nf.PLAIN_TESTS}
    rule = f"add rule {table} c0  {expand(random, template, words)}"
    rules = [rule if " vmap " in template else f"{rule}  {verdict}"]
    return [f"add table {table}", f"{chain} policy {policy} ; }}", *_declared(random, table, rules, ()), *rules]


def _alone_iptables(random: Random, backend: str, template: str, policy: str, verdict: str) -> Loads:
    family = random.choice((4, 6))
    table, chain = random.choice((("filter", "INPUT"),) * 4 + (("mangle", "PREROUTING"), ("filter", "OUTPUT")))
    words = {**WORDS, **xt.WORDS, **xt.FAMILY_WORDS[family], "jump": (f"-j {verdict}",), "match": xt.PLAIN_MATCHES}
    target = "" if "-j " in template else f"  -j {verdict}"
    rule = _with_protocol(expand(random, f"{template}{target}", words), family)
    tool = f"{backend if family == 4 else backend.replace('iptables', 'ip6tables')}-restore"
    loads = [[tool, f"*{table}", f":{chain} {policy} [0:0]", f"-A {chain}  {rule}", "COMMIT"]]
    return [*_ipsets(random, loads), *loads]


_NFT = (nf.PLAIN_TESTS, nf.EXOTIC_TESTS, nf.PLAIN_MAPS, nf.EXOTIC_MAPS, nf.PLAIN_STATEMENTS, nf.EXOTIC_STATEMENTS)
_XT = (xt.PLAIN_MATCHES, xt.EXOTIC_MATCHES, xt.MATCHES_4, xt.MATCHES_6, xt.EXOTIC_TARGETS)
_TEMPLATES = [
    *(("nft", each) for each in dict.fromkeys(each for group in _NFT for each in group)),
    *((f"iptables-{backend}", each) for backend in ("nft", "legacy") for group in _XT for each in dict.fromkeys(group)),
]


# --- nft ---


def nft_ruleset(random: Random, exotic: bool) -> list[str]:
    """Return the commands that make one to three tables."""
    families = ["inet", "inet", "ip", "ip6"] + (["inet", "ip", "netdev", "bridge", "arp", "netdev"] if exotic else [])
    lines: list[str] = []
    for number in range(random.choice((1, 1, 1, 2, 3))):
        lines += _nft_table(random, random.choice(families), f"t{random.randrange(100)}{number}", exotic)
    return lines


def _sharp(random: Random, exotic: bool) -> list[str]:
    """Return a small table in which each test decides: in a ruleset of many, the others hide most mistakes.

    Either one test a rule against the chain's policy, or address translation with filters before and behind its place,
    or a chain that is gone to and a chain that is left, or a connection's state where it is not known yet, or the
    device of a packet at a hook that has none.
    """
    table = f"{random.choice(('inet', 'inet', 'ip', 'ip6'))} s{random.randrange(100)}"
    if random.random() < 0.6:
        shapes = (_sharp_nat, _sharp_jumps, _sharp_tracking, _sharp_device)
        return random.choice(shapes)(random, table)
    hook = random.choice(("input", "input", "input", "prerouting", "output", "postrouting") if exotic else ("input",))
    policy, verdict = random.choice((("drop", "accept"), ("accept", "drop"), ("accept", "reject")))
    words = {**WORDS, **nf.MORE_WORDS, "jump": (verdict,), "test": nf.PLAIN_TESTS}
    tests = [expand(random, random.choice(nf.EXOTIC_TESTS if exotic else nf.PLAIN_TESTS), words) for _time in range(3)]
    rules = [f"add rule {table} c0  {test}  {verdict}" for test in tests[: random.randint(1, 3)]]
    if policy == "drop" and random.random() < 0.7:
        rules.insert(0, f"add rule {table} c0  ct state established,related  accept")
    chain = f"add chain {table} c0 {{ type filter hook {hook} priority 0 ; policy {policy} ; }}"
    return [f"add table {table}", chain, *_declared(random, table, rules, ()), *rules]


def _sharp_nat(random: Random, table: str) -> list[str]:
    """Return a redirect or DNAT between two ports that are listened at, and filters of either port at its hook."""
    ports = random.sample(("22", "8000", "8001", "8002", "8003", "8004"), 2)
    hook, places = random.choice((("prerouting", (-300, -150, -101, -99, 0)), ("output", (-300, -150, -101, -99, 0))))
    lines = [f"add table {table}", f"add chain {table} n0 {{ type nat hook {hook} priority -100 ; }}"]
    rules = [f"add rule {table} n0  tcp dport {ports[0]}  redirect to :{ports[1]}"]
    for number in range(random.randint(1, 2)):
        at = random.choice((hook, hook, "input"))
        priority = random.choice(places if at == hook else (-150, 0, 10, 200))
        policy, verdict = random.choice((("accept", "drop"), ("accept", "drop"), ("drop", "accept")))
        lines.append(f"add chain {table} c{number} {{ type filter hook {at} priority {priority} ; policy {policy} ; }}")
        if policy == "drop":
            rules.append(f"add rule {table} c{number}  ct state established,related  accept")
        rules.append(f"add rule {table} c{number}  tcp dport {random.choice(ports)}  {verdict}")
    return [*lines, *rules]


def _sharp_jumps(random: Random, table: str) -> list[str]:
    """Return two chains of a user behind a base chain; behind each way into a chain stands a rule that decides."""
    policy, verdict = random.choice((("drop", "accept"), ("accept", "drop")))
    lines = [f"add table {table}", *(f"add chain {table} {name}" for name in ("u0", "u1"))]
    lines.append(f"add chain {table} c0 {{ type filter hook input priority 0 ; policy {policy} ; }}")
    rules = [f"add rule {table} c0  ct state established,related  accept"] if policy == "drop" else []
    for chain, next_chain in (("c0", "u0"), ("u0", "u1")):
        test = expand(random, random.choice(("", "tcp dport {port}", "ip saddr {net4}", "meta l4proto tcp")), WORDS)
        rules.append(f"add rule {table} {chain}  {test}  {random.choice(('jump', 'goto'))} {next_chain}")
        rules.append(f"add rule {table} {chain}  tcp dport {random.choice(('8000', '22', '1-9000'))}  {verdict}")
    test = expand(random, random.choice(("tcp dport {port}", "ip saddr {net4}", "iif va")), WORDS)
    return [*lines, *rules, f"add rule {table} u1  {test}  {random.choice(('accept', 'drop', 'return'))}"]


def _sharp_tracking(random: Random, table: str) -> list[str]:
    """Return a chain around the place where connections are tracked, which asks for what is known of them."""
    hook, priority = random.choice(("prerouting", "output")), random.choice((-400, -300, -300, -201, -200, -199))
    policy, verdict = random.choice((("drop", "accept"), ("accept", "drop")))
    test = expand(
        random, random.choice(("ct state {op}{state1}", "ct state {op}{states}", "ct status {op}dnat")), WORDS
    )
    chain = f"add chain {table} c0 {{ type filter hook {hook} priority {priority} ; policy {policy} ; }}"
    rules = [f"add rule {table} c0  {test}  {verdict}"]
    if policy == "drop" and random.random() < 0.5:
        rules.append(f"add rule {table} c0  tcp sport 1024-65535  accept")
    return [f"add table {table}", chain, *rules]


def _sharp_device(random: Random, table: str) -> list[str]:
    """Return a chain that asks for the one device or the other, be there one at its hook or not."""
    hook = random.choice(("input", "input", "prerouting", "output", "postrouting"))
    policy, verdict = random.choice((("drop", "accept"), ("accept", "drop")))
    chain = f"add chain {table} c0 {{ type filter hook {hook} priority 0 ; policy {policy} ; }}"
    key, op = random.choice(("oifname", "oif") * 2 + ("iifname", "iif")), random.choice(("!= ", "!= ", ""))
    test = expand(random, f'{key} {op}"{{dev}}"', WORDS)
    return [f"add table {table}", chain, f"add rule {table} c0  {test}  {verdict}"]


def _nft_table(random: Random, family: str, name: str, exotic: bool) -> list[str]:
    table = f"{family} {name}"
    dormant = " { flags dormant ; }" if random.random() < (0.06 if exotic else 0.02) else ""
    users = [f"u{number}" for number in range(random.choice((0, 0, 1, 2, 3)))]
    bases = list(_base_chains(random, family, exotic))
    lines = [f"add table {table}{dormant}", *(f"add chain {table} {user}" for user in users)]
    lines += [f"add chain {table} {chain} {{ {how} }}" for chain, how, _hook, _nat in bases]
    rules: list[str] = []
    for place, user in enumerate(users):
        rules += _nft_rules(random, table, user, "", users[place + 1 :], exotic)
    for chain, _how, hook, nat in bases:
        rules += _nft_rules(random, table, chain, f"nat {hook}" if nat else hook, users, exotic)
    return [*lines, *_declared(random, table, rules, users), *rules]


def _base_chains(random: Random, family: str, exotic: bool) -> Iterator[tuple[str, str, str, bool]]:
    """Yield for each base chain its name, how it hooks, its hook, and whether it is one of NAT."""
    hooks = _HOOKS.get(family, _HOOKS["inet"][:-1])
    if not exotic:
        hooks = ("input", "input", "input", "input", "output", "prerouting")
    for number in range(random.choice((1, 1, 2, 2, 3))):
        hook = random.choice(hooks) if number or exotic else "input"
        yield _filter_chain(random, f"c{number}", hook, exotic)
    if family in ("ip", "ip6", "inet") and random.random() < (0.35 if exotic else 0.25):
        hook = random.choice(("prerouting", "prerouting", "output", "input", "postrouting"))
        priority = random.choice(_NAT_PRIORITIES) if exotic else _NAT_USUAL[hook]
        yield (
            "n0",
            f"type nat hook {hook} priority {priority} ; policy {'drop' if random.random() < 0.03 else 'accept'} ;",
            hook,
            True,
        )


def _filter_chain(random: Random, name: str, hook: str, exotic: bool) -> tuple[str, str, str, bool]:
    priority = random.choice(_PRIORITIES) if exotic and random.random() < 0.6 else random.choice(_USUAL.get(hook, (0,)))
    kind = "route" if hook == "output" and exotic and random.random() < 0.15 else "filter"
    policy = random.choice(("accept", "drop") if hook == "input" else ("accept", "accept", "accept", "drop"))
    device = ""
    if hook in ("ingress", "egress"):
        device = random.choice((' device "va"', ' device "vb"', ' device "lo"', " devices = { va, vb }"))
    return name, f"type {kind} hook {hook}{device} priority {priority} ; policy {policy} ;", hook, False


def _nft_rules(random: Random, table: str, chain: str, hook: str, users: Sequence[str], exotic: bool) -> Iterator[str]:
    first = ["  iif lo  accept", "  ct state established,related  accept"]
    if hook in ("input", "output") and random.random() < 0.35:
        yield from (f"add rule {table} {chain}{line}" for line in random.sample(first, random.randint(1, 2)))
    for _number in range(random.randint(1, 5)):
        yield f"add rule {table} {chain}  {nft_rule(random, hook, users, exotic)}"


def nft_rule(random: Random, hook: str, users: Sequence[str], exotic: bool) -> str:
    """Return a rule for a chain of a hook (``nat prerouting`` of type nat; empty: a user's) that may jump to users."""
    jumps = [f"{word} {user}" for user in users for word in ("jump", "jump", "goto")]
    tests = nf.PLAIN_TESTS + (nf.EXOTIC_TESTS if exotic else ())
    statements = nf.PLAIN_STATEMENTS + (nf.EXOTIC_STATEMENTS if exotic else ())
    words = {**WORDS, **nf.MORE_WORDS, "jump": jumps or ("accept", "drop"), "test": tests}
    if hook.startswith("nat "):
        way = hook.partition(" ")[2]
        templates = nf.PLAIN_NAT[way] + (nf.EXOTIC_NAT[way] if exotic else ())
        return expand(random, random.choice(templates), words)
    parts = _some(random, nf.PLAIN_TESTS, nf.EXOTIC_TESTS if exotic else ())
    if random.random() < 0.25:
        parts += random.sample(statements, 1)
    if random.random() < 0.15:
        return expand(
            random, "  ".join([*parts, random.choice(nf.PLAIN_MAPS + (nf.EXOTIC_MAPS if exotic else ()))]), words
        )
    verdicts = nf.PLAIN_VERDICTS + (nf.EXOTIC_VERDICTS if exotic and random.random() < 0.3 else ())
    return expand(random, "  ".join([*parts, random.choice(verdicts)]).strip(), words) or "counter"


def _some(random: Random, plain: Sequence[str], exotic: Sequence[str]) -> list[str]:
    """Return none to three templates, more often of the exotic ones where there are any."""
    return [
        random.choice(exotic if exotic and random.random() < 0.5 else plain)
        for _time in range(random.choice((0, 1, 1, 1, 2, 2, 3)))
    ]


def _declared(random: Random, table: str, rules: Sequence[str], users: Sequence[str]) -> list[str]:
    """Return the sets and objects that rules name."""
    text = "\n".join(rules)
    jumps = tuple(f"jump {user}" for user in users) or ("drop",)
    words = {**WORDS, **nf.MORE_WORDS, "jump": jumps, "table": (table,)}
    return [
        expand(random, f"add {template}", words)
        for name, template in nf.SETS.items()
        if re.search(rf'@{name}\b|"{name}"', text)
    ]


def _native(random: Random, exotic: bool) -> list[str]:
    """Return rules of nft for the tables that iptables-nft made, and sometimes a base chain of its own there."""
    lines = []
    for family in random.sample(("ip", "ip6"), random.randint(1, 2)):
        table = f"{family} filter"
        rules = [
            f"{random.choice(('add', 'insert'))} rule {table} INPUT  {nft_rule(random, 'input', (), exotic)}"
            for _number in range(random.randint(1, 3))
        ]
        if random.random() < 0.3:
            lines.append(f"add chain {table} early {{ {_filter_chain(random, '', 'input', exotic)[1]} }}")
            rules.append(f"add rule {table} early  {nft_rule(random, 'input', (), exotic)}")
        lines += [*_declared(random, table, rules, ()), *rules]
    return lines


# --- iptables ---

_CHAINS = {
    "filter": ("INPUT", "INPUT", "INPUT", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "OUTPUT"),
    "nat": ("PREROUTING", "PREROUTING", "OUTPUT", "INPUT", "POSTROUTING"),
}


def iptables_rulesets(random: Random, exotic: bool, backend: str) -> Loads:
    """Return what restores the tables of one or both families, and the ipsets before them."""
    loads = []
    for family in random.choice(((4,), (6,), (4, 6), (4, 6))):
        tool = f"{'iptables' if family == 4 else 'ip6tables'}-{backend}-restore"
        loads.append([tool, *_iptables_tables(random, family, exotic)])
    return [*_ipsets(random, loads), *loads]


def _iptables_tables(random: Random, family: int, exotic: bool) -> Iterator[str]:
    more = ["nat"] if random.random() < 0.35 else []
    more += random.sample(("mangle", "raw", "security"), random.randint(0, 2)) if exotic else []
    more += ["mangle"] if not exotic and random.random() < 0.1 else []
    for table in ["filter", *more]:
        users = [f"U{number}" for number in range(random.choice((0, 0, 1, 2)))]
        yield f"*{table}"
        if table != "nat":
            policies = {chain: random.choice(("ACCEPT", "DROP")) for chain in ("INPUT",) if table == "filter"}
            if random.random() < 0.1:
                policies["OUTPUT" if table != "raw" else "PREROUTING"] = "DROP"
            yield from (f":{chain} {policy} [0:0]" for chain, policy in policies.items())
        yield from (f":{user} - [0:0]" for user in users)
        for place, user in enumerate(users):
            for _number in range(random.randint(1, 3)):
                yield f"-A {user}  {iptables_rule(random, family, table, user, users[place + 1 :], exotic)}"
        for chain in random.sample(_CHAINS[table], random.randint(1, 2)):
            if chain == "INPUT" and table == "filter" and random.random() < 0.4:
                yield f"-A {chain}  -m conntrack --ctstate ESTABLISHED,RELATED  -j ACCEPT"
            for _number in range(random.randint(1, 5)):
                yield f"-A {chain}  {iptables_rule(random, family, table, chain, users, exotic)}"
        yield "COMMIT"


def iptables_rule(random: Random, family: int, table: str, chain: str, users: Sequence[str], exotic: bool) -> str:
    """Return one rule for a chain of a table."""
    jumps = [f"{word} {user}" for user in users for word in ("-j", "-j", "-g")]
    matches = xt.PLAIN_MATCHES + (xt.EXOTIC_MATCHES if exotic else ())
    matches += (xt.MATCHES_4 if family == 4 else xt.MATCHES_6) if exotic else ()
    words = {
        **WORDS,
        **xt.WORDS,
        **xt.FAMILY_WORDS[family],
        "jump": jumps or ("-j ACCEPT", "-j RETURN"),
        "match": matches,
    }
    if table == "nat" and chain in xt.PLAIN_NAT:
        return _with_protocol(
            expand(random, random.choice(xt.PLAIN_NAT[chain] + (xt.EXOTIC_NAT[chain] if exotic else ())), words), family
        )
    chosen = [
        random.choice(matches if exotic and random.random() < 0.6 else xt.PLAIN_MATCHES)
        for _time in range(random.choice((0, 1, 1, 2, 2, 3)))
    ]
    targets = xt.EXOTIC_TARGETS if exotic and random.random() < 0.25 else xt.PLAIN_TARGETS
    return _with_protocol(expand(random, "  ".join([*chosen, random.choice(targets)]), words), family)


def _with_protocol(rule: str, family: int) -> str:
    """Given a rule whose matches name their protocols, return it with the first of them as its own."""
    rule = rule.replace("icmp:", "icmpv6:") if family == 6 else rule
    names = re.findall(r"(?:^|  )((?:! )?[a-z0-9]+): ?", rule)
    parts = [re.sub(r"^(?:! )?[a-z0-9]+: ?", "", part) for part in rule.split("  ")]
    if not names:
        return "  ".join(part for part in parts if part)
    word = "! -p " + names[0][2:] if names[0].startswith("! ") else f"-p {names[0]}"
    return "  ".join([word, *(part for part in parts if part)])


def _ipsets(random: Random, loads: Loads) -> Loads:
    text = "\n".join(line for load in loads for line in load)
    named = [name for name in xt.IPSETS if re.search(rf"-set {name}\b", text)]
    words = {**WORDS, **xt.WORDS}
    lines = [line for name in named for line in xt.IPSETS[name]]
    unique = list(dict.fromkeys(expand(random, line, words) for line in lines))
    return [["ipset restore -exist", *unique]] if unique else []
