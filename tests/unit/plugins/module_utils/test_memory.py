# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Memory: an aid from run to run that can be lost without harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.memory import recall, remember

BROKEN = ["", "{", "[1, 2]", "null", '"text"', "\x00\x01", '{"a": 1}garbage']


def test_what_was_remembered_is_recalled(tmp_path: Path) -> None:
    assert remember(str(tmp_path / "state"), "services", {"auth": {"restarts": 3}})
    assert recall(str(tmp_path / "state"), "services") == {"auth": {"restarts": 3}}


def test_each_area_has_a_memory_of_its_own(tmp_path: Path) -> None:
    remember(str(tmp_path), "services", {"a": 1})
    remember(str(tmp_path), "resources", {"b": 2})
    assert recall(str(tmp_path), "services") == {"a": 1}


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_memory_is_an_empty_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text(text)
    assert recall(str(tmp_path), "services") == {}


def test_memory_that_is_not_text_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_bytes(b"\xff\xfe{}")
    assert recall(str(tmp_path), "services") == {}


def test_a_memory_that_was_never_written_is_an_empty_one(tmp_path: Path) -> None:
    assert recall(str(tmp_path / "nowhere"), "services") == {}


def test_a_state_folder_that_cannot_be_written_is_told_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert remember(str(tmp_path / "file" / "below"), "services", {}) is False


def test_a_new_memory_replaces_the_old_one_whole(tmp_path: Path) -> None:
    remember(str(tmp_path), "services", {"old": 1, "both": 1})
    remember(str(tmp_path), "services", {"both": 2})
    assert recall(str(tmp_path), "services") == {"both": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["services.json"]


def test_a_memory_that_is_being_replaced_is_recalled_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(str(tmp_path), "services", {"a": 1})
    refusals, read = [32, 5], Path.read_text

    def held(path: Path, **options: Any) -> str:
        if refusals:
            error = PermissionError(13, "The process cannot access the file")
            error.winerror = refusals.pop()  # type: ignore[attr-defined,unused-ignore]
            raise error
        return read(path, **options)

    monkeypatch.setattr(Path, "read_text", held)
    assert recall(str(tmp_path), "services") == {"a": 1}
