# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of the core an area needs: its own, and all that they import from the core, wherever the import stands.

The core imports from itself by relative imports alone; an import within a function counts like any other. Areas are
also imported by their names (registry.py), in no statement: they are what is asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

Sources = dict[str, bytes]

# What the payload's __main__.py imports, whatever is asked.
START = ("entry.py", "trusted.py")
# Of an area that is asked for; of one that is only imported these count where something imports them.
PARTS = ("__init__.py", "run.py")
# An import from the core as it stands in a file: dots, module, names. Python's own parser takes twenty times as long; a
# sentence that only looks like an import adds a file at worst.
_IMPORT = re.compile(rb"^[ \t]*from[ \t]+(\.+)([\w.]*)[ \t]+import\b[ \t]*(\([^)]*\)|[^\n]*)", re.M)
_NAME = re.compile(r"(\w+)(?:\s+as\s+\w+)?|#[^\n]*")


def closure(core: Path, areas: Iterable[str]) -> Sources:
    """Given the folder of the core and areas, return what they need of it: each file's name there, and its content.

    Raise OSError where one cannot be read.
    """
    known = frozenset(_names(str(core)))
    todo = [*START, *(name for area in areas for name in (f"{area}/{part}" for part in PARTS) if name in known)]
    found: Sources = {}
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = (core / name).read_bytes()
            todo += imported(name, found[name], known)
    return found


def _names(core: str) -> Iterator[str]:
    """Yield the name of each Python file in a folder, as a zip writes it."""
    for folder, _folders, files in os.walk(core):
        inside = "" if folder == core else os.path.relpath(folder, core).replace(os.sep, "/") + "/"
        yield from (inside + file for file in files if file.endswith(".py"))


def imported(name: str, content: bytes, known: frozenset[str]) -> Iterator[str]:
    """Given a file and the names of all, yield those that it imports from the core, and the packages around them."""
    for dots, module, names in _IMPORT.findall(content):
        above = name.split("/")[: -len(dots)]
        base = "/".join([*above, *module.decode("utf-8").split(".")]).rstrip("/")
        yield from _files(base, _NAME.findall(names.decode("utf-8")), known)


def _files(base: str, members: Iterable[str], known: frozenset[str]) -> Iterator[str]:
    """Yield the files that are loaded for some members of a module or package: it, they, and the packages above it."""
    places = [base, *(f"{base}/{member}".lstrip("/") for member in members if member)]
    wanted = {file for place in places for file in (f"{place}.py", f"{place}/__init__.py")}
    wanted |= {f"{base.rsplit('/', depth)[0]}/__init__.py" for depth in range(base.count("/") + 1)}
    yield from wanted & known
