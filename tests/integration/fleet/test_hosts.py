# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet itself: its hosts are real, apart from each other, and nothing of them outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fleet import cgroup, host, network, owner, paths, state
from fleet.errors import FleetError
from fleet.handle import CHECKOUT, Fleet

TOOL = [sys.executable, str(CHECKOUT / "tests" / "fleet")]
SERVERS = {"db-old": ("bookworm", "15."), "db-new": ("trixie", "17.")}


@pytest.fixture(scope="module")
def lab(fleet) -> Fleet:
    """Two generations of Debian, each with its PostgreSQL."""
    return fleet(
        list(SERVERS),
        layers=["admin", "pg"],
        release={name: release for name, (release, _unused) in SERVERS.items()},
        groups={"cryptobot_db": list(SERVERS)},
    )


def test_ansible_reaches_every_host(lab):
    done = lab.ansible("ansible", "cryptobot_db", "-m", "ping")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ping: pong") == len(SERVERS)


@pytest.mark.parametrize("name", SERVERS)
def test_a_host_is_up_with_no_failed_unit(lab, testinfra_host, name):
    assert lab.run(name, "systemctl", "is-system-running") == "running\n"
    one = testinfra_host(lab, name)
    assert one.system_info.codename == SERVERS[name][0]
    assert one.service("ssh").is_running


@pytest.mark.parametrize("name", SERVERS)
def test_postgresql_answers_its_administrator_by_peer_authentication(lab, name):
    said = lab.run(name, "runuser", "-u", "postgres", "--", "psql", "-Atc", "show server_version; show server_encoding")
    version, encoding = said.splitlines()
    assert version.startswith(SERVERS[name][1])
    assert encoding == "UTF8"


def test_a_firewall_rule_acts_on_the_host_alone(lab):
    lab.run("db-old", "nft", "add table inet proof")
    assert "proof" in lab.run("db-old", "nft", "list", "tables")
    assert "proof" not in lab.run("db-new", "nft", "list", "tables")


def test_a_host_cannot_set_the_machine_s_clock(lab):
    before = time.time()
    assert lab.status("db-old", "date", "--set=2020-01-01") != 0
    assert time.time() >= before


def test_machine_ids_and_host_keys_are_each_host_s_own(lab):
    for file in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
        if file.endswith(".pub"):
            seen = {lab.run(name, "ssh-keygen", "-y", "-f", file[:-4]) for name in SERVERS}
        else:
            seen = {lab.run(name, "cat", file) for name in SERVERS}
        assert len(seen) == len(SERVERS)


def test_a_host_reboots(lab):
    before = host.leader(lab.name, "db-new")
    done = lab.ansible("ansible", "db-new", "-m", "reboot")
    assert "rebooted: true" in done.stdout, done.stdout + done.stderr
    assert host.leader(lab.name, "db-new") not in (before, None)


def test_a_host_that_was_switched_off_is_unreachable_in_time_and_comes_back_with_its_data(lab):
    psql = ["runuser", "-u", "postgres", "--", "psql", "-Atc"]
    lab.run("db-old", *psql, "create table kept as select 42 as answer")
    lab.stop("db-old")
    started = time.monotonic()
    done = lab.ansible("ansible", "all", "-m", "ping")
    assert done.returncode == 4  # Ansible's code for unreachable hosts
    assert "db-old | UNREACHABLE!" in done.stdout
    assert "db-new | SUCCESS" in done.stdout
    assert time.monotonic() - started < 60
    with pytest.raises(FleetError, match=r"host db-old .* is off"):
        lab.run("db-old", "true")
    lab.start("db-old")
    assert lab.run("db-old", *psql, "select answer from kept") == "42\n"


def test_a_host_that_dies_in_the_middle_of_a_task_does_not_hold_the_play_up(lab):
    play = subprocess.Popen(
        ["timeout", "120", *_ansible(lab), "db-new", "-m", "command", "-a", "sleep 100"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    _wait_for(lambda: lab.status("db-new", "pgrep", "-x", "sleep") == 0)
    lab.stop("db-new")
    said, _unused = play.communicate()
    lab.start("db-new")
    assert "db-new | UNREACHABLE!" in said
    assert play.returncode == 4


def test_files_are_pushed_with_their_folder_and_modes(lab, tmp_path):
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/run me").write_text("#!/bin/sh\n")
    (tmp_path / "tree/sub/run me").chmod(0o750)
    (tmp_path / "tree/left-out").write_text("")
    lab.push("db-old", tmp_path / "tree", "/opt/my app", exclude=["./left-out"])
    assert lab.run("db-old", "find", "/opt/my app", "-type", "f", "-printf", "%P %m %u") == "sub/run me 750 root"
    with pytest.raises(FleetError, match=r"cannot copy .*nowhere"):
        lab.push("db-old", tmp_path / "nowhere", "/opt")


def test_two_fleets_with_the_same_addresses_do_not_meet(lab, fleet):
    twin = fleet(list(SERVERS)[:1])
    assert twin.run("db-old", "cat", "/etc/machine-id") != lab.run("db-old", "cat", "/etc/machine-id")
    for one in (lab, twin):
        said = one.ansible("ansible", "db-old", "-m", "command", "-a", "cat /etc/machine-id").stdout
        assert one.run("db-old", "cat", "/etc/machine-id").strip() in said


@pytest.mark.parametrize("delay", [0.3, 0.6, 1.0])
def test_a_fleet_whose_maker_is_killed_on_the_way_is_stale_and_leaves_nothing(delay):
    name = f"killed-{os.getpid()}"
    argv = [*TOOL, "up", "--name", name, "--hosts", "a,b,c", "--owner", str(os.getpid())]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as making:
        time.sleep(delay)
        making.send_signal(signal.SIGKILL)
    known = owner.read(name)
    came_too_late = known is not None and known.pid == os.getpid()  # it was up, and it is this process's
    subprocess.run([*TOOL, "down", *(["--name", name] if came_too_late else ["--stale"])], check=True)
    assert _left_of(name) == []


@pytest.mark.parametrize("victim", ["nspawn", "PID 1"])
def test_a_host_whose_container_is_killed_leaves_nothing(fleet, victim):
    one = fleet(["a"])
    inside = host.leader(one.name, "a")
    os.kill(_parent(inside) if victim == "nspawn" else inside, signal.SIGKILL)
    one.down()
    assert _left_of(one.name) == []


def test_taking_down_twice_is_no_error(fleet):
    one = fleet(["a"])
    one.down()
    one.down()
    assert _left_of(one.name) == []


def test_a_fleet_that_is_asked_to_end_while_it_is_made_takes_itself_down():
    name = f"ended-{os.getpid()}"
    argv = [*TOOL, "up", "--name", name, "--hosts", "a,b,c"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as making:
        _wait_for(lambda: owner.read(name) is not None)
        making.terminate()
    assert making.returncode != 0
    assert _left_of(name) == []


def _ansible(one: Fleet) -> list[str]:
    return [str(Path(sys.executable).with_name("ansible")), "-i", str(one.inventory)]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def _left_of(name: str) -> list[str]:
    """Return whatever there still is of a fleet: by name, and in the lists of processes and mounts."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"/{name}/" in line]
    namespaces = network.of_fleet(name, network.existing())
    known = [name] if name in state.names() or paths.state(name).exists() else []
    nspawn = [str(file) for file in Path("/run/systemd/nspawn").glob(f"*/{name}.*")]

    return mounts + namespaces + known + nspawn + [str(pid) for pid in cgroup.pids(name)]
