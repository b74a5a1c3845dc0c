# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who could have written a file: what a mode and the members of a group say."""

from __future__ import annotations

import os
import stat
import sys
from types import SimpleNamespace
from typing import Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import writers
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trusted import Others

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the accounts of POSIX")
BOT, EVE = 1500, 1600

# (who belongs to the group 1500 by name; the accounts whose first group it is; whether only bot is in it)
MEMBERS = [
    ("its owner's own, as most accounts have one", [], [BOT], True),
    ("its owner is listed as well", ["bot"], [BOT], True),
    ("another is listed", ["eve"], [BOT], False),
    ("it is the first of another, too", [], [BOT, EVE], False),
    ("it is the first of another alone", ["bot"], [EVE], False),
    ("its owner is only listed", ["bot"], [], False),
    ("nobody knows the group", None, [BOT], False),
]


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch):
    def make(listed: Optional[list[str]], firsts: list[int]) -> None:
        def entry(gid: int) -> SimpleNamespace:
            if listed is None:
                raise KeyError(gid)
            return SimpleNamespace(gr_mem=listed)

        accounts = [SimpleNamespace(pw_uid=0, pw_gid=0), *(SimpleNamespace(pw_uid=uid, pw_gid=BOT) for uid in firsts)]
        monkeypatch.setattr(writers.grp, "getgrgid", entry)
        monkeypatch.setattr(writers.pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name={BOT: "bot"}[uid]))
        monkeypatch.setattr(writers.pwd, "getpwall", lambda: accounts)
        writers.is_private.cache_clear()

    yield make
    writers.is_private.cache_clear()


def place(mode: int, uid: int = BOT, gid: int = BOT) -> os.stat_result:
    return os.stat_result((stat.S_IFDIR | mode, 0, 0, 0, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(("listed", "firsts", "private"), [row[1:] for row in MEMBERS], ids=[row[0] for row in MEMBERS])
def test_a_group_of_one_is_nobody_else(group, listed: Optional[list[str]], firsts: list[int], private: bool) -> None:
    group(listed, firsts)
    assert writers.is_private(BOT, BOT) is private
    assert writers.open_to_others(place(0o775)) is not private


MODES = [(0o755, False), (0o775, False), (0o757, True), (0o777, True)]


@pytest.mark.parametrize(("mode", "is_open"), MODES)
def test_what_is_open_to_everybody_is_open_whoever_is_in_the_group(group, mode: int, is_open: bool) -> None:
    group([], [BOT])
    assert writers.open_to_others(place(mode)) is is_open
    assert Others().write_to(place(mode)) is is_open


def test_a_group_of_another_than_the_owner_is_open(group) -> None:
    group([], [BOT])
    assert writers.open_to_others(place(0o770, uid=0)) is True


def test_an_owner_without_a_name_has_no_group_of_his_own(group) -> None:
    group([], [BOT])
    assert writers.is_private(BOT, EVE) is False
