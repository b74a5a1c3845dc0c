# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names from a disk: readable ones stay as they are, hostile ones cannot do anything."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.printable import printable

NAMES = [
    (b"plain.log", "plain.log"),
    ("Übersicht 2026 日本.log".encode(), "Übersicht 2026 日本.log"),
    (b"two\nlines", "two\\nlines"),
    (b"\x1b[31mred", "\\x1b[31mred"),
    (b"latin-\xe9.log", "latin-\\xe9.log"),
    (b"\xff\xfe", "\\xff\\xfe"),
    ("right\u202eleft".encode(), "right\\u202eleft"),  # a bidi override shows "gol.exe" as "exe.log"
]


@pytest.mark.parametrize(("name", "shown"), NAMES)
def test_a_name_is_shown_without_what_does_not_print(name: bytes, shown: str) -> None:
    assert printable(os.fsdecode(name)) == shown


@given(st.binary(max_size=50))
def test_any_name_can_be_shown_on_one_line_and_written_as_json(name: bytes) -> None:
    shown = printable(os.fsdecode(name))
    assert shown.isprintable()
    assert json.loads(json.dumps(shown).encode()) == shown


@given(st.text())
def test_any_text_can_be_shown(text: str) -> None:
    assert printable(text.encode("utf-8", "replace").decode()).isprintable()
