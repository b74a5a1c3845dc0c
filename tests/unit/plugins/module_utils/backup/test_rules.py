# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every rule, with the state that makes it speak and the one that lets it be content."""

from __future__ import annotations

from collections import Counter

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import macos, windows
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
    Defect,
    Lack,
    Leftover,
    Report,
    Stock,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.retention import Decisions
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_folder import RULES as FOLDER_RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_verification import (
    RULES as VERIFICATION_RULES,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import KINDS, RULES, judge
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.space import Space
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import worst
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trusted import Fault

from .examples import DAY, NOW, a_catalog, a_set, files, settings

POLICY = {"retention": {"daily": 7}}
KEEP = Decisions({}, {})


def view(catalog=None, given=None, **more) -> Context:
    read = settings(state="verified", **(given or {}))
    more.setdefault("space", Space(10, 1, 2, "one set before it"))
    return Context(settings=read, catalog=a_catalog(a_set(3600)) if catalog is None else catalog, now=NOW, **more)


def report(*defects: Defect, level: int = 2, sources: int = 1) -> Report:
    return Report("id", level, defects=list(defects), sources=sources)


def keyed(*signatures: str) -> Context:
    """Return the view of a host with a key and of sets with such signatures."""
    sets = [a_set(60 + number)._replace(signature=signature) for number, signature in enumerate(signatures)]
    seen = view(a_catalog(*sets))
    return seen._replace(settings=seen.settings._replace(sign_key=b"k"))


HIS = Fault("/nowhere", "/nowhere belongs to another", 1000, ours=7)
WRITABLE = Fault("/above", "others may write to the folder /above (mode 0777)")
UNSEEN = Fault("/above", "/above cannot be looked at: Permission denied", unseen=True)
BAD = a_set(60, anomalies=("config has no files at all",))
LONG_AGO = a_set(2 * DAY)
PIN = a_set(DAY, pin_until=NOW + 30 * DAY)
LONG_PIN = a_set(DAY, pin_until=NOW + 800 * DAY)
OPTIONAL = {"sources": [files("config", "/etc/cryptobot"), files("logs", "/b", optional=True)]}
MORE = {"sources": [files("config", "/etc/cryptobot"), files("logs", "/b")]}
ELSEWHERE = {"sources": [files("config", "/etc/crypto")]}
EXCLUDING = {"sources": [files("config", "/etc/cryptobot", exclude=["*.log"])]}
WIDE = Access((Opening("/nowhere", (), "0700"), Opening("/nowhere/set", ("the group",), "0750")))
STATES = (DEAD, GROWING, WAITING, UNCLEAR)
LEFT = {state: (Leftover("x.partial", "partial", state, "pid 1 on fake"),) for state in STATES}
LOST = (Lack("config", "config/archive.tar", "is not there: No such file"),)


def failed_at(moment: float) -> dict:
    return {"at": NOW, "ok": True, "failures": [{"at": moment, "message": "the disk was full"}]}


CASES = [
    ("backup.present", view(), "ok"),
    ("backup.present", view(a_catalog(exists=False)), "critical"),
    ("backup.present", view(a_catalog()), "critical"),
    ("backup.present", view(a_catalog(a_set(60, verified=None))), "critical"),
    ("backup.present", view(a_catalog(BAD)), "critical"),
    ("backup.age", view(), "ok"),
    ("backup.age", view(a_catalog(LONG_AGO)), "critical"),
    ("backup.age", view(a_catalog(LONG_AGO), {"max_age_hours": 50.0}), "ok"),
    ("backup.age", view(a_catalog(a_set(1)), {"max_age_hours": 1e-6}), "critical"),
    ("backup.age", view(a_catalog(LONG_AGO, BAD)), "critical"),
    ("backup.age", view(a_catalog(a_set(-3600))), "unknown"),
    ("backup.age", view(a_catalog(a_set(-3600), now=NOW)), "skipped"),
    ("backup.age", view(a_catalog(a_set(-3600), LONG_AGO, now=NOW)), "critical"),
    ("backup.age", view(a_catalog()), "skipped"),
    ("backup.complete", view(), "ok"),
    ("backup.complete", view(given=MORE), "critical"),
    ("backup.complete", view(given=OPTIONAL), "warning"),
    ("backup.complete", view(given=ELSEWHERE), "critical"),
    ("backup.complete", view(given=EXCLUDING), "critical"),
    ("backup.complete", view(given={"sources": []}), "skipped"),
    ("backup.complete", view(a_catalog()), "skipped"),
    ("backup.manifest", view(), "ok"),
    ("backup.manifest", view(a_catalog(broken=(Broken("x", "it is no JSON"),))), "critical"),
    ("backup.manifest", view(a_catalog()), "skipped"),
    ("backup.payload", view(reports=(report(),)), "ok"),
    ("backup.payload", view(a_catalog(LONG_AGO._replace(lacks=LOST))), "critical"),
    ("backup.payload", view(a_catalog(LONG_AGO._replace(lacks=LOST), a_set(60))), "critical"),
    ("backup.present", view(a_catalog(LONG_AGO._replace(lacks=LOST))), "critical"),
    ("backup.present", view(a_catalog(a_set(-3600), now=NOW)), "unknown"),
    ("backup.present", view(a_catalog(a_set(-3600, verified=None), now=NOW)), "critical"),
    ("backup.present", view(a_catalog(a_set(-3600), LONG_AGO, now=NOW)), "ok"),
    ("backup.payload", view(reports=(report(Defect(0, "config", "it is not there")),)), "critical"),
    ("backup.checksum", view(reports=(report(level=1),)), "ok"),
    ("backup.checksum", view(reports=(report(Defect(1, "config", "another checksum")),)), "critical"),
    ("backup.checksum", view(reports=(report(Defect(1, "config", "EIO", unknown=True)),)), "unknown"),
    ("backup.checksum", view(reports=(report(Defect(0, "config", "it is not there")),)), "skipped"),
    ("backup.checksum", view(reports=(report(Defect(0, "a", "it is not there"), sources=2),)), "ok"),
    ("backup.readable", view(reports=(report(),)), "ok"),
    ("backup.readable", view(reports=(report(Defect(2, "config", "it does not open")),)), "critical"),
    ("backup.readable", view(reports=(report(Defect(2, "config", "no pg_restore", unknown=True)),)), "unknown"),
    ("backup.restorable", view(reports=(report(level=3),)), "ok"),
    ("backup.restorable", view(reports=(report(Defect(3, "config", "it does not come back"), level=3),)), "critical"),
    ("backup.restorable", view(reports=(report(Defect(3, "config", "no initdb", unknown=True), level=3),)), "unknown"),
    ("backup.size_anomaly", view(), "ok"),
    ("backup.size_anomaly", view(a_catalog(LONG_AGO, BAD)), "critical"),
    ("backup.size_anomaly", view(a_catalog()), "skipped"),
    ("backup.permissions", view(), "ok"),
    ("backup.permissions", view(access=WIDE), "warning"),
    ("backup.permissions", view(access=WIDE._replace(unknown="the list of another could not be read")), "unknown"),
    ("backup.permissions", view(access=Access(unknown="powershell.exe was not found")), "unknown"),
    ("backup.permissions", view(a_catalog(exists=False)), "skipped"),
    ("backup.permissions", view(a_catalog(LONG_AGO, faults=(HIS,))), "critical"),
    ("backup.drill", view(a_catalog(a_set(60))), "skipped"),
    ("backup.permissions", view(a_catalog(LONG_AGO, faults=(WRITABLE, HIS))), "critical"),
    ("backup.permissions", view(a_catalog(LONG_AGO, faults=(WRITABLE,))), "critical"),
    ("backup.permissions", view(a_catalog(LONG_AGO, faults=(UNSEEN,))), "unknown"),
    ("backup.permissions", view(a_catalog(LONG_AGO, faults=(WRITABLE._replace(path="/nowhere/backups"),))), "critical"),
    ("backup.permissions", view(a_catalog(a_set(60)._replace(others="it belongs to another"), LONG_AGO)), "critical"),
    ("backup.present", view(a_catalog(a_set(60)._replace(others="it belongs to another"))), "critical"),
    ("backup.present", view(a_catalog(a_set(60), faults=(HIS,))), "critical"),
    ("backup.present", view(a_catalog(a_set(60), faults=(WRITABLE,))), "critical"),
    ("backup.present", view(a_catalog(a_set(60), faults=(WRITABLE, UNSEEN))), "critical"),
    ("backup.present", view(a_catalog(a_set(60), faults=(UNSEEN,))), "unknown"),
    ("backup.present", view(a_catalog(faults=(UNSEEN,))), "critical"),
    ("backup.age", view(a_catalog(a_set(60), faults=(WRITABLE,))), "skipped"),
    ("backup.age", view(a_catalog(a_set(60)._replace(others="it belongs to another"), LONG_AGO)), "critical"),
    ("backup.complete", view(a_catalog(a_set(60), faults=(WRITABLE,))), "skipped"),
    ("backup.permissions", view(a_catalog(exists=False, faults=(HIS,))), "critical"),
    ("backup.last_run", view(), "skipped"),
    ("backup.last_run", view(last_run={"at": NOW, "ok": True, "message": "made"}), "ok"),
    ("backup.last_run", view(last_run={"at": NOW, "ok": False, "message": "the disk was full"}), "critical"),
    ("backup.last_run", view(last_run={"at": NOW - 2 * DAY, "ok": False, "message": "the disk was full"}), "ok"),
    ("backup.run_errors", view(), "skipped"),
    ("backup.run_errors", view(last_run={"at": NOW, "ok": True, "message": "made"}), "ok"),
    ("backup.run_errors", view(last_run=failed_at(NOW - 7 * DAY)), "warning"),
    ("backup.run_errors", view(last_run=failed_at(NOW - 7 * DAY - 1)), "ok"),
    ("backup.run_errors", view(last_run={"at": NOW, "ok": True, "failures": ["x", {"at": "then"}]}), "ok"),
    ("backup.leftover", view(), "ok"),
    ("backup.leftover", view(a_catalog(leftovers=LEFT[DEAD])), "warning"),
    ("backup.leftover", view(a_catalog(leftovers=LEFT[WAITING])), "warning"),
    ("backup.leftover", view(a_catalog(leftovers=LEFT[UNCLEAR])), "warning"),
    ("backup.leftover", view(a_catalog(leftovers=LEFT[UNCLEAR] + LEFT[GROWING])), "warning"),
    ("backup.leftover", view(a_catalog(leftovers=LEFT[GROWING])), "ok"),
    ("backup.space", view(), "ok"),
    ("backup.space", view(space=Space(1, 1, 2, "one set before it")), "critical"),
    ("backup.space", view(space=None, space_unknown="no sources are declared"), "unknown"),
    ("backup.space", view(space=None), "skipped"),
    ("backup.retention", view(), "skipped"),
    ("backup.retention", view(given=POLICY, retention=KEEP), "ok"),
    ("backup.retention", view(a_catalog(LONG_AGO, BAD), POLICY, retention=KEEP), "warning"),
    ("backup.retention", view(a_catalog(LONG_AGO, broken=(Broken("x", "y"),)), POLICY, retention=KEEP), "warning"),
    ("backup.clock", view(), "ok"),
    ("backup.clock", view(a_catalog(a_set(-301), now=NOW)), "critical"),
    ("backup.clock", view(a_catalog(a_set(-300), now=NOW)), "ok"),
    ("backup.clock", view(a_catalog(a_set(-3600), LONG_AGO, now=NOW)), "warning"),
    ("backup.clock", view(a_catalog(a_set(-3600, verified=None), LONG_AGO, now=NOW)), "warning"),
    ("backup.clock", view(given=POLICY, retention=Decisions({}, {}, "the clock leapt")), "critical"),
    ("backup.strangers", view(), "ok"),
    ("backup.strangers", view(a_catalog(a_set(60)._replace(strangers=("x",)), LONG_AGO)), "warning"),
    ("backup.strangers", view(a_catalog()), "skipped"),
    ("backup.chain", view(), "ok"),
    ("backup.chain", view(a_catalog()), "skipped"),
    (
        "backup.chain",
        view(a_catalog(a_set(60)._replace(chain=(Lack("config", "x/archive.tar", "is not there"),)))),
        "critical",
    ),
    ("backup.signature", view(), "skipped"),
    ("backup.signature", keyed(SIGNED), "ok"),
    ("backup.signature", keyed(SIGNED, UNSIGNED), "unknown"),
    ("backup.signature", keyed(SIGNED, UNSIGNED, FORGED), "critical"),
    ("backup.present", keyed(UNSIGNED, FORGED), "critical"),
    ("backup.present", keyed(UNSIGNED, SIGNED), "ok"),
    ("backup.repository", view(), "skipped"),
    ("backup.repository", view(a_catalog(a_set(60), store=Stock("/repository"))), "ok"),
    ("backup.repository", view(a_catalog(a_set(60), store=Stock("/repository", strays=("file x",)))), "warning"),
    ("backup.repository", view(a_catalog(a_set(60), store=Stock("/repository", lost=("x",)))), "critical"),
    ("backup.repository", view(a_catalog(store=Stock("/repository", ("file x",), ("x",)))), "critical"),
    ("backup.foreign", view(), "ok"),
    ("backup.foreign", view(a_catalog(foreign=("a.tar.gz",))), "warning"),
    ("backup.pin", view(), "ok"),
    ("backup.pin", view(a_catalog(PIN)), "ok"),
    ("backup.pin", view(a_catalog(LONG_PIN)), "warning"),
]


@pytest.mark.parametrize(("check", "state", "status"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
def test_rule(check, state, status):
    findings = [finding for finding in judge(state) if finding.check == check]
    assert findings, f"no rule speaks of {check}"
    assert worst(finding.status for finding in findings) == status


def test_every_rule_of_the_verified_state_is_in_the_table():
    spoken = {finding.check for finding in judge(view(reports=(report(level=3),)))}
    assert spoken == {case[0] for case in CASES}


def test_every_finding_that_is_not_content_says_what_to_do():
    for check, state, status in CASES:
        for finding in judge(state):
            if finding.check == check and status not in ("ok", "skipped"):
                assert finding.remedy or finding.status == "ok"


# (platform, how the folder is closed there, by its name in the words of its shell)
CLOSED = [
    ("linux", Access().remedy, "chmod 700 '/var/back ups'"),
    ("darwin", macos.REMEDY, "chmod 700 '/var/back ups' && chmod -N '/var/back ups'"),
    ("windows", windows.REMEDY, "icacls '/var/back ups' /inheritance:r"),
]


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("platform", "how", "command"), CLOSED)
def test_the_remedy_of_an_open_folder_closes_that_folder(platform, how, command):
    access = Access((Opening("/var/back ups", ("others",), "0755"),), remedy=how)
    seen = view(access=access)._replace(platform=platform)
    (said,) = [one for one in judge(seen) if one.check == "backup.permissions"]
    assert said.remedy.startswith(command)
    assert "{" not in said.remedy


def test_rules_speak_in_each_state_of_the_module():
    for state in KINDS:
        seen = view(reports=(report(),))._replace(settings=settings(state=state, retention={"daily": 1}))
        assert {finding.check for finding in judge(seen)} <= set(RULES.checks)


# Rules that may say more than one thing of one subject, with a context in which they do.
TWICE = {
    "backup.payload": view(reports=(report(Defect(0, "config", "a"), Defect(0, "config", "b")),)),
    "backup.checksum": view(reports=(report(Defect(1, "config", "a"), Defect(1, "config", "b")),)),
    "backup.readable": view(reports=(report(Defect(2, "config", "a"), Defect(2, "config", "b")),)),
    "backup.restorable": view(reports=(report(Defect(3, "config", "a"), Defect(3, "config", "b"), level=3),)),
    "backup.permissions": view(
        a_catalog(faults=(HIS._replace(path="/nowhere/backups"),)), access=WIDE._replace(unknown="denied")
    ),
}


def test_what_is_said_twice_of_one_subject_is_of_a_rule_that_may():
    for check, context in [*((check, state) for check, state, _status in CASES), *TWICE.items()]:
        said = Counter((one.check, one.subject) for one in judge(context))
        twice = {one for (one, _subject), times in said.items() if times > 1}
        assert twice == ({check} if context is TWICE.get(check) else twice & set(TWICE)), check
    declared = [rule for rules in (RULES, FOLDER_RULES, VERIFICATION_RULES) for rule in rules.all]
    assert {rule.check.id for rule in declared if rule.many} == set(TWICE)
    assert all(rule.many for rule in declared if rule.check.id in TWICE)


def test_a_broken_set_does_not_hide_the_others():
    found = judge(view(a_catalog(a_set(60), broken=(Broken("x", "it is no JSON"),))))
    assert {finding.status for finding in found if finding.check == "backup.present"} == {"ok"}
    assert [finding.subject for finding in found if finding.check == "backup.manifest"] == ["x"]


OWNED = [
    (HIS, "/nowhere belongs to uid 1000, who can replace whole sets", "chown 7 /nowhere && chmod go-w /nowhere; "),
    (
        HIS._replace(path="/nowhere/backups"),
        "/nowhere/backups belongs to uid 1000, ",
        "&& chmod 700 /nowhere/backups; ",
    ),
    (HIS._replace(link=True), "the symlink /nowhere belongs to uid 1000, who can", "rm /nowhere, and look what was "),
    (WRITABLE, "others may write to the folder /above (mode 0777), and so replace whole sets", "or: chmod go-w /above"),
]


@pytest.mark.parametrize(("fault", "message", "cure"), OWNED)
def test_who_could_replace_whole_sets_is_named_with_the_cure(fault, message, cure):
    seen = view(a_catalog(LONG_AGO, faults=(fault,)))
    [finding] = [one for one in judge(seen) if one.check == "backup.permissions" and one.status != "ok"]
    assert (message in finding.message, cure in finding.remedy, finding.subject) == (True, True, fault.path)
    [present] = [one for one in judge(seen) if one.check == "backup.present"]
    assert ("uid 1000" in present.message) is (fault.owner is not None)
