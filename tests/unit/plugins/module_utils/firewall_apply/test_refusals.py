# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before anything is done: who has the rules, which connection is kept, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply import AREA, SPEC, linux, snapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall_apply.declared import Peer, Refused

DEFAULTS = {name: option.get("default") for name, option in SPEC.items()}
TCP = "  sl  local_address rem_address   st\n"
# 10.0.0.1:22 and 10.0.0.9:50000, established, inode 77
ROW = "   0: 0100000A:0016 0900000A:C350 01 00000000:00000000 00:00000000 00000000     0        0 77 1\n"
SAID = "10.0.0.9 50000 10.0.0.1 22"


def host(
    *enabled: str,
    ufw: str = "no",
    ssh: str = SAID,
    rows: str = ROW,
    tools: tuple[str, ...] = ("ufw", "nft"),
    **more: Any,
) -> FakeHost:
    units = dict.fromkeys(enabled, "enabled\n")
    commands: dict[str, Any] = {f"systemctl is-enabled {unit}": text for unit, text in units.items()}
    commands |= {"systemctl is-enabled": (1, "disabled\n", ""), "systemctl is-active": (3, "inactive\n", "")}
    commands |= dict.fromkeys(tools, "")
    files = {
        "/etc/ufw/ufw.conf": f"ENABLED={ufw}\n",
        "/run/systemd/system/x": "",
        "/proc/self/environ": f"A=1\0SSH_CONNECTION={ssh}\0",
        "/proc/self/stat": "5 (python (3)) S 1 5",
        "/proc/net/tcp": TCP + rows,
    }
    return FakeHost(commands=commands, files=files)


@pytest.fixture(autouse=True)
def no_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)


@pytest.mark.parametrize(
    ("there", "wanted", "expected"),
    [
        (host(ufw="yes"), "auto", "ufw"),
        (host("nftables.service"), "auto", "nftables"),
        (host(), "nftables", "nftables"),
        (host(ufw="yes"), "ufw", "ufw"),
    ],
)
def test_the_manager_is_the_one_that_is_enabled_or_named(there: FakeHost, wanted: str, expected: str) -> None:
    assert linux.choose_manager(there, wanted) == expected


@pytest.mark.parametrize(
    ("there", "wanted", "why"),
    [
        (host(), "auto", "none of ufw, firewalld and nftables is enabled"),
        (host("nftables.service", ufw="yes"), "auto", "ufw and nftables are both enabled"),
        (host("nftables.service", ufw="yes"), "ufw", "ufw and nftables are both enabled"),
        (host("netfilter-persistent.service", ufw="yes"), "ufw", "ufw and netfilter-persistent.service are both"),
        (host("nftables.service"), "ufw", "the manager is ufw, but nftables is enabled"),
        (host("netfilter-persistent.service"), "auto", "the manager is netfilter-persistent.service, expected one of"),
        (host("firewalld.service"), "auto", "the command firewall-cmd is not on this host"),
        (host(), "windows", "this is a Linux host"),
    ],
)
def test_two_managers_or_none_or_another_are_refused(there: FakeHost, wanted: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        linux.choose_manager(there, wanted)


def test_the_connection_is_the_one_that_sshd_and_the_kernel_know() -> None:
    assert linux.management(host()) == Peer("10.0.0.9", 50000, 22)


def test_what_sudo_took_out_of_the_environment_is_found_above() -> None:
    there = host(ssh="")
    there.files.update(
        {
            "/proc/self/environ": "A=1\0",
            "/proc/self/stat": "5 (python) S 4 5",
            "/proc/4/environ": f"SSH_CONNECTION={SAID}\0",
            "/proc/4/stat": "4 (sh) S 1 4",
        }
    )
    assert linux.management(there).address == "10.0.0.9"


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (host(ssh=""), "cannot be seen"),
        (host(ssh="10.0.0.9 50000"), "cannot be seen"),
        (host(rows=""), "not among those of the kernel"),
        (host(ssh="10.0.0.8 50000 10.0.0.1 22"), "not among those of the kernel"),
    ],
)
def test_a_connection_that_cannot_be_kept_is_refused(there: FakeHost, why: str) -> None:
    with pytest.raises(Refused, match=why):
        linux.management(there)


@pytest.mark.parametrize(
    ("options", "there", "error", "why"),
    [
        ({"seconds": 601}, host(), InputError, "20 to 600"),
        ({}, FakeHost("darwin"), Refused, "darwin host cannot be changed"),
        ({}, FakeHost(admin=False), Refused, "expected to run as root"),
        ({}, host(ufw="yes"), Refused, "what would restore the rules is not on this host: .*flock"),
    ],
)
@pytest.mark.parametrize("state", ["planned", "armed", "confirmed"])
def test_what_can_be_refused_is_refused_before_anything_is_done(
    tmp_path: Path, options: dict, there: FakeHost, error: type[Exception], why: str, state: str
) -> None:
    params = {**DEFAULTS, "state_dir": str(tmp_path / "state"), "state": state, **options}
    with pytest.raises(error, match=why):
        AREA.run(params, there, False)
    assert not (tmp_path / "state" / "firewall_apply").exists()


SAVED = "# x\n*filter\n:INPUT ACCEPT [1:2]\n:FORWARD DROP [0:0]\n:zeta - [0:0]\n[3:4] -A INPUT -j zeta\nCOMMIT\n# y\n"


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (
            "table ip filter {\n\tchain zeta {\n\t}\n\n\tchain INPUT {\n\t\tcounter jump zeta\n\t}\n}\n",
            "*filter\n:zeta - [0:0]\n:INPUT ACCEPT [1:2]\n[3:4] -A INPUT -j zeta\nCOMMIT\n",
        ),
        ("table ip filter {\n\tchain own {\n\t}\n}\n", ""),
    ],
)
def test_chains_are_made_in_the_order_in_which_they_were(listing: str, expected: str) -> None:
    assert snapshot.in_order(SAVED, listing) == expected
