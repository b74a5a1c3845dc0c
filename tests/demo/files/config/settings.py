# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source code beside configuration: the real config/ and data/ folders hold some too, and a restore must keep it."""

DEFAULT_EXCHANGE = "kraken"
DRY_RUN = True
