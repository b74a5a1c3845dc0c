# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a restore, and of what is left of earlier ones."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.model import BACK, KEPT, Journal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.plan import ASSUMED
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.rules_restore import RULES, Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restores import UNDER_WAY

NOW = 1_800_000_000.0


def journal(state: str, name: str = "r1", **more: Any) -> Journal:
    return Journal(name, "s1", NOW - 10, state=state, folders=["/opt/w"], until=NOW, **more)


def said(*journals: Journal, kept: int = 5, **more: Any) -> dict[str, list[tuple[str, str]]]:
    context = Context("app1", NOW, journals, {each.id: kept for each in journals}, **more)
    found: dict[str, list[tuple[str, str]]] = {}
    for one in RULES.judge(context):
        found.setdefault(one.check.partition(".")[2], []).append((one.status, one.message))
        assert (one.status == "ok") <= (one.remedy == "")
    return found


DONE = [
    ({}, "skipped"),
    ({"planned": "it would be"}, "ok"),
    ({"own": "r1"}, "ok"),
    ({"own": "r1", "failure": "auth did not come back"}, "critical"),
]


@pytest.mark.parametrize(("more", "status"), DONE)
def test_what_a_run_came_to(more: dict[str, str], status: str) -> None:
    assert [each for each, _message in said(journal(KEPT), **more)["done"]] == [status]


def test_an_archive_says_what_it_lacks_and_what_of_it_is_left() -> None:
    [(status, message)] = said(journal(KEPT), lacks=("it has no logs",), left={"data": "nobody knows"})["archive"]
    assert status == "warning"
    assert message.endswith("it has no logs; its data is not restored: nobody knows")


SAFETY = [
    (journal(KEPT), {}, "skipped"),
    (journal(KEPT, safety="s2"), {"own": "r1"}, "ok"),
    (journal(KEPT), {"own": "r1"}, "skipped"),
    (journal(KEPT, safety="s2"), {"own": "r1", "notes": ("config is not in it",)}, "warning"),
]


@pytest.mark.parametrize(("own", "more", "status"), SAFETY)
def test_whether_what_was_replaced_is_in_a_set(own: Journal, more: dict[str, Any], status: str) -> None:
    assert [each for each, _message in said(own, **more)["safety_set"]] == [status]


KEEPING = [
    (KEPT, NOW, 5, [("ok", "the state before")]),
    (KEPT, NOW - 1, 5, [("warning", "the state before")]),
    (BACK, NOW + 1, 0, [("ok", "what was taken back")]),
    (BACK, NOW + 1, -1, []),
    (UNDER_WAY, NOW - 1, 5, []),
]


@pytest.mark.parametrize(("state", "until", "kept", "expected"), KEEPING)
def test_what_is_kept_is_named_until_its_time_is_over(
    state: str, until: float, kept: int, expected: list[tuple[str, str]]
) -> None:
    one = journal(state)
    one.until = until
    found = said(one, kept=kept).get("kept", [])
    assert [(status, message.split(": ")[1].split(" is kept")[0]) for status, message in found] == expected


def test_what_is_no_longer_kept_is_not_spoken_of_and_several_that_are_each() -> None:
    one, other = journal(KEPT), journal(BACK, "r2")
    context = Context("app1", NOW, (one, other, journal(KEPT, "r3")), {"r1": 5, "r2": 0, "r3": -1})
    kept = [each.subject for each in RULES.judge(context) if each.check == "restore.kept"]
    assert sorted(kept) == ["app1 r1", "app1 r2"] or sorted(kept) == ["r1", "r2"]


def test_the_time_of_a_restore_is_told_by_a_speed_that_every_disk_has() -> None:
    assert ASSUMED == 50 * 1024 * 1024
