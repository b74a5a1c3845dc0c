# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which known name was meant: at most two slips, at most a third of the word, and nothing that only looks alike."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.spelling import nearest

# (written, the known names, meant)
CASES = [
    ("unti", ["unit", "user"], "unit"),  # swapped
    ("ab", ["ba"], "ba"),  # swapped, though half of the word
    ("abc", ["abx"], "abx"),  # one of three
    ("ab", ["ax"], ""),  # one of two
    ("abcdef", ["abcdxy"], "abcdxy"),  # two of six
    ("abcde", ["abcxy"], ""),  # two of five
    ("abcdefghi", ["abcdefxyz"], ""),  # three of nine
    ("abcdefghi", ["abcdefghijkl"], ""),  # three more
    ("abcdefghi", ["abcdefghijk"], "abcdefghijk"),  # two more
    ("abcdefg", ["abcdexg", "abcdefx"], "abcdexg"),  # the first of those that are equally near
    ("abcdefg", ["abcdxxg", "abcdefx"], "abcdefx"),  # the nearest
    ("TCP", ["udp", "tcp"], "tcp"),
    ("tls-verify", ["tls_verify"], "tls_verify"),
    ("a" * 40000, ["a" * 39999], ""),
    ("word", [], ""),
]


@pytest.mark.parametrize(("written", "known", "meant"), CASES, ids=[row[0][:12] + row[2][:12] for row in CASES])
def test_the_nearest_name_is_at_most_two_slips_away(written: str, known: list[str], meant: str) -> None:
    assert nearest(written, known) == meant


def test_what_all_names_begin_with_makes_none_alike() -> None:
    assert nearest("cryptobot_env", ["cryptobot_dir"], "cryptobot_") == ""
    assert nearest("cryptobot_env", ["cryptobot_evn"], "cryptobot_") == "cryptobot_evn"
