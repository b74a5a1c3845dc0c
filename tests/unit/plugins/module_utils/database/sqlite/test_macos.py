# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A SQLite file on macOS: its place and who has it open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import collect as collecting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.holders import holders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.macos import (
    parse_free_memory,
    parse_lsof,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite.model import is_network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError

from .builders import make

FIXTURES = Path(__file__).resolve().parents[5] / "fixtures"


def fixture(name: str) -> str:
    return (FIXTURES / name).read_text("utf-8")


# what lsof -Fpc prints, constructed after its manual page: whom it names, and whether that is all and why not
OURS = "(us)"  # stands for our own pid, which is another in each run
LSOF = "p501\ncPython\np77\ncstrategy worker\n"
CANNOT_STAT = "WARNING: can't stat() nfs file system /n\n      Output information may be incomplete."
HELD: list[tuple[Any, bool, list[int], bool, str]] = [
    (LSOF, True, [501, 77], True, ""),
    ((1, "", ""), True, [], True, ""),
    ((1, LSOF, "lsof: WARNING: can't stat()"), True, [501, 77], True, ""),
    (LSOF, False, [501, 77], False, ""),
    (LSOF + f"p{OURS}\ncpython3\n", True, [501, 77], True, ""),
    ((1, "", f"lsof: {CANNOT_STAT}"), True, [], True, ""),
    ((1, "", "lsof: can't get process info: Operation not permitted"), True, [], False, "not permitted"),
    ((1, LSOF, "lsof: can't get process info: Operation not permitted"), True, [501, 77], False, "not permitted"),
    ((2, "", "lsof: illegal option"), True, [], False, "illegal option"),
    ("pX\n", True, [], False, "expected 'p' and a pid"),
]


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("answer", "admin", "pids", "complete", "blind"), HELD)
def test_lsof_is_asked_who_has_it_open(
    answer: Any, admin: bool, pids: list[int], complete: bool, blind: str, tmp_path: Path
) -> None:
    path = make(tmp_path / "demo.db")
    told = answer.replace(OURS, str(os.getpid())) if isinstance(answer, str) else answer
    found = holders(str(path), FakeHost("darwin", commands={f"lsof -Fpc -- {path}": told}, admin=admin))
    assert ([one.pid for one in found.processes], found.complete) == (pids, complete)
    assert blind in found.unavailable if blind else found.unavailable == ""


def test_commands_are_those_of_their_pids() -> None:
    assert [(one.pid, one.command) for one in parse_lsof(LSOF)] == [(501, "Python"), (77, "strategy worker")]


SHARES = "mount/macos-15/simulators-and-shares.txt"
PLACES = [
    ("mount/macos-14/apple-silicon.txt", "/System/Volumes/Data/opt/demo.db", "apfs"),
    ("mount/macos-14/apple-silicon.txt", "/opt/demo.db", "apfs"),
    (SHARES, "/Volumes/share/demo.db", "smbfs"),
    (SHARES, "/Volumes/Storage/demo.db", "apfs"),
]


@pytest.mark.parametrize(("mounts", "path", "kind"), PLACES)
def test_the_mount_tells_the_file_system(mounts: str, path: str, kind: str) -> None:
    found = collecting.surroundings(path, FakeHost("darwin", commands={"mount": fixture(mounts)})).filesystem
    assert (found, is_network(found)) == (kind, kind == "smbfs")


def test_what_macos_does_not_tell_is_unknown() -> None:
    assert collecting.surroundings("/opt/demo.db", FakeHost("darwin")) == ("", None)


def test_free_memory_is_counted_in_the_pages_of_this_machine() -> None:
    assert parse_free_memory(fixture("vm_stat/macos-13/intel.txt")) == (6127229 + 430715 + 11820) * 4096
    assert parse_free_memory(fixture("vm_stat/macos-15/pressed.txt")) == (3857 + 1075 + 17340) * 16384
    with pytest.raises(ParseError):
        parse_free_memory("Pages free: 7.")
