# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one seam through which everything leaves: a module, the core on a Windows host, an action plugin, the report.

In this order: secrets are hidden while every text is still whole, text is made safe to write as JSON and to show, and
only then is what is too large cut. What was cut is said, in ``cut``. Sealing twice is sealing once.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import count
from typing import Any, NamedTuple, Union

from .finding import ACTION_STATES, STATUSES
from .masking import HIDDEN, Mask
from .printable import escape
from .redact import redact


class Limits(NamedTuple):
    """How much may leave: characters of a text, items of a list or mapping."""

    text: int
    items: int


# The first that makes the answer fit TOTAL is taken. A result of 20 services has about 60,000 characters.
ROUNDS = (Limits(16_000, 5_000), Limits(4_000, 1_000), Limits(1_000, 250), Limits(400, 80), Limits(200, 20))
TOTAL = 4_000_000  # characters of an answer as JSON
MESSAGE = 1_500  # of what is read as a sentence: a few lines
ENDS = 30_000  # characters at each end of a huge sentence: no key is as long
DEPTH = 20
NOTES = 20  # of what was cut
SHORT = ("msg", "message", "reason", "stderr", "module_stdout", "module_stderr")

# Format characters (Cf of Unicode 15.1): what turns the direction of writing, what is not seen and parts words, tags.
_FORMAT = (
    *(0xAD, *range(0x600, 0x606), 0x61C, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x180E, *range(0x200B, 0x2010)),
    *(*range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x2070), 0xFEFF, *range(0xFFF9, 0xFFFC), 0x110BD),
    *(0x110CD, *range(0x13430, 0x13440), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)),
    *(0xE0001, *range(0xE0020, 0xE0080)),
)
# Controls that steer a terminal, both kinds of surrogates (halves of a pair, and bytes that are no UTF-8), line ends
# that only some readers see, and what no XML may hold.
_CODES = (*range(9), 0xB, 0xC, *range(0xE, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000))
_CODES = (*_CODES, *_FORMAT, 0xFFFE, 0xFFFF)
_ESCAPES = {code: escape(chr(code)) for code in _CODES}
_UNSAFE = re.compile(f"[{re.escape(''.join(map(chr, _CODES)))}]|\r(?!\n)")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_RETURN = re.compile("\r(?!\n)")
# Words of this collection's own at their places, which stay even where one of them is somebody's password.
_OWN: dict[str, re.Pattern[str]] = {
    "status": re.compile("|".join(STATUSES)),
    "state": re.compile("|".join(ACTION_STATES)),
    "check": re.compile(r"[a-z]+(\.[a-z0-9_]+)+"),
}
KEYS = re.compile(
    "status|findings|metrics|actions|changed|failed|msg|skipped|unreachable|results|areas|diff|before|after|check|subject"
    "|message|expected|actual|remedy|procedure|name|value|unit|labels|action|state|reason|details|cut|seconds"
)


def seal(answer: Mapping[str, Any], secrets: Union[Mask, Iterable[str]] = ()) -> dict[str, Any]:
    """Given an answer, plain data, and the secrets of its run, return it as it may leave.

    Objects that are no plain data are left to whoever serializes.
    """
    mask = secrets if isinstance(secrets, Mask) else Mask(secrets)
    for limits in ROUNDS:
        sealer = _Sealer(mask, limits)
        sealed: dict[str, Any] = sealer.mapping(answer, "", 0)
        if limits is ROUNDS[-1] or _size(sealed) <= TOTAL:
            break
    return {**sealed, **sealer.notes(sealed.get("cut"))}


def seal_text(text: str, secrets: Iterable[str] = (), limit: int = MESSAGE) -> str:
    """Given a text for a message, return it as it may leave: its secrets hidden, safe, and then cut."""
    return cut(safe(Mask(secrets).hide(text)), limit)


def safe(text: str) -> str:
    """Given text, return it so that it can be written as JSON and shown: what cannot is written as its escape."""
    if not _UNSAFE.search(text):
        return text
    joined = _PAIR.sub(lambda found: found[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    return _RETURN.sub(r"\\r", joined.translate(_ESCAPES))


def cut(text: str, limit: int, length: int = 0) -> str:
    """Given text and how many characters of it may stay, return its beginning and its end, with a word on the rest.

    ``length`` is that of the whole, where ``text`` lacks its middle already.
    """
    if len(text) <= limit:
        return text
    room = max(limit - 40, 0)
    head, tail = room * 2 // 3, room - room * 2 // 3
    left_out = max(length, len(text)) - room
    return f"{text[:head]} [{left_out} characters left out] {text[len(text) - tail :]}"


def _redacted(text: str) -> str:
    """Given a sentence, return it without what looks like a secret. Of a huge one only its ends are looked at: they are
    many times what stays of it.
    """
    if len(text) <= 2 * ENDS:
        return redact(text)
    return redact(text[:ENDS]) + redact(text[-ENDS:])


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str))


class _Sealer:
    """Seals one answer by one set of limits and notes what it had to leave out."""

    def __init__(self, mask: Mask, limits: Limits) -> None:
        self.mask, self.limits = mask, limits
        self.cuts: list[str] = []

    def notes(self, earlier: Any) -> dict[str, list[str]]:
        """Return ``cut``, with what an earlier seal noted, or nothing where nothing was left out."""
        cuts = [*(earlier if isinstance(earlier, list) else []), *self.cuts]
        more = [f"and {len(cuts) - NOTES} more"] if len(cuts) > NOTES + 1 else []
        return {"cut": (cuts[:NOTES] if more else cuts) + more} if cuts else {}

    def value(self, value: Any, path: str, depth: int) -> Any:
        """Given any value, return it sealed; ``path`` says where it stands."""
        if isinstance(value, str):
            return self.text(value, path)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return self.number(value)
        if isinstance(value, (Mapping, list, tuple, AbstractSet)):
            return self.container(value, path, depth)
        if isinstance(value, (bytes, os.PathLike)):
            return self.text(os.fsdecode(value), path)
        return value

    def container(self, value: Any, path: str, depth: int) -> Any:
        if depth >= DEPTH:
            self.cuts.append(f"{path}: what lies deeper than {DEPTH} levels is left out")
            return None
        if isinstance(value, Mapping):
            return self.mapping(value, path, depth)
        kept = list(value)[: self.limits.items]
        if len(kept) < len(value):
            self.cuts.append(f"{path}: {len(value) - len(kept)} of {len(value)} left out")
        return [self.value(each, f"{path}[{at}]", depth + 1) for at, each in enumerate(kept)]

    def mapping(self, value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        sealed: dict[str, Any] = {}
        for at, (key, each) in enumerate(value.items()):
            if at >= self.limits.items:
                self.cuts.append(f"{path}: {len(value) - at} of {len(value)} left out")
                break
            name = self.key(str(key), sealed)
            where = f"{path}.{name}" if path else name
            own = isinstance(each, str) and key in _OWN and _OWN[key].fullmatch(each)
            sealed[name] = each if own else self.value(each, where, depth + 1)
        return sealed

    def key(self, key: str, taken: Mapping[str, Any]) -> str:
        """Given a key, return it sealed, and unlike those that are taken: two that become alike both stay."""
        if KEYS.fullmatch(key):
            return key
        sealed = cut(safe(self.mask.hide(key)), self.limits.text)
        others = (f"{sealed} ({number})" for number in count(2))
        return sealed if sealed not in taken else next(name for name in others if name not in taken)

    def text(self, text: str, path: str) -> str:
        is_sentence = path.rpartition(".")[2] in SHORT
        limit = min(MESSAGE, self.limits.text) if is_sentence else self.limits.text
        hidden = self.mask.hide(text)
        masked = _redacted(hidden) if is_sentence else hidden  # it may quote what a tool, or a file, says
        whole = safe(masked if len(masked) <= 2 * limit else masked[:limit] + masked[-limit:])
        if len(whole) > limit:
            self.cuts.append(f"{path}: a text of {len(text)} characters is shortened")
            return cut(whole, limit, len(hidden))
        return text if whole == text else whole

    def number(self, value: float) -> Any:
        """Given a number, return it; JSON knows no infinity and no "not a number"."""
        if str(value) in self.mask.secrets:
            return HIDDEN
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value
