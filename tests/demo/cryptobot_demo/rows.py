# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows for the demo's database: invented, and the same for the same seed and the same ``now``.

Each function takes a random generator and the time that the rows lead up to (naive UTC, as the application
writes it) and returns tuples in the column order of ``files/sqlite.sql``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

Row = tuple[Any, ...]

USERS = ("admin", "trader1", "trader2", "trader3", "analyst1", "auditor1", "former1")
ROLES = ("admin", "user", "trader", "read_only")
ROLE_OF_USER = (1, 3, 3, 3, 2, 4, 2)
STRATEGIES = ("mean_reversion", "momentum", "breakout_reset", "grid")
# (action, resource type, severity, sensitive) and how often each happens.
ACTIONS = (
    ("http_request", "endpoint", "normal", False),
    ("login", "user", "normal", False),
    ("order_create", "order", "high", False),
    ("strategy_update", "strategy", "normal", False),
    ("api_key_rotate", "api_key", "critical", True),
)
ACTION_WEIGHTS = (70, 15, 10, 4, 1)
PATHS = ("/health", "/metrics", "/api/strategies/", "/api/trades/orders", "/api/v1/settings/dry_run")
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36"


def stamp(moment: datetime) -> str:
    """Given a moment, return the text that SQLAlchemy stores in SQLite."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def user_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return the users; the last one has left and is disabled."""
    return [
        (
            number,
            name,
            f"{name}@example.org",
            name.capitalize(),
            f"$argon2id$v=19$m=65536,t=3,p=4$demo${rng.getrandbits(128):032x}",
            name.startswith("former"),
            name == "admin",
            name == "admin",
            None,
            None,
            None,
        )
        for number, name in enumerate(USERS, start=1)
    ]


def role_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return the roles of the auth service."""
    return list(enumerate(ROLES, start=1))


def user_role_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return one role per user."""
    return list(enumerate(ROLE_OF_USER, start=1))


def api_key_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return API keys; FTX is there because real installations still list it."""
    return [
        (
            number,
            f"ak_demo{rng.getrandbits(64):016x}_{rng.getrandbits(16):04x}",
            f"key {number}",
            exchange,
            exchange != "binance",
            1 + number % 4,
        )
        for number, exchange in enumerate(("binance", "kraken", "coinbase", "ftx"), start=1)
    ]


def session_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return 120 sessions, the newest from the last hours; the stub that should purge old ones never does."""
    return [_session(rng, number, now - timedelta(hours=4 * (120 - number))) for number in range(1, 121)]


def _session(rng: random.Random, number: int, started: datetime) -> Row:
    return (
        number,
        f"demo-session-{rng.getrandbits(256):064x}",
        1 + number % 6,
        f"10.0.0.{number % 50}",
        AGENT,
        json.dumps({"os": "Linux"}),
        json.dumps({"country": "CH"}),
        number > 100,
        number % 40 == 0,
        stamp(started),
        stamp(started + timedelta(minutes=rng.randint(1, 200))),
    )


def suspicious_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return one row for each suspicious session."""
    return [
        (
            number,
            40 * number,
            "ip_change",
            json.dumps({"old": "10.0.0.1", "new": "203.0.113.7"}),
            "medium",
            stamp(now - timedelta(days=number)),
        )
        for number in (1, 2, 3)
    ]


def strategy_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return the strategies; the last is not active."""
    return [
        (
            number,
            name,
            f"Demo strategy {name}",
            json.dumps({"window": 10 + number}),
            3,
            name != "grid",
            stamp(now - timedelta(days=90)),
            stamp(now - timedelta(days=number)),
        )
        for number, name in enumerate(STRATEGIES, start=1)
    ]


def strategy_version_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return three versions of each strategy."""
    return [
        (
            number,
            1 + (number - 1) // 3,
            1 + (number - 1) % 3,
            json.dumps({"window": rng.randint(5, 50)}),
            stamp(now - timedelta(days=90 - number)),
        )
        for number in range(1, 3 * len(STRATEGIES) + 1)
    ]


def backtest_rows(rng: random.Random, now: datetime) -> list[Row]:
    """Return 60 backtests, one of which failed."""
    return [_backtest(rng, number, now - timedelta(days=61 - number)) for number in range(1, 61)]


def _backtest(rng: random.Random, number: int, created: datetime) -> Row:
    results = {"profit": round(rng.uniform(-0.2, 0.4), 4), "trades": rng.randint(5, 400)}
    return (
        number,
        1 + number % 4,
        "BTC/USDT",
        "1h",
        stamp(created - timedelta(days=30)),
        stamp(created),
        "failed" if number == 17 else "completed",
        json.dumps({"fee": 0.001}),
        json.dumps(results),
        stamp(created),
        stamp(created + timedelta(minutes=rng.randint(1, 20))),
    )


def audit_rows(rng: random.Random, now: datetime, count: int) -> Iterator[Row]:
    """Yield ``count`` audit rows, evenly over the 400 days before ``now``, oldest first."""
    step = timedelta(days=400) / count
    for number in range(1, count + 1):
        yield _audit_row(rng, number, now - step * (count - number))


def _audit_row(rng: random.Random, number: int, moment: datetime) -> Row:
    action, resource, severity, sensitive = rng.choices(ACTIONS, ACTION_WEIGHTS)[0]
    details = json.dumps(
        {
            "path": rng.choice(PATHS),
            "request_id": f"{rng.getrandbits(128):032x}",
            "process_time": f"{rng.random() / 10:.3f}s",
        }
    )
    status = "failure" if action == "login" and number % 10 == 0 else "success"
    return (
        number,
        rng.randint(1, 7),
        action,
        resource,
        str(rng.randint(1, 5000)),
        details,
        stamp(moment),
        f"10.0.0.{rng.randint(1, 50)}",
        AGENT,
        severity,
        status,
        sensitive,
        "***" if sensitive else None,
    )
