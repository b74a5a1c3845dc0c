# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each planted fault is found by its id, and without it that finding is ok."""

from __future__ import annotations

import subprocess

import pytest

from .conftest import MANAGE, Demo

# What a fault needs beside the weekly run to come to light: the guard is asked only where something is restarted.
NEEDS = {"open-order": ["-e", "cryptobot_restart_when=always"]}


def planted_faults() -> list[tuple[str, str]]:
    """Return (fault, the check that names it), as the demo itself lists them."""
    listed = subprocess.run([*MANAGE, "faults"], capture_output=True, text=True, check=True).stdout
    return [(line.split()[0], line.split()[1]) for line in listed.splitlines()]


@pytest.fixture(scope="module")
def healthy(demo: Demo) -> Demo:
    ended = demo.play()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return demo


@pytest.mark.parametrize(("fault", "check"), planted_faults())
def test_a_planted_fault_is_found_by_its_id_and_only_then(healthy: Demo, fault: str, check: str) -> None:
    arguments = NEEDS.get(fault, [])
    healthy.manage("fault", fault)
    try:
        ended = healthy.play(*arguments)
        found = healthy.statuses(check)
        everything = {finding["status"] for finding in healthy.report()["findings"]}
    finally:
        healthy.manage("heal")
    assert found - {"ok"}, ended.stdout + ended.stderr
    assert ended.returncode == (2 if "critical" in everything else 0)  # an open order trades for real, too

    ended = healthy.play(*arguments)
    assert healthy.statuses(check) == {"ok"}, ended.stdout + ended.stderr
