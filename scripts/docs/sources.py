# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the code itself says of its checks and procedures: the source of the generated pages."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins"
CATALOGUES = ("module_utils/*/checks.py", "plugin_utils/*/checks.py")


def catalogues() -> Iterator[tuple[str, dict]]:
    """Yield (area, checks by id) for each area, in the order of their names."""
    found = dict(ruled())
    for pattern in CATALOGUES:
        for path in sorted((CHECKOUT / "plugins").glob(pattern)):
            dotted = ".".join(path.relative_to(CHECKOUT / "plugins").with_suffix("").parts)
            found[path.parent.name] = importlib.import_module(f"{PACKAGE}.{dotted}").CHECKS
    yield from sorted(found.items())


def ruled() -> Iterator[tuple[str, dict]]:
    """Yield (area, checks by id) for each area whose rules a run.py joins; an id begins with its area's name."""
    found: dict[str, dict] = {}
    for path in sorted((CHECKOUT / "plugins" / "module_utils").glob("*/run.py")):
        if re.search(r"^RULES\b", path.read_text("utf-8"), re.M):
            run = importlib.import_module(f"{PACKAGE}.module_utils.{path.parent.name}.run")
            for check in run.RULES.checks.values():
                found.setdefault(check.id.partition(".")[0], {})[check.id] = check
    yield from found.items()


def modules_by_noun() -> dict[str, str]:
    """Return which module runs which noun, read from the imports of the modules."""
    found = {}
    for path in sorted((CHECKOUT / "plugins" / "modules").glob("*.py")):
        for noun in re.findall(r"module_utils\.(\w+)\.run import", path.read_text("utf-8")):
            found[noun] = path.stem
    return found


def procedures() -> list[dict]:
    """Return the sections of docs/procedures.yml."""
    return yaml.safe_load((CHECKOUT / "docs" / "procedures.yml").read_text("utf-8"))


def tagged_playbooks() -> dict[str, set[str]]:
    """Return, for each procedure id, the playbooks that a tag of that id narrows to it."""
    known = {entry["id"] for section in procedures() for entry in section["procedures"]}
    found: dict[str, set[str]] = {}
    for path in sorted((CHECKOUT / "playbooks").glob("*.yml")):
        text = path.read_text("utf-8")
        roles = re.findall(r"cryptobot\.maintenance\.(\w+)", text)
        # the tags of tasks, and for tasks of many procedures the list that the tags choose from
        files = [file for role in roles for file in (CHECKOUT / "roles" / role).glob("*/*.yml")]
        told = [file.read_text("utf-8") for file in files if file.parent.name in ("tasks", "defaults")]
        words = set(re.findall(r"\b[A-Z]{1,2}\d\.\d\b", " ".join([text, *told])))
        for procedure in words & known:
            found.setdefault(procedure, set()).add(path.name)
    return found


def make_importable() -> None:
    """Let the collection's imports resolve to this checkout; tests/conftest.py knows how."""
    sys.path.insert(0, str(CHECKOUT / "tests"))
    importlib.import_module("conftest")
