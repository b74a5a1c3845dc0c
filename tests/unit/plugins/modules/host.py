# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host for the module runner: the file with its arguments filled in as Ansible does, and a Python that reads it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Optional

CHECKOUT = Path(__file__).resolve().parents[4]
RUNNER = CHECKOUT / "plugins" / "modules" / "runner.py"
FIND = CHECKOUT / "scripts" / "python" / "find.sh"
SECRET = "hunter2-of-the-house"

# A payload of the tests' own: it says who runs it and what it was asked, as the real one does through its main.
SOURCE = """
import os
def settle(limit): print("a stray word")
def log(*words): pass
def sweep(folder, sha256): pass
def compile_all(content):
    import io, marshal, zipfile
    archive = zipfile.ZipFile(io.BytesIO(content))
    return {name: marshal.dumps(compile(archive.read(name), name, "exec")) for name in archive.namelist()}
def answer(content, code, request):
    return {"asked": request, "kept_code": bool(code), "uid": os.geteuid(), "said": SAID}
SAID = "the payload"
"""


class Payload(NamedTuple):
    """A payload as it travels."""

    sha256: str
    content: bytes

    def options(self) -> dict[str, str]:
        packed = base64.b64encode(gzip.compress(self.content)).decode("ascii")
        return {"payload": packed, "payload_sha256": self.sha256}


def made(source: str = SOURCE) -> Payload:
    """Given the source of a __main__.py, return its payload."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py"), source)
    return Payload(hashlib.sha256(buffer.getvalue()).hexdigest(), buffer.getvalue())


def encoded(**request: Any) -> str:
    asked = {"area": "x", "params": {"password": SECRET}, "check_mode": False, "secrets": [SECRET], **request}
    return base64.b64encode(json.dumps(asked).encode("ascii")).decode("ascii")


class Host(NamedTuple):
    """An account of a machine, by its folder for the core."""

    folder: Path

    def ask(
        self, payload: Payload, *, bring: bool = False, request: Optional[str] = None, **options: Any
    ) -> dict[str, Any]:
        """Run the module in a process of its own, as Ansible does with pipelining, and return what it answers."""
        given = {"payload_sha256": payload.sha256, "request": request or encoded(), **options}
        return answer_of(run({"dir": str(self.folder), **given, **(payload.options() if bring else {})}))

    def files(self, ending: str = "") -> list[Path]:
        return sorted(path for path in self.folder.glob("*") if path.name.endswith(ending))


def filled(options: dict[str, Any]) -> bytes:
    """Return the module as it arrives on a host."""
    return RUNNER.read_bytes().replace(b"<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>", json.dumps(options).encode("utf-8"))


def run(
    options: dict[str, Any],
    python: str = sys.executable,
    *,
    cwd: Optional[Path] = None,
    before: Optional[Callable[[], None]] = None,
) -> subprocess.CompletedProcess[bytes]:
    """Have a Python read the module from its standard input and run it."""
    return subprocess.run(
        [python], input=filled(options), capture_output=True, cwd=cwd, preexec_fn=before, check=False, env=environment()
    )


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def answer_of(ended: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert ended.stdout.count(b"\n") == 1, (ended.stdout, ended.stderr)
    told: dict[str, Any] = json.loads(ended.stdout)
    assert ended.returncode == int(bool(told.get("failed")))
    return told


def python(version: str) -> Optional[str]:
    """Return the path of a Python of this machine, or None where there is none of that version."""
    found = subprocess.run([str(FIND), version], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else None
