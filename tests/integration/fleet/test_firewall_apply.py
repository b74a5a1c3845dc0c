# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_apply on real hosts: what cuts it off is taken back by the host itself, what is confirmed stays.

Eight hosts at once, because each has to wait for its minute: three on which the policy is good, three on which a rule
that drops ssh appears in the middle of it, one whose run is killed, one whose power is cut. What the kernel has is
asked by a second route (into the host's namespaces), and whether a port is open by connecting to it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from fleet import access, network
from fleet.handle import CHECKOUT, Fleet, executable

PLAYBOOK = CHECKOUT / "playbooks" / "firewall_apply.yml"
YES = ["-e", "cryptobot_firewall_apply=true"]
CHANGES = "/var/lib/cryptobot-maintenance/firewall_apply"
GOOD, CUT_OFF = ("nft-good", "ufw-good", "fwd-good"), ("nft-cut", "ufw-cut", "fwd-cut")
KILLED, DARK = "nft-killed", "ufw-dark"
HOSTS = [*GOOD, *CUT_OFF, KILLED, DARK]
LAYER = {"nft": ["admin"], "ufw": ["admin", "ufw"], "fwd": ["admin", "firewalld"]}
POLICY = [
    {"port": 22, "from": ["any"], "why": "ssh"},
    {"port": 5432, "from": ["10.99.0.0/16", "fd99::/64"], "why": "database", "required": False},
    {"port": "9000-9004", "from": ["any"], "why": "a range", "required": False},
]
# What is there before: a table that drops beside others', rules that the policy does not have, something of each kind.
NFT = """
table inet theirs {
    set banned {
        type ipv4_addr
        flags interval
        elements = { 203.0.113.0/24 }
    }
    chain input {
        type filter hook input priority -5
        iif "eth0" ip saddr @banned counter drop
        tcp dport 7 drop
    }
}
table ip6 later {
    chain input {
        type filter hook input priority 5
        udp dport 9 drop
    }
}
"""
BEFORE = {
    "nft": f"printf '%s' '{NFT}' | nft -f - && iptables-nft -A INPUT -p tcp --dport 8 -m comment --comment x -j REJECT",
    "ufw": "ufw allow 7000/tcp && ufw limit 22/tcp && ufw deny 7 && ufw default deny incoming && ufw --force enable",
    "fwd": "firewall-cmd -q --permanent --add-port=7000/tcp && firewall-cmd -q --reload",
}
# What tells, on a host of each kind, that the policy is being applied, and a rule that drops ssh then.
APPEARS = {
    "nft": "nft list table inet cryptobot",
    "ufw": "grep -q 9000:9004 /etc/ufw/user.rules",
    "fwd": "firewall-cmd -q --query-port=9000-9004/tcp",
}
DROPS = {
    "nft": "nft insert rule inet cryptobot input tcp dport 22 drop",
    "ufw": "iptables -I INPUT 1 -p tcp --dport 22 -j DROP",
    "fwd": "nft insert rule inet firewalld filter_INPUT tcp dport 22 drop",
}
BUSY = 200  # seconds until a run has come that far, on a machine on which others work, too
LISTENER = "import socket,time; s=[socket.create_server(('',p)) for p in (9001,7000)]; time.sleep(999)"


def kind(host: str) -> str:
    return host.partition("-")[0]


class Site:
    """The hosts, and what is asked of them."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        manager = {host: {"cryptobot_firewall_manager": "nftables"} for host in HOSTS if kind(host) == "nft"}
        variables = {
            "cryptobot_report_dir": str(folder / "reports"),
            "cryptobot_firewall_policy": POLICY,
            "cryptobot_firewall_scope": "policy",
            "cryptobot_services": [],
        }
        inventory = {"cryptobot": {"hosts": {host: manager.get(host, {}) for host in HOSTS}, "vars": variables}}
        (folder / "site.json").write_text(json.dumps(inventory))
        found = subprocess.run(
            [sys.executable, str(CHECKOUT / "scripts/collections/fetch.py")], capture_output=True, check=True
        )
        places = [str(CHECKOUT / ".collections"), found.stdout.decode().strip()]
        self.environment = {"ANSIBLE_COLLECTIONS_PATH": ":".join(places), "ANSIBLE_NOCOLOR": "1"}

    def start(self, *hosts: str, extra: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start the playbook for some hosts, in a process group of its own."""
        argv = [executable("ansible-playbook"), "-i", str(self.fleet.inventory), "-i", str(self.folder / "site.json")]
        argv += [str(PLAYBOOK), *YES, "--limit", ",".join(["localhost", *hosts]), *extra]
        with (self.folder / f"{hosts[0]}-{time.monotonic_ns()}.log").open("w") as log:
            process = subprocess.Popen(
                argv,
                cwd=CHECKOUT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        process.log = Path(log.name)  # type: ignore[attr-defined]
        return process

    def run(self, *hosts: str, extra: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run the playbook for some hosts to its end; return its exit code and what it said."""
        process = self.start(*hosts, extra=extra)
        return process.wait(400), process.log.read_text()  # type: ignore[attr-defined]

    def sh(self, host: str, script: str) -> str:
        """Have a host's shell run a script by the second route."""
        return self.fleet.run(host, "sh", "-c", script)

    def holds(self, host: str, condition: str) -> bool:
        return self.fleet.status(host, "sh", "-c", condition) == 0

    def ruleset(self, host: str) -> str:
        """Return all that the kernel has, but for what counts packets."""
        return self.sh(host, "nft -s list ruleset 2>/dev/null")

    def files(self, host: str) -> str:
        """Return what the next boot would load, and what is started then."""
        paths = "/etc/ufw /etc/default/ufw /etc/firewalld /etc/nftables.conf /etc/cryptobot-maintenance"
        units = "systemctl is-enabled ufw firewalld nftables 2>/dev/null"
        return self.sh(host, f"find {paths} -type f 2>/dev/null | sort | xargs md5sum; {units}; true")

    def connects(self, host: str, port: int) -> bool:
        """Return whether a new connection from the controller's side gets through."""
        argv = access.exec_argv(self.fleet.name, ["nc", "-z", "-w", "1", self.address(host), str(port)])
        return subprocess.run(argv, check=False, capture_output=True).returncode == 0

    def address(self, host: str) -> str:
        inventory = json.loads(self.fleet.inventory.read_text())
        return str(inventory["all"]["hosts"][host]["ansible_host"])

    def boot_anew(self, host: str) -> None:
        """Cut the power, and boot. The namespace outlives the host here, so what it holds is thrown away."""
        self.fleet.stop(host)
        place = network.path(network.namespace(self.fleet.name, host))
        subprocess.run(["nsenter", f"--net={place}", "nft", "flush", "ruleset"], check=True)
        self.fleet.start(host)


class Told(NamedTuple):
    """How a run ended on its hosts, and when; ``before`` and ``files`` are what was there before it."""

    code: int
    said: str
    before: dict[str, str]
    files: dict[str, str]
    ended: float


def eventually(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; return when it was."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return time.time()


@pytest.fixture(scope="module")
def site(fleet: Callable[..., Fleet], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return the hosts, each with rules of its own."""
    made = Site(fleet(HOSTS, layers={host: LAYER[kind(host)] for host in HOSTS}), tmp_path_factory.mktemp("apply"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda host: made.sh(host, BEFORE[kind(host)]), HOSTS))
    for host in GOOD:
        made.sh(host, f'systemd-run -q python3 -c "{LISTENER}"')
    return made


class Runs(NamedTuple):
    """What became of the four runs, which were under way at once."""

    good: Told
    cut_off: Told
    reachable: dict[str, float]  # seconds after the rule that drops, until a new connection got through
    killed: Told
    dark: Told
    refused: str


@pytest.fixture(scope="module")
def runs(site: Site) -> Iterator[Runs]:
    """Have all four go on at once: a minute passes in each."""
    before = {host: site.ruleset(host) for host in HOSTS}
    files = {host: site.files(host) for host in HOSTS}
    for host in CUT_OFF:
        script = f"until {APPEARS[kind(host)]} >/dev/null 2>&1; do sleep 0.05; done; {DROPS[kind(host)]}; date +%s.%N"
        site.sh(host, f"systemd-run -q sh -c '{script} > /run/dropped.new; mv /run/dropped.new /run/dropped'")
    with ThreadPoolExecutor(8) as pool:

        def told(code: int, said: str) -> Told:
            return Told(code, said, before, files, time.time())

        good = pool.submit(lambda: told(*site.run(*GOOD)))
        cut_off = pool.submit(lambda: told(*site.run(*CUT_OFF)))
        reachable = {host: pool.submit(cut_off_for, site, host) for host in CUT_OFF}
        killed, dark = pool.submit(kill_in_the_middle, site), pool.submit(cut_the_power, site)
        refused = killed.result()
        yield Runs(
            good.result(),
            cut_off.result(),
            {host: each.result() for host, each in reachable.items()},
            told(0, ""),
            told(0, dark.result()),
            refused,
        )


def cut_off_for(site: Site, host: str) -> float:
    """Return for how many seconds no new connection got through after the rule that drops."""
    eventually(lambda: site.holds(host, "test -e /run/dropped"), BUSY, f"{host}: the rule that drops ssh is there")
    dropped = float(site.sh(host, "cat /run/dropped"))
    assert not site.connects(host, 22), "the rule that should cut the controller off does not"
    return eventually(lambda: site.connects(host, 22), 90, f"{host} is reachable again") - dropped


def kill_in_the_middle(site: Site) -> str:
    """Kill a run as soon as the rules are other ones; return what a second run says in the meantime."""
    process = site.start(KILLED)
    eventually(lambda: site.holds(KILLED, APPEARS["nft"]), BUSY, "the policy is being applied")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _code, said = site.run(KILLED)
    eventually(lambda: site.holds(KILLED, f"ls {CHANGES} | grep -q rolled_back"), 90, "it is rolled back")
    return said


def cut_the_power(site: Site) -> str:
    """Cut a host's power when ufw has written its files and nothing is confirmed; return what it has after its boot."""
    process = site.start(DARK)
    eventually(lambda: site.holds(DARK, APPEARS["ufw"]), BUSY, "the policy is being applied")
    site.boot_anew(DARK)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return site.ruleset(DARK)


def test_a_good_policy_is_confirmed_and_holds(site: Site, runs: Runs) -> None:
    assert runs.good.code == 0, runs.good.said
    for host in GOOD:
        assert "-" not in site.sh(host, f"ls {CHANGES}")
        assert site.ruleset(host) != runs.good.before[host]
        open_ports = {port: site.connects(host, port) for port in (22, 9001, 7000)}
        assert open_ports == {22: True, 9001: True, 7000: False}, host


@pytest.mark.parametrize("host", CUT_OFF)
def test_a_host_that_cut_its_controller_off_is_reachable_within_a_minute_with_the_rules_of_before(
    site: Site, runs: Runs, host: str
) -> None:
    assert 0 < runs.reachable[host] <= 60
    assert site.ruleset(host) == runs.cut_off.before[host]
    assert site.files(host) == runs.cut_off.files[host]
    assert not site.holds(host, "ls /etc/systemd/system/*/cryptobot-firewall-rollback.service")


def test_the_run_that_was_cut_off_says_what_became_of_it(runs: Runs) -> None:
    assert runs.cut_off.code == 2, runs.cut_off.said
    for host in CUT_OFF:
        lines = [line for line in runs.cut_off.said.splitlines() if f"{host} firewall.apply_rolled_back" in line]
        assert lines, runs.cut_off.said
        assert "critical" in lines[0]
        assert "did not answer by a new connection" in lines[0]
        assert "the rules are those of before" in lines[0]


def test_a_run_that_was_killed_is_taken_back_and_no_other_run_acts_meanwhile(site: Site, runs: Runs) -> None:
    assert "is armed; it is confirmed or rolled back in" in runs.refused
    assert site.ruleset(KILLED) == runs.killed.before[KILLED]
    assert site.files(KILLED) == runs.killed.files[KILLED]


def test_what_was_not_confirmed_before_the_power_was_cut_is_not_loaded_at_boot(site: Site, runs: Runs) -> None:
    assert site.files(DARK) == runs.dark.files[DARK]
    assert runs.dark.said == runs.dark.before[DARK]
    assert "boot" in site.sh(DARK, f"cat {CHANGES}/rolled_back-*/rolled")


def test_the_next_run_says_that_it_was_rolled_back_and_why(site: Site, runs: Runs) -> None:
    code, said = site.run(KILLED, DARK, extra=("--check",))
    assert code == 2, said
    assert "it was not confirmed in time" in said
    assert "the host was booted before it was confirmed" in said


def test_what_was_confirmed_stays_a_second_run_changes_nothing_and_the_next_boot_loads_it(
    site: Site, runs: Runs
) -> None:
    held = {host: (site.ruleset(host), site.files(host)) for host in GOOD}
    code, said = site.run(*GOOD)
    assert code == 0, said
    assert all(f"{host} " in line and "changed=0" in line for host in GOOD for line in _recap(said, host)), said
    for host in GOOD:
        assert "-" not in site.sh(host, f"ls {CHANGES}")
    time.sleep(max(0.0, runs.good.ended + 70 - time.time()))
    assert {host: (site.ruleset(host), site.files(host)) for host in GOOD} == held
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(site.boot_anew, GOOD))
    for host in GOOD:
        eventually(lambda host=host: site.connects(host, 22), 30, f"{host} is up")  # type: ignore[misc]
    code, said = site.run(*GOOD, extra=("--check",))
    assert code == 0, said
    assert "firewall.apply_planned" not in said.partition("Maintenance run")[2], said


def _recap(said: str, host: str) -> list[str]:
    lines = [line for line in said.partition("PLAY RECAP")[2].splitlines() if line.startswith(f"{host} ")]
    assert lines, said
    return lines
