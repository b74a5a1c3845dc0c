# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Folders by descriptor: nothing leads out of them."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.collect import (
    MAX_DEPTH,
    Bounds,
    identities,
    scan,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.disk import OpenFolder
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.folders import opened_below, opened_root
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.linux import LINUX_DISK
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.sealed import Sealed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.folders import NotEntered

from .examples import rule
from .trees import put

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folder descriptors")


def test_a_folder_is_opened_as_what_it_is(tmp_path: Path) -> None:
    status = tmp_path.stat()
    with opened_root(str(tmp_path), ()) as folder:
        assert folder.identity == (status.st_dev, status.st_ino)
        assert os.path.samestat(os.fstat(folder.descriptor), status)


@pytest.mark.parametrize("place", ["link", "link/inner", "real/link2"])
def test_a_symlink_anywhere_on_the_way_is_not_followed(place: str, tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "link2").symlink_to(tmp_path / "real" / "inner")
    with pytest.raises(NotEntered, match="symlink"), opened_root(str(tmp_path / place), ()):
        pass


def test_below_a_folder_a_symlink_is_not_followed_either(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with opened_root(str(tmp_path), ()) as root:
        with pytest.raises(NotEntered, match="symlink"), opened_below(root, ("link",)):
            pass
        with opened_below(root, ("real",)) as inner:
            assert os.path.samestat(os.fstat(inner.descriptor), (tmp_path / "real").stat())


def test_a_protected_folder_on_the_way_is_not_passed(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    sealed = identities([str(tmp_path / "real")])
    with pytest.raises(NotEntered, match="protected"), opened_root(str(tmp_path / "real" / "inner"), sealed):
        pass


def test_names_that_are_not_there_raise_as_the_system_does(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), opened_root(str(tmp_path / "nowhere"), ()):
        pass


def test_the_root_stays_usable_after_a_folder_below_it_was_closed(tmp_path: Path) -> None:
    with opened_root(str(tmp_path), ()) as root:
        with opened_below(root, ()) as same:
            assert same.identity == root.identity
        assert os.listdir(root.descriptor) == []


def test_a_folder_that_is_replaced_while_it_is_looked_at_is_not_looked_into(tmp_path: Path) -> None:
    put(tmp_path / "other" / "precious.log")
    put(tmp_path / "tree" / "sub" / "x.log")

    def late(parent: OpenFolder, parts: tuple[str, ...]) -> AbstractContextManager[OpenFolder]:
        (tmp_path / "tree" / "sub").rename(tmp_path / "aside")
        (tmp_path / "other").rename(tmp_path / "tree" / "sub")
        return opened_below(parent, parts)

    disk = LINUX_DISK._replace(opened_below=late)
    looked = scan(rule(path=str(tmp_path / "tree"), recurse=True), disk, Sealed(), Bounds(10**6, float("inf")))
    assert [entry.parts for entry in looked.entries] == [("sub",)]
    assert [obstacle.reason for obstacle in looked.not_entered] == ["another folder took its place"]


def test_looking_does_not_make_a_folder_younger(tmp_path: Path) -> None:
    put(tmp_path / "tree" / "sub" / "x.log")
    for folder in (tmp_path / "tree" / "sub", tmp_path / "tree"):
        os.utime(folder, (1_000_000_000, 1_000_000_000))
    scan(rule(path=str(tmp_path / "tree"), recurse=True), LINUX_DISK, Sealed(), Bounds(10**6, float("inf")))
    assert [os.stat(tmp_path / "tree" / name).st_atime for name in ("", "sub")] == [1_000_000_000] * 2


def test_a_tree_deeper_than_the_bound_is_told_and_not_followed_for_ever(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 5))
    put(deep / "x.log")
    looked = scan(rule(path=str(tmp_path), recurse=True), LINUX_DISK, Sealed(), Bounds(10**6, float("inf")))
    assert [obstacle.reason for obstacle in looked.unread] == [f"it lies deeper than {MAX_DEPTH} folders"]
    assert looked.complete is False


def test_a_tree_as_deep_as_the_bound_is_seen_to_its_end(tmp_path: Path) -> None:
    put(tmp_path.joinpath(*["d"] * MAX_DEPTH) / "x.log")
    looked = scan(rule(path=str(tmp_path), recurse=True), LINUX_DISK, Sealed(), Bounds(10**6, float("inf")))
    assert (looked.complete, len(looked.entries)) == (True, MAX_DEPTH + 1)
