# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was verified yesterday is looked at again today: before a set counts as fresh, and before one is removed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import kinds
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import publish as publishing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import DAY, act, found, status, steps
from .test_run import At, names, sets, sources

__all__ = ["sources"]  # a fixture


def payload(folder: Path, set_id: str) -> Path:
    return next((folder / "backups" / set_id / "config").glob("archive*"))


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def no_file(path: Path) -> None:
    path.unlink()
    path.mkdir()


def led_elsewhere(path: Path) -> None:
    there = path.parents[3] / f"elsewhere {path.parent.parent.name}"
    shutil.move(path.parent, there)
    path.parent.symlink_to(there)


def no_manifest(path: Path) -> None:
    (path.parents[1] / "manifest.json").unlink()


DAMAGE = [gone, cut, no_file, led_elsewhere, no_manifest]


def five(folder: Path, sources: list[dict]) -> list[str]:
    """Make a verified set of each of the last five days; return their ids from old to new."""
    now = choose_host().now()
    for age in (5, 4, 3, 2, 1):
        act(folder, sources=sources, host=At(now - age * DAY))
    return sets(folder)


@pytest.mark.case("BK1")
@pytest.mark.parametrize("damage", DAMAGE, ids=[one.__name__ for one in DAMAGE])
@pytest.mark.parametrize("least", [1, 3])
def test_what_is_whole_stays_while_newer_sets_have_lost_what_they_held(tmp_path, sources, damage, least):
    all_five = five(tmp_path, sources)
    for set_id in all_five[2:]:
        damage(payload(tmp_path, set_id))
    policy = {"daily": 1, "min_keep": least}
    planned = act(tmp_path, state="pruned", check_mode=True, retention=policy)
    done = act(tmp_path, state="pruned", retention=policy)
    assert steps(planned) == steps(done) == []
    assert set(all_five) <= names(tmp_path)
    said = found(done, "backup.manifest" if damage is no_manifest else "backup.payload")
    assert {one.subject.split("/")[0] for one in said if one.status == "critical"} == set(all_five[2:])


@pytest.mark.case("BK1")
def test_enough_new_sets_let_the_old_ones_go(tmp_path, sources):
    all_five = five(tmp_path, sources)
    gone(payload(tmp_path, all_five[4]))
    act(tmp_path, sources=sources)
    assert steps(act(tmp_path, state="pruned", check_mode=True, retention={"daily": 1, "min_keep": 2})) == []
    act(tmp_path, sources=sources)
    done = act(tmp_path, state="pruned", retention={"daily": 1, "min_keep": 2})
    assert steps(done) == [("prune", set_id) for set_id in all_five]


@pytest.mark.case("BK1")
@pytest.mark.parametrize("state", ["pruned", "present"])
def test_keepers_are_looked_at_before_each_removal(tmp_path, sources, monkeypatch, state):
    """The keeper loses its content after the plan was made, while the first victim is being removed."""
    all_five = five(tmp_path, sources)
    real, removed = publishing.remove, []

    def remove(folder: Path, set_id: str) -> None:
        removed.append(set_id)
        real(folder, set_id)
        for kept in sets(tmp_path)[-2:]:
            gone(payload(tmp_path, kept))

    monkeypatch.setattr(kinds, "remove", remove)
    result = act(tmp_path, state=state, sources=sources, retention={"daily": 1, "min_keep": 2})
    assert removed == all_five[:1]
    assert set(all_five[1:]) <= set(sets(tmp_path))
    left = [one for one in result.actions if one.action == "prune" and one.state == "skipped"]
    assert [one.subject for one in left] == all_five[1 : 4 if state == "present" else 3]


@pytest.mark.case("BK1")
@pytest.mark.parametrize("state", ["listed", "verified", "present", "pruned"])
def test_each_state_says_what_a_set_has_lost(tmp_path, sources, state):
    lost = five(tmp_path, sources)[3]
    gone(payload(tmp_path, lost))
    result = act(tmp_path, state=state, sources=sources, retention={"daily": 9}, fresh_for="30h")
    said = [one for one in found(result, "backup.payload") if one.status == "critical"]
    assert [one.subject.split("/")[0] for one in said] == [lost]


@pytest.mark.case("BK2")
@pytest.mark.parametrize("damage", DAMAGE, ids=[one.__name__ for one in DAMAGE])
def test_a_fresh_set_that_lost_its_content_is_not_fresh(tmp_path, sources, damage):
    given = {"sources": sources, "fresh_for": "20h"}
    first = act(tmp_path, **given).data["set"]["id"]
    damage(payload(tmp_path, first))
    planned, done = act(tmp_path, check_mode=True, **given), act(tmp_path, **given)
    assert steps(planned) == steps(done)
    assert done.data["set"]["id"] != first
    assert done.data["set"]["good"] is True
    assert act(tmp_path, **given).changed is False


@pytest.mark.case("BK2")
def test_a_set_that_lost_its_content_is_not_the_newest_that_counts(tmp_path, sources):
    all_five = five(tmp_path, sources)
    gone(payload(tmp_path, all_five[4]))
    result = act(tmp_path, state="verified", sources=sources, set=all_five[3])
    assert all_five[3] in found(result, "backup.age")[0].message
    assert status(act(tmp_path, state="verified", sources=sources, max_age_hours=30.0), "backup.age") == "critical"


def newest_alone(folder: Path, sources: list[dict]) -> tuple[str, Path]:
    """Make a set of yesterday; return its id and one of its files."""
    act(folder, sources=sources, host=At(choose_host().now() - DAY))
    [set_id] = sets(folder)
    return set_id, payload(folder, set_id)


def flipped(path: Path) -> None:
    """Change a byte, and have that found out as the daily look does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert status(act(path.parents[3], state="verified", verify_level="L1"), "backup.checksum") == "critical"


@pytest.mark.parametrize(("damage", "why"), [(gone, "is not there"), (flipped, "its last verification failed")])
@pytest.mark.parametrize("state", ["present", "pruned"])
def test_a_damaged_set_that_is_removed_is_told(tmp_path, sources, damage, why, state):
    set_id, path = newest_alone(tmp_path, sources)
    damage(path)
    policy = {"daily": 1, "min_keep": 1}
    if state == "pruned":
        act(tmp_path, sources=sources)
    result = act(tmp_path, sources=sources, state=state, retention=policy)
    assert [(one.subject, one.reason) for one in result.actions if one.action == "prune"] == [
        (set_id, "it is damaged, and enough newer good sets are there")
    ]
    [told] = [one for one in found(result, "backup.payload") if one.subject == set_id]
    assert (told.status, why in told.message) == ("warning", True)
    assert told.message.startswith(f"set {set_id} was removed by the retention, and it was damaged: ")


def test_a_whole_set_that_no_rule_keeps_is_removed_without_an_alarm(tmp_path, sources):
    set_id, _path = newest_alone(tmp_path, sources)
    result = act(tmp_path, sources=sources, retention={"daily": 1, "min_keep": 1})
    assert set_id not in names(tmp_path)
    assert [one for one in found(result, "backup.payload") if one.subject == set_id] == []
