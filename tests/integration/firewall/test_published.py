# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A port that a rule leads to a container past a filter that denies: named, with the kernel's own answer beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from .lab import HERE, Knock, Lab

RULES = """
table ip nat {{
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 8080 dnat to 172.17.0.2:80
    }}
}}
table inet filter {{
    chain input {{
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
    }}
    chain forward {{
        type filter hook forward priority filter; policy {policy};
        ct state established,related accept
        {rule}
    }}
}}
"""
CABLES = """
ip link add docker0 netns {server} type veth peer name eth0 netns {container}
ip -n {server} addr add 172.17.0.1/16 dev docker0
ip -n {server} link set docker0 up
ip -n {container} addr add 172.17.0.2/16 dev eth0
ip -n {container} link set eth0 up
ip -n {container} route add default via 172.17.0.1
ip netns exec {server} sysctl -qw net.ipv4.ip_forward={forwards}
"""
WORLD, SITE = Knock("tcp", 8080, "198.51.100.7"), Knock("tcp", 8080, "10.9.0.1")


@pytest.fixture
def container(lab: Lab) -> Iterator[str]:
    """A third namespace, in which something listens on port 80."""
    name = f"{lab.server[:-1]}k"
    subprocess.run(["ip", "netns", "add", name], check=True)
    served = subprocess.Popen(
        ["ip", "netns", "exec", name, sys.executable, str(HERE / "listener.py"), "tcp:80"], stdout=subprocess.PIPE
    )
    try:
        assert served.stdout is not None
        assert served.stdout.readline() == b"ready\n"
        yield name
    finally:
        served.kill()
        served.communicate()
        subprocess.run(["ip", "netns", "del", name], check=True)


CASES = [
    ("accept", "", 1, {WORLD: True, SITE: True}, "critical"),
    ("drop", "ip saddr 10.0.0.0/8 tcp dport 80 accept", 1, {WORLD: False, SITE: True}, "critical"),
    ("accept", "tcp dport 8080 drop", 1, {WORLD: True, SITE: True}, "critical"),
    ("accept", "tcp dport 80 drop", 1, {WORLD: False, SITE: False}, "ok"),
    ("drop", "", 1, {WORLD: False, SITE: False}, "ok"),
    ("accept", "", 0, {WORLD: False, SITE: False}, "ok"),
]


@pytest.mark.case("FW44")
@pytest.mark.parametrize(("policy", "rule", "forwards", "reached", "status"), CASES)
def test_a_published_port_is_what_the_kernel_makes_of_it(
    lab: Lab, container: str, policy: str, rule: str, forwards: int, reached: dict[Knock, bool], status: str
) -> None:
    for line in CABLES.format(server=lab.server, container=container, forwards=forwards).strip().splitlines():
        subprocess.run(line.split(), check=True)
    lab.run("nft", "-f", "-", stdin=RULES.format(policy=policy, rule=rule))
    assert lab.knock([WORLD, SITE]) == reached
    result = lab.audit(policy=[], own_users=[])
    (published,) = result["published"]
    verdict = "open" if all(reached.values()) else "limited" if any(reached.values()) else "filtered"
    assert (published["port"], published["verdict"]) == ("tcp/8080 to 172.17.0.2 port 80", verdict)
    assert "dnat to 172.17.0.2:80" in published["led_by"]
    (finding,) = [each for each in result["findings"] if each["check"] == "firewall.published_port"]
    assert finding["status"] == status
    assert (published["led_by"] in finding["message"]) is (status == "critical")
    denied = [each for each in result["findings"] if each["check"] == "firewall.default_deny"]
    through = {each["subject"]: each["status"] for each in denied if "passed on" in each["subject"]}
    assert through == ({"IPv4 passed on": "ok" if policy == "drop" else "warning"} if forwards else {})
