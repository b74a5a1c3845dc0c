# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What root writes where a service's account makes the names: nothing that the account could not write itself."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import launch as launch_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.launch import start_detached, write_pid_file
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Launch
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.output import (
    fault_of_output,
    open_output,
    writing_in,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts"),
    pytest.mark.skipif(sys.platform == "win32", reason="the accounts of POSIX"),
]
TRADER = 65534
IDS = (TRADER, TRADER, (TRADER,))


class Folders:
    """``own`` belongs to the account of the service, ``root`` to root; ``secret`` is a file of root in the latter."""

    def __init__(self, place: Path) -> None:
        self.own, self.root = place / "own", place / "root"
        for folder in (place, self.own, self.root):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
        os.chown(self.own, TRADER, TRADER)
        self.secret = self.root / "secret"
        self.secret.write_text("root")
        self.secret.chmod(0o600)


@pytest.fixture
def folders() -> Iterator[Folders]:
    with tempfile.TemporaryDirectory() as place:
        yield Folders(Path(place))


def _append(path: Path) -> None:
    descriptor = open_output(str(path), IDS)
    os.write(descriptor, b"line\n")
    os.close(descriptor)


def _owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_mode & 0o777


@pytest.mark.parametrize("place", ["own", "root"])
def test_output_is_made_for_the_account_and_appended_to(place: str, folders: Folders) -> None:
    path = getattr(folders, place) / "out.log"
    assert fault_of_output(str(path), IDS) == ""
    assert not path.exists()
    _append(path)
    assert fault_of_output(str(path), IDS) == ""
    _append(path)
    assert (path.read_text(), _owner(path)) == ("line\nline\n", (TRADER, 0o640))


TRAPS: list[tuple[str, Callable[[Folders, Path], None], str]] = [
    ("a link to a file of root", lambda folders, path: path.symlink_to(folders.secret), "it is a link"),
    ("a link to what is not there", lambda folders, path: path.symlink_to(folders.root / "new"), "it is a link"),
    ("a pipe", lambda _folders, path: os.mkfifo(path), "it is a pipe"),
    ("a folder", lambda _folders, path: path.mkdir(), "it is a folder"),
    ("a file of root by another name", lambda folders, path: os.link(folders.secret, path), "by other names too"),
    ("a file of root", lambda _folders, path: path.touch(0o600), "Permission denied"),
]


@pytest.mark.parametrize(("trap", "said"), [row[1:] for row in TRAPS], ids=[row[0] for row in TRAPS])
def test_what_the_account_puts_in_the_place_of_its_output_is_refused(
    trap: Callable[[Folders, Path], None], said: str, folders: Folders
) -> None:
    path = folders.own / "out.log"
    trap(folders, path)
    assert said in fault_of_output(str(path), IDS)
    with pytest.raises(ActionFailed, match=said):
        open_output(str(path), IDS)
    assert (folders.secret.read_text(), _owner(folders.secret)) == ("root", (0, 0o600))
    assert sorted(os.listdir(folders.root)) == ["secret"]
    assert os.geteuid() == 0


def test_a_folder_that_the_account_leads_elsewhere_is_not_written_to(folders: Folders) -> None:
    link = folders.own / "logs"
    link.symlink_to(folders.root)
    os.chown(link, TRADER, TRADER, follow_symlinks=False)
    assert "may not make a file" in fault_of_output(str(link / "new"), IDS)
    with pytest.raises(ActionFailed, match="Permission denied"):
        open_output(str(link / "new"), IDS)
    assert "leads to what is not his own" in fault_of_output(str(link / "new"), (0, 0, (0,)))
    assert sorted(os.listdir(folders.root)) == ["secret"]


def test_rights_are_those_of_the_account_within_the_block_only(folders: Folders) -> None:
    before = os.geteuid(), os.getegid(), os.getgroups()
    with suppress(ZeroDivisionError), writing_in(str(folders.own), IDS) as as_ourselves:
        assert (as_ourselves, os.geteuid(), os.getegid(), os.getgroups()) == (False, TRADER, TRADER, [TRADER])
        raise ZeroDivisionError
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before
    for folder, ids in ((folders.root, IDS), (folders.own, None), (folders.own, (0, 0, (0,)))):
        with writing_in(str(folder), ids) as as_ourselves:
            assert (as_ourselves, os.geteuid()) == (True, 0)


def test_rights_that_cannot_be_taken_are_told_of_the_file_that_is_not_written(folders: Folders) -> None:
    nobody = (-1, TRADER, ())  # which the C library refuses
    said = f"its output {folders.own}/out.log is not written to: the rights of uid -1, gid {TRADER} cannot be taken"
    assert said in fault_of_output(str(folders.own / "out.log"), nobody)
    with pytest.raises(CoreError, match=r"the pid file .*/trade\.pid of trade cannot be written: the rights of uid -1"):
        write_pid_file(Service("trade", pid_file=str(folders.own / "trade.pid")), Launch("/", nobody), 41)
    assert os.listdir(folders.own) == []


def test_a_pid_file_is_the_account_s_wherever_it_lies(folders: Folders) -> None:
    for folder in (folders.own, folders.root):
        write_pid_file(Service("trade", pid_file=str(folder / "trade.pid")), Launch("/", IDS), 41)
        assert _owner(folder / "trade.pid") == (TRADER, 0o644)


def test_a_pid_file_that_is_swapped_for_a_link_gives_nothing_away(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_and_swap(path: Path, *_rest: object) -> None:
        path.symlink_to(folders.secret)

    monkeypatch.setattr(launch_module, "publish_file", publish_and_swap)
    for folder in (folders.own, folders.root):
        write_pid_file(Service("trade", pid_file=str(folder / "trade.pid")), Launch("/", IDS), 41)
    assert _owner(folders.secret) == (0, 0o600)


def test_nothing_is_started_as_root_because_nothing_tells_as_whom(folders: Folders) -> None:
    service = Service("trade", pid_file=str(folders.own / "trade.pid"), command=("/bin/true",))
    with pytest.raises(CoreError, match=r"declare services\[trade\]\.user"):
        start_detached(None, service, Launch("/"), 1.0)  # type: ignore[arg-type]
