# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One trial the slow way: tests are collected and run against a mutated file, in a fork that nobody else sees.

It is for what only an import computes (planted.py tells why). The mutated source is served by an import hook, so the
checkout is never changed. What all trials import (pytest, hypothesis, ansible) is imported once, before the fork.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from area import KILLED, PACKAGE, SAME, SURVIVED, fork
from mutants import CHECKOUT, CORE, Mutant, area_of, source_with

UNIT = CHECKOUT / "tests" / "unit" / "plugins"
SECONDS = 180.0  # one trial; a mutant that loops for ever is found out by it
PLAIN = [
    "-q",
    "--no-header",
    "--tb=no",
    "-s",
    "-p",
    "no:xdist",
    "-p",
    "no:cacheprovider",
    "--hypothesis-profile=mutants",
]
OPTIONS = ["-x", *PLAIN]


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


def try_mutant(mutant: Mutant, hint: str = "") -> tuple[str, str]:
    """Given a mutant, and perhaps the test that noticed it once, return what became of it and what noticed now.

    That test is asked first, then the near ones; the whole area only where there is none: what an import computes is a
    constant or a table, and whoever reads its file looks for its test near by.
    """
    source = source_with(mutant)
    if source is None:
        return SAME, ""
    path = CHECKOUT / mutant.path
    near, others = tests_of(path)
    hinted = [hint] if hint and (CHECKOUT / hint.partition("::")[0]).exists() else []
    for tests in (hinted, [str(test) for test in near or others]):
        noticed = first_failure(path, source, tests) if tests else ""
        if noticed:
            return KILLED, noticed
    return SURVIVED, ""


def first_failure(path: Path, source: str, tests: list[str]) -> str:
    """Given a file, its source as it shall be, and tests, return the first test that fails, ``?`` where none is told,
    or nothing where all pass.
    """
    code, text = fork(lambda: _run(path, source, tests), SECONDS)
    return "" if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) else text or "?"


class First:
    """A plugin of pytest that keeps the id of the first test that failed."""

    node = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep it."""
        if report.failed:
            self.node = self.node or report.nodeid


def _run(path: Path, source: str, tests: list[str]) -> tuple[int, str]:
    first = First()
    sys.meta_path.insert(0, Source(path, source))
    return int(pytest.main([*OPTIONS, *tests], plugins=[first])), first.node


def prepare(scratch: Path) -> None:
    """Import once what every trial needs, and keep compiled copies out of the checkout."""
    os.chdir(CHECKOUT)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(scratch / "pycache")
    for name in ("hypothesis", "yaml", "_hypothesis_pytestplugin", "ansible.errors", "ansible.plugins.action"):
        importlib.import_module(name)
    assert CORE.is_dir()
