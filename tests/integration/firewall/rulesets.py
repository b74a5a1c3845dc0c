# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random small rulesets for nft and both back ends of iptables, all of what the model claims to understand."""

from __future__ import annotations

from random import Random

PORTS = (22, 53, 80, 8000, 8001, 9000)
SOURCES4 = ("198.51.100.7", "192.0.2.9", "10.4.4.4", "10.0.0.5")
SOURCES6 = ("2001:db8::7", "fd00::5")
NETS4 = ("198.51.100.0/24", "192.0.2.9", "10.0.0.0/8", "10.4.0.0/16", "0.0.0.0/1", "128.0.0.0/1")
NETS6 = ("2001:db8::/32", "fd00::/8", "2001:db8::7")


def random_ports(random: Random) -> str:
    """Return a port, a range, or a set of both."""
    first = random.choice(PORTS)
    others = [str(port) for port in random.sample(PORTS, 2) if port != first]
    return random.choice(
        [str(first), f"{first}-{first + random.randrange(1, 2000)}", "{ " + ", ".join([str(first), *others]) + " }"]
    )


def nft_tests(random: Random, proto: str) -> list[str]:
    """Return some tests of an nft rule about one protocol and family: nft refuses contradictions."""
    sign = random.choice(("", "", "!= "))
    ports, number = random_ports(random), random.choice(("0x0", "0x1", "0x2"))
    some = [
        f"{proto} dport {sign}{ports}",
        f"iifname {sign}{random.choice(('eth0', 'eth1', 'lo', '{ lo, eth1 }'))}",
        f"ct state {random.choice(('new', 'established,related', 'invalid', 'new,untracked'))}",
        f"meta mark {sign}{number}",
        f"meta mark & 0x1 == {random.choice(('0x0', '0x1'))}",
        f"th dport {sign}{random_ports(random)}",
        "fib daddr type local",
        "limit rate 10000/second burst 10000 packets",
    ]
    by_family = {
        "ip": [
            f"ip saddr {sign}{random.choice(NETS4)}",
            f"ip saddr {sign}{{ {random.choice(NETS4[:4])}, 203.0.113.0/25 }}",
            f"ip saddr . {proto} dport {sign}{{ 10.4.4.4 . 8000, 198.51.100.7 . 22 }}",
            f"ip daddr {sign}{random.choice(('203.0.113.10', '10.0.0.0/8'))}",
            "meta nfproto ipv4",
        ],
        "ip6": [f"ip6 saddr {sign}{random.choice(NETS6)}", "meta nfproto ipv6"],
    }
    chosen = random.sample(some, random.choice((0, 1, 1, 2)))
    if random.random() < 0.5:
        chosen.append(random.choice(by_family[random.choice(("ip", "ip", "ip6"))]))
    return chosen


def nft_rule(random: Random, chains: list[str]) -> str:
    """Return an nft rule that may jump to one of the chains."""
    proto = random.choice(("tcp", "udp"))
    plain = ["accept", "accept", "drop", "drop", "reject", "return", "counter"]
    marks = ["meta mark set 0x1", "meta mark set meta mark | 0x2"]
    verdict = random.choice(
        [*plain, *marks, *(f"{word} {chain}" for word in ("jump", "jump", "goto") for chain in chains)]
    )
    if random.random() < 0.15:
        target = random.choice(["drop", *(f"jump {chain}" for chain in chains)])
        verdict = f"{proto} dport vmap {{ 22 : accept, 8000-8001 : {target}, 80 : return }}"
    return " ".join([*nft_tests(random, proto), verdict])


def nft_ruleset(random: Random) -> str:
    """Return one or two tables of nft with one or two base chains each."""
    return "\n".join(_nft_table(random, f"t{number}") for number in range(random.choice((1, 1, 2))))


def _nft_table(random: Random, name: str) -> str:
    lines = [f"table inet {name} {{"]
    users = [f"u{number}" for number in range(random.randrange(3))]
    for place, user in enumerate(users):
        rules = [nft_rule(random, users[place + 1 :]) for _number in range(random.randrange(1, 4))]
        lines += [f"chain {user} {{", *rules, "}"]
    for number in range(random.choice((1, 1, 2))):
        hook = random.choice(("input", "input", "prerouting"))
        priority, policy = random.randrange(-400, 400), random.choice(("accept", "drop"))
        rules = [nft_rule(random, users) for _number in range(random.randrange(1, 7))]
        begin = f"type filter hook {hook} priority {priority}; policy {policy};"
        lines += [f"chain base{number} {{", begin, *rules, "}"]
    if random.random() < 0.3:
        nat = f"tcp dport {random_ports(random)} redirect to :{random.choice(PORTS)}"
        lines += ["chain nat {", "type nat hook prerouting priority dstnat;", nat, "}"]
    # jumped-to chains must stand before those that jump: the users' order is turned round
    return "\n".join(_users_last_first(lines, users)) + "\n}"


def _users_last_first(lines: list[str], users: list[str]) -> list[str]:
    return [lines[0], *(f"chain {user} {{ }}" for user in users), *lines[1:]]


def iptables_rule(random: Random, chains: list[str], family: int) -> str:
    """Return an iptables rule of the filter table's INPUT or one of the chains."""
    nets = NETS4 if family == 4 else NETS6
    proto = random.choice(("tcp", "udp"))
    sign = random.choice(("", "", "! "))
    port = random.choice(PORTS)
    tests = random.sample(
        [
            f"{sign}-s {random.choice(nets)}",
            f"-p {proto} -m {proto} {sign}--dport {port}",
            f"-p {proto} -m multiport {sign}--dports {port},9000:9010",
            f"{sign}-i {random.choice(('eth0', 'eth+', 'lo'))}",
            f"-m conntrack {sign}--ctstate {random.choice(('NEW', 'ESTABLISHED,RELATED', 'INVALID'))}",
            "-m limit --limit 10000/sec --limit-burst 10000",
            f"-m mark {sign}--mark 0x1/0x1",
        ],
        random.randrange(3),
    )
    if sum(test.startswith("-p") for test in tests) > 1:
        tests = tests[:1]
    plain = ["-j ACCEPT", "-j DROP", "-j REJECT", "-j RETURN", ""]
    verdict = random.choice([*plain, *(f"{word} {chain}" for word in ("-j", "-g") for chain in chains)])
    return " ".join([*tests, verdict])


def iptables_ruleset(random: Random, family: int) -> str:
    """Return the filter table of one family as iptables-restore takes it."""
    users = [f"U{number}" for number in range(random.randrange(3))]
    rules = [f"-A INPUT {iptables_rule(random, users, family)}" for _number in range(random.randrange(1, 7))]
    for place, user in enumerate(users):
        rules += [
            f"-A {user} {iptables_rule(random, users[place + 1 :], family)}"
            for _number in range(random.randrange(1, 4))
        ]
    lines = ["*filter", f":INPUT {random.choice(('ACCEPT', 'DROP'))}", ":FORWARD ACCEPT", ":OUTPUT ACCEPT"]
    return "\n".join([*lines, *(f":{user} -" for user in users), *rules, "COMMIT", ""])
