# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State folders: what another account could have put there is not believed, whoever made which folder on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import trusted
from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import note_state
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import NAME as LOCK
from ansible_collections.cryptobot.maintenance.plugins.module_utils.lock import host_lock
from ansible_collections.cryptobot.maintenance.plugins.module_utils.memory import recall, remember
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import (
    NAME,
    Record,
    read_record,
    write_record,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.collect import read_marker

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another account")
pytestmark = pytest.mark.case("WN2")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder of ours two folders down, with what somebody would plant there."""
    folder = tmp_path / "above" / "state"
    folder.mkdir(parents=True)
    tmp_path.chmod(0o755)
    for name in ("services.json", "restart-under-way.json"):
        planted = {"running": ["trade"], "since": 0.0, "units": {}, "launches": {}}
        (folder / name).write_text(json.dumps(planted))
    (folder / "maintenance").write_text("2099-01-01T00:00:00Z")
    yield folder
    tmp_path.chmod(0o700)


def give_away(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)


def behind_a_link(folder: Path) -> None:
    """Have others make names where the folder above lies, and a link there."""
    folder.parent.rename(folder.parents[1] / "elsewhere")
    folder.parent.symlink_to(folder.parents[1] / "elsewhere")
    folder.parents[1].chmod(0o1777)


def foreign_link(folder: Path) -> None:
    folder.parent.rename(folder.parents[1] / "elsewhere")
    folder.parent.symlink_to("elsewhere")
    os.chown(folder.parent, NOBODY, NOBODY, follow_symlinks=False)


def sticky_and_foreign(folder: Path) -> None:
    folder.parents[1].chmod(0o1777)
    give_away(folder.parent)


def foreign_free_link(folder: Path, target: str = "elsewhere") -> None:
    folder.parent.rename(folder.parents[1] / "elsewhere")
    folder.parent.symlink_to(target)


# (how the folders are spoilt, the words that say why)
SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("the folder is another's", give_away, "belongs to the account with the uid 65534"),
    ("the folder above is another's", lambda folder: give_away(folder.parent), "belongs to the account"),
    ("the one above that is", lambda folder: give_away(folder.parents[1]), "belongs to the account"),
    ("its group may write", lambda folder: (os.chown(folder, 0, 65533), folder.chmod(0o770)), "others may write to"),
    ("all may write", lambda folder: folder.chmod(0o707), "others may write to the folder"),
    ("all may write above", lambda folder: folder.parent.chmod(0o777), "others may write to the folder"),
    ("it is open to all and sticky", lambda folder: folder.chmod(0o1777), "others may write to the folder"),
    ("a link where others make names", behind_a_link, "is a link"),
    ("above is a link of another's", foreign_link, "belongs to the account"),
    ("a sticky folder above, another's", sticky_and_foreign, "belongs to the account"),
]  # fmt: skip


@needs_root
@pytest.mark.parametrize(("spoil", "said"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_nothing_in_a_folder_that_another_could_change_is_believed(
    spoil: Callable[[Path], object], said: str, state: Path
) -> None:
    spoil(state)
    assert said in trusted.distrust(str(state))
    assert recall(str(state), "services") == {}
    assert remember(str(state), "services", {"a": 1}) is False
    assert read_marker(FakeHost(files={f"{state}/maintenance": "2099-01-01T00:00:00Z"}), str(state)) is None
    for act in (
        lambda: read_record(str(state)),
        lambda: write_record(str(state), Record(("auth",))),
        lambda: host_lock(str(state), "W1.3", choose_host()).__enter__(),
    ):
        with pytest.raises(CoreError, match=r"cannot be trusted.*nothing in it was believed"):
            act()
    assert not (state / LOCK).exists()


FINE: list[tuple[str, Callable[[Path], object]]] = [
    ("as it was made", lambda folder: None),
    ("readable by all", lambda folder: folder.chmod(0o755)),
    ("above is sticky and open to all, as /tmp", lambda folder: folder.parents[1].chmod(0o1777)),
    ("a link of root's where only root makes names, as /var of macOS", foreign_free_link),
    ("two dots after a link", lambda folder: foreign_free_link(folder, "elsewhere/../elsewhere")),
]


@pytest.mark.parametrize("arrange", [row[1] for row in FINE], ids=[row[0] for row in FINE])
def test_a_folder_that_only_we_can_change_is_believed(arrange: Callable[[Path], object], state: Path) -> None:
    arrange(state)
    assert trusted.distrust(str(state)) == ""
    assert recall(str(state), "services")["running"] == ["trade"]
    record = read_record(str(state))
    assert record is not None
    assert record.running == ("trade",)


# (how a file in a good folder is spoilt, whether it is believed)
FILES: list[tuple[str, Callable[[Path], object]]] = [
    ("another's", lambda file: os.chown(file, NOBODY, NOBODY)),
    ("writable by others", lambda file: file.chmod(0o666)),
    ("a link", lambda file: (file.rename(file.with_name("real")), file.symlink_to("real"))),
    ("a pipe", lambda file: (file.unlink(), os.mkfifo(file))),
]


@needs_root
@pytest.mark.parametrize("spoil", [row[1] for row in FILES], ids=[row[0] for row in FILES])
def test_a_file_that_another_left_there_is_not_believed(spoil: Callable[[Path], object], state: Path) -> None:
    for name in ("services.json", NAME):
        spoil(state / name)
    assert recall(str(state), "services") == {}
    with pytest.raises(CoreError):
        read_record(str(state))


def test_the_result_of_a_look_says_that_nothing_was_believed(state: Path) -> None:
    result, good = Result(), Result()
    note_state(good, str(state))
    state.chmod(0o777)
    note_state(result, str(state))
    assert good.findings == []
    assert [(each.check, each.status, each.subject) for each in result.findings] == [
        ("checkup.state", "unknown", str(state))
    ]
    assert "mode 0777" in result.findings[0].message


def test_what_is_made_is_closed_and_so_are_the_folders_above_it(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        trusted.make(str(tmp_path / "a" / "b" / "c"))
    finally:
        os.umask(umask)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "a").rglob("*")} == {0o700}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_where_nothing_is_there_is_nothing_to_distrust(tmp_path: Path) -> None:
    assert trusted.distrust(str(tmp_path / "not" / "there")) == ""


@pytest.fixture
def tmp_path_open() -> Iterator[Path]:
    """A folder that other accounts can reach, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


# Another account makes the folder above ours again and again, by turns as a folder and as a link to its own.
SWAP = """
import os, sys, shutil
os.setgid(65534); os.setuid(65534)
place, stop = sys.argv[1:]
own = os.path.join(place, "own")
os.makedirs(os.path.join(own, "state"), exist_ok=True)
with open(os.path.join(own, "state", "services.json"), "w") as stream:
    stream.write('{"planted": true}')
above, rounds = os.path.join(place, "above"), 0
parent = os.getppid()  # whose test was killed ends with it
while not os.path.exists(stop) and os.getppid() == parent:
    try:
        os.symlink(own, above); os.unlink(above)
        os.mkdir(above); os.mkdir(above + "/state")
        shutil.copy(own + "/state/services.json", above + "/state/services.json")
        shutil.rmtree(above)
    except OSError:
        pass
    rounds += 1
print(rounds)
"""


@needs_root
def test_no_run_believes_what_a_racing_account_plants_above_its_folder(tmp_path_open: Path) -> None:
    place, stop = tmp_path_open, tmp_path_open / "stop"
    place.chmod(0o1777)
    racer = subprocess.Popen([sys.executable, "-c", SWAP, str(place), str(stop)], stdout=subprocess.PIPE, text=True)
    believed, taken, until = [], 0, time.monotonic() + 2.0
    while time.monotonic() < until:
        believed.append(recall(str(place / "above" / "state"), "services"))
        try:
            with host_lock(str(place / "above" / "state"), "W1.3", choose_host()):
                taken += 1
                assert (place / "above").stat().st_uid == 0
                assert (place / "above" / "state" / LOCK).stat().st_uid == 0
                believed.append(recall(str(place / "above" / "state"), "services"))
            subprocess.run(["rm", "-rf", str(place / "above")], check=True)
        except CoreError:
            pass
    stop.touch()
    rounds = int(racer.communicate(timeout=20)[0])
    assert rounds > 20
    assert taken > 0
    assert [memory for memory in believed if memory] == []
