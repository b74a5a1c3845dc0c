# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back of the demo by its playbook: what was spoilt comes back, running services are held down and come back.

The demo's services are started by a script, so what is proved of systemd's units is in tests/integration/fleet.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from .conftest import Demo


def database(demo: Demo, statement: str) -> list[tuple[object, ...]]:
    with closing(
        sqlite3.connect(demo.root / "cryptobot" / "database" / "cryptobot.db", isolation_level=None)
    ) as connection:
        return connection.execute(statement).fetchall()


def spoil(demo: Demo) -> None:
    for path in (demo.root / "cryptobot" / "config").glob("*"):
        if path.is_file():
            path.write_text("spoilt\n")
    database(demo, "DELETE FROM audit_logs")


@pytest.fixture(scope="module")
def saved(demo: Demo) -> dict[str, object]:
    demo.play(playbook="backup")
    texts = {path.name: path.read_text() for path in (demo.root / "cryptobot" / "config").glob("*") if path.is_file()}
    return {"config": texts, "rows": database(demo, "SELECT count(*) FROM audit_logs")}


def seen(demo: Demo) -> dict[str, object]:
    texts = {path.name: path.read_text() for path in (demo.root / "cryptobot" / "config").glob("*") if path.is_file()}
    return {"config": texts, "rows": database(demo, "SELECT count(*) FROM audit_logs")}


def test_without_a_set_nothing_is_done(demo: Demo, saved: dict[str, object]) -> None:
    spoil(demo)
    before = seen(demo)
    ended = demo.play(playbook="restore")
    assert ended.returncode == 2
    assert "say which set" in ended.stdout
    assert seen(demo) == before


def test_the_plan_changes_nothing_and_names_each_step(demo: Demo, saved: dict[str, object]) -> None:
    before = demo.tree_hash()
    ended = demo.play("--check", playbook="restore")
    assert ended.returncode == 0, ended.stdout
    assert demo.tree_hash() == before
    named = [action for _area, action, _subject in demo.actions("planned")]
    assert named[:2] == ["verify", "keep"]
    assert [step for step in ("hold", "prove", "swap", "start", "finish") if step not in named] == []


def test_one_command_brings_it_back(demo: Demo, saved: dict[str, object]) -> None:
    ended = demo.play("-e", "restore_set=newest", playbook="restore")
    assert ended.returncode == 0, ended.stdout
    assert seen(demo) == saved
    assert demo.statuses("restore.done") == {"ok"}
    demo.play("--tags", "D1.2")
    assert demo.statuses("services.state") == {"ok"}


def test_and_one_takes_it_back(demo: Demo, saved: dict[str, object]) -> None:
    ended = demo.play("-e", "restore_state=rolled_back", playbook="restore")
    assert ended.returncode == 0, ended.stdout
    assert seen(demo)["rows"] == [(0,)]
    assert set(seen(demo)["config"].values()) == {"spoilt\n"}


def test_a_restore_that_is_half_done_is_seen_and_the_host_is_left_alone(demo: Demo, saved: dict[str, object]) -> None:
    [path] = (demo.root / "state" / "restores").glob("*.json")
    whole = path.read_text()
    path.write_text(json.dumps({**json.loads(whole), "state": "under way"}))
    before = seen(demo)
    demo.play(playbook="weekly")
    assert (demo.statuses("backup.restore_under_way"), demo.actions("done"), seen(demo)) == ({"critical"}, [], before)
    assert demo.statuses("restart.restoring") == {"critical"}
    demo.play("--tags", "D1.4", playbook="verify_backup")
    assert demo.statuses("backup.restore_under_way") == {"critical"}
    path.write_text(json.dumps({**json.loads(whole), "until": 0.0}))
    demo.play("--tags", "B1.1,W1.2,D1.4", playbook="weekly")
    assert demo.statuses("backup.restore_under_way") == {"ok"}
    assert not path.exists(), "its time is over"
