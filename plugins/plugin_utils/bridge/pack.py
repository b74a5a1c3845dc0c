# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The core as one file that a Python can run: the same sources give the same bytes, on every controller.

The zip is stored, not compressed, because its SHA-256 is wanted with each call and its compression only once per host.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BRIDGE = Path(__file__).resolve().parent
CORE = BRIDGE.parents[1] / "module_utils"
PACKAGE = "cryptobot_maintenance"  # zip_main.py imports from it
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


@dataclass(frozen=True)
class Payload:
    """The packed core and its SHA-256 in hexadecimal digits."""

    content: bytes
    sha256: str

    def to_travel(self) -> str:
        """Return it as bridge.ps1 takes it: gzip in base64."""
        return base64.b64encode(gzip.compress(self.content, mtime=0)).decode("ascii")


def pack(core: Path = CORE) -> Payload:
    """Given the folder of the core, return it packed. Raise OSError where it cannot be read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted({**dict(_packages(core)), **dict(_sources(core))}.items()):
            archive.writestr(_entry(name), content)
    content = buffer.getvalue()
    return Payload(content, hashlib.sha256(content).hexdigest())


def _sources(core: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name in the zip and the content of each file."""
    yield "__main__.py", (BRIDGE / "zip_main.py").read_bytes()
    for path in core.rglob("*.py"):
        yield f"{PACKAGE}/{path.relative_to(core).as_posix()}", path.read_bytes()


def _packages(core: Path) -> Iterator[tuple[str, bytes]]:
    """Yield an empty __init__.py for each folder: Python imports from a zip only what is a package."""
    folders = {path.parent.relative_to(core) for path in core.rglob("*.py")}
    for folder in {parent for each in folders for parent in (each, *each.parents)}:
        yield f"{PACKAGE}/{(folder / '__init__.py').as_posix()}", b""


def _entry(name: str) -> zipfile.ZipInfo:
    """Return the header of a file, in which nothing depends on the machine or the day."""
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    return entry
