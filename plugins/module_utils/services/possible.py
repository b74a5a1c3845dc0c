# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a declaration of services may say: values and texts that are possible, no secret where none may be, and no two
services that claim the same.
"""

from __future__ import annotations

import ipaddress
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
WILDCARDS = ("", "*", "any", "0.0.0.0", "::")  # noqa: S104 - compared with, never bound to
_LIKE_AN_ARGUMENT = re.compile(r"[-/\d]|[^/\\]*$")  # what comes after a blank and is no rest of a path
_A_COMMAND = "a list of words, such as [sleep, '5']: this is one word with a blank in it"
_A_PROGRAM = "a list of words whose first names a program, such as [sleep, '5']; where there is none, leave it out"
_TINY = 0.001  # seconds
_LEAST = (
    ("samples", 1, "at least 1"),
    ("timeout", _TINY, "seconds above 0"),
    ("latency_warn", _TINY, "seconds above 0"),
    ("tls_min_days", 0, "0 or more days"),
)


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


def check_address(name: str, bind: str) -> str:
    """Given the option and an address to listen on, return the address. Raise InputError where it is none."""
    if bind not in (*WILDCARDS, "localhost"):
        try:
            ipaddress.ip_address(bind.partition("%")[0])
        except ValueError:
            raise InputError(name, bind, "an IPv4 or IPv6 address, any or localhost") from None
    return bind


def check_command(name: str, words: Sequence[str]) -> tuple[str, ...]:
    """Given the option and a command, return it.

    Raise InputError where it is a whole command line in one word, or names no program, as a template may make it.
    """
    if words and not words[0].strip():
        raise InputError(name, list(words), _A_PROGRAM)
    first, *rest = words[0].split() if len(words) == 1 else [""]
    path = re.match(r"/|[A-Za-z]:[\\/]|\\\\", first)
    if rest and (path is None or all(map(_LIKE_AN_ARGUMENT.match, rest))):
        raise InputError(name, list(words), _A_COMMAND)
    return tuple(words)


def check_health(name: str, raw: Mapping[str, Any]) -> None:
    """Given the option and how a service is asked, raise InputError where a number in it can be none."""
    for option, least, expected in _LEAST:
        value = raw.get(option)
        if value is not None and value < least:
            raise InputError(f"{name}.{option}", value, expected)
    if raw.get("status") == []:
        raise InputError(f"{name}.status", [], "at least one status code of a service that is well")
    wrong = [code for code in raw.get("status") or () if not 100 <= code <= 599]
    if wrong:
        raise InputError(f"{name}.status", wrong, "status codes of HTTP, 100 to 599")


def same_address(bind: str) -> str:
    """Given an address as it is declared, return one that is the same for all its spellings."""
    return {"*": "", "any": "", "localhost": "127.0.0.1"}.get(bind, bind)
