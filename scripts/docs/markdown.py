# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the generated pages of docs/ are written with."""

from __future__ import annotations

import textwrap

NOTE = "<!-- Made by `make docs` from the code; a test compares the two. Change the code instead. -->"


def cell(text: str) -> str:
    """Return text that a cell of a Markdown table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


def paragraph(text: str) -> str:
    """Return text in lines of at most 120 characters."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
