# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A drill that was missed is seen by whoever looks at the backups, wherever it was to be played."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Verification
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_drills import (
    FILE,
    judge_drill,
    last_drill,
)

from .examples import DAY, NOW, a_catalog, a_set, act, database, found, judged, settings, sqlite

ROWS = [
    # since when there are backups, when the last drill was, within how many days, on what; the status and its words
    (None, None, 100, "linux", "skipped", "there is no set yet"),
    (NOW - 100 * DAY, None, 100, "linux", "skipped", "the first one is due by"),
    (NOW - 100 * DAY - 1, None, 100, "linux", "warning", "none of them ever came back in a drill"),
    (NOW - 900 * DAY, None, 0, "linux", "skipped", "none is asked for here"),
    (NOW - 900 * DAY, None, 100, "windows", "skipped", "none is asked for here"),
    (NOW - 900 * DAY, NOW - 100 * DAY, 100, "linux", "ok", "a set came back in a drill 100"),
    (NOW - 900 * DAY, NOW - 100 * DAY - 1, 100, "linux", "warning", "a set came back in a drill 100"),
    (NOW - 900 * DAY, NOW - 100 * DAY - 1, 0, "linux", "ok", "a set came back in a drill 100"),
    (NOW - 900 * DAY, NOW - 8 * DAY, 7, "", "warning", "8.0 d ago"),
]


@pytest.mark.parametrize(("since", "drilled", "days", "platform", "status", "words"), ROWS)
def test_a_drill_is_asked_for_each_quarter_from_the_first_set_on(since, drilled, days, platform, status, words):
    last_run = {} if since is None else {"since": since}
    given = settings(drill_days=float(days))
    context = Context(given, a_catalog(), NOW, last_run=last_run, drilled=drilled, platform=platform)
    [finding] = judged(judge_drill, context)
    assert (finding.status, words in finding.message) == (status, True), finding.message


def test_the_oldest_set_tells_where_the_memory_is_younger():
    context = Context(settings(), a_catalog(a_set(101 * DAY)), NOW, last_run={"since": NOW - DAY})
    assert [one.status for one in judged(judge_drill, context)] == ["warning"]


def a_line(**changed: Any) -> str:
    return json.dumps({"scenario": "host_lost", "begun": NOW - 5 * DAY, "ok": True, "of_host": "fake", **changed})


LINES = [
    ([a_line()], 5),
    ([a_line(), a_line(begun=NOW - 50 * DAY)], 5),
    ([a_line(), a_line(begun=NOW + DAY)], 5),  # the clock was wrong: nobody knows when that was
    ([a_line(ok=False)], None),
    ([a_line(of_host="app2")], None),
    (["no json", "[]", a_line()], 5),
    ([], None),
]


@pytest.mark.parametrize(("lines", "days"), LINES)
def test_drills_of_this_hosts_sets_that_were_a_success_count(lines, days):
    given = settings(state_dir="/state")
    host = FakeHost(files={f"/state/{FILE}": "\n".join(lines)}, now=NOW)
    assert last_drill(given, a_catalog(), host) == (None if days is None else NOW - days * DAY)


@pytest.mark.parametrize(
    ("drill", "ok", "made_by", "known"),
    [
        ("20261101T000000Z-abcdef", True, "fake", True),
        ("20261101T000000Z-abcdef", False, "fake", False),
        ("20261101T000000Z-abcdef", True, "app2", False),
        ("no drill", True, "fake", False),
        (None, True, "fake", False),
    ],
)
def test_a_set_tells_of_a_drill_that_another_host_played(drill, ok, made_by, known):
    one = a_set()
    one = one._replace(
        manifest=one.manifest._replace(host=made_by), verification=Verification(4, ok, NOW, {"drill": drill})
    )
    moment = last_drill(settings(state_dir="/state"), a_catalog(one), FakeHost(now=NOW))
    assert (moment is not None) == known


def test_each_backup_and_verification_says_it(tmp_path: Path):
    given = {"sources": [sqlite("main", database(tmp_path / "live.db"))]}
    assert [one.status for one in found(act(tmp_path, **given), "backup.drill")] == ["skipped"]
    assert [one.status for one in found(act(tmp_path, state="verified"), "backup.drill")] == ["skipped"]
    memory = tmp_path / "state" / "backup.json"
    known = json.loads(memory.read_text())
    known[str(tmp_path / "backups")]["since"] -= 101 * DAY
    memory.write_text(json.dumps(known))
    assert [one.status for one in found(act(tmp_path, state="verified"), "backup.drill")] == ["warning"]
    assert [one.status for one in found(act(tmp_path, **given), "backup.drill")] == ["warning"]
