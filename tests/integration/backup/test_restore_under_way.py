# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""While a restore is half done nothing else touches the host and each look says so; what restores keep is no data."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from plugins.module_utils.backup.examples import filled
from plugins.module_utils.restore.lab import Lab

from ansible_collections.cryptobot.maintenance.plugins.module_utils import restores
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC as BACKUP
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import walk
from ansible_collections.cryptobot.maintenance.plugins.module_utils.checkup.run import run as check_up
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import SPEC as CLEANUP
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import collect
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run as clean_up
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import SPEC as DATABASE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run as vacuum
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC as RESTART
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run as restart
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import journal, swap
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.journal import read_all
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restores import RestoreUnderWay, half_done

from .dying import died_at

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can prove that nobody has a file open")

TRADING, LIMITS = RESTART["trading"]["options"], DATABASE["thresholds"]["options"]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    lab = Lab(tmp_path)
    lab.install()
    lab.back_up()
    lab.spoil()
    return lab


def killed(lab: Lab) -> None:
    assert died_at(journal, "write", 10, lambda: lab.restore(safety_set=False), after=True)


def others(lab: Lab) -> dict[str, Any]:
    """Return what else works on a host, each with a thing to do."""
    host, state = choose_host(60), str(lab.root / "state")
    old = lab.root / "junk" / "old.tmp"
    old.parent.mkdir(exist_ok=True)
    old.write_text("x")
    os.utime(old, (1, 1))
    rule = {"name": "junk", "path": str(old.parent), "patterns": ["*.tmp"], "age": "1d"}
    database = {"name": "main", "engine": "sqlite", "path": str(lab.database)}
    return {
        "cleanup": lambda: clean_up(filled(CLEANUP, {"rules": [rule], "state_dir": state}), host),
        "database": lambda: vacuum(
            filled(DATABASE, {"databases": [database], "thresholds": filled(LIMITS, {}), "state_dir": state}), host
        ),
        "backup": lab.back_up,
    }


def looked(lab: Lab) -> dict[str, Any]:
    """Return what the daily look says, as a checkup asks for it."""
    given = {"dir": str(lab.root / "backups"), "state_dir": str(lab.root / "state"), "sources": lab.sources}
    result = check_up({"checks": {"backup": filled(BACKUP, {**given, "state": "verified"})}}, choose_host(60))
    [found] = [
        each for each in result.data["areas"]["backup"]["findings"] if each["check"] == "backup.restore_under_way"
    ]
    return dict(found)


def test_nothing_else_touches_a_host_with_a_restore_that_is_half_done(lab: Lab) -> None:
    killed(lab)
    acts = others(lab)
    for name, act in acts.items():
        with pytest.raises(RestoreUnderWay, match=r"is half done: .*restore_state=resumed"):
            act()
        assert (lab.root / "junk" / "old.tmp").exists(), name
    options = {"services": [], "trading": filled(TRADING, {}), "state_dir": str(lab.root / "state")}
    said = restart(filled(RESTART, options), choose_host(60))
    assert [(each.check, each.status) for each in said.findings] == [("restart.restoring", "critical")]
    assert (said.actions, said.failure) == ([], ""), "no other host waits for it"
    assert lab.restore(state="rolled_back").failure == ""
    for act in acts.values():
        act()
    assert not (lab.root / "junk" / "old.tmp").exists()


def test_that_test_would_see_who_does_not_ask(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(lab)
    monkeypatch.setattr(restores, "half_done", lambda state_dir: "")
    others(lab)["cleanup"]()
    assert not (lab.root / "junk" / "old.tmp").exists()


def test_a_checkup_says_that_a_restore_is_half_done_and_what_ends_that(lab: Lab) -> None:
    assert (looked(lab)["status"], looked(lab)["remedy"]) == ("ok", "")
    killed(lab)
    said = looked(lab)
    assert said["status"] == "critical"
    assert "steps are done, it was at: " in said["message"]
    assert "restore_state=resumed (or rolled_back)" in said["remedy"]
    assert lab.restore(state="resumed").failure == ""
    assert looked(lab)["status"] == "ok"


def test_a_journal_that_cannot_be_read_is_not_taken_for_none(lab: Lab) -> None:
    killed(lab)
    [path] = (lab.root / "state" / "restores").iterdir()
    path.write_text("{")
    assert "cannot be told" in half_done(str(lab.root / "state"))
    with pytest.raises(RestoreUnderWay):
        lab.back_up()


def test_old_states_go_in_their_time_and_not_while_another_restore_is_half_done(lab: Lab) -> None:
    assert lab.restore(safety_set=False, keep_old="0s").failure == ""
    [first] = read_all(str(lab.root / "state"))
    killed(lab)
    result = lab.restore(state="tidied")
    assert (result.actions, os.path.exists(first.folders[0])) == ([], True)
    assert lab.restore(state="rolled_back").failure == ""
    assert first.id in [each.subject for each in lab.restore(state="tidied").actions]
    assert not os.path.exists(first.folders[0])


def everything(lab: Lab) -> list[dict[str, Any]]:
    return [{"name": "all", "type": "files", "paths": [str(lab.root / "app")]}]


STORES = [{}, {"store": "restic", "repository_password": "w1nter-s3cret"}]


def kept_inside(lab: Lab) -> str:
    """Have a restore keep the state before in a folder of the installation; return it."""
    assert lab.restore(safety_set=False, only=["config"], files=[f"{lab.app}/config/bot.yml"]).failure == ""
    [left] = read_all(str(lab.root / "state"))
    assert left.folders[0].startswith(f"{lab.app}/"), "a files source lies above it"
    return left.folders[0]


@pytest.mark.parametrize("store", STORES, ids=["archive", "restic"])
def test_no_backup_packs_what_restores_keep(lab: Lab, store: dict[str, Any]) -> None:
    if store and shutil.which("restic") is None:
        pytest.skip("no restic on this machine")
    options = {**store, "repository": str(lab.root / "repo")} if store else {}
    folder, sources = kept_inside(lab), everything(lab)
    (Path(folder) / "old" / "secret.txt").write_text("before")
    lab_sources = [*sources, lab.sources[1]]
    type(lab).sources, own = property(lambda self: lab_sources), type(lab).sources
    try:
        number = lab.back_up(**options)
        into = lab.root / "look"
        assert lab.restore(into=str(into), set=number, only=["all"], **options).failure == ""
        assert (into / "all" / str(lab.app)[1:] / "config" / "bot.yml").exists()
        assert not list(into.rglob(".cryptobot-restore-*"))
        assert lab.restore(set=number, only=["all"], safety_set=False, **options).failure == ""
    finally:
        type(lab).sources = own
    assert (Path(folder) / "old" / "secret.txt").read_text() == "before", "it moves along with a folder that is swapped"


def test_a_cleanup_leaves_what_restores_keep(lab: Lab) -> None:
    folder = kept_inside(lab)
    for path in (Path(folder, "old", "a.log"), lab.app / "config" / "b.log"):
        path.write_text("x")
        os.utime(path, (1, 1))
    rule = {"name": "logs", "path": str(lab.app / "config"), "patterns": ["*.log"], "age": "1d", "recurse": True}
    result = clean_up(filled(CLEANUP, {"rules": [rule], "state_dir": str(lab.root / "state")}), choose_host(60))
    assert not (lab.app / "config" / "b.log").exists()
    assert Path(folder, "old", "a.log").exists()
    assert [each.status for each in result.findings if each.status not in ("ok", "skipped")] == []


def of_no_backup(lab: Lab) -> None:
    test_no_backup_packs_what_restores_keep(lab, {})


SEEN = [(walk, of_no_backup), (swap, of_no_backup), (collect, test_a_cleanup_leaves_what_restores_keep)]


@pytest.mark.parametrize(("module", "test"), SEEN, ids=["walk", "swap", "collect"])
def test_those_tests_would_see_it(lab: Lab, monkeypatch: pytest.MonkeyPatch, module: Any, test: Any) -> None:
    monkeypatch.setattr(module, "is_own", lambda name: False)
    with pytest.raises((AssertionError, FileNotFoundError)):
        test(lab)
