# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way of a path, step by step: what resolved, trusted and writers ask of it, they ask of the same steps."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import trusted
from ansible_collections.cryptobot.maintenance.plugins.module_utils.folders import (
    MOST_LINKS,
    NotEntered,
    resolved,
    steps,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.rights import Rights, acting_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.writers import ANYBODY, writers_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own way, with handles")
needs_root = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="links of several accounts")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[str]:
    """A folder that others reach, with a/b/file and links; after the test no descriptor may be left."""
    before = os.listdir("/dev/fd")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "b" / "file").write_text("here")
        for link, text in (
            ("near", "a/b"),
            ("far", f"{folder}/a"),
            ("dot", "."),
            ("up", "a/.."),
            ("root", "/"),
            ("circle", "circle"),
            ("nowhere", "missing"),
        ):
            (folder / link).symlink_to(text)
        yield str(folder)
    assert os.listdir("/dev/fd") == before


def way_of(place: str, path: str) -> list[tuple[str, int]]:
    """Return the steps below a place, each as its path from there (``^`` where it is above), and the names left."""
    found = [(step.path, step.left) for step in steps(f"{place}/{path}")]
    assert [path for path, _left in found[: place.count("/") + 1]] == [
        "/",
        *("/".join(place.split("/")[: count + 2]) for count in range(place.count("/"))),
    ]
    below = found[place.count("/") + 1 :]
    return [(path[len(place) + 1 :] if path.startswith(f"{place}/") else "^", left) for path, left in below]


WAYS = [
    ("a/b/file", [("a", 2), ("a/b", 1), ("a/b/file", 0)]),
    ("./a//b/.", [("a", 1), ("a/b", 0)]),
    ("a/../a/b", [("a", 3), ("^", 2), ("a", 1), ("a/b", 0)]),
    ("near/file", [("near", 1), ("a", 2), ("a/b", 1), ("a/b/file", 0)]),
    ("near/../b", [("near", 2), ("a", 3), ("a/b", 2), ("a", 1), ("a/b", 0)]),
    ("dot/a", [("dot", 1), ("^", 1), ("a", 0)]),
    ("dot", [("dot", 0), ("^", 0)]),
    ("up/a", [("up", 1), ("a", 2), ("^", 1), ("a", 0)]),
    ("root", [("root", 0), ("^", 0)]),
]


@pytest.mark.parametrize(("path", "expected"), WAYS, ids=[row[0] for row in WAYS])
def test_the_way_is_the_kernel_s(path: str, expected: list[tuple[str, int]], place: str) -> None:
    assert way_of(place, path) == expected
    with resolved(f"{place}/{path}") as reached:
        assert reached.path == os.path.realpath(f"{place}/{path}")
        assert reached.holder.lstat(reached.name).st_ino == os.stat(f"{place}/{path}").st_ino


def test_an_absolute_link_begins_again_at_the_root(place: str) -> None:
    found = [step.path for step in steps(f"{place}/far/b")]
    above = found[: found.index(f"{place}/far")]
    assert (above[0], above[-1]) == ("/", place)
    assert found == [*above, f"{place}/far", *above, f"{place}/a", f"{place}/a/b"]
    with resolved("/") as reached:
        assert (reached.path, reached.name, reached.holder.status.st_ino) == ("/", ".", os.stat("/").st_ino)


# (the path, what is raised, the path that it tells)
ENDS = [
    ("a/missing/more", errno.ENOENT, "a/missing"),
    ("nowhere", errno.ENOENT, "missing"),
    ("circle/more", errno.ELOOP, "circle"),
]


@pytest.mark.parametrize(("path", "code", "where"), ENDS, ids=[row[0] for row in ENDS])
def test_where_there_is_no_way_on_the_whole_path_is_told(path: str, code: int, where: str, place: str) -> None:
    with pytest.raises(OSError, match=re.escape(os.strerror(code))) as raised:
        list(steps(f"{place}/{path}"))
    assert (raised.value.errno, raised.value.filename) == (code, f"{place}/{where}")
    assert writers_of(f"{place}/{path}") - {os.geteuid()} == {ANYBODY}


def test_nothing_is_looked_up_in_a_file(place: str) -> None:
    with pytest.raises(NotEntered, match="file in it is no folder"):
        list(steps(f"{place}/a/b/file/more"))
    os.chmod(f"{place}/a/b/file", 0o666)
    assert trusted.faults(f"{place}/a/b/file/more") == ()  # what is no folder cannot be changed as one
    assert ANYBODY in writers_of(f"{place}/a/b/file/more")


@pytest.mark.parametrize("more", [0, 1])
def test_as_many_links_are_followed_as_linux_does_and_no_more(more: int, place: str) -> None:
    os.symlink("a", f"{place}/link1")
    for count in range(2, MOST_LINKS + more + 1):
        os.symlink(f"link{count - 1}", f"{place}/link{count}")
    path = f"{place}/link{MOST_LINKS + more}"
    if sys.platform == "linux":
        assert os.path.exists(path) is not bool(more)
    assert trusted.distrust(path) == (f"{place}/link1 cannot be looked at: {os.strerror(errno.ELOOP)}" if more else "")
    assert [fault.unseen for fault in trusted.faults(path)] == [True] * more
    assert (ANYBODY in writers_of(path)) is bool(more)
    if more:
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)), resolved(path):
            pass


def test_the_names_in_a_link_are_no_links(place: str) -> None:
    os.symlink("a/../" * (MOST_LINKS + 1) + "a/b/file", f"{place}/winding")
    assert writers_of(f"{place}/winding") == writers_of(f"{place}/a/b/file")
    assert trusted.faults(f"{place}/winding") == ()
    with resolved(f"{place}/winding") as reached:
        assert reached.path == f"{place}/a/b/file"


def test_a_way_that_is_left_early_leaves_nothing_open(place: str) -> None:
    for count in range(1, 6):
        with closing(steps(f"{place}/near/file")) as way:
            for _step in range(count):
                next(way)
    with pytest.raises(ZeroDivisionError), resolved(f"{place}/near/file"):
        raise ZeroDivisionError


def test_a_folder_that_is_swapped_for_a_link_is_not_gone_through(place: str) -> None:
    with closing(steps(f"{place}/a/b/file")) as way:
        at_a = next(step for step in way if step.path == f"{place}/a")
        os.rename(f"{place}/a", f"{place}/old")
        os.symlink("/", f"{place}/a")
        with pytest.raises(NotEntered, match="a in it is no folder but a symlink"):
            next(way)
    assert not at_a.is_link


def test_a_folder_once_entered_stays_what_it_is(place: str) -> None:
    with closing(steps(f"{place}/a/b/file")) as way:
        inode = next(step for step in way if step.path == f"{place}/a/b").status.st_ino
        os.rename(f"{place}/a", f"{place}/old")
        os.makedirs(f"{place}/a/b")
        last = next(way)
        assert (last.name, last.holder.status.st_ino, last.status.st_size) == ("file", inode, 4)


def test_what_is_swapped_while_it_is_walked_is_not_believed(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = trusted._foreign

    def swap_first(path: str, status: os.stat_result, others: trusted.Others) -> str:
        if path == f"{place}/a":
            os.rename(path, f"{place}/old")
            os.symlink("old", path)
        return real(path, status, others)

    monkeypatch.setattr(trusted, "_foreign", swap_first)
    (fault,) = trusted.faults(f"{place}/a/b")
    assert (fault.path, fault.unseen, fault.owner) == (f"{place}/a", True, None)
    assert "a in it is no folder but a symlink" in fault.words


def test_a_fault_that_the_way_comes_by_twice_is_told_once(place: str) -> None:
    os.chmod(f"{place}/a", 0o777)
    assert [fault.path for fault in trusted.faults(f"{place}/a/../a/b/../b")] == [f"{place}/a"]


@needs_root
@pytest.mark.case("BK6")
@pytest.mark.parametrize("rest", ["", "/his"])
def test_another_s_link_to_the_folder_that_it_lies_in_leads_to_what_is_not_his(rest: str, place: str) -> None:
    """In a folder that is open to all, as /tmp is, anybody makes it; what comes after it does not excuse it."""
    os.chmod(place, 0o1777)
    os.mkdir(f"{place}/his")
    os.chown(f"{place}/his", NOBODY, NOBODY)
    os.lchown(f"{place}/dot", NOBODY, NOBODY)
    refused = pytest.raises(NotEntered, match=rf"{place}/dot belongs to uid {NOBODY} and leads to what is not his own")
    with refused, resolved(f"{place}/dot{rest}"):
        pass
    os.chown(place, NOBODY, NOBODY)
    with resolved(f"{place}/dot{rest}") as reached:
        assert reached.path == f"{place}{rest}"


@needs_root
def test_each_of_two_links_answers_for_what_it_leads_to(place: str) -> None:
    """The inner one leads to a folder that is not its owner's: that the file in it is his does not excuse it."""
    os.symlink("a/in/file", f"{place}/out")
    os.symlink("b", f"{place}/a/in")
    for name, uid in (("out", NOBODY), ("a/in", NOBODY - 1), ("a/b/file", NOBODY - 1)):
        os.lchown(f"{place}/{name}", uid, uid)
    for name, owner in (("a/in", NOBODY - 1), ("out", NOBODY)):
        with pytest.raises(NotEntered, match=rf"{place}/{name} belongs to uid {owner} and"), resolved(f"{place}/out"):
            pass
        os.lchown(f"{place}/a/in", 0, 0)
    os.lchown(f"{place}/a/b/file", NOBODY, NOBODY)
    with resolved(f"{place}/out") as reached:
        assert reached.path == f"{place}/a/b/file"


@needs_root
def test_root_s_links_are_followed_to_whoever_s_file_also_by_who_is_not_root(place: str) -> None:
    os.chown(f"{place}/a/b", NOBODY - 1, NOBODY - 1)
    with resolved(f"{place}/near") as reached:
        assert reached.path == f"{place}/a/b"
    with acting_with(Rights(NOBODY, NOBODY, ())):
        with resolved(f"{place}/near") as reached:
            assert reached.path == f"{place}/a/b"
        assert trusted.faults(f"{place}/a") == ()
        (fault,) = trusted.faults(f"{place}/near")
    assert (fault.path, fault.owner, fault.ours) == (f"{place}/a/b", NOBODY - 1, NOBODY)


@needs_root
def test_that_a_fault_is_a_link_is_told(place: str) -> None:
    os.chmod(place, 0o1777)
    assert [(fault.path, fault.link, fault.owner) for fault in trusted.faults(f"{place}/near")] == [
        (f"{place}/near", True, None)
    ]
    os.lchown(f"{place}/near", NOBODY, NOBODY)
    assert [fault.owner for fault in trusted.faults(f"{place}/near") if fault.link] == [NOBODY, None]


@needs_root
@pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="without O_PATH a folder must be one that may be listed")
def test_a_folder_that_may_be_passed_and_not_listed_is_gone_through(place: str) -> None:
    os.chmod(f"{place}/a", 0o711)
    with acting_with(Rights(NOBODY, NOBODY, ())):
        assert way_of(place, "a/b/file") == [("a", 2), ("a/b", 1), ("a/b/file", 0)]
        with pytest.raises(PermissionError):
            os.listdir(f"{place}/a")
