# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The part of docs/checks.md that is about a checkup itself."""

from __future__ import annotations

from ..finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "checkup.ran",
        "D1.1",
        "Each noun that a checkup was asked for could be looked at to its end.",
        "Run the noun's own module against this host with -vvv and read its error.",
        "unknown is never ok: what could not be looked at is a finding",
    ),
)
