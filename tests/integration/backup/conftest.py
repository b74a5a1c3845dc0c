# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places for copies as they are in the field: a mounted disk, a real sshd on a loopback port, rclone with a remote."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ..database.postgres_server import binaries

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Elsewhere(NamedTuple):
    """A place: what declares it, and the folder of this machine where it really lies."""

    options: dict[str, Any]
    folder: Path


class Server(NamedTuple):
    """An sshd of our own: its port, its process, the key of its client and what knows its own."""

    port: int
    process: subprocess.Popen
    key: Path
    known_hosts: Path

    def options(self, folder: Path, **more: Any) -> dict[str, Any]:
        reached = {"host": "127.0.0.1", "port": self.port, "user": "root"}
        keys = {"key_file": str(self.key), "known_hosts_file": str(self.known_hosts)}
        return {"name": "server", "type": "sftp", "path": str(folder), **reached, **keys, **more}

    def sessions(self) -> list[int]:
        """Return the processes that serve a connection now."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@contextmanager
def _running_sshd(folder: Path) -> Iterator[Server]:
    port, host_key, key = _free_port(), _make_key(folder / "host"), _make_key(folder / "client")
    (folder / "authorized").write_text(key.with_suffix(".pub").read_text())
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key.with_suffix('.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {host_key}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
    )
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        _wait_for(port, process)
        yield Server(port, process, key, folder / "known")
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen) -> None:
    for _attempt in range(100):
        assert process.poll() is None, "sshd did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


# What tests here are skipped without.
TOOLS = ("sshd", "rclone", "restic", "redis-server", "pgbackrest")


@pytest.fixture(scope="session", autouse=True)
def everything_that_ci_needs() -> None:
    """In a CI that runs as root nothing is skipped for a tool that is not there."""
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        path = f"{os.environ['PATH']}:/usr/sbin"
        missing = [tool for tool in TOOLS if shutil.which(tool, path=path) is None]
        missing += [] if binaries() else ["initdb of PostgreSQL"]
        assert not missing, f"see requirements/debian.txt for {missing}"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory) -> Iterator[Server]:
    """An sshd of our own."""
    if SSHD is None or os.geteuid() != 0:
        pytest.skip("a real sshd wants root and Debian's openssh-server")
    with _running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def rclone(tmp_path) -> Callable[[Path], dict[str, Any]]:
    """What makes a remote of rclone of a folder."""
    if shutil.which("rclone") is None:
        pytest.skip("rclone is not installed")

    def remote(folder: Path, **more: Any) -> dict[str, Any]:
        config = tmp_path / "rclone.conf"
        config.write_text(f"[away]\ntype = alias\nremote = {folder.parent}\n")
        return {"name": "cloud", "type": "rclone", "path": f"away:{folder.name}", "config_file": str(config), **more}

    return remote


@pytest.fixture(params=["folder", "sftp", "rclone"])
def elsewhere(request, tmp_path) -> Elsewhere:
    """A place of each kind."""
    folder = tmp_path / "elsewhere" / "copies"
    folder.parent.mkdir(mode=0o755)
    if request.param == "folder":
        return Elsewhere({"name": "disk", "type": "folder", "path": str(folder), "mounted": False}, folder)
    if request.param == "sftp":
        return Elsewhere(request.getfixturevalue("sshd").options(folder), folder)
    return Elsewhere(request.getfixturevalue("rclone")(folder), folder)
