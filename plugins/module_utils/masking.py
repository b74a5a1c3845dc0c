# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hiding secrets that are known, in every form in which a tool, a language or a log writes a text down again.

redact.py hides what looks like a credential; this hides values that the inventory marks as secret, whatever they look
like: as they are, escaped as in JSON, Python or HTML, quoted for a shell or a URL, in base64, line by line, and cut.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

from .printable import printable

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # Ansible's word for a value that is a secret as a whole
MASK = "********"
TELLING = 4  # a shorter form than this many characters stands in ordinary text by chance
LINE = 8  # the lines of a secret that are long enough to be one by themselves
CUT, EXCERPT = 8, 40  # the least part of a secret, and the least text around it, that is taken for a cut secret
AROUND = "'\"`.… ()[]{}"  # what stands around an excerpt

_ESCAPED = re.compile(r"\\u[0-9a-f]{4}|%[0-9A-F]{2}")


class Mask:
    """Knows the secrets of a run and hides them in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets. An empty one hides nothing."""
        self.secrets = frozenset(str(secret) for secret in secrets if str(secret))
        forms = sorted({form for secret in self.secrets for form in _forms(secret)}, key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, forms))) if forms else None
        self._heads = [form for form in forms if len(form) > CUT]
        self._tails = [form[::-1] for form in self._heads]

    def hide(self, text: str) -> str:
        """Given text, return it without the secrets."""
        if self._any is None:
            return text
        return HIDDEN if text in self.secrets else self._without_cut(self._any.sub(MASK, text))

    def _without_cut(self, text: str) -> str:
        """Given an excerpt, return it without the part of a secret at its end or beginning, where somebody cut it."""
        if len(text) < EXCERPT:
            return text
        end = text.rstrip(AROUND)
        text = _cover(end, self._heads) + text[len(end) :]
        begin = text.lstrip(AROUND)
        return text[: len(text) - len(begin)] + _cover(begin[::-1], self._tails)[::-1]


def _cover(text: str, forms: list[str]) -> str:
    """Given text, return it with the mask over its end if that is the beginning of one of the forms."""
    for form in forms:
        at = text.find(form[:CUT], max(len(text) - len(form) + 1, 0))
        while at >= 0:
            if form.startswith(text[at:]):
                return text[:at] + MASK
            at = text.find(form[:CUT], at + 1)
    return text


def _forms(secret: str) -> Iterator[str]:
    """Given a secret, yield it in each form; those that are too short to tell anything only as it is."""
    yield secret
    once = {form for write in WRITINGS for form in write(secret)}
    twice = {form for first in once for write in NESTED for form in write(first)}
    lines = {line.strip() for line in secret.splitlines()} if "\n" in secret else set()
    yield from (form for form in {*once, *twice, *_base64(secret)} if len(form) >= TELLING)
    yield from (line for line in lines if len(line) >= LINE)


def _json(text: str) -> Iterator[str]:
    """JSON as Python, .NET and PHP write it: they differ in what they escape, and in the case of the digits."""
    plain, ascii_only = (json.dumps(text, ensure_ascii=only)[1:-1] for only in (False, True))
    strict = re.sub(r"[&'<>]", lambda found: f"\\u{ord(found[0]):04x}", ascii_only)
    for form in (plain, ascii_only, strict):
        yield from (form, _upper(form), form.replace("/", "\\/"))


def _repr(text: str) -> Iterator[str]:
    """Python's repr, by whichever of the two quotes it stands within."""
    for form in (repr(text)[1:-1], ascii(text)[1:-1], printable(text)):
        bare = form.replace("\\'", "'")
        yield from (form, bare, bare.replace("'", "\\'"))


def _url(text: str) -> Iterator[str]:
    for form in (
        quote(text, safe="", errors="replace"),
        quote(text, errors="replace"),
        quote_plus(text, errors="replace"),
    ):
        yield from (form, _lower(form))


def _shell(text: str) -> Iterator[str]:
    yield from (text.replace("'", "'\"'\"'"), text.replace("'", "'\\''"), text.replace("'", "''"))


def _html(text: str) -> Iterator[str]:
    yield from (html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;"))


def _base64(text: str) -> Iterator[str]:
    """Base64 of the secret, wherever it begins within what was encoded; in UTF-16 as PowerShell takes its commands."""
    for encoding in ("utf-8", "utf-16-le"):
        content = text.encode(encoding, "surrogatepass")
        for before in range(3):
            whole = base64.b64encode(bytes(before) + content).decode("ascii")
            # the first and last characters hold bits of what stands beside the secret
            inner = whole[(before * 8 + 5) // 6 : (before + len(content)) * 8 // 6]
            if len(inner) >= LINE:
                yield from (inner, inner.replace("+", "-").replace("/", "_"))


def _upper(form: str) -> str:
    return _ESCAPED.sub(lambda found: found[0][:2] + found[0][2:].upper(), form)


def _lower(form: str) -> str:
    return _ESCAPED.sub(lambda found: found[0].lower(), form)


Writing = Callable[[str], Iterator[str]]
WRITINGS: tuple[Writing, ...] = (_json, _repr, _url, _shell, _html)
NESTED: tuple[Writing, ...] = (_json, _repr)  # JSON within JSON, or quoted by Python in an error
