# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The __main__.py of the payload: the core out of the bytes that were verified, never out of a file.

On Windows bridge.ps1 verifies the bytes and starts Python with a line that reads them, and runs this file out of them.
It leaves ARCHIVE, the payload, and HEAD, the line that came before it, in this file's globals. Elsewhere the module
runner verifies them, and calls `answer`, with the code that it has kept, where it has.
"""

from __future__ import annotations

import functools
import importlib
import io
import marshal
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Optional

PACKAGE = "cryptobot_maintenance"
PLACE = "payload/"  # stands before the names in tracebacks, where a zip's path would
OURS = re.compile(r"[0-9a-f]{64}[.]")  # what the name of each file of a payload begins with
DAY = 86400.0
SWEEP_AFTER = 7 * DAY


class Payload:
    """Finds and loads modules in a payload that lies in memory, as a meta path finder and loader.

    ``read`` returns a source by its name in the zip; ``code`` has what was compiled from it before, by the same names.
    """

    def __init__(self, names: frozenset[str], read: Callable[[str], bytes], code: Mapping[str, bytes]) -> None:
        self.names, self.read, self.code = names, read, code

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        """Return the spec of a module of the payload, or None where it has none of that name."""
        base = fullname.replace(".", "/")
        for file, is_package in ((base + "/__init__.py", True), (base + ".py", False)):
            if file in self.names:
                spec = ModuleSpec(fullname, self, origin=PLACE + file, is_package=is_package)
                spec.has_location = True  # so that a module knows its __file__
                return spec
        return None

    def create_module(self, spec: ModuleSpec) -> None:
        """Have Python make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102  # this is what a loader is for

    def get_code(self, fullname: str) -> CodeType:
        """Return a module's code, compiled before or now. Raise ImportError where there is no such module."""
        name = self._name(fullname)
        kept = self.code.get(name)
        code: CodeType = marshal.loads(kept) if kept else compiled(name, self.read(name))  # noqa: S302 - see runner.py
        return code

    def get_source(self, fullname: str) -> str:
        """Return a module's source; tracebacks show lines of it. Raise ImportError where there is no such module."""
        return self.read(self._name(fullname)).decode("utf-8")

    def _name(self, fullname: str) -> str:
        spec = self.find_spec(fullname)
        if spec is None or spec.origin is None:
            raise ImportError(fullname)
        return spec.origin[len(PLACE) :]


def compiled(name: str, source: bytes) -> CodeType:
    """Given a file of the payload, return its code. Raise SyntaxError."""
    code: CodeType = compile(source, PLACE + name, "exec", dont_inherit=True)
    return code


def compile_all(content: bytes) -> dict[str, bytes]:
    """Given a payload, return the code of all its files, as `answer` takes it."""
    archive = opened(content)
    return {name: marshal.dumps(compiled(name, archive.read(name))) for name in archive.namelist()}


def opened(content: bytes) -> Any:
    """Given a payload, return it as a ZipFile, whose module is imported only where the code was not kept."""
    return importlib.import_module("zipfile").ZipFile(io.BytesIO(content))


def answer(content: bytes, code: Mapping[str, bytes], request: Mapping[str, Any]) -> dict[str, Any]:
    """Given a payload, its code where that was kept, and a request, return what the core answers."""
    archive = functools.lru_cache(maxsize=None)(opened)  # a payload that is kept is not opened but for a traceback
    names = frozenset(code or archive(content).namelist())
    entry = installed(names, lambda name: bytes(archive(content).read(name)), code)
    sys.excepthook = lambda *error: entry.complain(frozenset(request["secrets"]), *error)
    told: dict[str, Any] = entry.answer_to(request)
    return told


def installed(names: frozenset[str], read: Callable[[str], bytes], code: Mapping[str, bytes]) -> Any:
    """Have Python find the payload's modules, and return the core's entry."""
    sys.meta_path.insert(0, Payload(names, read, code))  # type: ignore[arg-type]  # importlib.abc takes 5 ms to import
    return importlib.import_module(PACKAGE + ".entry")


# --- what Ansible's own wrapper does for a module of the usual kind, and the end of what is kept ---


def settle(rlimit_nofile: Optional[int]) -> None:
    """Go where this account may be, and take the number of open files that was asked for."""
    try:
        known = os.access(os.getcwd(), os.F_OK | os.R_OK)
    except OSError:
        known = False
    if not known:
        home = os.path.expanduser("~")
        os.chdir(home if os.access(home, os.R_OK | os.X_OK) else "/")
    if rlimit_nofile:
        resource = importlib.import_module("resource")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with suppress(ValueError):  # macOS tells of more than it grants
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, rlimit_nofile), hard))


def log(request: Mapping[str, Any], target: Optional[str], facility: int) -> None:
    """Write one line to the log of the host: what was asked, and whether it may act. No argument is in it."""
    syslog = importlib.import_module("syslog")
    words = (target or "", f"check_mode={request['check_mode']}")
    syslog.openlog(f"cryptobot.maintenance.{request['area']}", 0, facility)
    syslog.syslog(syslog.LOG_INFO, " ".join(filter(None, words)))


def sweep(folder: int, sha256: str) -> None:
    """Given the open folder of payloads and the SHA-256 of the one in use, remove those that nobody used for a week,
    whole, and what a run that was killed left half written.
    """
    now, used = time.time(), dict(_used(folder))
    for name, when in used.items():
        last = max(each for other, each in used.items() if other[:64] == name[:64])
        idle, age = abs(now - last), abs(now - when)  # a time to come is none: the clock was wrong
        if (name[:64] != sha256 and idle > SWEEP_AFTER) or (name.endswith(".partial") and age > DAY):
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)


def _used(folder: int) -> Iterator[tuple[str, float]]:
    """Yield the name of each file of ours, and when it was used last."""
    for name in os.listdir(folder):
        if OURS.match(name):
            with suppress(FileNotFoundError):
                yield name, os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime


# --- Windows ---


def main(archive: Any, head: Mapping[str, Any]) -> int:
    """Run the core's entry with what the bridge saw of folders. Return the exit code."""
    entry = installed(frozenset(archive.namelist()), archive.read, {})
    importlib.import_module(PACKAGE + ".trusted").report(head["folders"])
    return int(entry.main())


if __name__ == "__main__":
    sys.exit(main(globals()["ARCHIVE"], globals()["HEAD"]))  # see above
