# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What another account, a full disk or a sudden end can do to what the module runner keeps: never have it run."""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import signal
import stat
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from .host import SOURCE, Host, answer_of, encoded, filled, made, run
from .test_runner import ROOT, load

PLANTED = made(SOURCE.replace('"the payload"', '"planted"'))
STRANGER = 12345
DAY = 86400


@pytest.fixture
def host(tmp_path: Path) -> Host:
    tmp_path.chmod(0o755)
    made_host = Host(tmp_path / "kept")
    assert made_host.ask(made(), bring=True)["said"] == "the payload"
    return made_host


def zipped(host: Host) -> Path:
    return host.folder / f"{made().sha256}.zip"


def code_of(host: Host) -> Path:
    (path,) = host.files(".code")
    return path


def refused(told: dict[str, Any]) -> str:
    assert (told["failed"], told["payload_present"]) == (True, False)
    assert told["msg"].startswith("nothing was run: ")
    assert "said" not in told
    return str(told["msg"])


# --- its files ---


def test_a_payload_that_was_changed_is_removed_and_not_run_and_the_next_run_brings_it_again(host: Host) -> None:
    zipped(host).write_bytes(PLANTED.content)
    said = refused(host.ask(made()))
    assert f"had the SHA-256 {PLANTED.sha256}: it was changed on this host" in said
    assert host.files() == []  # its code with it: whoever could change one could change the other
    assert host.ask(made())["payload_present"] is False
    assert host.ask(made(), bring=True)["said"] == "the payload"


def test_a_payload_that_was_changed_and_cannot_be_removed_is_not_said_to_be(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that has become read-only, which a failing one does, the next run would find the same."""
    zipped(host).write_bytes(PLANTED.content)
    monkeypatch.setattr(os, "unlink", mock.Mock(side_effect=OSError(errno.EROFS, "Read-only file system")))
    runner = load()
    with pytest.raises(runner.Tampered, match="and cannot be removed: remove it"):
        runner.Kept({"payload_sha256": made().sha256, "dir": str(host.folder)})


def test_a_payload_that_was_changed_is_noticed_where_it_is_brought_as_well(host: Host) -> None:
    zipped(host).write_bytes(b"")
    refused(host.ask(made(), bring=True))


def as_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def open_to_all(path: Path) -> None:
    path.chmod(0o666)


def of_a_stranger(path: Path) -> None:
    os.chown(path, STRANGER, STRANGER)


# (what is done to a file, what the answer says of it)
SWAPS = [
    pytest.param(as_link, "is a link, or no file", id="link"),
    pytest.param(as_fifo, "is no file", id="fifo"),
    pytest.param(as_folder, "is no file", id="folder"),
    pytest.param(open_to_all, "can be written by others (mode 0666)", id="mode"),
    pytest.param(of_a_stranger, f"belongs to the account with the uid {STRANGER}", id="owner", marks=ROOT),
]


@pytest.mark.parametrize(("swap", "said"), SWAPS)
@pytest.mark.parametrize("which", [zipped, code_of])
def test_a_file_that_is_not_ours_is_not_run(
    which: Callable[[Host], Path], swap: Callable[[Path], None], said: str, host: Host
) -> None:
    path = which(host)
    swap(path)
    told = refused(host.ask(made()))
    assert str(path) in told
    assert said in told


def rewritten(path: Path, content: bytes, *, name: str = "") -> None:
    path.write_bytes(zlib.crc32(content, zlib.crc32((name or path.name).encode())).to_bytes(4, "big") + content)


def test_code_that_is_kept_is_what_is_run(host: Host) -> None:
    """So the folder's protection is all that stands between an account and what runs as it: SECURITY.md says so."""
    source = SOURCE.replace('"the payload"', '"kept"')
    rewritten(code_of(host), marshal.dumps({"__main__.py": marshal.dumps(compile(source, "x", "exec"))}))
    assert host.ask(made())["said"] == "kept"


# (what code became of a crash, or of a copy of another file)
TORN = [b"", b"\0" * 4, b"\0" * 4000]


@pytest.mark.parametrize("content", TORN)
def test_code_that_is_torn_is_made_again(content: bytes, host: Host) -> None:
    whole = code_of(host).read_bytes()
    code_of(host).write_bytes(content)
    assert host.ask(made())["said"] == "the payload"
    assert code_of(host).read_bytes() == whole


def test_code_that_lost_its_end_is_made_again(host: Host) -> None:
    whole = code_of(host).read_bytes()
    code_of(host).write_bytes(whole[:-7])
    assert host.ask(made())["said"] == "the payload"
    assert code_of(host).read_bytes() == whole


def test_code_of_another_payload_is_made_again(host: Host) -> None:
    other = code_of(host).name.replace(made().sha256, PLANTED.sha256)
    content = marshal.dumps({"__main__.py": marshal.dumps(compile("raise SystemExit(9)", "x", "exec"))})
    rewritten(code_of(host), content, name=other)
    assert host.ask(made())["said"] == "the payload"


# --- its folder, and those above it ---


def from_memory(told: dict[str, Any]) -> str:
    assert (told["said"], told["kept_code"]) == ("the payload", False)
    (warning,) = told["warnings"]
    assert warning.startswith("the core was run from memory, because it cannot be kept on this host: ")
    return str(warning)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_used(mode: int, host: Host) -> None:
    rewritten(code_of(host), marshal.dumps({"__main__.py": marshal.dumps(compile("SAID = 1 / 0", "x", "exec"))}))
    host.folder.chmod(mode)
    assert host.ask(made())["payload_present"] is False  # nothing in it is looked at
    assert f"others may write to {host.folder} (mode {mode:04o})" in from_memory(host.ask(made(), bring=True))


def test_a_folder_that_is_a_link_is_not_used(host: Host, tmp_path: Path) -> None:
    host.folder.rename(tmp_path / "moved")
    host.folder.symlink_to(tmp_path / "moved")
    assert f"{host.folder} is a link" in from_memory(host.ask(made(), bring=True))


@ROOT
def test_a_folder_of_another_account_is_not_used(host: Host) -> None:
    os.chown(host.folder, STRANGER, STRANGER)
    assert f"belongs to the account with the uid {STRANGER}" in from_memory(host.ask(made(), bring=True))


def nested(tmp_path: Path) -> tuple[Host, list[Path]]:
    """Return a host whose folder lies four folders deep, and the folders above it that are the test's own."""
    above = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    above[-1].mkdir(parents=True)
    tmp_path.chmod(0o755)
    host = Host(above[-1] / "kept")
    assert host.ask(made(), bring=True)["kept_code"] is True
    return host, above


@pytest.mark.parametrize("depth", range(3))
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_no_folder_above_may_be_open_to_others(mode: int, depth: int, tmp_path: Path) -> None:
    host, above = nested(tmp_path)
    above[depth].chmod(mode)
    assert f"others may write to {above[depth]} (mode {mode:04o})" in from_memory(host.ask(made(), bring=True))


@ROOT
@pytest.mark.parametrize("depth", range(3))
def test_no_folder_above_may_be_another_accounts(depth: int, tmp_path: Path) -> None:
    host, above = nested(tmp_path)
    os.chown(above[depth], STRANGER, STRANGER)
    said = f"{above[depth]} belongs to the account with the uid {STRANGER}"
    assert said in from_memory(host.ask(made(), bring=True))


@pytest.mark.parametrize("depth", range(3))
def test_a_folder_above_may_be_open_to_all_where_it_is_sticky(depth: int, tmp_path: Path) -> None:
    host, above = nested(tmp_path)
    above[depth].chmod(0o1777)
    assert host.ask(made())["said"] == "the payload"


def test_a_link_on_the_way_is_followed_and_the_way_on_is_looked_at(tmp_path: Path) -> None:
    above = nested(tmp_path)[1]
    (tmp_path / "link").symlink_to(above[1])
    by_link = Host(tmp_path / "link" / "c" / "kept")
    assert by_link.ask(made())["said"] == "the payload"
    above[1].chmod(0o777)
    assert f"others may write to {above[1]}" in from_memory(by_link.ask(made(), bring=True))


@ROOT
def test_another_account_that_races_for_the_folder_never_has_its_code_run(tmp_path: Path) -> None:
    """It makes the folder first, with files of its own, where all may make names, and takes it away again, in haste."""
    tmp_path.chmod(0o1777)
    folder = tmp_path / "kept"
    racer = os.fork()
    if racer == 0:
        race(folder)
    try:
        told = [Host(folder).ask(made(), bring=True) for _round in range(25)]
    finally:
        os.kill(racer, signal.SIGKILL)
        os.waitpid(racer, 0)
    assert {each.get("said", "nothing") for each in told} <= {"the payload", "nothing"}
    assert {each.get("said") for each in told} & {"the payload"}
    assert all(each.get("uid", 0) == 0 for each in told)


def race(folder: Path) -> None:
    """As another account, put a folder with code of its own where the core is to be kept, and take it away again."""
    os.setgid(STRANGER)
    os.setuid(STRANGER)
    content = marshal.dumps({"__main__.py": marshal.dumps(compile(SOURCE + "\nSAID = 'planted'", "x", "exec"))})
    name = f"{made().sha256}.{load_code_name()}"
    while True:
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o755)
            (folder / f"{made().sha256}.zip").write_bytes(made().content)
            rewritten(folder / name, content)
            time.sleep(0.01)
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


def load_code_name() -> str:
    kept = load().Kept.__new__(load().Kept)
    kept.sha256 = "x"
    return str(kept.code_name()).partition(".")[2]


# --- a disk on which nothing can be kept, and a sudden end ---


def in_this_process(host: Host, **options: Any) -> dict[str, Any]:
    runner = load()
    given = {"dir": str(host.folder), "payload_sha256": made().sha256, "request": encoded(), "_ansible_no_log": True}
    told: dict[str, Any] = runner.answer({**given, **options})
    return told


def failing(code: int) -> Callable[..., Any]:
    def fail(*_words: Any, **_options: Any) -> None:
        raise OSError(code, os.strerror(code))

    return fail


# (the call that fails, how)
FULL = [("os.fsync", errno.ENOSPC), ("os.fsync", errno.EDQUOT), ("os.rename", errno.EROFS), ("os.mkdir", errno.EROFS)]


@pytest.mark.parametrize(("call", "code"), FULL)
def test_where_nothing_can_be_kept_it_runs_from_memory(call: str, code: int, tmp_path: Path) -> None:
    host = Host(tmp_path / "kept")
    with mock.patch(call, failing(code)):
        told = in_this_process(host, **made().options())
    assert os.strerror(code) in from_memory(told)
    assert host.files() == []


@pytest.mark.parametrize("ending", [".zip", ".code"])
def test_a_kept_file_that_cannot_be_read_is_done_without(ending: str, host: Host) -> None:
    """As on a failing disk, or a share whose server is gone: opened, and then an error."""
    runner = load()
    real, size = runner.os.fdopen, (host.files(ending)[0]).stat().st_size

    class Failing:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_error: object) -> None:
            self.stream.close()

        def read(self, _most: int) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def opened(descriptor: int, mode: str) -> Any:
        fails = mode == "rb" and os.fstat(descriptor).st_size == size
        return Failing(real(descriptor, mode)) if fails else real(descriptor, mode)

    with mock.patch.object(runner.os, "fdopen", opened):
        told = in_this_process(host, **made().options())
    assert told["said"] == "the payload"
    assert "Input/output error" in told["warnings"][0]


def test_a_folder_that_is_relative_to_where_it_was_started_is_not_used(tmp_path: Path) -> None:
    """A home of the password database may be one."""
    told = Host(Path("kept")).ask(made(), bring=True)
    assert told["said"] == "the payload"
    assert told["warnings"][0].endswith("kept is no absolute path")


@ROOT
def test_a_link_of_another_account_on_the_way_is_not_followed(tmp_path: Path) -> None:
    """In a sticky folder anybody can put a link where this account has nothing yet."""
    tmp_path.chmod(0o1777)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / ".cache"
    link.symlink_to(elsewhere)
    os.lchown(link, STRANGER, STRANGER)
    told = Host(link / "kept").ask(made(), bring=True)
    assert (told["said"], list(elsewhere.iterdir())) == ("the payload", [])
    assert f"{link} is a link of the account with the uid {STRANGER}" in told["warnings"][0]


def test_what_is_kept_on_a_disk_that_can_only_be_read_is_used(host: Host) -> None:
    code_of(host).unlink()
    with mock.patch("os.open", wraps=os.open) as opened:
        opened.side_effect = lambda path, flags, *rest, **more: (
            failing(errno.EROFS)() if flags & os.O_CREAT else mock.DEFAULT
        )
        told = in_this_process(host)
    assert told["said"] == "the payload"
    assert "Read-only file system" in told["warnings"][0]


@pytest.mark.parametrize("left", ["zip", "code"])
def test_a_run_that_is_killed_before_it_renames_leaves_nothing_that_is_run(left: str, tmp_path: Path) -> None:
    host = Host(tmp_path / "kept")
    killed = os.fork()
    if killed == 0:
        rename = os.rename

        def kill(source: Any, target: Any, **where: Any) -> None:
            if str(target).endswith(left):
                os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target, **where)

        with mock.patch("os.rename", kill):
            in_this_process(host, **made().options())
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(killed, 0)[1]) == signal.SIGKILL
    assert len(host.files(".partial")) == 1
    assert host.ask(made()).get("payload_present") is (False if left == "zip" else None)
    assert host.ask(made(), bring=True)["said"] == "the payload"


def test_two_runs_at_once_are_both_answered(tmp_path: Path) -> None:
    import subprocess
    import sys

    options = {"dir": str(tmp_path / "kept"), "request": encoded(), **made().options()}
    both = [
        subprocess.Popen([sys.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _each in range(4)
    ]
    for each in both:
        assert each.stdin is not None
        each.stdin.write(filled(options))
        each.stdin.close()
    assert [b"the payload" in (each.stdout.read() if each.stdout else b"") for each in both] == [True] * 4
    assert [each.wait() for each in both] == [0] * 4


def test_a_file_that_is_used_after_a_day_is_noted_as_used(host: Host) -> None:
    for path in host.files():
        os.utime(path, (1, time.time() - 2 * DAY))
    host.ask(made())
    assert [path.name for path in host.files() if time.time() - path.stat().st_mtime > DAY] == []


def test_what_is_too_large_is_not_read(host: Host) -> None:
    with zipped(host).open("r+b") as stream:
        stream.truncate((64 << 20) + 10)
    assert "it was changed on this host" in refused(host.ask(made()))


def test_the_answers_of_all_of_this_are_answers(host: Host) -> None:
    """Also through the process: an exit code of 1 and one line of JSON."""
    zipped(host).chmod(0o622)
    assert stat.S_IMODE(zipped(host).stat().st_mode) == 0o622
    refused(answer_of(run({"dir": str(host.folder), "payload_sha256": made().sha256, "request": encoded()})))
