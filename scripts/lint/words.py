# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the retired words out: the private words that the code once had for things that have plain names.

words.py             say where one stands more often than words_allowed.tsv allows, and end with 1 if any does
words.py --all       print every place, allowed or not
words.py --tighten   lower what is allowed to what there is, and never raise it

What a user reads (the messages of findings, all other string constants) is no matter of this rule: it is compared
word for word. A word counts as part of an identifier: `gather` in `gather_units` and `GatherError`, not in `regather`.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import tree

ALLOWED = Path(__file__).with_name("words_allowed.tsv")
CORE = "plugins/module_utils/"

# Where a word is looked for.
NAME = "name"  # identifiers of Python files, names of files and folders
TEXT = "text"  # docstrings and comments of Python files
PAGE = "page"  # README, CONTRIBUTING, docs, roles, playbooks, inventories, and what else is no Python below plugins
KEY = "key"  # string constants that are keys of a dictionary, which is what becomes JSON
CORE_NAME, CORE_TEXT = f"core {NAME}", f"core {TEXT}"  # the same in the core alone
# A word that is plain English elsewhere is looked for in names of the core, where it stood for a thing of ours.
PLAIN = (CORE_NAME,)
# A word that nobody but us would use so is looked for in tests and scripts as well.
OURS = (NAME, TEXT)
NOWHERE = (NAME, TEXT, PAGE, KEY)


class Word(NamedTuple):
    """A retired word in its forms, the plain one, where it is looked for, and what is not meant: names in which it is
    another's word, and areas whose trade has it.
    """

    forms: tuple[str, ...]
    instead: str
    where: tuple[str, ...]
    fine: tuple[str, ...] = ()
    trade: tuple[str, ...] = ()


# `read_x` is retired for the input and output of an area, and not here: most that is called so reads a file.
WORDS = (
    Word(("noun", "nouns"), "area", NOWHERE, trade=("redaction",)),  # which reads English, and what a secret is called
    Word(
        ("gather", "gathers", "gathered", "gathering", "gatherer", "gatherers"),
        "collect",
        NOWHERE,
        fine=("gather_facts", "gather_subset"),  # Ansible's
    ),
    Word(("look", "looks"), "collect; Inputs for what a run has", PLAIN, fine=("look_up", "looks_unsteady")),
    Word(("wish", "wishes"), "request", OURS),
    Word(("errand", "errands"), "task, request", NOWHERE),
    Word(("seen",), "observation, snapshot", PLAIN, fine=("first_seen", "last_seen", "never_seen")),
    Word(("machine", "machines"), "observation, snapshot", PLAIN, fine=("machine_id", "machine_ids")),
    Word(
        ("case", "cases"),
        "context",
        PLAIN,
        fine=(
            "folds_case",
            "fold_case",
            "ignore_case",
            "case_insensitive",
            "case_sensitive",
            "lower_case",
            "upper_case",
        ),
    ),
    Word(("view", "views"), "context", PLAIN, fine=("is_view", "view_drift")),  # a view of a database
    Word(("audit", "audits"), "context", PLAIN, fine=("firewall_audit",)),  # the module
    # The report's own key `verdict` stays, the line that says why a run ended as it did. nftables says it of a rule.
    Word(("verdict", "verdicts"), "outcome", (CORE_NAME, CORE_TEXT), trade=("firewall", "firewall_probe")),
    Word(("blind",), "unavailable", PLAIN),
    Word(("problem", "problems"), "unavailable", PLAIN),
    Word(("told", "tell"), "report", PLAIN),
    Word(("dress", "dresses", "dressed"), "with_x", PLAIN),
    Word(("beat", "beats"), "heartbeat", PLAIN),
    Word(("lesson", "lessons"), "sample", PLAIN),
    Word(("take",), "back_up, vacuum", PLAIN),
)
RETIRED = {form: word for word in WORDS for form in word.forms}
NOT_CORE = {form: word for form, word in RETIRED.items() if NAME in word.where}
STANDARD = {("platform", "machine"), ("mark", "case")}  # attributes of others: platform.machine(), pytest.mark.case()
FILE_METHODS = {"tell"}  # of any stream
STRING_ENDS = {  # of f-strings and their like, which Python 3.11 has in one token
    number: 1 if name.endswith("START") else -1
    for number, name in tokenize.tok_name.items()
    if name.endswith(("STRING_START", "STRING_END"))
}

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
    "docs/",
    "roles/",
    "playbooks/",
    "inventories/",
    "meta/",
    "plugins/",
)
PAGE_KINDS = (".md", ".yml", ".yaml", ".json", ".j2", ".js", ".css", ".ps1", "Makefile")
KINDS = (".py", *PAGE_KINDS)
ELSEWHERE = ("changelogs/", "scripts/lint/words", "tests/unit/scripts/test_words.py")


class Found(NamedTuple):
    """A retired word, in which name or word it stands, and where."""

    path: str
    line: int
    word: str
    inside: str
    where: str


def parts(name: str) -> list[str]:
    """Given an identifier, return its words: `parseURLOf_case` is parse, url, of and case."""
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


@functools.cache
def retired(name: str) -> tuple[str, ...]:
    """Given an identifier, return the retired words in it; those in a phrase that is fine are none."""
    joined = f"_{'_'.join(parts(name))}_"
    return tuple(
        word
        for word in parts(name)
        if word in RETIRED
        and not any(f"_{phrase}_" in joined and word in phrase.split("_") for phrase in RETIRED[word].fine)
    )


def in_text(text: str, line: int) -> Iterator[tuple[int, str]]:
    """Given prose and the line where it begins, yield its words and the names that it quotes, each with its line."""
    for number, row in enumerate(text.splitlines(), line):
        for name in re.findall(r"[A-Za-z]\w*", row):
            yield number, name


def tokens(text: str, soft: Container[int]) -> Iterator[tuple[str, int, str]]:
    """Given Python, yield its identifiers and the words of its comments. ``soft`` are the lines where `case` begins a
    branch of a `match`. What an f-string holds is left out: it was given its name elsewhere.
    """
    before, dot, inside = "", False, 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield from ((TEXT, *each) for each in in_text(token.string, token.start[0]))
        elif token.type == tokenize.NAME and not inside:
            branch = token.string == "case" and token.start[0] in soft and not token.line[: token.start[1]].strip()
            others = dot and ((before, token.string) in STANDARD or token.string in FILE_METHODS)
            if not branch and not others:
                yield NAME, token.start[0], token.string
            before = token.string
        elif token.type in STRING_ENDS:
            inside += STRING_ENDS[token.type]
        dot = token.string == "."


def docstring(node: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Given a node of a module, yield the words of its docstring."""
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            yield from ((TEXT, *each) for each in in_text(first.value.value, first.lineno))


def keys(node: ast.AST) -> Iterator[tuple[str, int, str]]:
    """Given a node of a module, yield the string constants that are keys in it: of a dictionary, or in brackets."""
    candidates = node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
    for key in candidates:
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.isidentifier():
            yield KEY, key.lineno, key.value


def named(path: str, text: str) -> Iterator[tuple[str, int, str]]:
    """Given a file, yield the names and words in it: where they stand, the line, the name or word."""
    for name in (*Path(path).parent.parts, Path(path).stem):
        yield NAME, 1, name
    if path.endswith(".py"):
        nodes = tree.nodes(text)
        yield from tokens(text, {node.pattern.lineno for node in nodes if isinstance(node, ast.match_case)})
        for node in nodes:
            yield from docstring(node)
            yield from keys(node)
    elif path.startswith(PAGES) and path.endswith(PAGE_KINDS):
        yield from ((PAGE, *each) for each in in_text(text, 1))


def found_in(path: str, text: str) -> Iterator[Found]:
    """Given a file's path in the checkout and its text, yield the retired words in it."""
    words, area = RETIRED if path.startswith(CORE) else NOT_CORE, area_of(path)
    if path.startswith(ELSEWHERE) or not any(word in f"{path}\n{text}".lower() for word in words):
        return
    for where, line, name in named(path, text):
        for word in retired(name):
            row = words.get(word)
            if row and (where in row.where or f"core {where}" in row.where) and area not in row.trade:
                yield Found(path, line, word, name, where)


def area_of(path: str) -> str:
    """Given a file's path, return what it belongs to: an area (its tests apart), or a part of the house."""
    area = re.match(r"(tests/unit/)?plugins/(?:module_utils|plugin_utils)/(?:test_)?([^/]+?)(?:/|\.py$)", path)
    if area:
        folder = area[2] if path.count("/") > area[0].count("/") or area[0].endswith("/") else "core"
        return ("tests of " if area[1] else "") + folder
    return path.split("/", 1)[0] if "/" in path else "pages"


def found_among(files: tree.Files) -> Iterator[Found]:
    """Given the texts of files by path, yield the retired words in them."""
    for path, text in files.items():
        yield from found_in(path, text)


def allowed() -> dict[str, int]:
    """Return how many retired words each area may have, as long as it is not mended."""
    rows = (line.split("\t") for line in ALLOWED.read_text("utf-8").splitlines() if line and not line.startswith("#"))
    return {area: int(number) for area, number in rows}


def too_many(found: Iterable[Found], allowance: Mapping[str, int]) -> Iterator[str]:
    """Given what was found and what is allowed, yield a line for each area above it, and one for each place there."""
    by_area: dict[str, list[Found]] = {}
    for each in found:
        by_area.setdefault(area_of(each.path), []).append(each)
    for area, places in sorted(by_area.items()):
        if len(places) > allowance.get(area, 0):
            yield f"{area}: {len(places)} retired words, {allowance.get(area, 0)} are allowed"
            yield from map(line_of, places)


def line_of(found: Found) -> str:
    """Return what is found as a line."""
    return f"{found.path}:{found.line}: {found.inside}: not `{found.word}` but {RETIRED[found.word].instead}"


def tightened(allowance: Mapping[str, int], found: Iterable[Found]) -> str:
    """Given what is allowed and what is found, return the text of a list that allows no more than is there."""
    there = Counter(area_of(each.path) for each in found)
    rows = {area: min(number, there[area]) for area, number in sorted(allowance.items())}
    comments = [line for line in ALLOWED.read_text("utf-8").splitlines() if line.startswith("#")]
    return "\n".join([*comments, *(f"{area}\t{number}" for area, number in rows.items() if number)]) + "\n"


def main(arguments: list[str]) -> int:
    """Print where there are too many; return 1 when there are any."""
    found = list(found_among(tree.files_here(KINDS)))
    if "--tighten" in arguments:
        ALLOWED.write_text(tightened(allowed(), found), encoding="utf-8")
    lines = list(map(line_of, found) if "--all" in arguments else too_many(found, allowed()))
    print(*lines, sep="\n", end="\n" if lines else "")
    return int(bool(lines) and "--all" not in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
