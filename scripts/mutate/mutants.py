# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every mutant of the code that decides, each with a name that stays the same while other lines move."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, Optional

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from operators import chosen

CHECKOUT = Path(__file__).resolve().parents[2]
CORE = CHECKOUT / "plugins" / "module_utils"
REPORT = CHECKOUT / "plugins" / "plugin_utils" / "report"

# What decides has one of these names, wherever it lies.
DECIDES = (
    "judge*", "rules*", "policy", "plan", "decide", "reasons", "retention", "gate", "guard", "verdict*", "history",
    "crew", "tally", "claims", "exits", "order", "thresholds", "evidence", "roots", "identity", "backup_gate", "latest",
    "verification", "levels", "aggregate", "cleanup/declared", "cleanup/model", "resources/declared",
    "resources/context",
    "services/declared", "firewall_probe/declared", "firewall_probe/compare", "accepted",
)  # fmt: skip
WHOLE_FOLDERS = ("retention", "model", "rules")
OF_THE_REPORT = (
    "build.py",
    "prometheus.py",
    "summary.py",
    "aggregate.py",
    "scope.py",
    "verdict.py",
    "findings.py",
    "pruning.py",
)


_BARE_STAR = re.compile(r"[(, ]\*, |^\s*\*,$")  # keyword-only arguments begin behind it: no multiplication


class Mutant(NamedTuple):
    """One small mistake that can be planted in one file; ``key`` names it, ``change`` is the line that it is in."""

    key: str
    area: str
    path: str
    function: str
    line: int
    change: str
    operator: str
    occurrence: int


class _Positions(Visitor):
    """Collect where an operator can mutate, in the order in which Cosmic Ray counts."""

    def __init__(self, operator: object) -> None:
        self.operator, self.found = operator, []

    def visit(self, node: object) -> object:
        self.found += [start for start, _end in self.operator.mutation_positions(node)]
        return node


def files_that_decide() -> list[Path]:
    """Return the files whose functions turn what is known into a verdict or a plan."""
    core = [
        path
        for path in CORE.rglob("*.py")
        if any(path.match(f"{name}.py") for name in DECIDES) or path.parent.name in WHOLE_FOLDERS
    ]
    report = [REPORT / name for name in OF_THE_REPORT if (REPORT / name).exists()]
    return sorted(path for path in (*core, *report) if path.stat().st_size)


def area_of(path: Path) -> str:
    """Given a file, return its area: the folder of the core, ``core`` for what all areas use, or ``report``."""
    if REPORT in path.parents:
        return "report"
    parts = path.relative_to(CORE).parts
    return parts[0] if len(parts) > 1 else "core"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Given a file, yield its mutants."""
    source = path.read_text(encoding="utf-8")
    lines, functions, ignored = source.splitlines(), list(_functions(source)), _not_code(source)
    relative, counted, tree = str(path.relative_to(CHECKOUT)), Counter(), get_ast(source)
    for name, operator in chosen().items():
        visitor = _Positions(operator)
        visitor.walk(tree)
        for occurrence, (line, _column) in enumerate(visitor.found):
            if line in ignored or (name.endswith("Mul_Div") and _BARE_STAR.search(lines[line - 1])):
                continue
            function = next((found for found, first, last in functions if first <= line <= last), "")
            text = lines[line - 1].strip()
            identity = (relative, function, name, text)
            counted[identity] += 1
            digest = hashlib.sha256("\0".join((*identity, str(counted[identity]))).encode()).hexdigest()
            yield Mutant(digest[:12], area_of(path), relative, function, line, text, name, occurrence)


def _functions(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield (name, first line, last line) of each function, the inner ones first."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    for node in sorted(nodes, key=lambda node: (node.end_lineno or 0) - node.lineno):
        yield node.name, node.lineno, node.end_lineno or node.lineno


def span_of(mutant: Mutant) -> tuple[int, int]:
    """Given a mutant, return the first and the last line of the outermost function around it, decorators included."""
    found = [
        (min(node.lineno, *(each.lineno for each in node.decorator_list), node.lineno), node.end_lineno or 0)
        for node in ast.walk(ast.parse((CHECKOUT / mutant.path).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    around = [(first, last) for first, last in found if first <= mutant.line <= last]
    return min(around, default=(mutant.line, mutant.line))


def _not_code(source: str) -> set[int]:
    """Return the lines whose change is no mistake of a decision: how a record is declared, imports for types."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("dataclass", "field", "lru_cache"):
            found.add(node.lineno)
    return found


@cache
def _operators() -> dict[str, object]:
    return chosen()


def source_with(mutant: Mutant) -> Optional[str]:
    """Given a mutant, return its file's source with the mistake in it, or None where that changes no code."""
    source = (CHECKOUT / mutant.path).read_text(encoding="utf-8")
    mutated = mutate_code(source, _operators()[mutant.operator], mutant.occurrence)
    try:
        same = mutated is None or ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(source))
    except SyntaxError:  # the star of an unpacked list is no multiplication either
        return None
    return None if same else mutated
