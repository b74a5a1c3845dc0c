# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that others may have made: what is no file is refused at once, and nobody's link leads to what is not his."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.claims import collect_claims
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Declaration, Service
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.pid_file import read_pid_file
from ansible_collections.cryptobot.maintenance.plugins.module_utils.tls import local_tls

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the files of POSIX")
needs_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="files of several accounts")
STRANGER, OTHER = 65534, 65533


def _listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


NO_FILES: list[tuple[str, Callable[[Path], None]]] = [
    ("a pipe", os.mkfifo),
    ("a folder", os.mkdir),
    ("a device", lambda path: path.symlink_to("/dev/tty")),
    ("a socket", _listen),
]
KINDS = [kind for kind, _make in NO_FILES]


@contextmanager
def at_once() -> Iterator[None]:
    """Let a block take two seconds: what waits for a pipe waits for ever."""

    def give_up(_number: int, _frame: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(2)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("read", ["read_bytes", "read_declared"])
@pytest.mark.parametrize(("kind", "make"), NO_FILES, ids=KINDS)
def test_what_is_no_file_is_refused_at_once(kind: str, make: Callable[[Path], None], read: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    make(path)
    # No one listens on the socket, and a run without a terminal has no /dev/tty: open(2) says so by itself.
    known = {"a socket": "No such device", "a device": "No such device"}.get(kind, kind)
    with at_once(), pytest.raises(SourceDenied, match=f"{kind}, expected a file|{known}"):
        getattr(choose_host(5.0), read)(str(path))


def test_what_the_kernel_writes_is_a_file() -> None:
    host = choose_host(5.0)
    assert str(os.getpid()) in host.read("/proc/self/status")
    assert host.read_declared("/proc/self/status", 5) == b"Name:"


def test_a_pipe_in_the_place_of_a_pid_file_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "auth.pid"
    os.mkfifo(path)
    with at_once():
        found = read_pid_file(choose_host(5.0), str(path))
    assert (found.pid, found.denied) == (0, True)
    assert "it is a pipe" in found.unavailable


def test_a_pipe_in_the_place_of_a_configuration_is_a_claim_that_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "app.conf"
    os.mkfifo(path)
    service = Service("auth", declared_in=(Declaration(str(path), r"port=(\d+)"),))
    with at_once():
        (claim,) = collect_claims(choose_host(5.0), service, None, None)
    assert "it is a pipe" in claim.unavailable


def test_a_pipe_in_the_place_of_the_authorities_is_refused_and_no_authority_is_none(tmp_path: Path) -> None:
    pipe, empty = tmp_path / "pipe", tmp_path / "empty"
    os.mkfifo(pipe)
    empty.write_text("\n")
    with at_once(), pytest.raises(SourceDenied, match="it is a pipe"):
        local_tls(verify=True, ca_path=str(pipe))
    with pytest.raises(OSError, match="holds no certificate"):
        local_tls(verify=True, ca_path=str(empty))


@needs_root
@pytest.mark.parametrize(
    ("owner_of_link", "owner_of_file", "followed"),
    [(STRANGER, 0, False), (STRANGER, OTHER, False), (STRANGER, STRANGER, True), (0, 0, True), (0, STRANGER, True)],
)
@pytest.mark.case("L4b")
def test_a_link_is_followed_to_what_belongs_to_its_owner(
    owner_of_link: int, owner_of_file: int, followed: bool, tmp_path: Path
) -> None:
    target, link = tmp_path / "target", tmp_path / "auth.pid"
    target.write_text("41\n")
    link.symlink_to(target)
    os.chown(target, owner_of_file, -1)
    os.chown(link, owner_of_link, -1, follow_symlinks=False)
    found = read_pid_file(choose_host(5.0), str(link))
    assert (found.pid, found.denied) == ((41, False) if followed else (0, True))
    assert followed or f"belongs to uid {STRANGER} and leads to what is not his own" in found.unavailable


@needs_root
def test_a_folder_that_may_be_passed_and_not_listed_is_passed() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "auth.pid").write_text("41\n")
        os.chmod(folder, 0o711)
        os.seteuid(STRANGER)
        try:
            found = read_pid_file(choose_host(5.0), f"{folder}/auth.pid")
        finally:
            os.seteuid(0)
    assert (found.pid, found.unavailable) == (41, "")
