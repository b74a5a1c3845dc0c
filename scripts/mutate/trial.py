# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One trial: the tests of an area run against a mutated file, in a forked process that nobody else sees.

The mutated source is served by an import hook, so the checkout is never changed and trials may run side by side. What
all trials import (pytest, hypothesis, ansible) is imported once, before the fork.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from mutants import CHECKOUT, CORE, Mutant, area_of, source_with

PACKAGE = "ansible_collections.cryptobot.maintenance"
UNIT = CHECKOUT / "tests" / "unit" / "plugins"
SECONDS = 120  # one trial; a mutant that loops for ever is found out by it
OPTIONS = [
    "-x",
    "-q",
    "--no-header",
    "--tb=no",
    "-p",
    "no:xdist",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=mutants",
]

KILLED, SURVIVED, SAME = "killed", "survived", "same program"


class Source(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Serves one module from a text instead of its file."""

    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self.module = ".".join((PACKAGE, *path.relative_to(CHECKOUT).with_suffix("").parts))

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Return the spec of the one module."""
        return (
            importlib.util.spec_from_loader(fullname, self, origin=str(self.path)) if fullname == self.module else None
        )

    def get_filename(self, fullname: str) -> str:
        """Return where the file would lie."""
        return str(self.path)

    def get_data(self, path: Any) -> bytes:
        """Return the mutated source. There is no compiled copy of it."""
        if str(path).endswith(".pyc"):
            raise OSError("no compiled copy")
        return self.source.encode()


def tests_of(path: Path) -> tuple[list[Path], list[Path]]:
    """Given a file that decides, return its near tests (named after it, or naming it) and all others of its area."""
    area = area_of(path)
    folder = {"report": UNIT / "plugin_utils" / "report", "core": UNIT / "module_utils"}.get(area)
    if area == "core":
        every = sorted(folder.glob("test_*.py"))
    else:
        every = sorted((folder or UNIT / "module_utils" / area).rglob("test_*.py"))
    named = f".{path.stem} import"
    near = [test for test in every if test.stem.startswith(f"test_{path.stem}") or named in test.read_text("utf-8")]
    return near, [test for test in every if test not in near]


def try_mutant(mutant: Mutant) -> str:
    """Given a mutant, return what became of it: the near tests are asked first, then the whole area."""
    source = source_with(mutant)
    if source is None:
        return SAME
    path = CHECKOUT / mutant.path
    for tests in tests_of(path):
        if tests and not passes(path, source, tests):
            return KILLED
    return SURVIVED


def passes(path: Path, source: str, tests: list[Path]) -> bool:
    """Given a file, its source as it shall be, and tests, return whether they pass."""
    child = os.fork()
    if not child:
        os._exit(_in_child(path, source, tests))
    _pid, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def _in_child(path: Path, source: str, tests: list[Path]) -> int:
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))  # with whatever the tests had started
    signal.alarm(SECONDS)
    sys.meta_path.insert(0, Source(path, source))
    try:
        return int(pytest.main([*OPTIONS, *(str(test) for test in tests)]))
    except BaseException:  # noqa: BLE001 - a mutant may break anything, and that is found out
        return 3


def prepare(scratch: Path) -> None:
    """Import once what every trial needs, and keep compiled copies out of the checkout."""
    os.chdir(CHECKOUT)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(scratch / "pycache")
    for name in ("hypothesis", "yaml", "_hypothesis_pytestplugin", "ansible.errors", "ansible.plugins.action"):
        importlib.import_module(name)
    assert CORE.is_dir()
