# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""queries.py FOLDER: write every PowerShell expression that the core sends to a Windows host as a script into FOLDER.

The expressions live in the files windows_queries.py (or windows/queries.py): constants, dictionaries of them, and
functions that put values in as literals, which are called here with a value of each kind. What begins with an
underscore is a part of one. Each becomes a script named after its file and itself, for powershell51.ps1 to look at, and
so does the script around them.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = CHECKOUT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins.module_utils"
FILES = ("windows/queries.py", "windows_queries.py")
SENT_AROUND = "powershell"  # the module of the core that wraps the expressions
# What a parameter of a kind is given. Whoever needs another kind adds it here.
VALUES = {
    "str": 'it\'s "quoted" $(x)',
    "int": 1,
    "float": 1.5,
    "bool": True,
    "Sequence[str]": ["a", "b"],
    "Iterable[str]": ["a", "b"],
    "Collection[str]": ["a", "b"],
    "Sequence[int]": [1, 2],
    "frozenset[str]": frozenset(),
}


def constants(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Given a module, yield the name and the text of each expression that it holds as data."""
    for name, value in vars(module).items():
        if name.isupper() and not name.startswith("_"):
            yield from expressions(name, value)


def made(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Given a module, yield the name and the text of each expression that a function of it makes of values."""
    for name, function in vars(module).items():
        own = inspect.isfunction(function) and function.__module__ == module.__name__
        if own and not name.startswith("_"):
            parameters = inspect.signature(function).parameters.values()
            given = {each.name: VALUES[str(each.annotation)] for each in parameters}
            yield from expressions(name, function(**given))


def expressions(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Given a name and a value, yield the expressions in it: a text is one, a dictionary has one for each key."""
    if isinstance(value, str):
        yield name, value
    if isinstance(value, dict):
        yield from ((f"{name}.{key}", text) for key, text in value.items() if isinstance(text, str))


def scripts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every expression, and of the script around them."""
    for path in sorted(path for name in FILES for path in CORE.glob(f"**/{name}")):
        module = ".".join(path.relative_to(CORE).with_suffix("").parts)
        loaded = importlib.import_module(f"{PACKAGE}.{module}")
        yield from ((f"{module}.{name}", text) for name, text in [*constants(loaded), *made(loaded)])
    script_of = importlib.import_module(f"{PACKAGE}.{SENT_AROUND}").script_of
    yield f"{SENT_AROUND}.script_of", script_of({"name": "Get-Date"})


def main(folder: str) -> int:
    """Write the scripts; return 1 where there are none, which means that this looks in the wrong place."""
    sys.path.insert(0, str(CHECKOUT / "tests"))
    importlib.import_module("conftest")  # makes the checkout importable by the collection's name
    written = [Path(folder, f"{name}.ps1").write_text(text, encoding="utf-8") for name, text in scripts()]
    return int(len(written) < 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
