# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of this checkout, or of one of its commits, as the programs of this folder read them."""

from __future__ import annotations

import ast
import functools
import io
import re
import subprocess
import tarfile
from collections.abc import Mapping

import house_rules

GENERATED = re.compile(r"(?:#|<!--) (?:[Mm]ade|[Gg]enerated) by\b")
HEAD = 12  # lines in which a generated file says that it is one
RECORDED = "tests/fixtures/"

Files = Mapping[str, str]  # the texts of files by path


def files_here(kinds: tuple[str, ...]) -> dict[str, str]:
    """Given endings, return the files of the checkout that have one, those that git does not track yet too."""
    names = (name for name in house_rules.tracked_files() if name.endswith(kinds) and not name.startswith(RECORDED))
    return {name: (house_rules.CHECKOUT / name).read_text("utf-8") for name in names}


def files_of(revision: str, kinds: tuple[str, ...]) -> dict[str, str]:
    """Given a revision that git knows and endings, return the files that it holds. Nothing is written anywhere."""
    command = ["git", "archive", "--format=tar", revision, "--", ".", f":!{RECORDED}"]
    packed = subprocess.run(command, cwd=house_rules.CHECKOUT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = [member for member in archive if member.isfile() and member.name.endswith(kinds)]
        return {member.name: archive.extractfile(member).read().decode("utf-8") for member in members}


@functools.cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Given Python, return all nodes of its syntax tree, the module first."""
    return tuple(ast.walk(ast.parse(text)))


def is_generated(text: str) -> bool:
    """Given a file's text, return whether one of its first lines says that it is generated."""
    return any(map(GENERATED.search, text.splitlines()[:HEAD]))
