# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run says of the set that it made, was to make or did not need, and of the damaged sets that it removed."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    FORGED,
    SIGNED,
    BackupSet,
    Lack,
    Made,
    Notes,
    SourceCopy,
    Verification,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.plan import SetPlan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_made import judge_made, judge_set
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_verification import judge_removed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Action, Finding

from .examples import NOW, a_catalog, a_set, files, settings, sqlite

ASKED = settings(sources=[files("config", "/etc/cryptobot"), sqlite("main", "/opt/app.db")])
PLAN = SetPlan(a_catalog())
GOOD, EMPTIED = a_set(60), a_set(60, anomalies=("config has no files at all",))
UNSURE = "kept, but it does not count until a person has looked at it"


def taken(facts: dict[str, Any], *notes: tuple[str, str]) -> SourceCopy:
    """Return ten things of 2 KiB with such facts and notes."""
    noted = Notes()
    for kind, name in notes:
        noted.add(kind, name)
    return SourceCopy("config", "files", "none", (), 10, 2048, 2048, {**facts, "notes": noted.as_dict()})


def said(name: str, what: SourceCopy) -> dict[str, Finding]:
    """Return by check what is said of one source."""
    found = judge_made(ASKED, PLAN, Made(taken={name: what}), {})
    return {one.check: one for one in found if one.subject == name}


def words(finding: Finding) -> tuple[str, str]:
    return finding.status, finding.message


SOURCES = [
    ("config", {}, "ok", "10 files, 2.0 KiB, were taken whole"),
    ("main", {"unread": ""}, "ok", "10 rows, 2.0 KiB, were taken whole"),
    ("main", {"unread": "it needs SQLite 3.44"}, "unknown",
     "10 rows, 2.0 KiB, were taken whole; that it is sound could not be looked at: it needs SQLite 3.44"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "facts", "status", "message"), SOURCES)
def test_a_source_is_told_with_what_it_counts(name, facts, status, message):
    found = said(name, taken(facts))
    assert words(found["backup.source"]) == (status, message)
    assert found["backup.source"].actual == 2048
    assert set(found) == {"backup.source"}, "nothing is said of what the source does not have"


def left(**reasons: bool) -> dict[str, Any]:
    """Return databases that are not in the set, and whether each is as declared."""
    return {name: {"reason": f"why {name}", "as_declared": declared} for name, declared in reasons.items()}


DATABASES = [
    (left(test=True), "ok", "not in the set: test (why test)", 0),
    (left(test=True, shop=False), "warning", "not in the set: test (why test); shop (why shop)", 1),
    (left(shop=False, bank=False), "warning", "not in the set: shop (why shop); bank (why bank)", 2),
]


@pytest.mark.parametrize(("databases", "status", "message", "count"), DATABASES)
def test_a_database_that_was_not_taken_is_a_warning_unless_it_was_declared_so(databases, status, message, count):
    told = said("main", taken({"left_out": databases}))["backup.databases"]
    assert words(told) == (status, message)
    assert (told.expected, told.actual) == (0, count)


NOTES = [
    ("changed", "backup.changed_files", "2 files changed while they were read, twice: a, b"),
    ("database", "backup.live_database", "2 files are SQLite databases and were copied as plain files: a, b"),
]


@pytest.mark.parametrize(("kind", "check", "message"), NOTES)
def test_files_whose_copy_may_be_no_good_are_a_warning_by_name(kind, check, message):
    found = said("config", taken({}, (kind, "a"), (kind, "b")))
    assert words(found[check]) == ("warning", message)
    assert (found[check].expected, found[check].actual) == (0, 2)
    assert set(found) == {"backup.source", check}


ATTRIBUTES = [
    ({"missing": 0, "noted": 7, "why": ""}, "ok", "7 members have some, and they were noted", None, None),
    ({"missing": 1, "noted": 7, "why": "getfacl is missing"}, "unknown",
     "of 1 members it could not be noted whole: getfacl is missing", 0, 1),
]  # fmt: skip


@pytest.mark.parametrize(("noted", "status", "message", "expected", "actual"), ATTRIBUTES)
def test_attributes_that_could_not_be_noted_are_unknown(noted, status, message, expected, actual):
    told = said("config", taken({"attributes": noted}))["backup.attributes"]
    assert words(told) == (status, message)
    assert (told.expected, told.actual) == (expected, actual)


LEFT_OUT = (
    "1 are alternate data streams, which are not taken: c; 2 are extended attributes too large to be noted: a, b; "
    "1 were gone before they were read"
)
LOST = [
    ([], "ok", "nothing had to be left out", 0),
    ([("vanished", "x")], "ok", "1 were gone before they were read", 0),
    ([("cut", "a"), ("cut", "b"), ("stream", "c"), ("vanished", "x")], "warning", LEFT_OUT, 3),
]


@pytest.mark.parametrize(("notes", "status", "message", "count"), LOST)
def test_what_would_not_come_back_is_a_warning_and_what_went_by_itself_is_none(notes, status, message, count):
    told = said("config", taken({"attributes": {"missing": 0, "noted": 0}}, *notes))["backup.left_out"]
    assert words(told) == (status, message)
    assert (told.expected, told.actual) == (0, count)


def test_sources_that_were_left_out_or_failed_are_named_with_the_reason():
    found = judge_made(ASKED, PLAN, Made(skipped={"logs": "gone"}), {"main": "it is locked"}, "main failed")
    assert [(one.check, one.subject, *words(one)) for one in found] == [
        ("backup.source", "logs", "warning", "the optional source was left out: gone"),
        ("backup.source", "main", "critical", "it is locked"),
        ("backup.taken", "regular", "critical", "main failed"),
    ]


def there(found: BackupSet) -> SetPlan:
    return SetPlan(a_catalog(), there=found, not_needed="a set is young enough")


OUTCOMES = [
    ("made and counts", PLAN, Made(published=GOOD), "ok",
     f"set {GOOD.id}: 1000 B in 1.0 s, verified"),
    ("made and does not count", PLAN, Made(published=EMPTIED), "warning",
     f"set {GOOD.id}: 1000 B in 1.0 s, {UNSURE}"),
    ("none was needed", there(GOOD), Made(), "ok", "no set was made: a set is young enough"),
    ("the one that is there does not count", there(EMPTIED), Made(), "warning",
     "no set was made: a set is young enough, but it does not count as a backup"),
    ("only planned", PLAN, Made(), "skipped", "a set would be made"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "plan", "made", "status", "message"), OUTCOMES, ids=[case[0] for case in OUTCOMES])
def test_whether_there_is_a_set_now_as_there_should_be(why, plan, made, status, message):
    [told] = judge_set(ASKED, plan, made)
    assert words(told) == (status, message)
    assert bool(told.remedy) is (status == "warning")


def removal(found: BackupSet, action: str = "prune", state: str = "done") -> Action:
    return Action(action, found.id, state, "")


LACKS = (Lack("config", "config/a.tar", "is not there: No such file"), Lack("main", "main/b", "has 0 bytes"))
FAILED = GOOD._replace(verification=Verification(1, False, NOW))
DAMAGED = [
    (GOOD._replace(lacks=LACKS), "config/a.tar is not there: No such file"),
    (GOOD._replace(signature=FORGED), "its signature is another's"),
    (FAILED, "its last verification failed"),
    (FAILED._replace(signature=SIGNED), "its last verification failed"),
]


@pytest.mark.parametrize(("found", "damage"), DAMAGED)
def test_a_damaged_set_that_was_removed_is_a_warning_that_says_what_it_had(found, damage):
    [told] = judge_removed(a_catalog(found), [removal(found)])
    assert words(told) == (
        "warning",
        f"set {found.id} was removed by the retention, and it was damaged: {damage}",
    )
    assert told.remedy.startswith("Look what damaged it")


NOT_REMOVED = [
    ("it was only planned", FAILED, removal(FAILED, state="planned")),
    ("it was skipped", FAILED, removal(FAILED, state="skipped")),
    ("it was verified", FAILED, removal(FAILED, action="verify")),
    ("another was removed", FAILED, removal(a_set(99))),
    ("it was whole", GOOD, removal(GOOD)),
]


@pytest.mark.parametrize(("why", "found", "action"), NOT_REMOVED, ids=[case[0] for case in NOT_REMOVED])
def test_nothing_is_said_of_a_set_that_is_still_there_or_was_whole(why, found, action):
    assert judge_removed(a_catalog(found), [action]) == []
