# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of what the trading guard can find."""

from __future__ import annotations

from ..finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "trading.orders_in_flight",
        "W1.4",
        "No order is in flight in the memory of the trade service, which a restart would forget.",
        "Wait until the orders are filled or cancel them at the exchange, then run it again.",
        "orders and positions live in the memory of each worker process only: all that hold its port are asked",
    ),
    Check(
        "trading.dry_run",
        "W1.4",
        "The trade service pretends to trade, or trades, as it is meant to: the flag is lost with the process.",
        "Look at DRY_RUN in the service's environment, and set the flag of the running service to what is meant.",
        "the flag is a copy in each worker process, set from the environment at every start: all that hold its port "
        "are asked",
    ),
)
