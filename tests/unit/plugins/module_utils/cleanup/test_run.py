# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole area on real folders: what is deleted, what is spared, and that check mode told so before."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import run as run_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import InUse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError, LockHeld
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    DONE,
    NOT_DONE,
    OK,
    PLANNED,
    SKIPPED,
    UNKNOWN,
    WARNING,
    Result,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host, choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import host_lock

from .examples import declared, parameters
from .trees import aged, clean, left, put, states

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc for files in use")


LINUX = run_module.PLATFORMS["linux"]()


def answer_in_use(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], InUse]) -> None:
    """Let the platform answer so when it is asked what is in use."""
    monkeypatch.setitem(run_module.PLATFORMS, "linux", lambda: LINUX._replace(in_use=lambda host: answer()))


@pytest.fixture(autouse=True)
def nothing_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at no process, which is slow, and depends on the account that runs the tests."""
    answer_in_use(monkeypatch, InUse)


@pytest.fixture
def this_machines_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the processes of this machine after all; those that may not be looked at do not count."""
    answer_in_use(monkeypatch, lambda: InUse(LINUX.in_use(Host()).identities))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Old and young logs, and everything that a rule must not touch."""
    folder, outside = tmp_path / "logs", tmp_path / "outside"
    put(outside / "precious.log.1")
    put(folder / "old.log.1")
    put(folder / "young.log.1", 1)
    put(folder / "other.txt")
    put(folder / "sub" / "deep.log.1")
    (folder / "link.log.1").symlink_to(outside / "precious.log.1")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "pipe.log.1")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(folder / "socket.log.1"))
    for name in ("link.log.1", "pipe.log.1", "socket.log.1"):
        aged(folder / name)
    return folder


def findings(result: Result, check: str) -> dict[str, str]:
    return {found.subject: found.status for found in result.findings if found.check == f"cleanup.{check}"}


def test_only_old_files_that_fit_are_deleted(logs: Path) -> None:
    before = left(logs)
    result = clean(logs)
    assert sorted(set(before) - set(left(logs))) == ["old.log.1"]
    assert states(result) == {"old.log.1": DONE}
    assert (result.changed, result.status, result.failure) == (True, OK, "")


def test_with_recurse_the_folders_below_are_cleaned_too_and_nothing_behind_a_symlink(logs: Path) -> None:
    clean(logs, recurse=True)
    assert not (logs / "sub" / "deep.log.1").exists()
    assert (logs.parent / "outside" / "precious.log.1").exists()
    assert (logs / "linked").is_symlink()


def test_links_pipes_and_sockets_are_never_deleted(logs: Path) -> None:
    clean(logs, recurse=True, patterns=[])
    assert {"link.log.1", "linked", "pipe.log.1", "socket.log.1"} <= set(left(logs))


def test_check_mode_deletes_nothing_and_plans_exactly_what_the_run_does(logs: Path) -> None:
    before = left(logs.parent)
    planned = clean(logs, check_mode=True, recurse=True)
    assert left(logs.parent) == before
    done = clean(logs, recurse=True)
    assert [(a.action, a.subject) for a in planned.actions] == [(a.action, a.subject) for a in done.actions]
    assert {action.state for action in planned.actions} == {PLANNED}
    assert {action.state for action in done.actions} == {DONE}
    assert planned.changed is done.changed is True
    assert planned.data["cleanup"]["plan_digest"] == done.data["cleanup"]["plan_digest"]
    assert planned.data["cleanup"]["planned_bytes"] == done.data["cleanup"]["reclaimed_bytes"]


def test_a_second_run_changes_nothing(logs: Path) -> None:
    clean(logs, recurse=True, empty_dirs=True)
    again = clean(logs, recurse=True, empty_dirs=True)
    assert (again.changed, again.actions, again.diff) == (False, [], {"before": "", "after": ""})
    assert clean(logs, check_mode=True, recurse=True).changed is False


def test_the_diff_names_what_goes_and_in_a_run_what_is_still_there(logs: Path) -> None:
    wanted = {"before": f"{logs}/old.log.1 (8.0 KiB)\n", "after": ""}
    assert clean(logs, check_mode=True).diff == wanted
    assert clean(logs).diff == wanted


def test_the_bytes_that_were_freed_are_those_of_the_disk(logs: Path) -> None:
    big = put(logs / "big.log.1", content=b"x" * (8 << 20))
    allocated = big.stat().st_blocks * 512
    result = clean(logs)
    assert result.data["cleanup"]["reclaimed_bytes"] >= allocated
    (filesystem,) = result.data["cleanup"]["filesystems"]
    assert filesystem["path"] == str(logs)
    assert filesystem["free_before"] > 0


def test_a_file_that_is_linked_elsewhere_frees_nothing(logs: Path) -> None:
    os.link(logs / "old.log.1", logs.parent / "second-name")
    result = clean(logs)
    assert result.data["cleanup"]["reclaimed_bytes"] == 0
    assert (logs.parent / "second-name").read_bytes() == b"x" * 5000


@pytest.mark.usefixtures("this_machines_processes")
def test_a_file_that_a_process_has_open_is_spared(logs: Path) -> None:
    with (logs / "old.log.1").open():
        result = clean(logs)
    assert (logs / "old.log.1").exists()
    assert states(result) == {"old.log.1": NOT_DONE}
    assert findings(result, "guard")["a process has it open"] == SKIPPED


@pytest.mark.usefixtures("this_machines_processes")
def test_a_file_that_a_process_has_mapped_is_spared(logs: Path) -> None:
    code = (  # Python's own mmap would keep the file open beside the mapping
        "import ctypes, sys\nlibc = ctypes.CDLL(None)\nlibc.mmap.restype = ctypes.c_void_p\n"
        "with open(sys.argv[1], 'rb') as f: libc.mmap(None, ctypes.c_size_t(9), 1, 2, f.fileno(), ctypes.c_long(0))\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", code, str(logs / "old.log.1")], stdin=pipe, stdout=pipe, text=True)
    assert holder.stdout is not None
    holder.stdout.readline()
    clean(logs)
    assert (logs / "old.log.1").exists()
    holder.communicate("")
    clean(logs)
    assert not (logs / "old.log.1").exists()


def test_empty_old_folders_go_and_young_or_full_ones_stay(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    put(tree / "full" / "stays.txt")
    put(tree / "emptied" / "x.log.1")
    (tree / "young").mkdir()
    (tree / "empty" / "nested").mkdir(parents=True)
    for name in ("full", "emptied", "empty/nested", "empty"):
        aged(tree / name)
    result = clean(tree, recurse=True, empty_dirs=True)
    assert left(tree) == ["full", "full/stays.txt", "young"]
    assert [action.action for action in result.actions] == ["delete", "remove_folder", "remove_folder", "remove_folder"]


def test_the_rules_folder_itself_is_never_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    put(tree / "x.log.1")
    aged(tree)
    clean(tree, recurse=True, empty_dirs=True)
    assert tree.is_dir()


HOSTILE = [
    "-rf",
    "a\nb.log.1",
    "; touch x.log.1",
    "$(id).log.1",
    "*.log.1",
    "ü.log.1",
    os.fsdecode(b"\xff\xfe.log.1"),
    " .log.1",
]


def test_hostile_names_are_deleted_like_others_and_shown_harmlessly(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in HOSTILE:
        put(tree / name)
    result = clean(tree, patterns=[])
    assert left(tree) == []
    answer = json.loads(json.dumps(result.as_dict()).encode("ascii"))
    assert all(action["subject"].isprintable() for action in answer["actions"])
    assert answer["diff"]["before"].count("\n") == len(HOSTILE)


def test_a_folder_that_is_a_symlink_is_not_entered(tmp_path: Path) -> None:
    put(tmp_path / "real" / "old.log.1")
    (tmp_path / "logs").symlink_to(tmp_path / "real")
    result = clean(tmp_path / "logs")
    assert (tmp_path / "real" / "old.log.1").exists()
    assert findings(result, "rule") == {"logs": UNKNOWN}
    assert "symlink" in next(found.message for found in result.findings if found.check == "cleanup.rule")


def test_a_symlink_above_the_folder_is_not_followed_either(tmp_path: Path) -> None:
    put(tmp_path / "real" / "logs" / "old.log.1")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    clean(tmp_path / "alias" / "logs")
    assert (tmp_path / "real" / "logs" / "old.log.1").exists()


MISSING = [(False, WARNING), (True, SKIPPED)]


@pytest.mark.parametrize(("optional", "status"), MISSING)
def test_a_folder_that_does_not_exist_is_told(optional: bool, status: str, tmp_path: Path) -> None:
    result = clean(tmp_path / "nowhere", optional=optional)
    assert (findings(result, "rule"), result.changed) == ({"logs": status}, False)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    put(tmp_path / "file")
    assert findings(clean(tmp_path / "file"), "rule") == {"logs": UNKNOWN}


def test_an_owner_that_does_not_exist_stops_the_rule(logs: Path) -> None:
    result = clean(logs, owner="no-such-account-here")
    assert (findings(result, "rule"), result.changed) == ({"logs": UNKNOWN}, False)


def test_an_owner_may_be_a_number(logs: Path) -> None:
    assert clean(logs, owner=str(os.getuid()), check_mode=True).changed is True
    assert clean(logs, owner=str(os.getuid() + 1), check_mode=True).changed is False


def test_what_is_protected_is_recognised_behind_another_name(tmp_path: Path) -> None:
    tree, precious = tmp_path / "tree", tmp_path / "precious"
    put(precious / "a.log.1")
    put(tree / "b.log.1")
    os.link(precious / "a.log.1", tree / "a.log.1")
    (tmp_path / "alias").symlink_to(precious / "a.log.1")
    clean(tree, protected=[str(tmp_path / "alias")])
    assert left(tree) == ["a.log.1"]


def test_a_protected_folder_within_a_rule_is_not_entered_even_by_another_name(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    put(tree / "keep" / "a.log.1")
    put(tree / "b.log.1")
    (tmp_path / "alias").symlink_to(tree / "keep")
    result = clean(tree, recurse=True, protected=[str(tmp_path / "alias")])
    assert left(tree) == ["keep", "keep/a.log.1"]
    assert findings(result, "guard")["logs"] == SKIPPED


def test_the_state_folder_is_protected_by_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="state"):
        clean(tmp_path / "state", state_dir=str(tmp_path / "state"))


def test_a_rule_that_is_not_safe_stops_the_run_before_any_rule_is_applied(logs: Path) -> None:
    options = parameters(declared(path=str(logs)), declared(name="all", path="/etc"), state_dir=str(logs.parent / "s"))
    with pytest.raises(InputError, match=r"rules\[all\]\.path"):
        run(options, choose_host(60))
    assert (logs / "old.log.1").exists()


def test_another_maintenance_run_keeps_this_one_from_deleting_but_not_from_planning(logs: Path) -> None:
    state = str(logs.parent / "state")
    with host_lock(state, "B1.1 backup_archive", choose_host(60)):
        assert clean(logs, check_mode=True, state_dir=state).changed is True
        with pytest.raises(LockHeld, match=r"B1\.1 backup_archive"):
            clean(logs, state_dir=state)
    assert (logs / "old.log.1").exists()
    assert clean(logs, state_dir=state).changed is True
    assert list(Path(state).iterdir()) == []


def test_a_run_with_nothing_to_do_takes_no_lock(logs: Path) -> None:
    clean(logs)
    state = logs.parent / "never-made"
    assert clean(logs, state_dir=str(state)).changed is False
    assert not state.exists()


def test_a_bound_of_names_is_told_and_the_rule_is_not_called_fine(logs: Path) -> None:
    result = clean(logs, max_entries=2)
    assert findings(result, "rule") == {"logs": UNKNOWN}
    assert "max_entries" in next(found.message for found in result.findings if found.check == "cleanup.rule")


def test_a_bound_of_names_stops_a_rule_that_keeps_the_newest(logs: Path) -> None:
    for number in range(20):
        put(logs / f"{number}.log.1", 20 + number)
    assert clean(logs, max_entries=5, keep=3).changed is False
    assert clean(logs, keep=3).changed is True


def test_time_that_is_used_up_while_looking_is_told(logs: Path) -> None:
    result = clean(logs, scan_seconds=-1.0)
    assert findings(result, "rule") == {"logs": UNKNOWN}
    assert "scan_seconds" in next(found.message for found in result.findings if found.check == "cleanup.rule")


def test_time_that_is_used_up_while_deleting_leaves_the_rest_for_the_next_run(logs: Path) -> None:
    host = choose_host(60)
    host.remaining = Host(0.0).remaining  # type: ignore[method-assign]
    result = clean(logs, host=host)
    assert states(result) == {"old.log.1": NOT_DONE}
    assert (result.changed, (logs / "old.log.1").exists()) == (False, True)
    assert findings(result, "budget") == {"timeout": WARNING}


BUDGETS = [("4K", 1, OK), ("9K", 2, OK), ("1G", 3, WARNING)]


@pytest.mark.parametrize(("budget", "deleted", "status"), BUDGETS)
def test_a_budget_is_freed_oldest_first_and_told_when_it_cannot_be_met(
    budget: str, deleted: int, status: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    for days in (30, 20, 10):
        put(tree / f"{days}.log.1", days)
    result = clean(tree, free_bytes=budget)
    assert left(tree) == sorted(["30.log.1", "20.log.1", "10.log.1"][deleted:])
    assert findings(result, "budget")["free_bytes"] == status


def test_many_deletions_are_listed_up_to_a_bound_and_counted_beyond(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for number in range(620):
        put(tree / f"{number}.log.1")
    planned, done = clean(tree, check_mode=True), clean(tree)
    assert len(planned.actions) == len(done.actions) == 501
    assert (done.actions[-1].subject, done.actions[-1].state) == ("120 more files and folders", DONE)
    assert planned.actions[-1].state == PLANNED
    assert [(a.action, a.subject) for a in planned.actions] == [(a.action, a.subject) for a in done.actions]
    assert left(tree) == []


def test_much_that_could_be_deleted_is_a_warning_until_it_is(logs: Path) -> None:
    assert findings(clean(logs, check_mode=True, reclaimable_warning="1K"), "reclaimable") == {"all rules": WARNING}
    assert findings(clean(logs, check_mode=True), "reclaimable") == {"all rules": OK}
    assert findings(clean(logs, reclaimable_warning="1K"), "reclaimable") == {"all rules": OK}


def test_what_takes_the_space_is_told_largest_first(logs: Path) -> None:
    put(logs / "sub" / "large.txt", content=b"x" * 100_000)
    result = clean(logs, check_mode=True, usage_roots=[str(logs)])
    (usage,) = result.data["cleanup"]["usage"]
    assert usage["largest"][0] == {"name": "sub", "bytes": usage["largest"][0]["bytes"]}
    assert usage["largest"][0]["bytes"] >= 100_000
    assert findings(result, "usage") == {str(logs): OK}


def test_a_file_with_two_names_takes_its_space_once(tmp_path: Path) -> None:
    put(tmp_path / "tree" / "a" / "one", content=b"x" * 100_000)
    (tmp_path / "tree" / "b").mkdir()
    os.link(tmp_path / "tree" / "a" / "one", tmp_path / "tree" / "b" / "two")
    (usage,) = clean(tmp_path / "tree", check_mode=True, usage_roots=[str(tmp_path / "tree")]).data["cleanup"]["usage"]
    assert 100_000 <= usage["bytes"] < 150_000


def test_a_folder_to_be_measured_that_is_not_there_is_unknown(logs: Path) -> None:
    gone = str(logs / "nowhere")
    assert findings(clean(logs, check_mode=True, usage_roots=[gone]), "usage") == {gone: UNKNOWN}


def test_the_least_bounds_are_one_file_and_one_name(logs: Path) -> None:
    done = clean(logs, max_files=1, max_entries=1)
    assert len([action for action in done.actions if action.state == "done"]) <= 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"free_bytes": "much"}, "free_bytes is 'much'"),
    ({"max_files": 0}, "max_files is 0"),
    ({"max_entries": -5}, "max_entries is -5"),
    ({"reclaimable_warning": "x"}, "reclaimable_warning is 'x'"),
    ({"usage_roots": ["relative"]}, "usage_roots is 'relative'"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_a_mistake_in_the_options_is_named_and_nothing_is_deleted(
    options: dict[str, Any], message: str, logs: Path
) -> None:
    with pytest.raises(InputError, match=message):
        clean(logs, **options)
    assert (logs / "old.log.1").exists()


def test_files_in_use_that_cannot_be_told_stop_rules_without_an_age(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_in_use(monkeypatch, lambda: InUse(unseen="12 processes of other accounts"))
    result = clean(logs, age=None)
    assert (findings(result, "rule"), findings(result, "in_use")) == ({"logs": UNKNOWN}, {"open files": UNKNOWN})
    assert result.changed is False
    assert clean(logs).changed is True


@pytest.mark.parametrize("platform", ["aix", ""])
def test_a_platform_that_cannot_be_cleaned_is_unknown(platform: str, logs: Path) -> None:
    options = parameters(declared(path=str(logs)), state_dir=str(logs.parent / "state"))
    result = run(options, FakeHost(platform))
    assert [(found.check, found.status) for found in result.findings] == [("cleanup.platform", UNKNOWN)]
    assert (logs / "old.log.1").exists()


def test_every_finding_of_a_run_is_in_the_catalogue_with_its_procedure(logs: Path) -> None:
    result = clean(logs, usage_roots=[str(logs)], free_bytes="1K")
    assert {found.procedure for found in result.findings} == {"W1.2"}
    assert all(metric.name.startswith("cryptobot_cleanup_") for metric in result.metrics)
    assert CRITICAL not in {found.status for found in result.findings}
