# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes are signalled in one place: everything else that could end one is found by its name in the syntax tree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"

# Who may, and why.
MAY = {
    "module_utils/processes/identity.py": "the one place: pidfd, begin and program are proved first",
    "module_utils/process.py": "the group of an own child that is not reaped, so that its pid is nobody else's",
    "module_utils/backup/stage.py": "as process.py: a stage of a pipe is an own child that is not reaped",
    "module_utils/backup/streams.py": "calls Stage.kill",
    "module_utils/backup/store/restic.py": "calls Stage.kill, where restic would try a damaged file for ever",
    "module_utils/backup/copies/wire.py": "calls Stage.kill, where a server gives no answer",
}
CALLS = {"kill", "killpg", "pidfd_send_signal", "send_signal", "terminate", "tgkill"}
TOOLS = re.compile(r"(?i)\b(?:Stop-Process|taskkill|pkill|killall|TerminateProcess|Terminate\b)|^(?:kill|xkill)$")


def _signals(tree):
    docs = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in CALLS:
            yield f"{node.attr} in line {node.lineno}"
        text = node.value if isinstance(node, ast.Constant) and id(node) not in docs else ""
        if isinstance(text, str) and TOOLS.search(text):
            yield f"{text[:40]!r} in line {node.lineno}"


@pytest.mark.case("SV1")
@pytest.mark.case("SV2")
def test_only_the_proof_of_identity_signals_processes():
    found = {
        path.relative_to(PLUGINS).as_posix(): list(_signals(ast.parse(path.read_text())))
        for path in sorted(PLUGINS.rglob("*.py"))
    }
    assert {name: what for name, what in found.items() if what and name not in MAY} == {}
    assert {name for name in MAY if not found.get(name)} == set()


@pytest.mark.parametrize(
    "text",
    ["import os\nos.kill(1, 9)", "p.terminate()", "x = ['kill', '-9']", "q = 'Stop-Process -Id 4'", "f('taskkill')"],
)
def test_the_question_is_seen_to_find_one(text):
    assert list(_signals(ast.parse(text)))
