# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules about the sets say, word for word, and the bounds that they keep to."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Source
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Broken, Defect, Report
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_anomaly import judge_size_anomaly
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_sets import (
    difference,
    judge_age,
    judge_complete,
    judge_last_run,
    judge_present,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_verification import (
    judge_checksum,
    judge_payload,
    judge_readable,
    judge_restorable,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trusted import Fault

from .examples import DAY, NOW, a_catalog, a_set, an_entry, files, judged, settings

FOLDER = "/nowhere/backups"
HOUR = 3600.0


def view(*sets, given=None, last_run=None, reports=(), **catalog) -> Context:
    chosen = settings(state="verified", **(given or {}))
    return Context(chosen, a_catalog(*sets, **catalog), NOW, reports, last_run=last_run or {})


def told(findings) -> list[tuple[str, str, str]]:
    return [(one.status, one.subject, one.message) for one in findings]


def only(findings) -> Finding:
    [finding] = findings
    return finding


GOOD, UNVERIFIED, FUTURE = a_set(60), a_set(90, verified=None), a_set(-HOUR)
BROKEN = (Broken("20261110T000000Z-000000", "it is no JSON"),)
THEIRS = tuple(Fault(path, "", uid) for path, uid in (("/nowhere", 1000), ("/nowhere/backups", 1001)))
LATER = "; 1 are dated in the future, so how old they are is not known"
AS_WELL = "; 2 archives of the application's own scripts are there as well"
PRESENT = [
    ("some count", view(GOOD, UNVERIFIED, broken=BROKEN), "ok", "1 of 3 sets in {} count as backups"),
    ("one counts and other archives are there", view(GOOD, foreign=("a", "b")), "ok",
     "1 of 1 sets in {} count as backups"),
    ("one counts and one is of the future", view(GOOD, FUTURE, now=NOW), "ok", "1 of 2 sets in {} count as backups"),
    ("there is no folder", view(exists=False), "critical", "{} does not exist, so there is no backup"),
    ("none counts", view(UNVERIFIED), "critical", "0 of 1 sets in {} count as backups"),
    ("none counts and other archives are there", view(foreign=("a", "b")), "critical",
     "0 of 0 sets in {} count as backups" + AS_WELL),
    ("the good one is of the future", view(FUTURE, UNVERIFIED, now=NOW, foreign=("a", "b")), "unknown",
     "0 of 2 sets in {} count as backups" + AS_WELL + LATER),
    ("the way belongs to others: the folder itself is named", view(GOOD, faults=THEIRS), "critical",
     "0 of 1 sets in {} count as backups; {} belongs to uid 1001, who can replace whole sets"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "seen", "status", "message"), PRESENT, ids=[case[0] for case in PRESENT])
def test_how_many_sets_count_is_said_with_what_else_there_is(why, seen, status, message):
    found = only(judged(judge_present, seen))
    assert told([found]) == [(status, FOLDER, message.replace("{}", FOLDER))]
    assert (found.expected, found.actual) == ("1 or more", 1 if status == "ok" else 0)


AGES = [
    ("as old as it may be", 12 * HOUR, "ok", "12.0 h old", 43200),
    ("a second older", 12 * HOUR + 1, "critical", "12.0 h old", 43201),
    ("made now", 0.0, "ok", "0.0 s old", 0),
]


@pytest.mark.parametrize(("why", "age", "status", "words", "actual"), AGES, ids=[case[0] for case in AGES])
def test_the_age_of_the_newest_set_that_counts(why, age, status, words, actual):
    newest = a_set(age)
    found = only(judged(judge_age, view(newest, a_set(9 * DAY), given={"max_age_hours": 12.0})))
    message = f"the newest set that counts, {newest.id}, is {words}"
    assert told([found]) == [(status, FOLDER, message)]
    assert (found.expected, found.actual) == ("at most 12.0 h", actual)


def test_without_a_set_that_counts_there_is_no_age_and_nothing_that_is_held():
    assert told(judged(judge_age, view(UNVERIFIED))) == [("skipped", FOLDER, "there is no set whose age could be told")]
    assert told(judged(judge_complete, view(UNVERIFIED))) == [
        ("skipped", "config", "there is no set that counts and could hold it")
    ]
    assert told(judged(judge_complete, view(GOOD, given={"sources": []}))) == [
        ("skipped", FOLDER, "no source is declared, so nothing can be compared")
    ]
    assert told(judged(judge_size_anomaly, view())) == [("skipped", FOLDER, "there is no set that could be compared")]
    assert told(judged(judge_last_run, view(GOOD))) == [("skipped", FOLDER, "no run is remembered on this host")]


@pytest.mark.parametrize(("ahead", "status"), [(300, "ok"), (301, "unknown")])
def test_two_clocks_may_differ_by_five_minutes(ahead, status):
    assert only(judged(judge_age, view(a_set(-ahead)))).status == status


def holding(entry) -> Context:
    made = GOOD._replace(manifest=GOOD.manifest._replace(sources=(entry,)))
    return view(made)


def test_a_source_that_is_held_as_declared_is_told_so():
    message = f"set {GOOD.id} holds the files source config as it is declared"
    assert told(judged(judge_complete, view(GOOD))) == [("ok", "config", message)]


def test_what_an_older_release_did_not_note_is_unknown():
    server = {"name": "main", "type": "postgresql"}
    older = an_entry("main", kind="postgresql")._replace(facts={})
    seen = holding(older)._replace(settings=settings(state="verified", sources=[server]))
    message = (
        f"set {GOOD.id} holds the postgresql source main as it is declared; "
        "the set is of a release that did not note which databases were declared"
    )
    assert told(judged(judge_complete, seen)) == [("unknown", "main", message)]


SOURCES = [files("config", "/etc/cryptobot"), files("logs", "/b"), files("more", "/c", optional=True)]


def test_a_source_that_is_not_held_is_told_with_the_reason():
    skipping = GOOD._replace(manifest=GOOD.manifest._replace(skipped={"more": "/c does not exist"}))
    first, second = told(judged(judge_complete, view(skipping, given={"sources": SOURCES})))[1:]
    lacks = f"set {GOOD.id} does not hold the files source"
    assert first == ("critical", "logs", f"{lacks} logs: it was not declared when the set was made")
    assert second == ("warning", "more", f"{lacks} more: /c does not exist")


def test_a_source_that_is_another_now_is_told_with_the_difference():
    found = told(judged(judge_complete, view(GOOD, given={"sources": [files("config", "/etc/crypto", "/a")]})))
    words = "paths is /a, /etc/crypto now and was /etc/cryptobot"
    assert found == [("critical", "config", f"set {GOOD.id} holds another config than is declared: {words}")]


BARE = {"type": "postgresql"}  # what an older release notes of a server
DIFFERENCES = [
    ("another path", Source("x", "files", paths=("/b",)), {"type": "files", "paths": ["/a"], "exclude": []},
     "paths is /b now and was /a"),
    ("exclusions, where there were none", Source("x", "files", paths=("/a",), exclude=("*.log", "*.tmp")),
     {"type": "files", "paths": ["/a"], "exclude": []}, "exclude is *.log, *.tmp now and was none"),
    ("of a server, where all was taken", Source("x", "postgresql", server={"database": "shop", "globals": True}),
     {**BARE, "paths": [], "exclude": [], "login_host": "db"},
     "database is shop now and was none; globals is True now and was none; login_host is none now and was db"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "source", "then", "words"), DIFFERENCES, ids=[case[0] for case in DIFFERENCES])
def test_in_which_words_two_declarations_differ(why, source, then, words):
    held = an_entry("x", kind=source.type)._replace(facts={"declared": then})
    assert difference(source, held) == words


def test_of_a_declaration_that_was_not_noted_only_the_type_is_compared():
    held = an_entry("x", kind="postgresql")._replace(facts={})
    assert difference(Source("x", "files", paths=("/a",)), held) == (
        "type is files now and was postgresql; paths is /a now and was none"
    )


def report(level: int, *defects: Defect, sources: int = 2, partial: bool = False) -> Report:
    return Report("id", level, partial, list(defects), sources)


def verification(seen: Context) -> list[Finding]:
    """Return what the rules of all levels say, without those of the sets that were not looked at."""
    rules = (judge_payload, judge_checksum, judge_readable, judge_restorable)
    return [one for rule in rules for one in judged(rule, seen)]


def heads(seen: Report) -> list[tuple[str, str, str]]:
    """Return (check, status, subject) of what is said of a report."""
    return [(one.check, one.status, one.subject) for one in verification(view(reports=(seen,)))]


PAYLOAD, CHECKSUM, READABLE = "backup.payload", "backup.checksum", "backup.readable"
RESTORABLE = "backup.restorable"
LEVELS = [
    (report(0), [(PAYLOAD, "all 2 sources hold at L0")]),
    (report(1), [(PAYLOAD, "all 2 sources hold at L0"), (CHECKSUM, "all 2 sources hold at L1")]),
    (report(2), [(PAYLOAD, "all 2 sources hold at L0"), (CHECKSUM, "all 2 sources hold at L1"),
                 (READABLE, "all 2 sources hold at L2")]),
    (report(3), [(PAYLOAD, "all 2 sources hold at L0"), (CHECKSUM, "all 2 sources hold at L1"),
                 (READABLE, "all 2 sources hold at L2"), (RESTORABLE, "all 2 sources hold at L3")]),
    (report(1, sources=1, partial=True), [(PAYLOAD, "all 1 sources of the share looked at hold at L0"),
                                          (CHECKSUM, "all 1 sources of the share looked at hold at L1")]),
    (report(0, sources=0), [(PAYLOAD, "all 0 sources hold at L0")]),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "expected"), LEVELS)
def test_each_level_that_was_reached_is_told(seen, expected):
    found = list(verification(view(reports=(seen,))))
    assert [(one.check, one.message) for one in found] == expected
    assert {(one.status, one.subject) for one in found} == {("ok", "id")}


GONE, DIFFERS = Defect(0, "config", "is not there"), Defect(1, "main", "another checksum")
BLIND = Defect(2, "main", "there is no pg_restore", unknown=True)
FAILING = [
    ("one of two is gone: the other was looked at", report(2, GONE),
     [(PAYLOAD, "critical", "id/config"), (CHECKSUM, "ok", "id"), (READABLE, "ok", "id")]),
    ("one is gone, the other differs: nothing was opened", report(2, GONE, DIFFERS),
     [(PAYLOAD, "critical", "id/config"), (CHECKSUM, "critical", "id/main"), (READABLE, "skipped", "id")]),
    ("the only one is gone: nothing more was looked at", report(2, GONE, sources=1),
     [(PAYLOAD, "critical", "id/config"), (CHECKSUM, "skipped", "id"), (READABLE, "skipped", "id")]),
    ("an empty share, and something is gone elsewhere", report(2, GONE, sources=0, partial=True),
     [(PAYLOAD, "critical", "id/config"), (CHECKSUM, "skipped", "id"), (READABLE, "skipped", "id")]),
    ("one could not be opened: that is not known", report(2, BLIND),
     [(PAYLOAD, "ok", "id"), (CHECKSUM, "ok", "id"), (READABLE, "unknown", "id/main")]),
]  # fmt: skip


@pytest.mark.parametrize(("why", "seen", "expected"), FAILING, ids=[case[0] for case in FAILING])
def test_what_failed_at_a_level_was_not_looked_at_beyond_it(why, seen, expected):
    assert heads(seen) == expected


EMPTIED = a_set(60, anomalies=("config has no files at all", "main lost 99% of its data"))


def test_what_looks_emptied_in_the_newest_set_is_named():
    found = told(judged(judge_size_anomaly, view(a_set(DAY), EMPTIED)))
    words = "config has no files at all; main lost 99% of its data"
    assert found == [("critical", FOLDER, f"set {EMPTIED.id}: {words}")]
    assert told(judged(judge_size_anomaly, view(GOOD))) == [
        ("ok", FOLDER, f"set {GOOD.id}: 1000 B, no source looks emptied")
    ]


FAILED = {"at": NOW - 60, "ok": False, "message": "the disk was full"}
LAST = [
    ("failed when the newest set was begun", a_set(60), FAILED, "critical"),
    ("failed, and a set was begun a second later", a_set(59), FAILED, "ok"),
    ("failed, and no set is there", None, FAILED, "critical"),
    ("went well, and no set is there", None, {**FAILED, "ok": True}, "ok"),
]


@pytest.mark.parametrize(("why", "made", "last", "status"), LAST, ids=[case[0] for case in LAST])
def test_a_failed_run_is_over_once_a_set_was_begun_after_it(why, made, last, status):
    found = told(judged(judge_last_run, view(*([made] if made else []), last_run=last)))
    assert found == [(status, FOLDER, "the last run, at 2026-11-18T11:05:40Z: the disk was full")]


def test_a_run_of_which_no_moment_was_noted_is_of_long_ago():
    found = told(judged(judge_last_run, view(last_run={"ok": False, "message": "the disk was full"})))
    assert found == [("critical", FOLDER, "the last run, at 1970-01-01T00:00:00Z: the disk was full")]
