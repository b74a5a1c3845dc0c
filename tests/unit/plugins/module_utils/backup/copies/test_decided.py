# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is decided of a place, what its rules say, and how 3-2-1-1-0 is counted: tables, no places."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.act import Served
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.collect import (
    Contents,
    Copied,
    Local,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.declared import needed_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.plan import New, plan_copy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.report import describe_score, metrics
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.score import Score, score, score_alone
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_copies import (
    RULES,
    CopiesContext,
    CopyContext,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError

from ..examples import DAY, NOW, a_catalog, a_set, settings

HOST = SimpleNamespace(name=lambda: "fake", now=lambda: NOW, platform="linux")
OLD, OLDER, NEW_SET = a_set(2 * DAY), a_set(3 * DAY), a_set(60)
FOREIGN = a_set(60, host="other", suffix=9)


def place(**options) -> dict:
    return {"name": "nas", "type": "folder", "path": "/nas", **options}


def local(*sets, **given) -> Local:
    given.setdefault("copies", [place()])
    return Local(settings(**given), a_catalog(*sets), HOST, {})


def copied(found, **more) -> Copied:
    return Copied(found.id, found.manifest, verified=True, **more)


def planned(here: Local, *there: Copied, new=None, leaving=()) -> list[tuple[str, str]]:
    plan = plan_copy(here.settings.copies[0], Contents(there), here, new, frozenset(leaving))
    return [(step.action, step.subject) for step in plan.steps]


KEEP_ONE = {"retention": {"daily": 1, "min_keep": 1}}
PLANS = [
    ("nothing is here", local(), (), None, []),
    ("the newest comes first, then the oldest", local(NEW_SET, OLD, OLDER), (), None,
     [("copy", f"{one.id} to nas") for one in (NEW_SET, OLDER, OLD)]),
    ("what is there is not copied again", local(NEW_SET, OLD), (copied(NEW_SET),), None,
     [("copy", f"{OLD.id} to nas")]),
    ("a damaged one there is not written over", local(NEW_SET), (copied(NEW_SET, defect="cut"),), None, []),
    ("one without a manifest there neither", local(NEW_SET), (Copied(NEW_SET.id, defect="none"),), None, []),
    ("what another host made is its own matter", local(NEW_SET, FOREIGN), (copied(NEW_SET),), None, []),
    ("what does not count here is not copied", local(a_set(60, verified=None)), (), None, []),
    ("no more than so many at once", local(NEW_SET, OLD, OLDER, copies_at_once=1), (), None,
     [("copy", f"{one.id} to nas") for one in (NEW_SET, OLDER)]),
    ("the set of this run goes by its title", local(NEW_SET, OLD), (), New(NEW_SET.id),
     [("copy", "regular to nas"), ("copy", f"{OLD.id} to nas")]),
    ("and is planned by it", local(OLD), (), New(), [("copy", "regular to nas"), ("copy", f"{OLD.id} to nas")]),
    ("what the retention there would remove at once is not copied", local(NEW_SET, OLD, **KEEP_ONE), (), None,
     [("copy", f"{NEW_SET.id} to nas")]),
    ("what it no longer keeps goes", local(NEW_SET, **KEEP_ONE), (copied(OLD), copied(NEW_SET)), None,
     [("prune", f"{OLD.id} at nas")]),
    ("also on behalf of one that is copied now", local(NEW_SET, **KEEP_ONE), (copied(OLD),), None,
     [("copy", f"{NEW_SET.id} to nas"), ("prune", f"{OLD.id} at nas")]),
    ("nothing whole goes where the newest there is damaged", local(NEW_SET, **KEEP_ONE),
     (copied(OLD), copied(NEW_SET, defect="cut")), None, []),
    ("nor one of another host, nor one of nobody", local(NEW_SET, **KEEP_ONE),
     (copied(NEW_SET), copied(a_set(9 * DAY, host="other")), Copied(OLDER.id)), None, []),
    ("other labels belong elsewhere", local(NEW_SET, copies=[place(labels=["monthly"], max_age_hours=9)]), (), None,
     []),
    ("a pin holds there too", local(NEW_SET, **KEEP_ONE), (copied(a_set(9 * DAY, pin_until=NOW + 1)), copied(NEW_SET)),
     None, []),
]  # fmt: skip


@pytest.mark.parametrize(("why", "here", "there", "new", "steps"), PLANS, ids=[case[0] for case in PLANS])
def test_what_is_done_at_a_place(why, here, there, new, steps):
    assert planned(here, *there, new=new) == steps


def test_a_set_that_this_run_removes_here_is_not_planned_to_be_copied():
    assert planned(local(NEW_SET, OLD), copied(NEW_SET), leaving=[OLD.id]) == []


@pytest.mark.parametrize(
    ("policy", "count", "needed"), [("all", 3, 3), ("any", 3, 1), ("2", 3, 2), ("any", 0, 0), ("all", 0, 0)]
)
def test_how_many_places_must_have_it(policy, count, needed):
    assert needed_of(policy, count) == needed


@pytest.mark.parametrize("policy", ["0", "4", "-1", "most", ""])
def test_a_policy_that_cannot_be_met_is_refused(policy):
    with pytest.raises(InputError):
        needed_of(policy, 3)


def context(*there: Copied, here=None, trouble="", reread=None, contents=True, **given) -> CopyContext:
    here = here or local(NEW_SET, OLD, **given)
    served = Served(here.settings.copies[0], Contents(there, free=1 << 30) if contents else None, trouble=trouble)
    served.reread.update(reread or {})
    return CopyContext(here.settings, served, here, NOW)


AWAY = context(contents=False, trouble="nothing is mounted at /nas")
BOTH = {"copies": [place(), place(name="b", path="/b")], "copies_policy": "any"}
SAID = [
    ("backup.copy", context(copied(NEW_SET)), "ok", "by names, sizes and manifest; 1.0 GiB are free there"),
    ("backup.copy", context(copied(NEW_SET), reread={NEW_SET.id: ""}), "ok", "read again and the same"),
    ("backup.copy", context(copied(NEW_SET), trouble="the disk was full"), "warning", "; but the disk was full"),
    ("backup.copy", context(copied(NEW_SET), reread={NEW_SET.id: "x"}), "critical", "is not in /nas"),
    ("backup.copy", context(copied(OLD)), "critical", "it was not copied yet"),
    ("backup.copy", context(copied(OLD), **BOTH), "warning", "it was not copied yet"),
    ("backup.copy", context(here=local()), "skipped", "no set here that counts"),
    ("backup.copy", AWAY, "critical", "nothing is mounted"),
    ("backup.copy", context(contents=False, trouble="away", state="verified"), "unknown", "away"),
    ("backup.copy_age", context(copied(NEW_SET)), "ok", "is 1.0 min old"),
    ("backup.copy_age", context(copied(OLD)), "critical", "is 2.0 d old"),
    ("backup.copy_age", context(copied(a_set(-301))), "unknown", "old"),
    ("backup.copy_age", context(), "skipped", "whose age could be told"),
    ("backup.copy_age", context(copied(FOREIGN)), "skipped", "whose age could be told"),
    ("backup.copy_age", AWAY, "unknown", "cannot be told"),
    ("backup.copy_sound", context(copied(NEW_SET)), "ok", "1 sets are whole by their manifests, 0 were read again"),
    ("backup.copy_sound", context(copied(NEW_SET, defect="cut")), "critical", "cannot be relied on: cut"),
    ("backup.copy_sound", context(copied(NEW_SET), reread={NEW_SET.id: "x"}), "critical", "cannot be relied on: x"),
    ("backup.copy_sound", AWAY, "unknown", "nothing there could be looked at"),
    ("backup.copy_immutable", context(copied(NEW_SET, immutable=True), copies=[place(immutable=True)]), "ok", "cannot"),
    ("backup.copy_immutable", context(copied(NEW_SET, immutable=False), copies=[place(immutable=True)]), "warning",
     "can be changed"),
    ("backup.copy_immutable", context(copied(NEW_SET), copies=[place(immutable=True)]), "unknown", "cannot be seen"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "seen", "status", "words"), SAID, ids=[f"{one[0]}-{one[3][:30]}" for one in SAID])
def test_what_is_said_of_a_place(check, seen, status, words):
    [told] = [one for one in RULES.judge(seen, "copy") if one.check == check]
    assert (told.status, words in told.message) == (status, True), told.message
    assert bool(told.remedy) is (status not in ("ok", "skipped"))


def test_what_is_no_set_there_is_named_and_made_safe():
    there = CopyContext(AWAY.settings, Served(AWAY.served.copy, Contents(strange=("a\x1b[31m", "b"))), AWAY.local, NOW)
    [told] = [one for one in RULES.judge(there, "copy") if one.check == "backup.copy_strange"]
    assert (told.status, told.actual, "\x1b" in told.message) == ("warning", 2, False)
    assert [one for one in RULES.judge(context(copied(NEW_SET)), "copy") if one.check == "backup.copy_strange"] == []


def scored(*places: CopyContext, catalog=None) -> Score:
    return score(catalog or a_catalog(NEW_SET, OLD), places)


def at(**options) -> CopyContext:
    immutable = options.pop("seen", None)
    return context(copied(NEW_SET, immutable=immutable), copies=[place(**options)])


FULL = {"media": "tape", "offsite": True, "immutable": True, "seen": True}
SCORES = [
    ("nothing elsewhere", scored(), 1, ("2 of 3 copies, the data itself among them", "all on one kind of medium",
     "none at another site", "none that cannot be changed")),
    ("one that has it all", scored(at(**FULL)), 5, ()),
    ("on a disk like the others", scored(at(**{**FULL, "media": "disk"})), 4, ("all on one kind of medium",)),
    ("declared and not to be seen", scored(at(**{**FULL, "seen": None})), 4,
     ("that one cannot be changed is declared and cannot be seen from here",)),
    ("declared and not so", scored(at(**{**FULL, "seen": False})), 4, ("none that cannot be changed",)),
    ("seen and not declared", scored(at(**{**FULL, "immutable": False})), 4, ("none that cannot be changed",)),
    ("one that lacks the newest counts for nothing", scored(context(copied(OLD), copies=[place(offsite=True)])), 1,
     ("2 of 3 copies, the data itself among them", "all on one kind of medium", "none at another site",
      "none that cannot be changed")),
    ("trouble is an error", scored(at(**FULL), AWAY), 4, ("1 errors",)),
    ("no set that counts", scored(catalog=a_catalog()), 0, ("1 of 3 copies, the data itself among them",
     "all on one kind of medium", "none at another site", "none that cannot be changed", "1 errors")),
]  # fmt: skip


@pytest.mark.parametrize(("why", "points", "met", "lacks"), SCORES, ids=[case[0] for case in SCORES])
def test_the_score_says_what_lacks(why, points, met, lacks):
    assert (points.met, points.lacks) == (met, lacks)
    assert describe_score(points)["met"] == met
    assert metrics((), points)[0].value == met


def whole(*places: CopyContext, needed: int, points: Score, acted: bool = True) -> dict[str, str]:
    made = CopiesContext(AWAY.settings, places, points, needed, acted)
    return {one.check: one.status for one in RULES.judge(made, "copies")}


ALL = scored(at(**FULL))
TOGETHER = [
    ("none is declared", whole(needed=0, points=scored()), "skipped", "skipped"),
    ("enough have it", whole(at(**FULL), AWAY, needed=1, points=ALL), "ok", "ok"),
    ("too few have it", whole(at(**FULL), AWAY, needed=2, points=ALL), "critical", "ok"),
    ("only the flag cannot be seen", whole(at(**FULL), needed=1, points=scored(at(**{**FULL, "seen": None}))), "ok",
     "unknown"),
    ("something lacks", whole(at(), needed=1, points=scored(at())), "ok", "warning"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "said", "copies", "points"), TOGETHER, ids=[case[0] for case in TOGETHER])
def test_what_is_said_of_all_places(why, said, copies, points):
    assert said == {"backup.copies": copies, "backup.score_3_2_1_1_0": points}


def test_a_place_into_which_nothing_belongs_yet_is_not_in_want_of_it():
    monthly = context(here=local(NEW_SET, copies=[place(labels=["monthly"], max_age_hours=9)]))
    assert CopiesContext(monthly.settings, [monthly], scored(), 1).failure == ""
    assert "nas: nothing is mounted" in CopiesContext(AWAY.settings, [AWAY], scored(), 1).failure


def test_without_places_the_score_is_that_of_what_is_here():
    assert score_alone(good=True) == scored()
    assert score_alone(good=False) == scored(catalog=a_catalog())
