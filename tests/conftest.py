# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the checkout importable as ``ansible_collections.cryptobot.maintenance``, with and without Ansible installed."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = "ansible_collections.cryptobot.maintenance"


def _namespace(name: str, paths: list[str]) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__path__ = paths
    sys.modules[name] = module
    return module


def _graft() -> None:
    """Put the checkout where its imports expect it, keeping other collections that are installed reachable."""
    if PACKAGE in sys.modules:  # ansible-test has its own loader and has been here before
        return
    found = importlib.util.find_spec("ansible_collections")
    others = list(found.submodule_search_locations or []) if found else []
    root = sys.modules.get("ansible_collections") or _namespace("ansible_collections", others)
    parent = _namespace("ansible_collections.cryptobot", [])
    parent.maintenance = _namespace(PACKAGE, [str(CHECKOUT)])  # type: ignore[attr-defined]
    root.cryptobot = parent  # type: ignore[attr-defined]


_graft()
# Layers run side by side: how long one example takes says nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("mutants", settings.get_profile("unhurried"), derandomize=True, max_examples=20)
settings.load_profile("unhurried")
sys.path.insert(0, str(CHECKOUT / "tests" / "unit"))


def known_cases() -> set[str]:
    """Return the ids of the faults that were once found."""
    return {line.split("\t")[0] for line in (CHECKOUT / "tests" / "cases.tsv").read_text(encoding="utf-8").splitlines()}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make cases` run only some of them."""
    parser.addoption("--case", action="append", default=[], help="only tests of this case, or of those that begin so")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hand the case ids of a test to its JUnit report, from which `make cases` reads them."""
    marked = [(item, case) for item in items for mark in item.iter_markers("case") for case in mark.args]
    unknown = {case for _item, case in marked} - known_cases() if marked else set()
    if unknown:
        raise pytest.UsageError(f"not in tests/cases.tsv: {', '.join(sorted(unknown))}")
    for item, case in marked:
        item.user_properties.append(("case", case))
    if config.getoption("--case"):
        wanted = tuple(config.getoption("--case"))
        items[:] = [item for item in items if any(case.startswith(wanted) for it, case in marked if it is item)]
