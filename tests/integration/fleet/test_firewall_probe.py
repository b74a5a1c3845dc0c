# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Four real hosts knock at each other (--tags probe): the matrix agrees with the model, and where a NAT, a drop on the
way or a filter of the switch makes it disagree, that is found by its id.

What the tests expect is not the collection's word: each pair is tried by netcat too.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fleet import network
from fleet.handle import CHECKOUT, Fleet

from integration.site.report import Report, newest

HOSTS = ["app1", "app2", "db1", "db2"]
WEEKLY = CHECKOUT / "playbooks" / "weekly.yml"
PORTS = (22, 5432, 8000, 9100)

# What each host filters: ssh for all, 5432 for app1 alone, 8000 for nobody, 9100 for all (and nobody listens there).
RULES = """
flush ruleset
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state established,related accept
        meta l4proto { icmp, icmpv6 } accept
        tcp dport { 22, 9100 } accept
        ip saddr APP1 tcp dport 5432 accept
        ip6 saddr APP1_6 tcp dport 5432 accept
    }
}
"""


class Lab(NamedTuple):
    """Four hosts, their addresses by family, and where reports and the inventory of the test are."""

    fleet: Fleet
    addresses: dict[str, dict[int, str]]
    folder: Path

    def weekly(self, *words: str, **variables: Any) -> tuple[subprocess.CompletedProcess[str], Report]:
        """Run the weekly playbook to its end, and return how it ended and what it reported."""
        told = json.dumps({"cryptobot_report_dir": str(self.folder / "reports"), **variables})
        ended = self.fleet.playbook(WEEKLY, "-i", self.folder / "hosts.json", "-e", told, *words)
        return ended, Report(newest(self.folder / "reports"))

    def probe(self, *words: str) -> Report:
        return self.weekly("--tags", "probe", *words)[1]

    def connects(self, by: str, host: str, family: int, port: int) -> bool:
        """Return whether netcat connects: the second route to the truth."""
        return self.fleet.status(by, "nc", "-z", "-w", "1", self.addresses[host][family], str(port)) == 0


@pytest.fixture(scope="module")
def lab(fleet: Callable[..., Fleet], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    layers = {host: ["admin", *(["ufw"] if host == "db2" else [])] for host in HOSTS}
    made = fleet(HOSTS, layers=layers, groups={"cryptobot": HOSTS})
    found = {host: _addresses(made, host) for host in HOSTS}
    lab = Lab(made, found, tmp_path_factory.mktemp("probe"))
    for host in HOSTS:
        rules = RULES.replace("APP1_6", found["app1"][6]).replace("APP1", found["app1"][4])
        made.run(host, "sh", "-c", f"cat > /etc/nftables.conf <<'E'\n{rules}\nE\nnft -f /etc/nftables.conf")
        for port in (5432, 8000):
            made.run(host, "systemd-run", "--quiet", "python3", "-m", "http.server", "--bind", "::", str(port))
    (lab.folder / "hosts.json").write_text(json.dumps(_inventory(found)))
    return lab


def _addresses(made: Fleet, host: str) -> dict[int, str]:
    """Return the addresses of a host, as it tells them itself."""
    told = json.loads(made.run(host, "ip", "-j", "addr", "show", "dev", "eth0", "scope", "global"))[0]["addr_info"]
    return {4 if each["family"] == "inet" else 6: each["local"] for each in told if each}


def _inventory(addresses: dict[str, dict[int, str]]) -> dict[str, Any]:
    allowed = {22: ["any"], 5432: [addresses["app1"][4], addresses["app1"][6]], 8000: ["loopback"], 9100: ["any"]}
    policy = [{"port": port, "from": sources, "required": False} for port, sources in allowed.items()]
    policy.append({"port": 51820, "proto": "udp", "from": ["any"], "required": False})
    hosts = {host: {"cryptobot_firewall_probe_addresses": [of[6]]} for host, of in addresses.items()}
    variables = {"cryptobot_firewall_probe": True, "cryptobot_firewall_policy": policy}
    return {"cryptobot": {"hosts": hosts, "vars": variables}}


PAIRS = len(PORTS) * 2 * (len(HOSTS) - 1)  # of one host: four ports, two families, three others


@pytest.fixture(scope="module")
def quiet(lab: Lab) -> Report:
    """Return the report of a run in which nothing is planted."""
    return lab.probe()


def findings(report: Report, host: str, check: str) -> list[dict[str, Any]]:
    told = report.content["findings"]
    return [each for each in told if (each["host"], each["check"]) == (host, check)]


@pytest.mark.parametrize("host", HOSTS)
def test_the_matrix_over_four_hosts_agrees(quiet: Report, host: str) -> None:
    told = {each["subject"]: each for each in findings(quiet, host, "firewall.probe")}
    assert told["tcp"]["status"] == "ok", told
    assert told["tcp"]["actual"] == {"agreed": PAIRS, "compared": PAIRS, "pairs": PAIRS}
    assert told["udp"]["status"] == "skipped"
    assert "51820" in told["udp"]["message"]
    assert findings(quiet, host, "firewall.probe_disagrees") == []


def test_what_was_planned_is_what_was_done_and_a_plan_sends_nothing(lab: Lab, quiet: Report) -> None:
    lab.fleet.run("db1", "nft", "insert rule inet filter input ip saddr 10.0.0.0/8 tcp flags syn counter comment seen")
    try:
        planned = lab.probe("--check")
        rules = json.loads(lab.fleet.run("db1", "nft", "-j", "list", "chain", "inet", "filter", "input"))["nftables"]
    finally:
        lab.fleet.run("db1", "nft", "-f", "/etc/nftables.conf")
    counted = next(each["rule"]["expr"] for each in rules if each.get("rule", {}).get("comment") == "seen")
    seen = next(each["counter"]["packets"] for each in counted if "counter" in each)
    assert seen <= 1  # Ansible's own connection, where it is begun anew
    for host in HOSTS:
        done = quiet.deeds(host, "done")
        assert len(done) == 2 * (len(HOSTS) - 1)
        assert planned.deeds(host, "planned") == done
        assert planned.deeds(host, "done") == []


def test_netcat_gets_what_the_collection_got(lab: Lab, quiet: Report) -> None:
    for by, host in (("app1", "db1"), ("app2", "db1")):
        open_there = [port for port in PORTS if lab.connects(by, host, 4, port)]
        assert open_there == ([22, 5432] if by == "app1" else [22])
        assert [port for port in PORTS if lab.connects(by, host, 6, port)] == open_there


class Planted(NamedTuple):
    """What is planted, in whose network, and which finding it has to be."""

    where: str
    rules: str
    host: str
    status: str
    port: int
    by: list[str]


PLANTED = [
    # a NAT of the peer leads its connections for db1 to somebody else: the rules of db1 never see them
    Planted(
        "app2", "ip nat output dstnat ip daddr DB1 tcp dport 8000 dnat to APP1:22", "db1", "critical", 8000, ["app2"]
    ),
    # and one of the peer that stops what db1 would let in
    Planted("app1", "inet out output filter ip daddr DB1 tcp dport 5432 drop", "db1", "warning", 5432, ["app1"]),
    # a cloud's security group: the switch stops what the rules of db2 let in, whoever sends it
    Planted(
        "",
        "bridge cloud forward filter ip daddr DB2 tcp dport 9100 drop",
        "db2",
        "warning",
        9100,
        ["app1", "app2", "db1"],
    ),
]


@pytest.fixture(scope="module")
def disturbed(lab: Lab) -> Iterator[Report]:
    """Return the report of a run in which all of it is planted at once."""
    for planted in PLANTED:
        _in_network(lab, planted, "-f", "-", text=_as_table(lab, planted))
    yield lab.probe()
    for planted in PLANTED:
        _in_network(lab, planted, "delete", "table", *planted.rules.split()[:2])


def _as_table(lab: Lab, planted: Planted) -> str:
    family, table, hook, priority, *rule = planted.rules.split()
    kind = "nat" if priority == "dstnat" else "filter"
    number = -100 if kind == "nat" else 0
    words = " ".join(rule)
    for host in HOSTS:
        words = words.replace(host.upper(), lab.addresses[host][4])
    hooked = f"type {kind} hook {hook} priority {number}; policy accept;"
    return f"table {family} {table} {{ chain c {{ {hooked}\n{words}\n}}\n}}"


def _in_network(lab: Lab, planted: Planted, *words: str, text: str = "") -> None:
    name = network.switch(lab.fleet.name)
    where = network.namespace(lab.fleet.name, planted.where) if planted.where else name
    subprocess.run(network.inside(where, ["nft", *words]), input=text, text=True, check=True)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.status + "-" + (planted.where or "switch"))
def test_what_no_model_of_the_host_can_see_is_found_by_its_id(lab: Lab, disturbed: Report, planted: Planted) -> None:
    subject = f"tcp {lab.addresses[planted.host][4]}:{planted.port}"
    found = [
        each for each in findings(disturbed, planted.host, "firewall.probe_disagrees") if each["subject"] == subject
    ]
    assert [(each["status"], each["actual"]["by"]) for each in found] == [(planted.status, planted.by)], found
    assert found[0]["remedy"]


def test_nothing_else_disagrees_and_all_else_is_counted(disturbed: Report) -> None:
    told = {host: len(findings(disturbed, host, "firewall.probe_disagrees")) for host in HOSTS}
    assert told == {"app1": 0, "app2": 0, "db1": 2, "db2": 1}
    numbers = {host: findings(disturbed, host, "firewall.probe")[0]["actual"] for host in HOSTS}
    assert [numbers[host]["agreed"] for host in HOSTS] == [PAIRS, PAIRS, PAIRS - 2, PAIRS - 3]
    assert {number["compared"] for number in numbers.values()} == {PAIRS}


def test_hosts_that_do_not_take_part_are_not_contacted_and_named(lab: Lab) -> None:
    _ended, report = lab.weekly("--tags", "probe", "--limit", "app1,db1", cryptobot_firewall_probe=False)
    for host in ("app1", "db1"):
        assert report.deeds(host, "done") == []
        (told,) = findings(report, host, "firewall.probe_knocks")
        assert told["status"] == "skipped"


def test_an_address_that_is_no_hosts_is_refused_before_anything_is_asked(lab: Lab) -> None:
    target = {"host": "db1", "enabled": True, "host_address": "192.0.2.9", "policy": [{"port": 22, "from": ["any"]}]}
    told = json.dumps({"enabled": True, "targets": [target]})
    module = "cryptobot.maintenance.firewall_probe"
    ended = lab.fleet.ansible("ansible", "app1", "-i", lab.folder / "hosts.json", "-m", module, "-a", told)
    said = "targets[0] (db1).host_address is '192.0.2.9': expected an address of db1 in the inventory"
    assert ended.returncode != 0
    assert said in ended.stdout.replace("\n", " "), ended.stdout + ended.stderr


BOX = "172.30.0.2"
# What Docker has done for `docker run -p 8080:80` (its own chains left out), and what ufw says of that port.
UFW = "nft flush ruleset; ufw allow 22/tcp && ufw deny 8080/tcp && ufw --force enable"
PUBLISH = f"""
sysctl -qw net.ipv4.ip_forward=1
iptables -t nat -A PREROUTING ! -i dock0 -p tcp --dport 8080 -j DNAT --to-destination {BOX}:80
iptables -I FORWARD -o dock0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -I FORWARD -d {BOX} ! -i dock0 -o dock0 -p tcp --dport 80 -j ACCEPT
iptables -I FORWARD -i dock0 ! -o dock0 -j ACCEPT
"""


@pytest.fixture(scope="module")
def published(lab: Lab, disturbed: Report) -> Iterator[Lab]:
    """Return the lab with a container of db2 whose port is published although ufw denies it."""
    host, box = network.namespace(lab.fleet.name, "db2"), network.namespace(lab.fleet.name, "db2.box")
    subprocess.run(["ip", "netns", "add", box], check=True)  # the fleet's own end removes what is named so
    for words in (
        f"-n {host} link add dock0 type veth peer name eth0 netns {box}",
        f"-n {host} addr add 172.30.0.1/24 dev dock0",
        f"-n {host} link set dock0 up",
        f"-n {box} addr add {BOX}/24 dev eth0",
        f"-n {box} link set eth0 up",
        f"-n {box} link set lo up",  # by which it reaches its own address
        f"-n {box} route add default via 172.30.0.1",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    lab.fleet.run("db2", "sh", "-ec", UFW + PUBLISH)
    server = ["python3", "-m", "http.server", "--bind", BOX, "80"]
    with subprocess.Popen(
        network.inside(box, server), cwd=lab.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        asked = network.inside(box, ["nc", "-z", "-w", "1", BOX, "80"])
        assert any(subprocess.run(asked, check=False).returncode == 0 or time.sleep(0.1) for _turn in range(100))
        yield lab
        running.terminate()


def test_a_published_port_is_open_although_ufw_denies_it_and_its_dnat_rule_is_named(published: Lab) -> None:
    assert published.connects("app1", "db2", 4, 8080)
    assert not published.connects("app1", "db2", 6, 8080)
    ended, report = published.weekly("--tags", "firewall", "--limit", "db2")
    (found,) = findings(report, "db2", "firewall.published_port")
    assert (found["status"], found["subject"]) == ("critical", f"tcp/8080 to {BOX} port 80")
    assert "DNAT --to-destination 172.30.0.2:80" in found["message"]
    # and a run that is not asked to knock does not
    assert "Try a connection" not in ended.stdout
    assert report.deeds("db2", "done") == findings(report, "db2", "firewall.probe_knocks") == []


def test_what_answers_behind_a_published_port_is_what_the_rules_say(published: Lab) -> None:
    policy = [{"port": 8080, "from": ["any"], "required": False}]
    _ended, report = published.weekly("--tags", "probe", cryptobot_firewall_policy=policy)
    told = {host: findings(report, host, "firewall.probe") for host in HOSTS}
    assert {host: [each["status"] for each in of] for host, of in told.items()} == {host: ["ok"] for host in HOSTS}
    assert told["db2"][0]["actual"] == {"agreed": 6, "compared": 6, "pairs": 6}


def test_a_host_that_is_lost_is_named_by_those_that_it_did_not_knock_at(lab: Lab, published: Lab) -> None:
    lab.fleet.stop("app2")
    report = lab.probe("--limit", "app1,app2")
    (told,) = [each for each in findings(report, "app1", "firewall.probe") if each["subject"] == "tcp"]
    assert told["status"] == "unknown"
    assert {why: len(pairs) for why, pairs in told["actual"]["not_compared"].items()} == {"app2 did not knock": 8}
    assert report.statuses("app2", "run.reached") == {"unknown"}
    assert len(report.deeds("app1", "done")) == 2  # it was knocked at all the same
