# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one clock for ages, and that it is the kernel's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.clock import SLACK, Clock
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import read_process, uptime

CLOCK = Clock(now=1_800_000_000.0, uptime=100_000.0)

AGES = [
    ("an hour ago", 96_400.0, 3600.0),
    ("now", 100_000.0, 0.0),
    ("a rounding ahead", 100_000.0 + SLACK, 0.0),
    ("more than a rounding ahead", 100_000.1 + SLACK, None),
    ("by the machine's clock, read by a container's", 4_000_000.0, None),
]


@pytest.mark.case("SV13")
@pytest.mark.parametrize(("began", "age"), [row[1:] for row in AGES], ids=[row[0] for row in AGES])
def test_what_began_after_now_has_an_unknown_age(began, age):
    assert CLOCK.age(began) == age
    assert CLOCK.moment(began) == (None if age is None else CLOCK.now - age)


def test_the_clock_began_when_the_host_did():
    assert CLOCK.booted == 1_799_900_000.0


@pytest.mark.case("SV13")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the clocks of a real Linux kernel")
def test_the_kernel_is_asked_and_not_a_file_that_a_container_may_have_of_its_own(monkeypatch):
    """lxcfs lays its own /proc/uptime over that of the machine (input 04)."""
    host = LinuxHost(30)
    monkeypatch.setattr(host, "read_bytes", lambda path, limit=0: _lxcfs(path, limit))
    with subprocess.Popen(["sleep", "30"]) as child:
        try:
            process = read_process(host, child.pid)
            assert process is not None
            assert 0 <= uptime(host) - process.began < 10
        finally:
            child.kill()
    assert 0 <= host.since_boot(asleep=False) <= host.since_boot()


def _lxcfs(path, limit):
    if path == "/proc/uptime":
        return b"600.00 1200.00\n"
    with open(path, "rb") as stream:
        return stream.read(limit or -1)


def test_a_process_is_younger_than_its_machine():
    if sys.platform.startswith("linux"):
        assert float(LinuxHost().process_began(os.getpid())) / 100 <= LinuxHost().since_boot()
