# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cleaning a Windows disk: never through a reparse point or into another volume, never what is open or kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import handles
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.collect import Bounds, scan
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.sealed import Sealed, entered, seal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.windows import (
    NTFS,
    opened_below,
    opened_root,
    system,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    DONE,
    FAILED,
    NOT_DONE,
    OK,
    PLANNED,
    SKIPPED,
    UNKNOWN,
    Result,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.folders import NotEntered

from .examples import declared, parameters, rule
from .ntfs import ACCESS_DENIED, CLOUD, DEDUPLICATED, OFFLINE, READ_ONLY, REPARSE, SYSTEM, Ntfs, WindowsError, mounted

LOGS = r"C:\CryptoBot\logs"
FAR = Bounds(10**6, float("inf"))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ntfs:
    """A disk with one old log and one in a folder below."""
    ntfs = mounted(monkeypatch, tmp_path / "disk")
    ntfs.put(rf"{LOGS}\a.log")
    ntfs.put(rf"{LOGS}\sub\b.log")
    return ntfs


@pytest.fixture
def state_dir(tmp_path: Path) -> str:
    """A folder for the lock, as the stand-in for Windows can make it."""
    return str(tmp_path / "state")


def clean(state_dir: str, check_mode: bool = False, **changes: Any) -> Result:
    made = declared(**{"path": LOGS, "patterns": ["*.log"], "recurse": True, **changes})
    return run(parameters(made, state_dir=state_dir), FakeHost("windows", now=NOW), check_mode)


NOW = 4_000_000_000.0


def states(result: Result) -> dict[str, str]:
    return {action.subject: action.state for action in result.actions}


def found(result: Result, rule_id: str) -> dict[str, str]:
    return {f.subject: f.status for f in result.findings if f.check == f"cleanup.{rule_id}"}


def told(result: Result, rule_id: str) -> str:
    return " ".join(f.message for f in result.findings if f.check == f"cleanup.{rule_id}")


def test_old_files_go_and_check_mode_says_which(disk: Ntfs, state_dir: str) -> None:
    planned = clean(state_dir, check_mode=True)
    assert states(planned) == {rf"{LOGS}\a.log": PLANNED, rf"{LOGS}\sub\b.log": PLANNED}
    assert disk.place(rf"{LOGS}\a.log").exists()
    done = clean(state_dir)
    assert states(done) == {rf"{LOGS}\a.log": DONE, rf"{LOGS}\sub\b.log": DONE}
    assert not disk.place(rf"{LOGS}\a.log").exists()
    assert disk.held == {}
    assert clean(state_dir).changed is False


def test_folders_that_become_empty_are_removed(disk: Ntfs, state_dir: str) -> None:
    result = clean(state_dir, empty_dirs=True)
    assert states(result)[rf"{LOGS}\sub"] == DONE
    assert not disk.place(rf"{LOGS}\sub").exists()


def test_a_junction_is_neither_entered_nor_removed(disk: Ntfs, state_dir: str) -> None:
    disk.put(rf"{LOGS}\aside\precious.log")
    disk.junction(rf"{LOGS}\aside")
    result = clean(state_dir, empty_dirs=True)
    assert disk.place(rf"{LOGS}\aside\precious.log").exists()
    message = next(f.message for f in result.findings if f.check == "cleanup.guard" and f.subject == "logs")
    assert (
        r"C:\CryptoBot\logs\aside was not entered: it is a junction or mount point (reparse tag 0xa0000003)" in message
    )


def test_a_rule_whose_folder_or_a_folder_above_it_is_a_junction_does_nothing(disk: Ntfs, state_dir: str) -> None:
    disk.junction(r"C:\CryptoBot")
    result = clean(state_dir)
    assert (result.actions, found(result, "rule")) == ([], {"logs": UNKNOWN})
    assert disk.held == {}


def test_another_volume_is_not_entered(disk: Ntfs, state_dir: str) -> None:
    disk.volumes[rf"{LOGS}\sub"] = 77
    result = clean(state_dir)
    assert states(result) == {rf"{LOGS}\a.log": DONE}
    assert "another volume is mounted there" in told(result, "guard")


KEPT = [
    (READ_ONLY, 0, "it has the read-only attribute"),
    (SYSTEM, 0, "it has the system attribute"),
    (OFFLINE, 0, "its content is kept elsewhere"),
    (REPARSE, DEDUPLICATED, "it is a deduplicated file"),
    (REPARSE, CLOUD, "it is a reparse point (reparse tag 0x9000001a)"),
    (0x400000, 0, "its content is kept elsewhere"),
]


@pytest.mark.parametrize(("attributes", "tag", "why"), KEPT, ids=[row[-1] for row in KEPT])
def test_a_file_that_the_system_wants_to_stay_stays(
    attributes: int, tag: int, why: str, disk: Ntfs, state_dir: str
) -> None:
    disk.attributes[rf"{LOGS}\a.log"], disk.tags[rf"{LOGS}\a.log"] = attributes, tag
    for check_mode in (True, False):
        result = clean(state_dir, check_mode)
        (action,) = [a for a in result.actions if a.subject == rf"{LOGS}\a.log"]
        assert (action.state, action.reason[: len(why)]) == (NOT_DONE, why)
    assert disk.place(rf"{LOGS}\a.log").exists()


def test_a_file_that_may_not_even_be_looked_at_stays(disk: Ntfs, state_dir: str) -> None:
    disk.untold.add(rf"{LOGS}\a.log")
    assert states(clean(state_dir))[rf"{LOGS}\a.log"] == NOT_DONE


def test_a_file_that_a_process_has_open_is_skipped_with_the_reason_and_the_rest_goes_on(
    disk: Ntfs, state_dir: str
) -> None:
    disk.open.add(rf"{LOGS}\a.log")
    result = clean(state_dir)
    assert states(result) == {rf"{LOGS}\a.log": NOT_DONE, rf"{LOGS}\sub\b.log": DONE}
    assert found(result, "guard")["a process has it open"] == SKIPPED
    assert (found(result, "failed"), result.failure) == ({"all rules": OK}, "")
    assert "1 were met" in told(result, "in_use")


def test_a_file_in_use_whose_user_would_let_it_be_deleted_is_spared_as_well(disk: Ntfs, state_dir: str) -> None:
    disk.open.add(rf"{LOGS}\a.log")
    disk.shared.add(rf"{LOGS}\a.log")  # opened with FILE_SHARE_DELETE, as some writers of logs do
    assert states(clean(state_dir))[rf"{LOGS}\a.log"] == NOT_DONE
    assert disk.place(rf"{LOGS}\a.log").exists()


def test_a_deletion_that_is_refused_is_critical_and_no_crash(
    disk: Ntfs, state_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> None:
        raise WindowsError(ACCESS_DENIED, "Access is denied")

    monkeypatch.setattr(system, "unlink", refuse)
    result = clean(state_dir)
    assert set(states(result).values()) == {FAILED}
    assert found(result, "failed") == {"logs": CRITICAL}


def test_an_owner_matches_nothing_because_none_is_told(disk: Ntfs, state_dir: str) -> None:
    result = clean(state_dir, owner="root")
    assert (result.actions, found(result, "rule")) == ([], {"logs": UNKNOWN})
    assert "does not tell the owner" in told(result, "rule")


def test_without_a_way_to_ask_for_a_file_alone_a_rule_needs_an_age(
    disk: Ntfs, state_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handles, "WINAPI", None)
    result = clean(state_dir, age=None)
    assert (result.actions, found(result, "in_use")) == ([], {"open files": UNKNOWN})


def test_a_protected_folder_is_recognised_by_what_it_is(disk: Ntfs) -> None:
    sealed = {NTFS.inspect(_held(LOGS), ("sub",)).identity}
    looked = scan(rule(path=LOGS, recurse=True), NTFS, Sealed(frozenset(sealed)), FAR)
    assert [obstacle.reason for obstacle in looked.not_entered] == ["it is protected"]
    with pytest.raises(NotEntered, match="protected"), opened_root(rf"{LOGS}\sub", sealed):
        pass


def _held(path: str) -> Any:
    with opened_root(path, ()) as folder:
        return folder


def test_a_folder_that_is_replaced_by_a_junction_is_not_gone_through(disk: Ntfs, state_dir: str) -> None:
    with opened_root(LOGS, ()) as root:
        disk.junction(rf"{LOGS}\sub")
        with pytest.raises(NotEntered, match="junction"), opened_below(root, ("sub",)):
            pass
        assert list(disk.held.values()) == [LOGS]


def test_while_a_folder_is_looked_at_it_is_held(disk: Ntfs) -> None:
    with opened_root(LOGS, ()) as root, opened_below(root, ("sub",)):
        assert list(disk.held.values()) == [LOGS, rf"{LOGS}\sub"]
    assert disk.held == {}


def test_two_rules_that_spell_one_folder_differently_delete_a_file_once(disk: Ntfs, state_dir: str) -> None:
    rules = [declared(name=name, path=path, patterns=["*.log"]) for name, path in (("a", LOGS), ("b", LOGS.lower()))]
    result = run(parameters(*rules, state_dir=state_dir), FakeHost("windows", now=NOW), True)
    assert [action.subject for action in result.actions] == [rf"{LOGS}\a.log"]


LONG = "\\".join([LOGS, *["d" * 60] * 6, "x.log"])


def test_a_path_longer_than_260_characters_is_deleted(disk: Ntfs, state_dir: str) -> None:
    disk.put(LONG)
    assert states(clean(state_dir))[LONG] == DONE
    assert len(LONG) > 260


def test_hostile_names_are_names(disk: Ntfs, state_dir: str) -> None:
    for name in ("it's $(x) `y`.log", "Журнал.log", "%TEMP%.log", "a&b;c.log"):
        disk.put(rf"{LOGS}\{name}")
    assert set(states(clean(state_dir)).values()) == {DONE}
    assert os.listdir(disk.place(LOGS)) == ["sub"]


def test_the_folder_of_the_system_is_protected_wherever_it_is(
    disk: Ntfs, state_dir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SystemRoot", str(disk.place(rf"{LOGS}\sub")))
    result = clean(state_dir)
    assert states(result) == {rf"{LOGS}\a.log": DONE}
    assert "it is protected" in told(result, "guard")


@pytest.mark.case("CL1")
@pytest.mark.parametrize("final", [r"C:\CryptoBot\keep\sub", r"\\?\c:\cryptobot\KEEP"])
def test_a_drive_that_is_a_folder_of_another_does_not_lead_to_protected_data(disk: Ntfs, final: str) -> None:
    disk.put(r"X:\logs\a.log")
    disk.finals["X:"] = final  # subst X: C:\CryptoBot\keep\sub
    sealed = seal(NTFS, frozenset(), [r"C:\CryptoBot\keep"], (), ())
    with pytest.raises(NotEntered, match=r"the data of C:\\CryptoBot\\keep, which is protected"):
        entered(NTFS, r"X:\logs", sealed).__enter__()


@pytest.mark.case("CL1")
def test_a_drive_that_is_a_share_is_not_entered(disk: Ntfs) -> None:
    disk.put(r"X:\logs\a.log")
    disk.finals["X:"] = r"\\?\UNC\localhost\c$\CryptoBot"
    with pytest.raises(NotEntered, match="on no drive of this host"):
        entered(NTFS, r"X:\logs", Sealed()).__enter__()


@pytest.mark.case("CL1")
def test_a_drive_that_is_none_of_these_is(disk: Ntfs) -> None:
    sealed = seal(NTFS, frozenset(), [r"C:\CryptoBot\keep"], (), ["\\"])
    with entered(NTFS, LOGS, sealed) as root:
        assert root.path == LOGS
