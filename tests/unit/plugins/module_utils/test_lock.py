# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host-wide lock: one maintenance action at a time, and no lock outlives its owner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import lock as lock_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, LockHeld
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import NAME, host_lock

TURN = f"{NAME}.turn"
TESTS = Path(__file__).parents[3]
BEGIN = "import sys; sys.path[:0] = [{tests!r}]\nimport conftest\n"
IMPORTS = (
    "from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host\n"
    "from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import host_lock\n"
    "from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import LockHeld\n"
)


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python of its own that can import the core; its standard streams are pipes."""
    whole = BEGIN.format(tests=str(TESTS)) + IMPORTS + code
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", whole, *arguments], stdin=pipe, stdout=pipe, text=True)


HOLD = "with host_lock(sys.argv[1], 'W1.2 other', choose_host()):\n    print('held', flush=True)\n    sys.stdin.read()"


def _owner(folder: Path) -> dict[str, Any]:
    owner: dict[str, Any] = json.loads((folder / NAME).read_text())
    return owner


def test_the_lock_exists_while_it_is_held_and_names_its_owner(tmp_path: Path) -> None:
    host = choose_host()
    with host_lock(str(tmp_path), "W1.2 disk_cleanup", host):
        owner = _owner(tmp_path)
    assert (owner["pid"], owner["procedure"], owner["boot_id"]) == (os.getpid(), "W1.2 disk_cleanup", host.boot_id())
    assert list(tmp_path.iterdir()) == []


def test_the_lock_is_released_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), host_lock(str(tmp_path), "W1.2 x", choose_host()):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_another_process_that_holds_the_lock_is_named(tmp_path: Path) -> None:
    other = python(HOLD, str(tmp_path))
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(LockHeld, match=f"W1.2 other .pid {other.pid}."),
        host_lock(str(tmp_path), "W1.3", choose_host()),
    ):
        pass
    other.communicate("")
    with host_lock(str(tmp_path), "W1.3", choose_host()):
        assert _owner(tmp_path)["procedure"] == "W1.3"


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    other = python(HOLD, str(tmp_path))
    assert other.stdout
    assert other.stdout.readline() == "held\n"
    other.kill()
    other.wait()
    assert _owner(tmp_path)["pid"] == other.pid
    with host_lock(str(tmp_path), "W1.3", choose_host()):
        assert _owner(tmp_path)["pid"] == os.getpid()
    assert [path.name for path in tmp_path.iterdir()] == [TURN]


def _planted(folder: Path, **changes: Any) -> None:
    """Write a lock whose owner is this very process, living, with ``changes``."""
    host, pid = choose_host(), os.getpid()
    owner = {"pid": pid, "began": host.process_began(pid), "boot_id": host.boot_id(), "procedure": "B1.1", "since": 0.0}
    (folder / NAME).write_text(json.dumps({**owner, **changes}))


def test_a_living_owner_keeps_the_lock_however_old_it_is(tmp_path: Path) -> None:
    _planted(tmp_path)
    with pytest.raises(LockHeld, match=r"B1\.1"), host_lock(str(tmp_path), "W1.3", choose_host()):
        pass
    assert _owner(tmp_path)["procedure"] == "B1.1"


STALE = [
    ("of another boot", {"boot_id": "another"}),
    ("of an older process with the same pid", {"began": "1"}),
    ("without a pid", {"pid": None}),
    ("with a pid that is no number", {"pid": "seven"}),
    ("of a pid that nobody has", {"pid": 4_194_999, "began": "1"}),
]


@pytest.mark.parametrize(("_case", "changes"), STALE, ids=[case for case, _changes in STALE])
def test_a_lock_whose_owner_is_gone_is_taken_over(_case: str, changes: dict[str, Any], tmp_path: Path) -> None:
    _planted(tmp_path, **changes)
    with host_lock(str(tmp_path), "W1.3", choose_host()):
        assert _owner(tmp_path)["procedure"] == "W1.3"
    assert [path.name for path in tmp_path.iterdir()] == [TURN]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_a_lock_that_was_never_fully_written_is_taken_over(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with host_lock(str(tmp_path), "W1.3", choose_host()):
        assert _owner(tmp_path)["procedure"] == "W1.3"


def test_a_heartbeat_renews_the_lock_and_keeps_its_owner(tmp_path: Path) -> None:
    fake = FakeHost(now=1000.0)
    with host_lock(str(tmp_path), "B1.1", fake) as beat:
        fake.clock = 1060.0
        beat()
        assert (_owner(tmp_path)["since"], _owner(tmp_path)["heartbeat"]) == (1000.0, 1060.0)


def test_a_run_that_lost_its_lock_neither_renews_nor_removes_the_other_one(tmp_path: Path) -> None:
    with host_lock(str(tmp_path), "B1.1", choose_host()) as beat:
        _planted(tmp_path, procedure="B1.2", since=5.0)
        beat()
        assert _owner(tmp_path)["procedure"] == "B1.2"
    assert _owner(tmp_path)["procedure"] == "B1.2"


def test_a_state_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CoreError, match="expected a state_dir"),
        host_lock(str(tmp_path / "file"), "B1.1", choose_host()),
    ):
        pass


def test_the_state_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with host_lock(str(tmp_path / "state"), "B1.1", choose_host()):
        assert (tmp_path / "state").stat().st_mode & 0o077 == 0


RACE = (
    "import os, time\n"
    "taken = 0\n"
    "for folder in sorted(os.scandir(sys.argv[1]), key=lambda entry: entry.name):\n"
    "    while time.time() < float(sys.argv[2]) + 0.04 * int(folder.name):\n"
    "        pass\n"
    "    try:\n"
    "        with host_lock(folder.path, 'race', choose_host()):\n"
    "            mark = os.path.join(folder.path, 'inside')\n"
    "            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))\n"  # fails where two are inside at once
    "            time.sleep(0.01)\n"
    "            os.unlink(mark)\n"
    "            taken += 1\n"
    "    except LockHeld:\n"
    "        pass\n"
    "print(taken)"
)


def test_of_several_processes_that_race_for_a_stale_lock_only_one_is_inside_at_a_time(tmp_path: Path) -> None:
    rounds = 60
    for number in range(rounds):
        (tmp_path / f"{number:03d}").mkdir()
        _planted(tmp_path / f"{number:03d}", boot_id="another")
    racers = [python(RACE, str(tmp_path), str(time.time() + 1.0)) for _racer in range(6)]
    taken = [racer.communicate()[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 6
    assert sum(int(count) for count in taken) >= rounds
    assert {path.name for path in tmp_path.glob("*/*")} <= {TURN}


def test_a_lock_taken_over_by_another_run_in_the_meantime_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _planted(tmp_path, boot_id="another")
    one_at_a_time = lock_module._one_at_a_time

    def be_second(descriptor: int) -> None:
        _planted(tmp_path, procedure="the faster one")
        one_at_a_time(descriptor)

    monkeypatch.setattr(lock_module, "_one_at_a_time", be_second)
    with pytest.raises(LockHeld, match="the faster one"), host_lock(str(tmp_path), "W1.3", choose_host()):
        pass
    assert _owner(tmp_path)["procedure"] == "the faster one"


class Windows(FakeHost):
    """Windows as the lock sees it: no boot id, and processes by pid and begin."""

    def __init__(self, began: dict[int, str]) -> None:
        super().__init__("windows", boot_id="")
        self.began = began

    def process_began(self, pid: int) -> str:
        return self.began.get(pid, "")


OWNERS_ON_WINDOWS = [
    ("lives", {4242: "133456789"}, True),
    ("is gone", {}, False),
    ("had its pid given away, perhaps after a boot", {4242: "133999999"}, False),
]


@pytest.mark.parametrize(("owner", "began", "held"), OWNERS_ON_WINDOWS, ids=[row[0] for row in OWNERS_ON_WINDOWS])
def test_without_a_boot_id_pid_and_begin_tell_whether_the_owner_lives(
    owner: str, began: dict[int, str], held: bool, tmp_path: Path
) -> None:
    owner_of = {"pid": 4242, "began": "133456789", "boot_id": "", "procedure": "W1.2 other", "since": 0.0}
    (tmp_path / NAME).write_text(json.dumps(owner_of))
    host = Windows({**began, os.getpid(): "134000000"})
    if held:
        with pytest.raises(LockHeld, match=r"W1\.2 other"), host_lock(str(tmp_path), "W1.3", host):
            pass
    else:
        with host_lock(str(tmp_path), "W1.3", host):
            assert _owner(tmp_path)["began"] == "134000000"


def test_a_lock_that_others_are_reading_is_given_back_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [32, 32, 5]
    unlink = Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path.name == NAME and refusals:
            error = PermissionError(13, "The process cannot access the file")
            error.winerror = refusals.pop()  # type: ignore[attr-defined,unused-ignore]
            raise error
        unlink(path, missing_ok=missing_ok)

    with host_lock(str(tmp_path), "W1.3", Windows({})):
        monkeypatch.setattr(Path, "unlink", held)
    assert not (tmp_path / NAME).exists()
