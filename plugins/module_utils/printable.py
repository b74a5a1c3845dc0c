# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that come from a host's disk, made fit for a terminal, a report and JSON.

A file name is any bytes but NUL and slash: a newline in it would forge a line of a log, an escape sequence would
repaint the terminal, and bytes that are no UTF-8 cannot be written as JSON at all.
"""

from __future__ import annotations


def printable(name: str) -> str:
    """Given a name as Python reads it from the system, return it with everything that does not print escaped."""
    try:
        text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair, which names on Windows may hold
        text = name
    return "".join(letter if letter.isprintable() else escape(letter) for letter in text)


def escape(letter: str) -> str:
    """Given a character that may not be shown, return its escape; a byte that is no UTF-8 is shown as that byte."""
    code = ord(letter)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else letter.encode("unicode_escape").decode()
