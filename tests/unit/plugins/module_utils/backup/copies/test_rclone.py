# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rclone as it errs: exit codes of its page (https://rclone.org/docs/#exit-code), words of its errors."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.declared import Copy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.place import Away
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.copies.rclone import Remote
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import NoSpace
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    ActionFailed,
    SourceMissing,
    ToolFailed,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

LISTED = json.dumps([{"Path": "a/b/c", "Size": 3}, {"Path": "a/d", "Size": 1}, {"Path": "top", "Size": -1}])


class FakeHost:
    """Answers by rclone's first word: an exit code, and what it prints or says."""

    def __init__(self, **answers) -> None:
        self.answers, self.ran = {"lsjson": (0, LISTED), **answers}, []

    def remaining(self) -> float:
        return 60.0

    def run(self, argv, *, timeout, stdin=None, expect=None) -> Completed:
        self.ran.append(argv)
        code, words = self.answers[argv[1]]
        return Completed(tuple(argv), code, words if code == 0 else "", "" if code == 0 else words)


def remote(**answers) -> Remote:
    return Remote(Copy("c", "rclone", "off:bucket/x", config_file="/c.conf"), FakeHost(**answers))


def test_names_and_files_come_of_one_listing():
    there = remote()
    assert there.names() == ["a", "top"]
    assert there.files("a") == {"b/c": 3, "d": 1}
    assert len(there._host.ran) == 1
    assert there._host.ran[0][:4] == ["rclone", "lsjson", "--recursive", "--files-only"]
    assert "/c.conf" in there._host.ran[0]
    assert there._host.ran[0][-2:] == ["--", "off:bucket/x"]


def test_a_folder_that_is_not_there_is_empty_and_one_that_cannot_be_asked_is_away():
    assert remote(lsjson=(3, "directory not found")).names() == []
    with pytest.raises(Away, match="cannot be looked into"):
        remote(lsjson=(1, "couldn't connect")).names()


def test_a_name_that_is_taken_is_not_written_over():
    with pytest.raises(ActionFailed, match="is there already"):
        remote().rename("x.partial", "a")
    with pytest.raises(ActionFailed, match="is there already"):
        remote().make("a")


@pytest.mark.parametrize("words", ["write: no space left on device", "Quota exceeded", "507 Insufficient Storage"])
def test_a_full_store_is_told(words):
    with pytest.raises(NoSpace):
        remote(purge=(1, words)).remove("a")


def test_what_else_fails_says_what_rclone_said():
    with pytest.raises(ToolFailed, match="AccessDenied"):
        remote(purge=(1, "AccessDenied: object lock")).remove("a")
    with pytest.raises(SourceMissing):
        remote().read("nothing")


@pytest.mark.parametrize(
    ("answer", "free"),
    [
        ((0, '{"free": 9}'), 9),
        ((0, '{"used": 1}'), None),
        ((1, "not supported"), None),
        ((0, "x"), None),
        ((0, "[]"), None),
    ],
)
def test_what_is_free_is_asked_and_not_guessed(answer, free):
    assert remote(about=answer).free() == free
