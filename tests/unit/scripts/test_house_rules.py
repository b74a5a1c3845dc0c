# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

HEADER = (
    "# Copyright: cryptobot.maintenance contributors\n"
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)\n"
    "# SPDX-License-Identifier: GPL-3.0-or-later\n"
)


def function(lines: int, docstring: str = "") -> str:
    body = [f"    {docstring}"] if docstring else []
    return HEADER + "\n".join(["def f() -> None:", *body, *["    x = 1"] * lines]) + "\n"


# what a file is called, what it holds, and the violation that must be found (None: it is as it should be)
CASES = {
    "a function of 40 lines": ("plugins/a.py", function(40), None),
    "a function of 41 lines": ("tests/a.py", function(41), "function f has 41 lines, 40 are allowed"),
    "a docstring does not count": ("plugins/a.py", function(40, '"""Return nothing.\n\n    Ever.\n    """'), None),
    "a plugin of 400 lines": ("plugins/a.py", HEADER + "x = 1\n" * 397, None),
    "a plugin of 401 lines": ("plugins/a.py", HEADER + "x = 1\n" * 398, "401 lines without documentation"),
    "documentation does not count": (
        "plugins/modules/a.py",
        HEADER + "x = 1\n" * 397 + 'DOCUMENTATION = r"""\n' + "text\n" * 50 + '"""\n',
        None,
    ),
    "a test file may be longer": ("tests/a.py", HEADER + "x = 1\n" * 500, None),
    "a task file of 60 lines": ("roles/weekly/tasks/main.yml", "- a\n" * 60, None),
    "a task file of 61 lines": ("roles/weekly/tasks/main.yml", "- a\n" * 61, "61 lines, 60 are allowed"),
    "a defaults file may be longer": ("roles/weekly/defaults/main.yml", "a: 1\n" * 300, None),
    "no licence header": ("plugins/a.py", "x = 1\n", "without the licence header"),
    "another licence": ("scripts/a.sh", HEADER.replace("GPL-3.0-or-later", "MIT"), "without the licence header"),
    "a header below the shebang": ("scripts/a.sh", "#!/bin/sh\n" + HEADER, None),
    "an empty __init__.py": ("tests/unit/__init__.py", "", None),
    "a path of one machine": ("README.md", "Look into /wo" + "rk/main/x.\n", "belongs to one machine"),
    "a version manager's folder": ("Makefile", "A := /root/.py" + "env/shims\n", "belongs to one machine"),
    "a relative folder that is called work": ("README.md", "state/wo" + "rk/upper\n", None),
    "a registry's host": ("requirements/a.txt", "--index-url https://pypi" + ".org/simple\n", "belongs to one machine"),
    "tools beside the checkout": ("Makefile", "PATH=../sha" + "red/tools\n", "belongs to one machine"),
    "a folder that is called shared": ("extensions/a.yml", "create: ../shared/create.yml\n", None),
    "tools beside the checkout, in CI": (".ci/run", "PATH=../sha" + "red/tools\n", None),
    "recorded output": ("tests/fixtures/df.txt", "/wo" + "rk/main\n", None),
    "unfinished": ("plugins/a.py", HEADER + "# TO" + "DO: later\n", "do it now"),
}


@pytest.mark.parametrize(("path", "text", "expected"), CASES.values(), ids=CASES.keys())
def test_a_file_is_reported_exactly_when_it_breaks_a_rule(load, path, text, expected):
    found = [message for _line, message in load("lint/house_rules").violations(path, text)]

    if expected is None:
        assert found == []
    else:
        assert len(found) == 1
        assert expected in found[0]


def test_every_rule_is_seen_to_fail_by_a_case(load):
    rules = load("lint/house_rules").RULES
    failing = [(path, text) for path, text, expected in CASES.values() if expected]

    assert [rule.__name__ for rule in rules if not any(list(rule(path, text)) for path, text in failing)] == []


def test_the_line_of_a_violation_is_named(load):
    text = function(3) + "# FIX" + "ME\n"

    assert [line for line, _message in load("lint/house_rules").violations("plugins/a.py", text)] == [8]
