# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hiding secrets that are known, in every form in which a tool, a language or a log writes a text down again.

redact.py hides what looks like a credential; this hides values that the inventory marks as secret, whatever they look
like: as they are, in each form that written.py knows, line by line, and cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .redaction.forms import TELLING, forms_of

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # Ansible's word for a value that is a secret as a whole
MASK = "********"
CUT, EXCERPT = 8, 40  # the least part of a secret, and the least text around it, that is taken for a cut secret
AROUND = "'\"`.… ()[]{}"  # what stands around an excerpt


class Mask:
    """Knows the secrets of a run and hides them in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Take the secrets. An empty one hides nothing."""
        self.secrets = frozenset(str(secret) for secret in secrets if str(secret))
        forms = sorted({form for secret in self.secrets for form in forms_of(secret)}, key=len, reverse=True)
        self._any = _any_of(forms) if forms else None
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


def _any_of(forms: list[str]) -> re.Pattern[str]:
    """Given forms, the longest first, return what finds any of them: by their heads, which few of them differ in."""
    heads: dict[str, list[str]] = {}
    for form in forms:
        heads.setdefault(form[:TELLING], []).append(re.escape(form[TELLING:]))
    return re.compile("|".join(f"{re.escape(head)}(?:{'|'.join(rest)})" for head, rest in heads.items()))


def _cover(text: str, forms: list[str]) -> str:
    """Given text, return it with the mask over its end if that is the beginning of one of the forms."""
    for form in forms:
        at = text.find(form[:CUT], max(len(text) - len(form) + 1, 0))
        while at >= 0:
            if form.startswith(text[at:]):
                return text[:at] + MASK
            at = text.find(form[:CUT], at + 1)
    return text
