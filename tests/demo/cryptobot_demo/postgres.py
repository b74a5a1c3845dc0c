# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same database for PostgreSQL, as one SQL script for psql: tables, rows, and bloat on request."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime

from . import rows
from .database import FILES, MAKERS

SEQUENCED = (
    "users",
    "roles",
    "api_keys",
    "sessions",
    "suspicious_activities",
    "strategies",
    "strategy_versions",
    "backtests",
    "audit_logs",
)


def render_sql(*, seed: int, now: datetime, audit_rows: int, bloat_rounds: int) -> str:
    """Given a seed, the time that the rows lead up to, and sizes, return the script.

    Each round of bloat updates every audit row once, so ``audit_rows * bloat_rounds`` dead rows are left behind;
    autovacuum is off for that table so that they stay.  The script runs in an empty database, as its owner.
    """
    return (
        "\n".join(
            [
                r"\set ON_ERROR_STOP on",
                r"\o /dev/null",
                "SET client_min_messages = warning;",
                "BEGIN;",
                _file("postgres.sql"),
                *_insert_statements(random.Random(seed), now),
                f"SELECT setseed({seed % 1000 / 1000});",
                *_generated(now, audit_rows),
                _file("audit_indexes.sql"),
                *_sequence_statements(),
                "COMMIT;",
                "ANALYZE;",
                *_bloat(bloat_rounds),
            ]
        )
        + "\n"
    )


def _file(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def _insert_statements(rng: random.Random, now: datetime) -> Iterator[str]:
    for table, make in MAKERS.items():
        values = ",\n".join(f"({', '.join(map(literal, row))})" for row in make(rng, now))
        yield f"INSERT INTO {table} VALUES\n{values};"


def literal(value: object) -> str:
    """Given a value of a row, return it as an SQL literal (standard_conforming_strings, the default)."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"


def _generated(now: datetime, audit_rows: int) -> list[str]:
    """Return the statements for the tables that the server fills by itself, because they are large."""
    moment = f"timestamptz '{rows.stamp(now)}+00'"
    age = f"({audit_rows} - n) * interval '400 days' / {audit_rows}"
    return [
        f"""INSERT INTO audit_logs
SELECT n, 1 + n % 7, (ARRAY['http_request', 'login', 'order_create'])[1 + n % 3], 'endpoint', (n % 5000)::text,
       '{{"path": "/health", "process_time": "0.003s"}}', {moment} - {age},
       '10.0.0.' || n % 50, '{rows.AGENT}', CASE WHEN random() < 0.01 THEN 'critical' ELSE 'normal' END,
       CASE WHEN random() < 0.02 THEN 'failure' ELSE 'success' END, n % 100 = 0, NULL
FROM generate_series(1, {audit_rows}) AS n;""",
        f"""INSERT INTO orders (exchange_order_id, exchange, symbol, side,
    order_type, quantity, filled_quantity, price, status, created_at, updated_at)
SELECT 'demo-' || n, 'binance', 'BTC/USDT', CASE WHEN n % 2 = 0 THEN 'buy' ELSE 'sell' END, 'limit', 0.01, 0.01,
       60000 + random() * 5000, 'filled', {moment} - n * interval '1 hour', {moment} - n * interval '1 hour'
FROM generate_series(1, 500) AS n;""",
        """INSERT INTO trades (user_id, strategy_id, exchange, symbol, trade_type, side,
    quantity, price, executed_price, order_id, status, created_at, updated_at, closed_at)
SELECT 2 + id % 3, 1 + id % 4, exchange, symbol, order_type, side, quantity, price, price, exchange_order_id, 'closed',
       created_at, updated_at, updated_at FROM orders;""",
    ]


def _sequence_statements() -> Iterator[str]:
    """Yield one statement per table whose ids were given, so that the next insert gets a free one."""
    for table in SEQUENCED:
        yield f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}));"


def _bloat(rounds: int) -> list[str]:
    if not rounds:
        return []
    # An indexed column changes, so no update can stay on its page (HOT) and clean up after itself.
    update = "UPDATE audit_logs SET severity = CASE severity WHEN 'normal' THEN 'high' ELSE 'normal' END;"
    return ["ALTER TABLE audit_logs SET (autovacuum_enabled = false);", *[update] * rounds]
