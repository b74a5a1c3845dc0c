# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of this house that no other linter knows: lengths, licence headers, nothing of one machine.

Looks at every file that git knows or would know, prints one line for each violation, and ends with 1 if there is any.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

FUNCTION_LINES = 40  # without the docstring
PLUGIN_LINES = 400  # of Python below plugins/, without the documentation that Ansible wants in the file
TASK_LINES = 60
HEADER = (
    "# Copyright: cryptobot.maintenance contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|raise NotImplementedError)\b")
# Absolute paths of one developer's or CI's machine, and hosts of package registries: both belong to whoever runs it.
MACHINE = re.compile(
    r"(?<![\w.}/-])/(?:work|root/\.pyenv)/"
    r"|\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org|galaxy\.ansible\.com)\b"
)
MAY_NAME_SHARED = ".ci/run"  # the one file that may look for tools beside the checkout
SHARED = re.compile(r"\.\./shared/(?:design|examples|hooks|tools)\b")
ELSEWHERE = ("tests/fixtures/", "scripts/lint/house_rules.py", "LICENSE")  # recorded output, these patterns, a licence

Violation = tuple[int, str]  # line, what is wrong and what is allowed


def function_length(path: str, text: str) -> Iterator[Violation]:
    """Given a Python file, yield its functions that are longer than is allowed."""
    if path.endswith(".py"):
        for node in ast.walk(ast.parse(text, path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = body_lines(node)
                if lines > FUNCTION_LINES:
                    yield node.lineno, f"function {node.name} has {lines} lines, {FUNCTION_LINES} are allowed"


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Given a function, return how many lines its body has without the docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0


def plugin_length(path: str, text: str) -> Iterator[Violation]:
    """Given a Python file below plugins/, yield a violation when it is too long without its documentation."""
    if path.startswith("plugins/") and path.endswith(".py") and not path.startswith("plugins/doc_fragments/"):
        lines = len(text.splitlines()) - documentation_lines(ast.parse(text, path))
        if lines > PLUGIN_LINES:
            yield 1, f"{lines} lines without documentation, {PLUGIN_LINES} are allowed"


def documentation_lines(tree: ast.Module) -> int:
    """Given a module, return how many lines its DOCUMENTATION, EXAMPLES and RETURN take."""
    return sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in DOCUMENTATION for target in node.targets)
    )


def task_length(path: str, text: str) -> Iterator[Violation]:
    """Given a task or handler file of a role, yield a violation when it is too long."""
    lines = len(text.splitlines())
    if re.match(r"roles/[^/]+/(?:tasks|handlers)/.+\.ya?ml$", path) and lines > TASK_LINES:
        yield 1, f"{lines} lines, {TASK_LINES} are allowed in a task file: one file per procedure"


def licence_header(path: str, text: str) -> Iterator[Violation]:
    """Given a Python file or shell script, yield a violation when it does not start with the licence header."""
    if text and path.endswith((".py", ".sh", ".ps1")):
        lines = text.splitlines()
        start = 1 if lines[0].startswith("#!") else 0
        if tuple(lines[start : start + len(HEADER)]) != HEADER:
            yield start + 1, f"starts without the licence header: {HEADER[0]} ..."


def machine(path: str, text: str) -> Iterator[Violation]:
    """Given a file, yield its lines that hold something of one machine."""
    for number, line in enumerate(text.splitlines(), 1):
        found = MACHINE.search(line) or (SHARED.search(line) if path != MAY_NAME_SHARED else None)
        if found:
            yield number, f"{found.group()} belongs to one machine: use a variable, a relative path or PATH"


def unfinished(path: str, text: str) -> Iterator[Violation]:
    """Given a file, yield its lines that say that something is left to do."""
    if path.endswith((".py", ".sh", ".yml", ".j2", ".ps1", ".md", ".toml", "Makefile")):
        for number, line in enumerate(text.splitlines(), 1):
            found = UNFINISHED.search(line)
            if found:
                yield number, f"{found.group()}: do it now, or file an issue"


RULES = (function_length, plugin_length, task_length, licence_header, machine, unfinished)


def violations(path: str, text: str) -> Iterator[Violation]:
    """Given a file's path in the checkout and its text, yield what breaks a rule."""
    if not path.startswith(ELSEWHERE):
        for rule in RULES:
            yield from rule(path, text)


def tracked_files() -> list[str]:
    """Return the paths of the files that git knows or would know; links and what is not text are left out."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = (CHECKOUT / name for name in sorted(set(names)) if name)
    return [str(file.relative_to(CHECKOUT)) for file in files if file.is_file() and not file.is_symlink()]


def main() -> int:
    """Print the violations in the checkout; return 1 when there are any."""
    found = 0
    for path in tracked_files():
        try:
            text = (CHECKOUT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for line, message in violations(path, text):
            print(f"{path}:{line}: {message}")
            found += 1
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
