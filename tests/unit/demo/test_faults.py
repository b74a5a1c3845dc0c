# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault is really there when it was planted, and really gone when it was healed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import sqlite3
from contextlib import closing

import pytest
from cryptobot_demo import commands, processes
from cryptobot_demo.faults import FAULTS, heal, plant
from cryptobot_demo.faults.listener import start_listener
from cryptobot_demo.root import DemoError, open_demo

from .http_client import ask, ask_each


@pytest.fixture(scope="module")
def demo(tmp_path_factory, base_port):
    root = tmp_path_factory.mktemp("faults") / "demo"
    commands.up(root, base_port=base_port, size="small")
    yield open_demo(root)
    commands.clean(root)


@pytest.fixture
def backup_set(demo):
    folder = demo.root / "backups" / "20261122T000000Z"
    folder.mkdir(parents=True)
    (folder / "config.tar").write_bytes(b"0123456789" * 100)
    (folder / "small").write_bytes(b"x")
    (folder / "manifest.json").write_text("{}")
    yield folder
    shutil.rmtree(demo.root / "backups")


def is_dead(demo):
    pid_file = demo.pid_file("data")
    return pid_file.exists() and processes.running_pid(demo, "data") is None and processes.probe(demo, "data") is None


def is_wedged(demo):
    return processes.running_pid(demo, "strategy") is not None and processes.probe(demo, "strategy") == 500


def is_usurped(demo):
    return processes.running_pid(demo, "backtest") is None and processes.probe(demo, "backtest") == 200


def is_open(demo):
    with open("/proc/net/tcp") as file:
        return f"00000000:{demo.base_port + 99:04X} 00000000:0000 0A" in file.read()


def has_live_order(demo):
    orders = json.loads(ask(demo.ports["trade"], "/api/trades/orders?status=open")[1])
    live = json.loads(ask(demo.ports["trade"], "/api/v1/settings/dry_run")[1]) == {"dry_run": False}
    return live and [order["status"] for order in orders] == ["OPEN"]


def is_corrupt(demo):
    with closing(sqlite3.connect(demo.database)) as connection:
        try:
            return connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]
        except sqlite3.DatabaseError as error:  # the check itself may stumble over the damaged page
            return "malformed" in str(error)


def declared(demo, name, value):
    return demo.declared_faults.exists() and json.loads(demo.declared_faults.read_text()).get(name) == value


def is_full(demo):
    return declared(demo, "disk_free_warning", 100) and declared(demo, "disk_free_critical", 100)


def is_stale(demo):
    return declared(demo, "backup_max_age_hours", 0.0001)


def loses_its_workers(demo):
    return processes.running_pid(demo, "strategy") is not None and processes.probe(demo, "strategy") is None


def disagrees(demo):
    workers = processes.children_of(processes.running_pid(demo, "trade"))
    return len(set(ask_each(workers, demo.ports["trade"], "/api/v1/settings/dry_run"))) == 2


# fault, what is true while it is planted and false otherwise
EFFECTS = {
    "dying-workers": loses_its_workers,
    "split-dry-run": disagrees,
    "dead-service": is_dead,
    "wedged-service": is_wedged,
    "stray-port": is_usurped,
    "open-port": is_open,
    "open-order": has_live_order,
    "corrupt-db": is_corrupt,
    "stale-backup": is_stale,
    "full-disk": is_full,
}


def test_every_fault_has_a_test():
    assert {*EFFECTS, "corrupt-backup"} == set(FAULTS)


def test_every_fault_names_a_finding_and_says_what_it_is():
    assert [name for name, fault in FAULTS.items() if not re.fullmatch(r"[a-z]+\.[a-z_]+", fault.check)] == []
    assert [name for name, fault in FAULTS.items() if not fault.description] == []


@pytest.mark.parametrize(("name", "is_there"), EFFECTS.items())
def test_a_fault_is_there_until_it_is_healed(demo, name, is_there):
    assert not is_there(demo)
    assert FAULTS[name].check in plant(demo, name)
    assert is_there(demo)
    assert heal(demo) == [name]
    assert not is_there(demo)
    assert commands.status(demo)[1]


def test_a_byte_of_the_largest_file_of_the_newest_set_is_wrong_until_healed(demo, backup_set):
    before = {path.name: path.read_bytes() for path in backup_set.iterdir()}
    plant(demo, "corrupt-backup")
    after = {path.name: path.read_bytes() for path in backup_set.iterdir()}
    assert [name for name in before if after[name] != before[name]] == ["config.tar"]
    assert sum(a != b for a, b in zip(after["config.tar"], before["config.tar"])) == 1
    heal(demo)
    assert {path.name: path.read_bytes() for path in backup_set.iterdir()} == before


def test_a_backup_fault_without_a_backup_says_what_to_do(demo):
    with pytest.raises(DemoError, match="run the demo once without a fault first"):
        plant(demo, "corrupt-backup")
    assert heal(demo) == []


def test_two_declared_faults_do_not_overwrite_each_other(demo):
    plant(demo, "full-disk")
    plant(demo, "stale-backup")
    assert is_full(demo)
    assert is_stale(demo)
    heal(demo)
    assert not demo.declared_faults.exists()


def test_a_fault_is_not_planted_twice(demo):
    plant(demo, "wedged-service")
    with pytest.raises(DemoError, match="planted already"):
        plant(demo, "wedged-service")
    heal(demo)


def test_an_unknown_fault_is_refused_with_the_names_of_the_known(demo):
    with pytest.raises(DemoError, match="dead-service, wedged-service"):
        plant(demo, "meteorite")


def test_a_listener_that_cannot_have_its_port_is_an_error(demo, tmp_path):
    with pytest.raises(DemoError, match="is it taken"):
        start_listener(tmp_path, "127.0.0.1", demo.ports["auth"], inside=tmp_path)


def test_a_fault_that_needs_a_service_says_so_and_does_nothing(demo):
    processes.stop(demo, "data")
    with pytest.raises(DemoError, match=r"dead-service needs data to run; 'manage\.py up"):
        plant(demo, "dead-service")
    assert processes.running_pid(demo, "data") is None
    commands.up(demo.root)


def test_a_planting_that_fails_half_way_is_undone(demo):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("0.0.0.0", demo.base_port + 99))
        holder.listen()
        with pytest.raises(DemoError, match="is it taken"):
            plant(demo, "open-port")
    assert heal(demo) == []


def test_up_heals(demo):
    plant(demo, "stray-port")
    assert "stray-port: healed" in commands.up(demo.root)
    assert commands.status(demo)[1]


def test_clean_ends_the_listeners_of_planted_faults(tmp_path, demo):
    root = tmp_path / "other"
    commands.up(root, base_port=demo.base_port + 10, size="small")
    other = open_demo(root)
    plant(other, "open-port")
    assert is_open(other)
    commands.clean(root)
    assert not is_open(other)
