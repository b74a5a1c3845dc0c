# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Having another account's rights for a block: really, no longer than that, and back exactly as it was before."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import rights
from ansible_collections.cryptobot.maintenance.plugins.module_utils.rights import NotSwitched, Rights, acting_with

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can take others' rights"),
    pytest.mark.skipif(sys.platform == "win32", reason="the accounts of POSIX"),
]
NOBODY = 65534
ACCOUNT = Rights(NOBODY, 65533, (65531, 65532))
OURS = (0, 3, [0, 4, 27])  # uid, gid, groups of this process in these tests: none of them is where another would be


def own() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


@pytest.fixture(autouse=True)
def ours() -> Iterator[None]:
    """Have a group and several groups that are not those a process begins with; prove after the test that they stayed,
    and give back those it had.
    """
    before = own()
    os.setgroups(OURS[2])
    os.setegid(OURS[1])
    try:
        yield
        assert own() == OURS
    finally:
        os.seteuid(0)
        os.setgroups(before[2])
        os.setegid(before[1])


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that all may write to, with a file of root's that only root may read, and one of its group's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        for file, group, mode in (("root", 0, 0o600), ("group", 4, 0o640), ("theirs", 65532, 0o640)):
            (folder / file).write_text(file)
            os.chown(folder / file, 0, group)
            (folder / file).chmod(mode)
        yield folder


def test_what_the_account_may_not_read_cannot_be_read_within(place: Path) -> None:
    with acting_with(ACCOUNT):
        assert own() == (NOBODY, 65533, [65531, 65532])
        for file in ("root", "group"):  # neither our uid nor one of our groups helps
            with pytest.raises(PermissionError):
                (place / file).read_text()
        assert (place / "theirs").read_text() == "theirs"
        (place / "made").touch()
    status = (place / "made").stat()
    assert (status.st_uid, status.st_gid) == (NOBODY, 65533)
    assert (place / "root").read_text() == "root"
    assert own() == OURS


def test_an_account_without_groups_has_none_of_ours(place: Path) -> None:
    with acting_with(Rights(NOBODY, NOBODY, ())):
        assert own() == (NOBODY, NOBODY, [])


@pytest.mark.skipif(not hasattr(os, "getresuid"), reason="Linux tells the saved uid")
def test_real_and_saved_uid_stay_ours_so_that_the_account_cannot_signal_us() -> None:
    with acting_with(ACCOUNT):
        assert os.getresuid() == (0, NOBODY, 0)
    assert os.getresuid() == (0, 0, 0)


@pytest.mark.parametrize("what", [ZeroDivisionError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_ours_come_back_whatever_is_raised_within(what: type[BaseException]) -> None:
    raised = what("within")
    with pytest.raises(what) as seen, acting_with(ACCOUNT):
        raise raised
    assert seen.value is raised
    assert own() == OURS


# What the C library refuses is -1 (seteuid(3)): the kernel is never asked, and what was taken before is taken back.
REFUSED = [Rights(-1, NOBODY, ()), Rights(NOBODY, -1, ()), Rights(NOBODY, NOBODY, (-1,))]


@pytest.mark.parametrize("account", REFUSED, ids=["uid", "gid", "groups"])
def test_what_cannot_be_taken_is_told_and_nothing_of_it_stays(account: Rights) -> None:
    told = rf"^the rights of uid {account.uid}, gid {account.gid} cannot be taken: Invalid argument; expected a run as"
    with pytest.raises(NotSwitched, match=told), acting_with(account):
        pytest.fail("the block was entered")
    assert own() == OURS


def test_who_is_not_root_is_told_so_and_keeps_what_he_has() -> None:
    with acting_with(ACCOUNT):
        refused = pytest.raises(NotSwitched, match="cannot be taken: Operation not permitted; expected a run as root")
        with refused, acting_with(Rights(1, 1, ())):
            pytest.fail("the block was entered")
        assert own() == (NOBODY, 65533, [65531, 65532])


def in_a_child(work: Callable[[], object]) -> str:
    """Do work in a process of its own, which may lose its rights for good; return what it raised, in words."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            work()
            told = ""
        except BaseException as error:  # noqa: BLE001 - this process ends here
            told = f"{type(error).__name__}: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


def test_that_ours_did_not_come_back_is_an_error_and_never_passed_over() -> None:
    def work() -> None:
        with acting_with(ACCOUNT):
            os.seteuid(0)
            os.setresuid(NOBODY, NOBODY, NOBODY)

    assert in_a_child(work) == "NotSwitched: the rights of uid 0 did not come back: Operation not permitted"


def test_groups_beyond_what_the_system_takes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double of macOS refuses as os.setgroups does there, where NGROUPS_MAX is 16 and root is in more groups."""
    real = os.setgroups

    def set_groups(groups: tuple[int, ...]) -> None:
        if len(groups) > 2:
            raise ValueError("too many groups")
        real(groups)

    with monkeypatch.context() as macos:
        macos.setattr(rights.os, "setgroups", set_groups)
        macos.setattr(rights.os, "sysconf", {"SC_NGROUPS_MAX": 2}.__getitem__)
        with acting_with(Rights(NOBODY, NOBODY, (1, 2, 3))):
            assert os.getgroups() == [1, 2]
        assert own() == (0, 3, [0, 4])
    os.setgroups(OURS[2])
