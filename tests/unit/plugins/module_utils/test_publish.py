# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publishing: at any moment a reader sees the old state or the new one, whole."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import publish
from ansible_collections.cryptobot.maintenance.plugins.module_utils.publish import (
    PARTIAL,
    fsync_tree,
    publish_file,
    publish_folder,
    publish_link,
)


class Held(PermissionError):
    """What Windows answers where another process has a name open: a number of its own beside the errno."""

    def __init__(self, winerror: int) -> None:
        super().__init__(13, "held")
        self.winerror = winerror


def _held_for(times: int, winerror: int, real: Callable[..., None]) -> Callable[..., None]:
    """Return a call that is refused so many times before it is the real one."""
    left = [times]

    def call(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise Held(winerror)
        real(*arguments)

    return call


def test_content_in_parts_is_published_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    publish_file(tmp_path / "file", iter([b"new ", b"content"]))
    assert (tmp_path / "file").read_bytes() == b"new content"

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        publish_file(tmp_path / "file", broken())
    assert (tmp_path / "file").read_bytes() == b"new content"
    assert _leftovers(tmp_path) == []


@pytest.mark.parametrize("winerror", [5, 32, 33, 303])
def test_a_file_that_is_being_read_is_replaced_as_soon_as_its_reader_is_done(
    winerror: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_file(tmp_path / "file", b"old")
    monkeypatch.setattr(publish, "PAUSE", 0.001)
    monkeypatch.setattr(publish.os, "replace", _held_for(3, winerror, os.replace))
    publish_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert _leftovers(tmp_path) == []


def test_a_file_that_is_held_for_ever_stays_as_it_was_and_nothing_is_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_file(tmp_path / "file", b"old")
    monkeypatch.setattr(publish, "PATIENCE", 0.02)
    monkeypatch.setattr(publish, "PAUSE", 0.001)
    monkeypatch.setattr(publish.os, "replace", _held_for(10**6, 32, os.replace))
    with pytest.raises(PermissionError):
        publish_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert _leftovers(tmp_path) == []


@pytest.mark.parametrize("error", [PermissionError(1, "not allowed"), Held(1314), OSError(28, "full")])
def test_any_other_refusal_is_not_tried_again(error: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def refuse(*names: Any) -> None:
        calls.append(1)
        raise error

    monkeypatch.setattr(publish.os, "replace", refuse)
    with pytest.raises(OSError, match=str(error.strerror)):
        publish_file(tmp_path / "file", b"new")
    assert calls == [1]


def test_a_folder_that_cannot_be_opened_is_not_flushed_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(publish.os, "open", refuse)
    with pytest.raises(PermissionError):
        publish.fsync_path(tmp_path)
    monkeypatch.setattr(publish, "FOLDERS_OPEN", False)
    publish.fsync_path(tmp_path)
    with pytest.raises(PermissionError):
        publish.fsync_path(tmp_path / "file")  # of a file it is an error everywhere


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if PARTIAL in path.name]


def test_a_file_is_published_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    publish_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert _leftovers(tmp_path) == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_file_gets_exactly_its_mode_whatever_the_umask(mode: int, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        publish_file(tmp_path / "file", b"", mode)
    finally:
        os.umask(before)
    assert _mode(tmp_path / "file") == mode


def test_a_file_is_readable_by_its_owner_alone_unless_told_otherwise(tmp_path: Path) -> None:
    publish_file(tmp_path / "file", b"secret")
    assert _mode(tmp_path / "file") == 0o600


STEPS = ["fsync", "fchmod", "replace"]


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_leaves_the_old_file_and_no_leftovers(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish.os, step, fail)
    with pytest.raises(OSError, match="No space"):
        publish_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert _leftovers(tmp_path) == []


def test_the_content_is_flushed_before_the_name_is_given_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(publish.os, "fsync", lambda fd: (order.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(publish.os, "replace", lambda a, b: (order.append("replace"), replace(a, b))[1])
    publish_file(tmp_path / "file", b"new")
    assert order == ["fsync", "replace", "fsync"]


def test_the_leftover_of_a_killed_run_with_the_same_pid_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / f"file.{os.getpid()}{PARTIAL}").write_bytes(b"half")
    publish_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert _leftovers(tmp_path) == []


def test_a_symlink_planted_at_the_partial_name_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / f"file.{os.getpid()}{PARTIAL}").symlink_to(victim)
    publish_file(tmp_path / "file", b"new")
    assert (victim.read_bytes(), (tmp_path / "file").read_bytes()) == (b"precious", b"new")


def test_a_symlink_at_the_final_name_is_replaced_and_its_target_is_left(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file").symlink_to(victim)
    publish_file(tmp_path / "file", b"new")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_reader_never_sees_half_a_file_while_it_is_published_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    publish_file(path, b"a" * 200_000)
    code = (
        "import sys\nfor _ in range(500):\n    text = open(sys.argv[1], 'rb').read()\n"
        "    assert len(text) == 200000 and len(set(text)) == 1, len(text)"
    )
    reader = subprocess.Popen([sys.executable, "-c", code, str(path)], stderr=subprocess.PIPE, text=True)
    turn = 0
    while reader.poll() is None:
        turn += 1
        publish_file(path, bytes([97 + turn % 26]) * 200_000)
    assert reader.returncode == 0, reader.stderr.read() if reader.stderr else ""
    assert turn > 10


def test_a_folder_gets_its_final_name_with_all_it_holds(tmp_path: Path) -> None:
    partial = tmp_path / "set.partial"
    (partial / "deep").mkdir(parents=True)
    (partial / "deep" / "file").write_text("x")
    (partial / "link").symlink_to("nowhere")
    publish_folder(partial, tmp_path / "set")
    assert (tmp_path / "set" / "deep" / "file").read_text() == "x"
    assert not partial.exists()


def test_a_folder_never_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("set.partial", "set"):
        (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError, match="not overwritten"):
        publish_folder(tmp_path / "set.partial", tmp_path / "set")
    assert (tmp_path / "set.partial").exists()


def test_flushing_a_tree_reaches_every_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("")
    (tmp_path / "link").symlink_to("/etc/hostname")
    flushed: list[str] = []
    monkeypatch.setattr(publish, "fsync_path", lambda path: flushed.append(str(path.relative_to(tmp_path))))
    fsync_tree(tmp_path)
    assert sorted(flushed) == [".", "a", "a/file"]


def test_a_link_is_switched_in_one_step(tmp_path: Path) -> None:
    for target in ("run-1", "run-2"):
        (tmp_path / target).mkdir()
        publish_link(tmp_path / "latest", target)
        assert os.readlink(tmp_path / "latest") == target
    assert _leftovers(tmp_path) == []
