# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the core may contain, as functions over a syntax tree; test_purity.py applies them to every file.

Each function returns complaints ("line 3: ..."), so that a test can show the file and the line.
"""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

# Modules of the standard library of other systems, which a listing of this system's library does not show.
OTHER_SYSTEMS = frozenset({"winreg", "msvcrt", "_winapi", "winsound", "pwd", "grp", "fcntl", "resource"})
PSYCOPG2_HOME = "postgres/connection.py"
SHELL = "_ansible_module.py"
PURE_FILES = re.compile(r"(parse|judge|plan)(_\w+)?\.py")
# What a pure file may not even import: the machine, and the parts of the core that touch it.
IMPURE_MODULES = frozenset(
    {
        "os",
        "subprocess",
        "socket",
        "shutil",
        "tempfile",
        "signal",
        "ctypes",
        "fcntl",
        "pwd",
        "time",
        "glob",
        "urllib.request",
    }
)
IMPURE_SIBLINGS = frozenset({"host", "process", "http", "publish", "lock", "memory", "gather", "act"})
# os.system, subprocess.run(shell=True) ...: commands are lists of words
SHELL_CALLS = frozenset({"system", "popen", "getoutput", "getstatusoutput"})


def standard_library() -> frozenset[str]:
    """Return the names of the standard library's modules; Python 3.9 does not know them, so its folders are listed."""
    known: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
    if known:
        return known
    home = Path(sysconfig.get_paths()["stdlib"])
    listed = {path.name.split(".")[0] for folder in (home, home / "lib-dynload") for path in folder.iterdir()}
    return frozenset(listed | set(sys.builtin_module_names)) - {"site-packages"} | OTHER_SYSTEMS


STANDARD = standard_library()


def _imports(tree: ast.AST) -> Iterator[tuple[int, int, str]]:
    """Yield (line, level, module) for each import; level 0 is absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.level, node.module or ""
            if node.level and not node.module:  # from .. import host
                yield from ((node.lineno, node.level, alias.name) for alias in node.names)


def _lazy_lines(tree: ast.AST) -> set[int]:
    """Return the lines that lie within functions: an import there happens only when it is needed."""
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return {line for node in functions for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def foreign_imports(tree: ast.AST, path: str) -> list[str]:
    """Only the standard library and the core itself, relatively. psycopg2 in one place alone, and lazily."""
    lazy = _lazy_lines(tree)
    complaints = []
    for line, level, module in _imports(tree):
        top = module.split(".")[0]
        if level or top in STANDARD:
            continue
        if top == "psycopg2" and path == PSYCOPG2_HOME and line in lazy:
            continue
        complaints.append(f"line {line}: imports {module}")
    return complaints


def forbidden_words(tree: ast.AST, path: str) -> list[str]:
    """No assert (python -O drops it), no fail_json outside the shell, no command for a shell, no eval, no print."""
    return [complaint for node in ast.walk(tree) for complaint in _forbidden(node, path)]


def _forbidden(node: ast.AST, path: str) -> Iterator[str]:
    if isinstance(node, ast.Assert):
        yield f"line {node.lineno}: assert"
    if isinstance(node, ast.Attribute) and node.attr in ("fail_json", "exit_json") and path != SHELL:
        yield f"line {node.lineno}: {node.attr}"
    if isinstance(node, ast.Call):
        yield from _forbidden_call(node)


def _forbidden_call(node: ast.Call) -> Iterator[str]:
    function = node.func
    if isinstance(function, ast.Name) and function.id in ("eval", "exec", "print", "input"):
        yield f"line {node.lineno}: {function.id}()"
    if isinstance(function, ast.Attribute) and function.attr in SHELL_CALLS and _is_module(function.value):
        yield f"line {node.lineno}: {function.attr}() starts a shell"
    for keyword in node.keywords:
        if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False):
            yield f"line {node.lineno}: shell="


def _is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("os", "subprocess", "commands")


def impurities(tree: ast.AST, path: str) -> list[str]:
    """A parser, a judge or a planner sees values alone: no machine, no clock, no files."""
    if PURE_FILES.fullmatch(Path(path).name) is None:
        return []
    complaints = [
        f"line {line}: imports {module}"
        for line, level, module in _imports(tree)
        if (
            module.split(".")[-1] in IMPURE_SIBLINGS
            if level
            else module in IMPURE_MODULES or module.split(".")[0] == "os"
        )
    ]
    return complaints + [f"line {node.lineno}: {what}" for node, what in _file_access(tree)]


def _file_access(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield node, "open()"
        if isinstance(node, ast.Name) and node.id == "Path":
            yield node, "Path (a PurePath does not touch the machine)"


def annotations_are_read(tree: ast.Module) -> list[str]:
    """Annotations must not be evaluated, because Python 3.9 lacks much of what they say: the future import is first."""
    statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    first = statements[0] if statements else None
    if first is None or (isinstance(first, ast.ImportFrom) and first.module == "__future__"):
        return []
    return [f"line {first.lineno}: 'from __future__ import annotations' must stand here"]
