# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files of the core an area needs: its own, and all that they import from the core, wherever the import stands.

The core imports from itself by relative imports alone; an import within a function counts like any other. Areas are
also imported by their names (registry.py), in no statement: they are what is asked for.
"""

from __future__ import annotations

import ast
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

Sources = dict[str, bytes]

# What the payload's __main__.py imports, whatever is asked.
START = ("entry.py", "trusted.py")
# Of an area that is asked for; of one that is only imported these count where something imports them.
PARTS = ("__init__.py", "run.py")
# An import from the core as it stands in a file. Finding them first costs a tenth of parsing every file whole; a
# sentence that only looks like one adds a file at worst.
_IMPORT = re.compile(rb"^[ \t]*from[ \t]+\.[^\n]*?\bimport\b[ \t]*(?:\([^)]*\)|[^\n]*)", re.M)


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
    for found in _IMPORT.finditer(content):
        for statement in _parsed(found[0].decode("utf-8")):
            yield from _files(name, statement, known)


def _parsed(text: str) -> Iterator[ast.ImportFrom]:
    """Given what looks like an import, yield it; nothing where it is a sentence that begins like one."""
    try:
        yield from (node for node in ast.parse(textwrap.dedent(text)).body if isinstance(node, ast.ImportFrom))
    except SyntaxError:
        return


def _files(name: str, statement: ast.ImportFrom, known: frozenset[str]) -> Iterator[str]:
    """Yield the files that a relative import loads: a module or a package, members that are files, what is above."""
    above = name.split("/")[: -statement.level]
    base = "/".join([*above, *(statement.module or "").split(".")]).rstrip("/")
    places = [base, *(f"{base}/{alias.name}".lstrip("/") for alias in statement.names)]
    wanted = {file for place in places for file in (f"{place}.py", f"{place}/__init__.py")}
    wanted |= {f"{base.rsplit('/', depth)[0]}/__init__.py" for depth in range(base.count("/") + 1)}
    yield from wanted & known
