# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of Windows: what they are asked with, tried on a recorder of calls."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import handles
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import windows_system as system


class Recorder:
    """In place of ``_winapi``: notes each call."""

    def __init__(self) -> None:
        self.opened: list[tuple[Any, ...]] = []
        self.closed: list[int] = []

    def CreateFile(self, *arguments: Any) -> int:  # noqa: N802 - named by CPython
        self.opened.append(arguments)
        return 40 + len(self.opened)

    def CloseHandle(self, handle: int) -> None:  # noqa: N802
        self.closed.append(handle)


@pytest.fixture
def winapi(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A recorder in its place."""
    recorder = Recorder()
    monkeypatch.setattr(handles, "WINAPI", recorder)
    return recorder


def test_a_folder_is_held_without_sharing_its_deletion_and_without_following(winapi: Recorder) -> None:
    handle = system.hold(r"C:\logs")
    ((path, access, shared, security, how, flags, template),) = winapi.opened
    assert path == r"\\?\C:\logs"
    assert access & handles.LIST_DIRECTORY  # with nothing but attributes asked for, sharing would not count at all
    assert shared & 0x4 == 0
    assert flags & handles.OPEN_REPARSE_POINT
    assert flags & handles.BACKUP_SEMANTICS  # without it a folder cannot be opened
    assert (security, how, template) == (0, 3, 0)
    assert winapi.closed == []
    system.release(handle)
    assert winapi.closed == [handle]


def test_a_file_is_asked_for_alone_and_let_go_at_once(winapi: Recorder) -> None:
    system.claim(r"C:\logs\a.log")
    ((path, access, shared, *_rest),) = winapi.opened
    assert (path, access & 0x10000, shared) == (r"\\?\C:\logs\a.log", 0x10000, 0)
    assert winapi.closed == [41]


def test_without_the_calls_nothing_is_held_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "WINAPI", None)
    handle = system.hold(r"C:\logs")
    system.claim(r"C:\logs\a.log")
    system.release(handle)
    assert handle == handles.NONE


CALLS = [("lstat", "lstat"), ("names", "listdir"), ("unlink", "unlink"), ("rmdir", "rmdir")]


@pytest.mark.parametrize(("call", "of_python"), CALLS)
def test_every_path_is_given_in_the_form_without_a_limit(
    call: str, of_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, of_python, given.append)
        getattr(system, call)("C:\\" + "d" * 300)
    assert given == ["\\\\?\\C:\\" + "d" * 300]
