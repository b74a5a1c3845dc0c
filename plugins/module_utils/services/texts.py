# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The texts of a service's declaration: those that no system takes, and a secret where none may be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from ..redact import MASK

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ON_ONE_LINE = ("name", "pid_file", "chdir", "output", "user")
_OF_A_SECRET = re.compile(
    r"(--?(?:[a-z0-9]+[-_])*(?:(password|passwd|passphrase)|secret|token|api[-_]?key))(?:=(.*))?", re.I | re.DOTALL
)
# what stands there and is no secret itself: a file, a variable, another option, a way to ask
_NO_SECRET = re.compile(r"[/~$%@-].*|[A-Za-z]:[\\/].*|(?:env|file|fd):.*|true|false|yes|no|none|ask|prompt|", re.I)


def check_texts(where: str, raw: Mapping[str, Any]) -> None:
    """Given where a service is declared and its options, raise InputError for a text that no system takes.

    A NUL ends a text wherever the system reads one; names and paths with a line break or the like are slips.
    """
    for option in _ON_ONE_LINE:
        if _CONTROL.search(raw.get(option) or ""):
            raise InputError(f"{where}.{option}", raw[option], "a text without control characters")
    for option in ("command", "stop_command"):
        if any("\0" in word for word in raw.get(option) or ()):
            raise InputError(f"{where}.{option}", list(raw[option]), "words without a NUL, which no command can have")
    if (raw.get("output") or "").endswith("/"):
        raise InputError(f"{where}.output", raw["output"], "a file: what ends with a slash is a folder")
    _check_environment(f"{where}.environment", raw.get("environment") or {})


def _check_environment(option: str, environment: Mapping[Any, Any]) -> None:
    """Raise InputError for a variable that no process can be given; of the value nothing is told."""
    for key, value in environment.items():
        name, equals, _rest = str(key).partition("=")
        if not name or equals or _CONTROL.search(name):
            expected = "names of variables, which are not empty and have no '=' and no control characters in them"
            raise InputError(option, f"{name}{equals}", expected)
        if "\0" in str(value):
            raise InputError(option, name, "variables whose values have no NUL in them")


def check_no_secret(option: str, words: Sequence[str]) -> None:
    """Given the option and a command, raise InputError where it has a secret: every account of the host can read it."""
    for word, following in zip(words, (*words[1:], "")):
        found = _OF_A_SECRET.fullmatch(word)
        if found is None:
            continue
        name, of_a_password, value = found.groups()
        if value is None:
            value = following if of_a_password else ""
        if not _NO_SECRET.fullmatch(value):
            expected = "no secret in a command, which every account can read: let the program read it from a file"
            raise InputError(option, f"{name}={MASK}", expected)
