# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the rules of the trading guard find, one by one."""

from __future__ import annotations

from typing import Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import Endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import Trading
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.rules_trading import RULES, TradingContext


def judge_orders(trading: Trading, endpoint: Endpoint) -> Finding:
    """Return what is found of the orders."""
    found = RULES.judge(TradingContext(trading, endpoint))
    (finding,) = [finding for finding in found if finding.check == "trading.orders_in_flight"]
    return finding


def judge_dry_run(trading: Trading, endpoint: Endpoint, before: Optional[Trading] = None) -> list[Finding]:
    """Return what is found of the flag, after a restart where it is known from before one."""
    context = TradingContext(trading, endpoint) if before is None else TradingContext(before, endpoint, trading)
    return [finding for finding in RULES.judge(context) if finding.check == "trading.dry_run"]
