# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a drill notices, proves, remembers and says, without a set. Whole drills are in tests/integration/backup."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_drills import recorded
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.scratch import remove_tree
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.damage import (
    DAMAGES,
    compare,
    damage,
    entropy_of,
    fingerprints,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.declared import Scenario
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.isolation import danger, lacks_sandbox
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.records import (
    FILE,
    Record,
    keep,
    sheet,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.rules_drill import QUARTER, Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

NOW = 1_795_000_000.0
HOST = choose_host(86_400.0)  # made when the tests are collected, which may be long before they run


def a_record(**more: Any) -> Record:
    given = {"set_id": "20261118T110640Z-000000", "phases": {"verify": 1.0, "restore": 5.0}, "data_age": 3600.0}
    return Record("d1", "host_lost", "app1", NOW, 60.0, 7200.0, **{**given, "sources": {"config": 3}, **more})


def statuses(**more: Any) -> dict[str, str]:
    context = Context("app1", NOW, "host_lost", **more)
    return {finding.check: finding.status for finding in RULES.judge(context)}


def test_a_drill_within_its_targets_is_ok():
    assert set(statuses(record=a_record()).values()) == {"ok"}


@pytest.mark.parametrize(
    ("more", "check"),
    [
        ({"phases": {"restore": 61.0}}, "drill.rto"),
        ({"data_age": 7201.0}, "drill.rpo"),
        ({"why": "it does not hold"}, "drill.recovered"),
    ],
)
def test_what_is_missed_is_critical(more, check):
    record = a_record(**more)
    found = statuses(record=record)
    assert found[check] == "critical"
    assert found["drill.age"] == "warning"  # it was no success
    assert not record.ok


def test_a_scenario_that_was_not_played_for_a_quarter_is_a_warning():
    row = {"scenario": "host_lost", "begun": NOW - QUARTER + 1, "ok": True}
    assert statuses(before=[row], planned="x")["drill.age"] == "ok"
    assert statuses(before=[{**row, "begun": NOW - QUARTER - 1}], planned="x")["drill.age"] == "warning"
    assert statuses(before=[{**row, "ok": False}], planned="x")["drill.age"] == "warning"
    assert statuses(before=[{**row, "scenario": "ransomware"}], planned="x")["drill.age"] == "warning"


def test_bounds_and_figures_are_exact():
    assert QUARTER == 100 * 24 * 3600
    row = {"scenario": "host_lost", "begun": NOW - QUARTER, "ok": True}
    found = statuses(before=[row], planned="x")
    assert (found["drill.age"], found["drill.recovered"]) == ("ok", "skipped")
    long_ago = {**row, "begun": NOW - 3 * QUARTER}
    assert statuses(before=[row, long_ago], planned="x")["drill.age"] == "ok"
    context = Context("app1", NOW, "host_lost", record=a_record(phases={"verify": 12.34}))
    assert [each.actual for each in RULES.judge(context) if each.check == "drill.rto"] == [12.3]


def test_drills_are_remembered_up_to_a_number(tmp_path):
    for number in range(5):
        keep(a_record(set_id=str(number)), str(tmp_path / "state"), 3, HOST)
    assert [one["set_id"] for one in recorded(str(tmp_path / "state"), HOST)] == ["2", "3", "4"]
    with (tmp_path / "state" / FILE).open("a") as stream:
        stream.write("no json\n[]\n{}\n")
    assert len(recorded(str(tmp_path / "state"), HOST)) == 3
    assert recorded(str(tmp_path / "nowhere"), HOST) == []


def test_the_sheet_says_what_was_played_and_asks_its_questions():
    scenario = Scenario("host_lost", "The host is gone.", (), "none", 0.0, ("Who orders a new one?",))
    text = sheet(a_record(), scenario, [{"scenario": "host_lost", "begun": NOW - 9, "ok": False}])
    for words in (
        "The host is gone.",
        "Who orders a new one?",
        "phase restore | 5.0 s",
        "| no |",
        "within its targets",
    ):
        assert words in text
    assert "It does not hold" in sheet(a_record(why="it does not hold"), scenario, [])


# --- damage -----------------------------------------------------------------------------------------------------------


def some_files(root: Path) -> None:
    (root / "a").mkdir()
    (root / "a" / "text").write_text("risk: 1\n" * 500)
    (root / "short").write_text("x")
    (root / "empty").write_text("")
    (root / "packed").write_bytes(os.urandom(5000))
    (root / "link").symlink_to("short")


@pytest.mark.parametrize("kind", sorted(DAMAGES))
def test_every_damaged_file_is_noticed(tmp_path, kind):
    some_files(tmp_path)
    before = fingerprints(tmp_path)
    assert compare(before, fingerprints(tmp_path)).all == 0
    assert damage(tmp_path, kind) == 3
    noticed = compare(before, fingerprints(tmp_path))
    assert noticed.all == 3
    assert noticed.random == (1 if kind == "encrypt" else 0)  # what was random before tells nothing, a byte neither
    assert (tmp_path / "empty").exists()


def deep(root, name, content):
    """Make a file 31 folders of 200 characters below a folder: its path is longer than the kernel takes at once."""
    folder = os.open(root, os.O_RDONLY)
    for _level in range(31):
        os.mkdir("d" * 200, dir_fd=folder)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    with open(name, "wb", opener=lambda path, flags: os.open(path, flags, 0o600, dir_fd=folder)) as stream:
        stream.write(content)
    os.close(folder)


@pytest.mark.parametrize("kind", sorted(DAMAGES))
def test_a_path_that_is_longer_than_the_kernel_takes_is_played_and_removed(tmp_path, kind):
    deep(tmp_path, "file", b"some content " * 100)
    before = fingerprints(tmp_path)
    assert [len(name) > 4096 for name in before] == [True]
    assert damage(tmp_path, kind) == 1
    assert compare(before, fingerprints(tmp_path)).all == 1
    remove_tree(tmp_path)
    assert not tmp_path.exists()


def test_a_sandbox_is_looked_for_at_any_depth(tmp_path):
    deep(tmp_path, ".env", b"SANDBOX=false\n")
    assert "does not say SANDBOX=true" in lacks_sandbox(tmp_path, ["SANDBOX=true"])
    remove_tree(tmp_path)


def test_how_random_bytes_are():
    assert entropy_of(b"") == 0
    assert entropy_of(b"aaaa") == 0
    assert entropy_of(bytes(range(256))) == 8
    assert 3 < entropy_of(b"the quick brown fox jumps over the lazy dog") < 5


# --- isolation --------------------------------------------------------------------------------------------------------


def test_an_exchange_that_answers_is_a_danger(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as exchange:
        port = exchange.getsockname()[1]
        assert "can be reached" in danger(tmp_path, [("127.0.0.1", port)], [], HOST)
        assert "no .env" in danger(tmp_path, [("127.0.0.1", port)], ["SANDBOX=1"], HOST).replace("there is no", "no")
    assert danger(tmp_path, [("127.0.0.1", port)], [], HOST) == ""
    assert "no endpoint" in danger(tmp_path, [], [], HOST)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "the name is not resolved"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "the name is not resolved"),
        (TimeoutError("timed out"), ""),
        (ConnectionRefusedError(), ""),
        (OSError(101, "Network is unreachable"), ""),
    ],
)
def test_only_what_refuses_or_is_filtered_is_out_of_reach(tmp_path, monkeypatch, error, why):
    def connect(_address, timeout):
        assert timeout > 7, "the kernel's third try is waited for"
        raise error

    monkeypatch.setattr(socket, "create_connection", connect)
    found = danger(tmp_path, [("exchange", 443)], [], HOST)
    assert ("whether exchange:443 can be reached cannot be told" in found) == bool(why)
    assert bool(found) == bool(why)


ENVIRONMENTS = [
    ("SANDBOX=1\nKEY=x\n", ""),
    ("export SANDBOX=1\n", ""),
    ("KEY=x\n", "does not say SANDBOX=1"),
    ("SANDBOX=0\n", "does not say SANDBOX=1"),
    ("SANDBOX=1\nSANDBOX=0\n", "does not say SANDBOX=1"),
    ("#SANDBOX=1\n", "does not say SANDBOX=1"),
]


@pytest.mark.parametrize(("text", "why"), ENVIRONMENTS)
def test_a_sandbox_is_what_every_file_says(tmp_path, text, why):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / ".env").write_text(text)
    assert why in lacks_sandbox(tmp_path, ["SANDBOX=1"])
    assert bool(lacks_sandbox(tmp_path, ["SANDBOX=1"])) == bool(why)
    (tmp_path / ".env").write_text("KEY=x\n")
    assert lacks_sandbox(tmp_path, ["SANDBOX=1"])
