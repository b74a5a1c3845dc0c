# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A text that is called plain without a closer look is one that redaction leaves as it is, by whatever pattern."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils import redact as module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.redact import is_plain, redact
from ansible_collections.cryptobot.maintenance.plugins.module_utils.redaction import named

from . import test_redact_below, test_redact_unnamed
from .test_redact import PLAIN, SECRETS
from .test_redact_styles import LINES, PROSE

TOLD = [*(text for text, _secret, _left in SECRETS), *(line for line, _shown in LINES)]
TOLD += [line.replace("§", test_redact_unnamed.SECRET) for line, _shown in test_redact_unnamed.LINES]
TOLD += [each[0].replace("§", test_redact_unnamed.SECRET) for each in test_redact_below.TEXTS]
# Every pattern by which something is masked: whoever adds one sees here whether is_plain knows it. Of the last one, a
# key of 64 letters of both cases and digits, nothing can be drawn: it is among what is told above.
PATTERNS = [named.TELLING, module._KEY_BLOCK, module._LOGIN, module._LOGIN_OF_URL, *module._PATTERNS[:-1]]

# what checks say when all is well
SENTENCES = [
    "auth answers http://127.0.0.1:8000/health with 200 in 0.01 s",
    "all 3 sources hold at L1",
    "the newest set that counts, 20261129T064039Z-312495, is 0.3 s old",
    "auth uses 23.3 MiB; whether it grows will be known after more runs (1 samples so far)",
    "cryptobot-auth.service is enabled, as declared",
    "docker run -u 1000:1000 image",
]


@pytest.mark.parametrize("text", TOLD)
@pytest.mark.parametrize("turn", [str, str.upper, str.lower])
def test_what_holds_a_secret_is_not_plain(text: str, turn: type[str]) -> None:
    assert redact(turn(text)) == turn(text) or not is_plain(turn(text))
    assert not is_plain(text)


WORDS = "password kennwort pwd secret token credential creds dsn api_key signature authorization cookie listenKey"
WORDS += " session_id mnemonic seed_phrase webhook jwt bearer basic pa\u017f\u017fword to\u212aen"


@pytest.mark.parametrize("word", WORDS.split())
def test_no_word_that_tells_of_a_secret_is_plain(word: str) -> None:
    assert redact(f"{word} Q7xhunter22Q7x x") != f"{word} Q7xhunter22Q7x x"
    assert not is_plain(f"{word} Q7xhunter22Q7x x")


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.pattern[:30])
@settings(max_examples=60)
@given(st.data())
def test_what_any_pattern_finds_is_not_plain(pattern: re.Pattern[str], data: st.DataObject) -> None:
    found = data.draw(st.from_regex(pattern))
    assert not is_plain(found)


PARTS = st.sampled_from(sorted({part for text in (*TOLD, *PROSE, *PLAIN) for part in re.findall(r"\w+|\W", text)}))


@settings(max_examples=300)
@given(st.lists(PARTS | st.text(max_size=3), max_size=12).map("".join))
def test_what_is_plain_is_left_as_it_is(text: str) -> None:
    assert not is_plain(text) or redact(text) == text


@pytest.mark.parametrize("text", SENTENCES)
def test_a_sentence_of_a_check_is_plain(text: str) -> None:
    assert is_plain(text)
