# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The size and the shape of this house, in figures.

figures.py                 print them, with the bound and the aim of each that has one
figures.py --before REV    print those of a commit too, and the difference
figures.py --check         print those that are worse than their bound, and end with 1 if there is one
"""

from __future__ import annotations

import argparse
import functools
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import measure
import tree
import typings
import words
from measure import Figure

KINDS = (".py", ".yml", *words.PAGE_KINDS)
CORE, PLUGINS, HOUSE = "core", "plugins", "house"  # module_utils, all below plugins/, the whole checkout
NAMED = 50  # of what a figure counts, so many are named
BELOW = {CORE: "plugins/module_utils/", PLUGINS: "plugins/"}

Figures = Mapping[tuple[str, str], Figure]  # by scope and name


class Aim(NamedTuple):
    """What a figure should come to, and the bound that it keeps until it does. ``least``: more is better, not less."""

    scope: str
    name: str
    bound: float | None  # None: none yet, because it cannot be measured yet
    aim: float
    least: bool = False


# A bound that is not the aim yet goes towards it with each change that allows that, and never back.
AIMS = (
    Aim(CORE, "lines", 73_000, 31_000),
    Aim(CORE, "median lines of a file", 119, 150, least=True),
    Aim(CORE, "class names for three things", 0, 0),
    Aim(PLUGINS, "files over 400 lines, documentation apart", 0, 0),
    Aim(PLUGINS, "median lines of a function", 10, 10),
    Aim(PLUGINS, "lines of 90 % of the functions", 25, 25),
    Aim(PLUGINS, "lines of the longest function", 40, 40),
    Aim(PLUGINS, "classes over 200 lines", 0, 0),
    Aim(PLUGINS, "files that import each other", 0, 0),
    Aim(HOUSE, "options typed again", 3, 0),
    Aim(HOUSE, "files that a new area touches", 12, 12),
    Aim(HOUSE, "hand-kept lists of areas", 0, 0),
)
AIM_OF = {(aim.scope, aim.name): aim for aim in AIMS}


def figures(files: tree.Files) -> dict[tuple[str, str], Figure]:
    """Given the texts of a tree's files by path, return all figures of it, in their order."""
    found = {}
    for scope, folder in BELOW.items():
        python = {path: text for path, text in files.items() if path.startswith(folder) and path.endswith(".py")}
        for figure in (
            *measure.sizes(python),
            *measure.functions(python),
            *measure.classes(python),
            measure.circles(python),
        ):
            found[scope, figure.name] = figure
        there = [each for path, text in python.items() for each in retired_in(path, text)]
        found.update({(scope, figure.name): figure for figure in retired(there)})
    again, names = typings.typed_again(files)
    house = [Figure("options typed again", again, tuple(names)), measure.new_area(files), measure.hand_kept(files)]
    pages = {path: text for path, text in files.items() if not path.endswith(".py")}
    house.append(Figure("retired words in pages", len(list(words.found_among(pages)))))
    return {**found, **{(HOUSE, figure.name): figure for figure in house}}


@functools.cache
def retired_in(path: str, text: str) -> tuple[words.Found, ...]:
    """Given a file, return the retired words in it. Most files are asked for twice: of two scopes, or of two trees."""
    return tuple(words.found_in(path, text))


def retired(found: Sequence[words.Found]) -> Iterator[Figure]:
    """Given retired words, yield how many there are: of each word in names, of all in docstrings and comments."""
    for word in words.WORDS:
        number = sum(each.word in word.forms for each in found if each.where == words.NAME)
        yield Figure(f"names with `{word.forms[0]}`", number)
    where = Counter(each.where for each in found)
    yield Figure("retired words in names", where[words.NAME])
    yield Figure("retired words in docstrings and comments", where[words.TEXT])
    yield Figure("retired words as keys", where[words.KEY])


def worse(now: Figures) -> Iterator[str]:
    """Given figures, yield a line for each that is worse than its bound; one that was not measured is."""
    for (scope, name), aim in AIM_OF.items():
        value = now[scope, name].value
        if aim.bound is None:
            continue
        if value is None or (value < aim.bound if aim.least else value > aim.bound):
            named = ", ".join(now[scope, name].named)
            line = (
                f"{scope}: {name}: {said(value)}, {'at least' if aim.least else 'at most'} {said(aim.bound)} is wanted"
            )
            yield f"{line}: {named}" if named else line


def said(value: float | None, otherwise: str = "not measured") -> str:
    """Return a figure as it is printed, and what is printed where there is none."""
    return otherwise if value is None else f"{value:,}"


def table(now: Figures, before: Figures | None) -> Iterator[str]:
    """Given figures, and those of an earlier tree where they are asked for, yield the lines of a table of them."""
    heads = ("", "before", "now", "difference", "bound", "aim") if before is not None else ("", "now", "bound", "aim")
    yield row(heads)
    scope = ""
    for key, figure in now.items():
        if key[0] != scope:
            scope = key[0]
            yield f"{scope} ({BELOW.get(scope, 'the whole checkout')})"
        aim = AIM_OF.get(key)
        cells = [figure.name, said(figure.value)]
        if before is not None:
            old = before[key].value
            both = figure.value is not None and old is not None
            cells = [figure.name, said(old), said(figure.value), f"{figure.value - old:+,}" if both else ""]
        yield row((*cells, *((said(aim.bound, "none yet"), said(aim.aim)) if aim else ())))
        if figure.named:
            yield textwrap.fill(listed(figure.named), 120, initial_indent=" " * 6, subsequent_indent=" " * 6)


def listed(names: Sequence[str]) -> str:
    """Return names as a list, the last of very many left out."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def row(cells: Iterable[str]) -> str:
    """Return cells as a line: the first to the left, the others to the right of their columns."""
    first, *others = cells
    return f"  {first:<42}{''.join(f'{cell:>14}' for cell in others)}".rstrip()


def main(arguments: list[str]) -> int:
    """Print the figures; return 1 where one is worse than its bound and that was asked."""
    parser = argparse.ArgumentParser(prog="figures.py", description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="REV", help="a commit to compare with")
    parser.add_argument("--check", action="store_true", help="print only what is worse than its bound")
    asked = parser.parse_args(arguments)
    now = figures(tree.files_here(KINDS))
    if asked.check:
        lines = list(worse(now))
        print(*lines, sep="\n", end="\n" if lines else "")
        return int(bool(lines))
    print(*table(now, figures(tree.files_of(asked.before, KINDS)) if asked.before else None), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
