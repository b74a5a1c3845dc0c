# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms in which tools, languages and logs write a text down again. Pure.

Each is made once for each secret, and their number is bounded: what a tool writes of what another wrote is known for
the pairs that are met, not for all. docs/report.md lists them.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote, quote_plus

from ..printable import printable

TELLING = 4  # a shorter form than this many characters stands in ordinary text by chance
LINE = 8  # the lines of a secret that are long enough to be one by themselves

Writing = Callable[[str], Iterator[str]]

_ESCAPED = re.compile(r"\\u[0-9a-f]{4}|%(?:25)*[0-9A-F]{2}")
_BARE = re.compile(r"""[ \t'"\\|&;()<>!{}*\[\]?^$`,]|\A[#~]|(?<=[:=])~""")  # what a shell quotes outside quotes
_CONTROLS = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
_CONTROLS = {**_CONTROLS, "\v": "\\v", "\x1b": "\\E"}
_YAML = {
    "\\": "\\\\",
    '"': '\\"',
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
}
_YAML = {**_YAML, "\r": "\\r", "\x1b": "\\e", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P"}


def forms_of(secret: str) -> Iterator[str]:
    """Given a secret, yield it in each form; those that are too short to tell anything only as it is."""
    yield secret
    once = {form for write in WRITINGS for form in write(secret)}
    twice = {form for first in once for write in NESTED for form in write(first)}
    within = {form for chain in CHAINS for form in _chained(secret, chain)}
    lines = {line.strip() for line in secret.splitlines()} if "\n" in secret else set()
    yield from (form for form in {*once, *twice, *within, *_base64(secret), *_hex(secret)} if len(form) >= TELLING)
    yield from (line for line in lines if len(line) >= LINE)


def _chained(secret: str, chain: Sequence[Writing]) -> set[str]:
    """Given a secret and who writes it down after another, return what the last of them wrote."""
    forms = {secret}
    for write in chain:
        forms = {written for form in forms for written in write(form)}
    return forms


def _json(text: str) -> Iterator[str]:
    """JSON as Python, .NET and PHP write it: they differ in what they escape, and in the case of the digits."""
    plain, ascii_only = (json.dumps(text, ensure_ascii=only)[1:-1] for only in (False, True))
    strict = re.sub(r"[&'<>]", lambda found: f"\\u{ord(found[0]):04x}", ascii_only)
    for form in (plain, ascii_only, strict):
        yield from (form, _upper(form), form.replace("/", "\\/"))


def _json_of_python(text: str) -> Iterator[str]:
    yield from (json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1])


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
    yield _BARE.sub(r"\\\g<0>", text)  # printf %q
    yield re.sub(r'[\\"$`]', r"\\\g<0>", text)  # in double quotes
    yield from (_ansi(text, octal=False), _ansi(text, octal=True))


def _ansi(text: str, *, octal: bool) -> str:
    """What a shell writes between $' and ': with ``octal`` as where only ASCII prints."""
    named = "".join(_CONTROLS.get(letter) or letter for letter in text)
    return re.sub(r"[^ -~]", lambda found: _bytes_of(found[0], "\\{:03o}"), named) if octal else named


def _bytes_repr(text: str) -> Iterator[str]:
    """Python's repr of bytes, by whichever of the two quotes it stands within."""
    form = repr(text.encode("utf-8", "surrogatepass"))[2:-1]
    bare = form.replace("\\'", "'")
    yield from (form, bare, bare.replace("'", "\\'"))


def _units(text: str) -> Iterator[str]:
    """systemd, with and without the slash that it writes as a dash, and compose and unit files, which double a sign."""
    for kept in ("/", ""):
        form = re.sub(rf"[^A-Za-z0-9:_.{kept}]", lambda found: _bytes_of(found[0], "\\x{:02x}"), text)
        yield from (form, form.replace("/", "-"))
    yield from (text.replace("$", "$$"), text.replace("%", "%%"), text.replace("$", "$$").replace("%", "%%"))


def _yaml(text: str) -> Iterator[str]:
    """YAML in double quotes, all of it ASCII."""
    yield "".join(_YAML.get(letter) or _yaml_escape(letter) for letter in text)


def _yaml_escape(letter: str) -> str:
    code = ord(letter)
    if 0x20 <= code < 0x7F:
        return letter
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _bytes_of(letter: str, form: str) -> str:
    return "".join(form.format(byte) for byte in letter.encode("utf-8", "surrogatepass"))


def _hex(text: str) -> Iterator[str]:
    form = text.encode("utf-8", "surrogatepass").hex()
    if len(form) >= LINE:
        yield from (form, form.upper())


def _html(text: str) -> Iterator[str]:
    yield from (html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;"))
    yield html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


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


WRITINGS: tuple[Writing, ...] = (_json, _repr, _url, _shell, _html, _bytes_repr, _units, _yaml)
NESTED: tuple[Writing, ...] = (_json, _repr)  # JSON within JSON, or quoted by Python in an error
CHAINS: tuple[tuple[Writing, ...], ...] = (
    (_json_of_python, _json_of_python, _json_of_python),
    (_json, _html),
    (_url, _url),
)
