# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an area needs of the core as one file that a Python can run: the same sources give the same bytes everywhere.

It is packed once a run, by whichever of Ansible's processes is first, and kept where Ansible keeps what a run makes.
The zip is stored, not compressed, because its SHA-256 is wanted with each call and its compression only once per host.
"""

from __future__ import annotations

import base64
import fcntl
import gzip
import hashlib
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ansible import constants

from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.carrier.closure import Sources, closure

CARRIER = Path(__file__).resolve().parent
CORE = CARRIER.parents[1] / "module_utils"
PACKAGE = "cryptobot_maintenance"  # payload_main.py imports from it
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
FOLDER = "cryptobot-carrier"  # in Ansible's folder of the run, which Ansible removes at its end


class Payload(NamedTuple):
    """A packed core: the SHA-256 of the zip in hexadecimal digits, and the file in which the zip lies."""

    sha256: str
    path: Path

    def to_travel(self) -> str:
        """Return the zip as a host takes it: gzip in base64. It is made for the first host that lacks it."""
        travels = self.path.with_suffix(".travels")
        if not travels.exists():
            packed = gzip.compress(self.path.read_bytes(), mtime=0)
            _publish(travels, base64.b64encode(packed))
        return travels.read_text("ascii")


def payload(areas: Iterable[str]) -> Payload:
    """Given areas, return their payload, packed by the first that asks in this run. Raise OSError."""
    folder = Path(constants.DEFAULT_LOCAL_TMP, FOLDER)
    asked = ",".join(sorted(set(areas)))
    index = folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.areas"
    if not index.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        with _alone(folder):
            if not index.exists():
                _keep(index, pack(asked.split(",")))
    sha256 = index.read_text("ascii")
    return Payload(sha256, folder / f"{sha256}.zip")


def _keep(index: Path, content: bytes) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    _publish(index.with_name(f"{sha256}.zip"), content)
    _publish(index, sha256.encode("ascii"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Have the other processes of this run wait while a block runs."""
    with (folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _publish(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.rename(path)


def pack(areas: Iterable[str], core: Path = CORE) -> bytes:
    """Given areas and the folder of the core, return their payload. Raise OSError where it cannot be read."""
    buffer = io.BytesIO()
    sources = closure(core, areas)
    named = {f"{PACKAGE}/{name}": content for name, content in {**_packages(sources), **sources}.items()}
    named["__main__.py"] = (CARRIER / "payload_main.py").read_bytes()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(named.items()):
            archive.writestr(_entry(name), content)
    return buffer.getvalue()


def _packages(sources: Sources) -> Sources:
    """Return an empty __init__.py for each folder: Python imports from a zip only what is a package."""
    folders = {name[:at] for name in sources for at, character in enumerate(name) if character == "/"}
    return {"__init__.py": b"", **{f"{folder}/__init__.py": b"" for folder in folders}}


def _entry(name: str) -> zipfile.ZipInfo:
    """Return the header of a file, in which nothing depends on the machine or the day."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    return entry
