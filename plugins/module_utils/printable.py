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
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
