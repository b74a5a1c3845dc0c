# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that the CLI turns into one line and an exit code."""

from __future__ import annotations


class FleetError(Exception):
    """Something asked of a fleet did not work; the text says what and why in one line."""

    exit_code = 1


class CannotRun(FleetError):
    """This machine cannot run fleets at all; the text is the reason."""

    exit_code = 3
