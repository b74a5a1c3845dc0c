# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The orders of the trade service.  As in the real one they live in memory only: a restart forgets them."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, Optional

# The engine spells states in capitals, the API in lower case; both are accepted when asking.
IN_FLIGHT = ("PENDING", "OPEN", "PARTIALLY_FILLED")
STATES = (*IN_FLIGHT, "FILLED", "CANCELLED", "REJECTED")
KEYS = ("id", "exchange", "symbol", "side", "status", "created_at")

Order = dict[str, Any]


class OrderBook:
    """Orders in memory; safe to ask from several threads."""

    def __init__(self, orders: list[Order]) -> None:
        self._orders = list(orders)
        self._lock = threading.Lock()

    def with_status(self, status: str) -> list[Order]:
        """Given a status, return its orders; ``open`` means every order that may still trade.

        An empty status returns all.  Raise ValueError for a status that does not exist.
        """
        wanted = _states_of(status)
        with self._lock:
            return [dict(order) for order in self._orders if order["status"] in wanted]


def _states_of(status: str) -> tuple[str, ...]:
    if not status:
        return STATES
    if status.lower() == "open":
        return IN_FLIGHT
    if status.upper() in STATES:
        return (status.upper(),)
    raise ValueError(f"status is {status!r}, expected one of {', '.join(STATES).lower()}")


def load_orders(path: Path) -> Optional[list[Order]]:
    """Given the seed file, return its orders; None where there is no such file.

    Raise ValueError naming the file, the order and what is wrong with it.
    """
    if not path.exists():
        return None
    orders = json.loads(path.read_text(encoding="utf-8"))
    for index, order in enumerate(orders):
        missing = [key for key in KEYS if key not in order]
        if missing or order["status"] not in STATES:
            raise ValueError(f"{path}: order {index} lacks {missing or 'a known status'}: {order}")
    return list(orders)
