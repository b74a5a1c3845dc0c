# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a host this host, and the command that boots it."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest
from fleet import host, paths

# lines of /proc/PID/status, recorded on Debian 12
LEADER = "Name:\tsystemd\nTgid:\t4711\nNSpid:\t4711\t1\nThreads:\t1\n"
STATUSES = {
    "PID 1 of a host": (LEADER, True),
    "a service of a host": (LEADER.replace("\t1\nThr", "\t38\nThr"), False),
    "nspawn, outside": (LEADER.replace("4711\t1\nThr", "4711\nThr"), False),
    "PID 1 of a container inside of a host": (LEADER.replace("4711\t1\nThr", "4711\t38\t1\nThr"), False),
    "a process that is gone": ("", False),
}


@pytest.mark.parametrize(("status", "expected"), STATUSES.values(), ids=STATUSES)
def test_the_leader_is_number_1_one_namespace_down(status, expected):
    assert host.is_leader(status) is expected


def test_machine_ids_differ_between_hosts_and_between_fleets():
    ids = {host.machine_id(fleet, name) for fleet in ("lab", "lab2") for name in ("app1", "db1")}
    assert len(ids) == 4
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_hosts_know_each_other_by_name(planned):
    lines = host.hosts_file(planned).splitlines()
    assert "10.77.0.11 app1" in lines
    assert "fd77::12 db1" in lines
    assert "127.0.0.1 localhost" in lines


def test_the_container_has_a_name_unique_on_the_machine_and_the_host_its_own():
    argv = host.nspawn_argv("lab", "app1")
    assert "--machine=lab.app1" in argv
    assert "--hostname=app1" in argv
    assert f"--directory={paths.state('lab')}/hosts/app1/root" in argv
    assert "--network-namespace-path=/run/netns/cbfleet-lab.app1" in argv


def test_no_container_name_of_a_fleet_is_like_one_of_a_fleet_with_a_similar_name():
    assert not fnmatch(host.machine("lab-b", "app1"), host.machine("lab", "*"))
    assert fnmatch(host.machine("lab", "app1"), host.machine("lab", "*"))


def test_the_container_gets_the_network_but_not_the_clock():
    [capabilities] = [word for word in host.nspawn_argv("lab", "app1") if word.startswith("--capability=")]
    assert "CAP_NET_ADMIN" in capabilities
    assert "CAP_SYS_TIME" not in capabilities
