# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.asking import Answer, ask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceDenied, ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host


def said(script: str, **options):
    return ask(Host(), ["sh", "-c", script], **options)


@pytest.mark.parametrize(
    ("script", "options", "answer"),
    [
        ("echo found", {}, Answer("found\n")),
        ("exit 1", {"nothing": (1,)}, Answer("")),
        ("echo found; echo hint >&2", {}, Answer("found\n", ("hint",))),
        ("echo hint >&2; exit 1", {"nothing": (1,), "harmless": "^hint$"}, Answer("")),
        ("echo some; echo refused >&2; exit 1", {"nothing": (1,)}, Answer("some\n", ("refused",))),
    ],
)
def test_an_answer(script, options, answer):
    assert said(script, **options) == answer


@pytest.mark.parametrize(
    ("script", "options", "why"),
    [
        ("exit 1", {}, "exit code 1: nothing on stderr"),
        ("echo 'Compiled without pattern matching support' >&2; exit 1", {"nothing": (1,)}, "pattern matching"),
        ("echo partly; exit 2", {"nothing": (1,)}, "exit code 2: partly"),
    ],
)
def test_a_tool_that_could_not_look_is_an_error(script, options, why):
    with pytest.raises(ToolFailed, match=why):
        said(script, **options)


@pytest.mark.case("WN1", "L12b")
def test_a_tool_that_ends_with_0_and_complains_is_not_believed_as_a_whole():
    answer = said("echo 'tool: sysctl: Operation not permitted' >&2")
    assert answer.text == ""
    with pytest.raises(SourceDenied, match="the table cannot be read: tool: sysctl: Operation not permitted"):
        answer.whole("the table")
    assert said("echo hint >&2; echo all", harmless="^hint$").whole("the table") == "all\n"
