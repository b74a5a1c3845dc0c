# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules about the folder say, word for word, and the bounds that they keep to."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.access import Access, Opening
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    DEAD,
    FORGED,
    GROWING,
    SIGNED,
    UNCLEAR,
    UNSIGNED,
    WAITING,
    Broken,
    Lack,
    Leftover,
    Report,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.retention import Decisions
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_folder import (
    judge_foreign,
    judge_leftover,
    judge_manifest,
    judge_permissions,
    judge_signature,
    judge_strangers,
    removal,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_sets import (
    judge_clock,
    judge_pin,
    judge_retention,
    judge_space,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_verification import judge_losses
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.space import Space
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trusted import Fault

from .examples import DAY, NOW, a_catalog, a_set, judged, settings

FOLDER = "/nowhere/backups"  # as it is declared; the sets of the tests say that they lie in /nowhere
OLD, NEW = a_set(2 * DAY), a_set(DAY)
KEEP_THREE = settings(state="pruned", retention={"daily": 7, "min_keep": 3})
BROKEN = (Broken("20261110T000000Z-000000", "it is no JSON"),)
LOST = (Lack("config", "config/a.tar", "is not there: No such file"),)


def view(*sets, retention=None, reports=(), platform="", given=None, **catalog) -> Context:
    chosen = given or settings(state="verified")
    return Context(chosen, a_catalog(*sets, **catalog), NOW, reports, retention=retention, platform=platform)


def told(findings) -> list[tuple[str, str, str]]:
    return [(one.status, one.subject, one.message) for one in findings]


def losses(context: Context) -> list[Finding]:
    return judged(judge_losses, context, "backup.payload")


def only(findings) -> Finding:
    [finding] = findings
    return finding


def test_sets_whose_manifest_does_not_hold_are_named_else_all_are_counted():
    assert told(judged(judge_manifest, view(OLD, broken=BROKEN))) == [("critical", BROKEN[0].id, "it is no JSON")]
    assert told(judged(judge_manifest, view(OLD, NEW))) == [("ok", FOLDER, "manifests that hold: 2")]
    assert told(judged(judge_manifest, view())) == [("skipped", FOLDER, "manifests that hold: 0")]


ABSENT = ("skipped", FOLDER, f"{FOLDER} does not exist, so nobody can look into it")
CLOSED = ("ok", FOLDER, "2 folders are open to their owner only")
OPEN = ("warning", "/s", "/s is open to others than its owner: the group, all")
DENIED = "the list of one could not be read"
HIS = Fault("/nowhere", "", 1000, ours=7)
WRITABLE = Fault("/nowhere", "others may write to /nowhere")
UNSEEN = Fault("/nowhere", "/nowhere cannot be looked at", unseen=True)
WAYS = [
    (HIS, ("critical", "/nowhere", "/nowhere belongs to uid 1000, who can replace whole sets"), 1000),
    (UNSEEN, ("unknown", "/nowhere", "/nowhere cannot be looked at"), None),
    (WRITABLE, ("critical", "/nowhere", "others may write to /nowhere, and so replace whole sets"), None),
]
INNER, WIDE = Opening("/f", (), "0700"), Opening("/s", ("the group", "all"), "0755")
LOOKS = [
    ("no folder", Access(), {"exists": False}, [ABSENT]),
    ("all closed", Access((INNER, INNER)), {}, [CLOSED]),
    ("one is open", Access((INNER, WIDE)), {}, [OPEN]),
    ("one could not be told", Access((INNER,), unknown=DENIED), {}, [("unknown", FOLDER, DENIED)]),
    ("one is open and one could not be told", Access((WIDE,), unknown=DENIED), {}, [OPEN, ("unknown", FOLDER, DENIED)]),
]


@pytest.mark.parametrize(("why", "access", "more", "expected"), LOOKS, ids=[case[0] for case in LOOKS])
def test_who_may_look_into_the_folders_is_told(why, access, more, expected):
    found = list(judged(judge_permissions, view(OLD, **more)._replace(access=access)))
    assert told(found) == expected
    assert {(one.expected, one.actual) for one in found if one.subject == "/s"} <= {("0700", "0755")}


@pytest.mark.parametrize(("fault", "expected", "owner"), WAYS)
@pytest.mark.parametrize("exists", [True, False])
def test_who_may_put_other_sets_there_is_told_and_nothing_is_content_beside_it(fault, expected, owner, exists):
    found = only(judged(judge_permissions, view(OLD, exists=exists, faults=(fault,))))
    assert told([found]) == [expected]
    assert found.actual == owner
    assert found.expected == (
        "root, or the account that runs this, owns the folder and all above it, and nobody else may write there"
    )


MOVE = "Set cryptobot_backup.dir to a folder below folders of root alone, or: "
LOOK = "; what is there may be another's: verify_backup, and take a new set."
UNLINKED = ", and look what was written to where it led; then declare cryptobot_backup.dir without a link."
CURES = [
    (HIS, f"{MOVE}chown 7 /nowhere && chmod go-w /nowhere{LOOK}"),
    (HIS._replace(path=FOLDER), f"{MOVE}chown 7 {FOLDER} && chmod 700 {FOLDER}{LOOK}"),
    (HIS._replace(path="/a b", link=True), f"rm '/a b'{UNLINKED}"),
    (WRITABLE, f"{MOVE}chmod go-w /nowhere{LOOK}"),
    (WRITABLE._replace(path=FOLDER), f"{MOVE}chmod 700 {FOLDER}{LOOK}"),
    (WRITABLE._replace(path="/a b", link=True), f"rm '/a b'{UNLINKED}"),
]


@pytest.mark.parametrize(("fault", "cure"), CURES)
def test_the_way_is_made_ones_own_by_a_command_of_its_kind(fault, cure):
    assert only(judged(judge_permissions, view(OLD, exists=False, faults=(fault,)))).remedy == cure


NUMBERS = "0 B free, 2 B required for a set of about 1 B (by x)"
ROOM = [
    (Space(2, 1, 2, "x"), "", "ok", NUMBERS.replace("0 B", "2 B"), 2, 2),
    (Space(0, 1, 2, "x"), "", "critical", NUMBERS, 2, 0),
    (None, "none is declared", "unknown", "the size of the next set cannot be told: none is declared", None, None),
    (None, "", "skipped", "no set is to be made", None, None),
]


@pytest.mark.parametrize(("space", "why", "status", "message", "expected", "actual"), ROOM)
def test_whether_the_next_set_fits(space, why, status, message, expected, actual):
    found = only(judged(judge_space, view(OLD)._replace(space=space, space_unknown=why)))
    assert told([found]) == [(status, FOLDER, message)]
    assert (found.expected, found.actual) == (expected, actual)


def leftover(number: int, state: str) -> Leftover:
    return Leftover(f"{number}.partial", "partial", state, f"pid {number} on fake")


def test_sets_in_the_making_are_named_and_are_no_leftovers():
    found = only(judged(judge_leftover, view(leftovers=(leftover(1, GROWING), leftover(2, GROWING)))))
    assert told([found]) == [("ok", FOLDER, "a set is in the making (pid 1 on fake, pid 2 on fake)")]
    assert told(judged(judge_leftover, view())) == [("ok", FOLDER, "nothing was left half made")]


def test_leftovers_are_counted_without_what_is_in_the_making():
    found = only(
        judged(judge_leftover, view(leftovers=(leftover(1, DEAD), leftover(2, GROWING), leftover(3, WAITING))))
    )
    words = "2 left by runs that ended early: 1.partial: pid 1 on fake; 3.partial: pid 3 on fake"
    assert (found.status, found.message, found.expected, found.actual) == ("warning", words, 0, 2)
    assert found.remedy == RULES["backup.leftover"].remedy, "runs sweep these by themselves"


@pytest.mark.parametrize(
    ("platform", "command"),
    [
        ("linux", "rm -r /nowhere/2.partial '/nowhere/3 it'\"'\"'s.partial'"),
        ("windows", "Remove-Item -Recurse -LiteralPath '/nowhere/2.partial', '/nowhere/3 it''s.partial'"),
    ],
)
def test_what_nobody_can_tell_the_owner_of_is_removed_by_hand_and_nothing_else_is(platform, command):
    odd = leftover(3, UNCLEAR)._replace(name="3 it's.partial")
    seen = view(leftovers=(leftover(1, DEAD), leftover(2, UNCLEAR), odd), platform=platform)
    assert only(judged(judge_leftover, seen)).remedy == f"If no run on any host works on it: {command}"


def test_the_command_that_removes_is_one_of_the_platform():
    assert removal(["/a b", "/c"], "linux") == "rm -r '/a b' /c"
    assert removal(["C:\\a b", "C:\\c"], "windows") == "Remove-Item -Recurse -LiteralPath 'C:\\a b', 'C:\\c'"


BAD = a_set(60, verified=None)
FEW = [
    ("as many as always stay", [a_set(1), a_set(2), a_set(3), BAD], (), "ok", 3),
    ("fewer, and one does not count", [a_set(1), a_set(2), BAD], (), "warning", 2),
    ("fewer, and one is broken", [a_set(1), a_set(2)], BROKEN, "warning", 2),
    ("fewer, and all count: the folder is young", [a_set(1), a_set(2)], (), "ok", 2),
    ("fewer, one does not count and one is broken", [a_set(1), a_set(2), BAD], BROKEN, "warning", 2),
]


@pytest.mark.parametrize(("why", "sets", "broken", "status", "count"), FEW, ids=[case[0] for case in FEW])
def test_fewer_good_sets_than_always_stay_are_a_warning_where_some_were_spoilt(why, sets, broken, status, count):
    decided = Decisions({}, {"gone": "no rule keeps it"})
    found = only(judged(judge_retention, view(*sets, broken=broken, retention=decided, given=KEEP_THREE)))
    words = f"{count} good sets are there, 3 always stay (min_keep), 1 are no longer kept by any rule"
    assert (found.status, found.message, found.expected, found.actual) == (status, words, "3 or more", count)


def test_without_a_retention_nothing_is_ever_removed():
    silent = ("skipped", FOLDER, "no retention is declared, so no set is ever removed")
    assert told(judged(judge_retention, view(OLD, retention=Decisions({}, {})))) == [silent]
    assert told(judged(judge_retention, view(OLD, given=KEEP_THREE))) == [silent]


def test_how_far_ahead_a_set_is_dated_is_said_with_how_to_remove_it():
    ahead = a_set(-3 * DAY)
    first, second = judged(judge_clock, view(ahead, OLD, now=NOW, platform="linux"))
    assert first.message.startswith(f"set {ahead.id} is dated 3.0 d in the future: it is set aside")
    assert first.remedy == f"Check the time (timedatectl). If it is right: rm -r /nowhere/{ahead.id}"
    assert told([second]) == [("ok", FOLDER, "the dates of the other sets fit the clock")]
    assert first.status == "warning"
    assert [one.status for one in judged(judge_clock, view(ahead, now=NOW))] == ["critical", "ok"], (
        "nothing is left to go by"
    )


def test_a_clock_that_cannot_be_trusted_is_critical_in_its_own_words():
    found = told(judged(judge_clock, view(OLD, retention=Decisions({}, {}, "the clock leapt"))))
    assert found == [("critical", FOLDER, "the clock leapt; nothing is removed")]


def test_sets_that_this_run_looked_at_are_not_told_of_twice():
    """What a verification found says more; of the others it is told whether their files are there."""
    damaged, looked = a_set(3 * DAY)._replace(lacks=LOST), Report(NEW.id, 2)
    assert told(losses(view(damaged, OLD, NEW, reports=(looked,)))) == [
        ("critical", f"{damaged.id}/config/a.tar", "config/a.tar is not there: No such file; the set counts no longer"),
        ("ok", FOLDER, "1 other sets have each file with its size now"),
    ]
    assert told(losses(view(OLD, NEW))) == [("ok", FOLDER, "2 other sets have each file with its size now")]
    assert told(losses(view(OLD._replace(lacks=LOST), reports=(Report(OLD.id, 2),)))) == []


def test_files_that_no_manifest_lists_are_counted_and_the_first_twenty_named():
    full = OLD._replace(strangers=tuple(f"f{number}" for number in range(10, 31)))
    found = only(judged(judge_strangers, view(full, NEW)))
    named = ", ".join(f"f{number}" for number in range(10, 30))
    words = f"21 files in set {OLD.id} are not in its manifest: {named}"
    assert (found.status, found.message, found.expected, found.actual) == ("warning", words, 0, 21)
    assert told(judged(judge_strangers, view(OLD, NEW))) == [("ok", FOLDER, "2 sets hold just what they list")]
    assert told(judged(judge_strangers, view())) == [("skipped", FOLDER, "0 sets hold just what they list")]


def test_archives_of_other_programs_are_counted_and_the_first_twenty_named():
    found = only(judged(judge_foreign, view(foreign=tuple(f"{number}.zip" for number in range(10, 31)))))
    named = ", ".join(f"{number}.zip" for number in range(10, 30))
    assert found.message == (
        "21 archives of the application's own scripts (backup.sh, backup.ps1, update manager) are there: "
        f"{named}; nothing verifies them, no retention removes them, and they count as no backup"
    )
    assert (found.status, found.expected, found.actual) == ("warning", 0, 21)
    assert told(judged(judge_foreign, view())) == [("ok", FOLDER, "nothing but sets of this collection is there")]


ANOTHERS = "has another signature than that of the key and its manifest; it does not count"
NOBODYS = "is not signed, so who made it cannot be told; it does not count"
SIGNATURES = [
    ((SIGNED, SIGNED), [("ok", FOLDER, "2 sets are signed with the key")]),
    ((SIGNED, UNSIGNED), [("unknown", NEW.id, f"set {NEW.id} {NOBODYS}")]),
    ((FORGED, SIGNED), [("critical", OLD.id, f"set {OLD.id} {ANOTHERS}")]),
]


@pytest.mark.parametrize(("signatures", "expected"), SIGNATURES)
def test_only_where_all_sets_are_signed_is_that_said(signatures, expected):
    sets = [one._replace(signature=signature) for one, signature in zip((OLD, NEW), signatures)]
    keyed = settings(state="verified")._replace(sign_key=b"k")
    assert told(judged(judge_signature, view(*sets, given=keyed))) == expected
    silent = [("skipped", FOLDER, "there is no key to tell by, or no set")]
    assert told(judged(judge_signature, view(*sets))) == told(judged(judge_signature, view(given=keyed))) == silent


YEAR = 366 * DAY
PINS = [
    ("until now: it is over", NOW, "ok", "0 sets are pinned, 0 B"),
    ("for a second more", NOW + 1, "ok",
     f"1 sets are pinned, 1000 B: {NEW.id} (regular, 1000 B) until 2026-11-18T11:06:41Z"),
    ("for a leap year since it was made", NOW - DAY + YEAR, "ok",
     f"1 sets are pinned, 1000 B: {NEW.id} (regular, 1000 B) until 2027-11-18T11:06:40Z"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "end", "status", "message"), PINS, ids=[case[0] for case in PINS])
def test_pins_are_told_with_what_they_cost(why, end, status, message):
    pinned = a_set(DAY, pin_until=end)
    assert told(judged(judge_pin, view(pinned, OLD))) == [(status, FOLDER, message)]


def test_a_pin_of_more_than_a_year_is_told_with_its_end():
    found = only(judged(judge_pin, view(a_set(DAY, name="pre", pin_until=NOW - DAY + YEAR + 1), OLD)))
    assert found.message == f"set {NEW.id} (pre) is pinned until 2027-11-18T11:06:41Z"
    assert (found.status, found.expected) == ("warning", "a year at most")


def test_one_set_of_another_account_among_good_ones_is_told_and_no_ok_stands_beside_it():
    his = NEW._replace(others="/nowhere/x belongs to uid 1000")
    assert [one.status for one in judged(judge_permissions, view(OLD, his))] == ["critical"]
