# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small mistakes that a test must notice: those of Cosmic Ray that hit decisions, and a few of this house.

Left out is what almost always means the same program (``<`` for ``!=`` beside ``==``) or an error at once (``is`` for
``>``): such mutants cost time and say nothing of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators import (
    binary_operator_replacement,
    boolean_replacer,
    break_continue,
    comparison_operator_replacement,
    number_replacer,
    unary_operator_replacement,
)
from cosmic_ray.operators.operator import Example, Operator

COMPARISONS = (
    "Lt_LtE",
    "LtE_Lt",
    "Gt_GtE",
    "GtE_Gt",
    "Lt_GtE",
    "Gt_LtE",
    "Eq_NotEq",
    "NotEq_Eq",
    "Is_IsNot",
    "IsNot_Is",
)
ARITHMETIC = ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul")


class SwapName(Operator):
    """Replace one name by another wherever it is read; subclasses say which."""

    old = new = ""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place of the name, but not where it is imported, defined, a field or a keyword of a call."""
        if node.type == "name" and node.value == self.old and not self._is_declared(node):
            yield node.start_pos, node.end_pos

    @staticmethod
    def _is_declared(node: Any) -> bool:
        previous, following = node.get_previous_leaf(), node.get_next_leaf()
        inside = node.search_ancestor("import_from", "import_name")
        around = {getattr(previous, "value", ""), getattr(following, "value", "")}
        return bool(inside or node.is_definition() or around & {".", "def", "class"} or following.value == "=")

    def mutate(self, node: Any, index: int) -> Any:
        """Return the other name."""
        return parso.python.tree.Name(self.new, node.start_pos, prefix=node.prefix)

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what it does, in one line."""
        return (Example(f"f({cls.old})", f"f({cls.new})"),)


class ReplaceInWithNotIn(Operator):
    """Replace ``in`` by ``not in`` and the reverse; Cosmic Ray leaves these two alone."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the place of the operator in a comparison (not that of a loop)."""
        for part in self._parts(node):
            yield part.start_pos, part.end_pos

    @staticmethod
    def _parts(node: Any) -> list[Any]:
        if node.type != "comparison":
            return []
        return [part for part in node.children[1::2] if part.get_code().split() in (["in"], ["not", "in"])]

    def mutate(self, node: Any, index: int) -> Any:
        """Return the comparison with the opposite operator."""
        part = self._parts(node)[index]
        opposite = " in" if part.get_code().split() == ["not", "in"] else " not in"
        node.children[node.children.index(part)] = parso.parse(opposite)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """Return what it does, in two lines."""
        return Example("x in y", "x not in y"), Example("x not in y", "x in y")


def swap(old: str, new: str) -> type[Operator]:
    """Given two names, return the operator that replaces the first by the second."""
    return type(f"Replace_{old}_With_{new}", (SwapName,), {"old": old, "new": new})


SWAPS = (
    ("all", "any"), ("any", "all"), ("min", "max"), ("max", "min"),
    ("CRITICAL", "WARNING"), ("WARNING", "OK"), ("UNKNOWN", "OK"), ("OK", "UNKNOWN"), ("SKIPPED", "OK"),
)  # fmt: skip


def chosen() -> dict[str, Operator]:
    """Return the operators by name."""
    classes = [
        *(getattr(comparison_operator_replacement, f"ReplaceComparisonOperator_{name}") for name in COMPARISONS),
        *(getattr(binary_operator_replacement, f"ReplaceBinaryOperator_{name}") for name in ARITHMETIC),
        unary_operator_replacement.ReplaceUnaryOperator_Delete_Not,
        boolean_replacer.AddNot,
        boolean_replacer.ReplaceTrueWithFalse,
        boolean_replacer.ReplaceFalseWithTrue,
        boolean_replacer.ReplaceAndWithOr,
        boolean_replacer.ReplaceOrWithAnd,
        break_continue.ReplaceContinueWithBreak,
        number_replacer.NumberReplacer,
        ReplaceInWithNotIn,
        *(swap(old, new) for old, new in SWAPS),
    ]
    return {each.__name__: each() for each in classes}
