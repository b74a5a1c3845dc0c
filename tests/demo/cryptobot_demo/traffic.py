# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invented traffic, so that logs and metrics of a fresh demo have something to tell.

A *tick* is one round of what the service would do; tick numbers decide what happens, so a run is repeatable.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any, Optional

from .endpoints import Application
from .logs import ENGINE, SERVER, log_access, log_json
from .metrics import COLLECTOR, TRADE, count_request

TRACEBACK = """Exception in ASGI application
Traceback (most recent call last):
  File "/opt/cryptobot/services/data/historical.py", line 142, in fetch_ohlcv
    candles = await self._exchange.fetch_ohlcv(symbol, timeframe)
  File "/opt/cryptobot/services/data/historical.py", line 88, in _request
    raise ConnectionError(f"{self.exchange} closed the connection")
ConnectionError: kraken closed the connection"""


def play(app: Application, first: int, count: int) -> None:
    """Given a service, act out ``count`` ticks beginning with number ``first``."""
    for tick in range(first, first + count):
        TICKS[app.service.name](app, tick)


def _visit(
    app: Application, tick: int, path: str, *, status: int = 200, method: str = "GET", handler: Optional[str] = None
) -> None:
    """Count and log one request that nobody really made; ``handler`` is the path's template if it has one."""
    count_request(app.registry, handler=handler or path, method=method, status=status, seconds=_seconds(tick))
    reason = {200: "OK", 401: "Unauthorized", 500: "Internal Server Error"}[status]
    log_access(f"127.0.0.1:{40000 + tick % 20000}", method, path, status, reason)


def _seconds(tick: int) -> float:
    """Given a tick, return a latency in seconds: mostly a few milliseconds, every 25th slow."""
    return 1.2 if tick % 25 == 24 else 0.004 + (tick * 7 % 40) / 1000


def _payload(tick: int, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Given a request, return the payload of the logging middleware (epoch seconds)."""
    return {
        "request_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{path}#{tick}")),
        "method": method,
        "path": path,
        "client_ip": "127.0.0.1",
        "user_agent": "python-httpx/0.24.1",
        "timestamp": time.time(),
        **more,
    }


def auth_tick(app: Application, tick: int) -> None:
    """Act out a login: an SQL echo, a dict that is not JSON, an access line; every seventh login fails."""
    failed = tick % 7 == 6
    ENGINE.info("SELECT users.id, users.username FROM users WHERE users.username = $1::VARCHAR")
    logging.getLogger("auth-service").log(
        logging.WARNING if failed else logging.INFO,
        "%s",
        {
            "method": "POST",
            "path": "/auth/login",
            "status": 401 if failed else 200,
            "process_time": "0.003s",
            "client_ip": "203.0.113.7" if failed else "127.0.0.1",
            "error": "Invalid credentials" if failed else None,
        },
    )
    if tick % 20 == 3:
        print("Password reset token for trader3@example.org: demo-not-a-real-token", flush=True)
    _visit(app, tick, "/auth/login", method="POST", status=401 if failed else 200)


def data_tick(app: Application, tick: int) -> None:
    """Act out the fetching of candles; now and then a limit is near or the exchange hangs up."""
    broken = tick % 40 == 39
    path = "/api/v1/data/ohlcv/kraken/BTC-USD/1h"
    log_json("api", _payload(tick, "GET", path, type="request"))
    _collect(app, tick, broken=broken)
    if broken:
        SERVER.error(TRACEBACK)
    elif tick % 13 == 12:
        logging.getLogger("data.exchange").warning("Rate limit near for kraken: 429 Too Many Requests, Retry-After 2")
    log_json(
        "api",
        _payload(
            tick,
            "GET",
            path,
            type="response",
            status_code=500 if broken else 200,
            process_time_ms=round(_seconds(tick) * 1000, 2),
        ),
    )
    _visit(app, tick, path, status=500 if broken else 200, handler="/api/v1/data/ohlcv/{exchange}/{symbol}/{timeframe}")


def _collect(app: Application, tick: int, *, broken: bool) -> None:
    market = {"exchange": "kraken", "symbol": "BTC/USD"}
    if broken:
        app.registry.add(
            "data_collector_connection_errors_total",
            "Connection errors while fetching data.",
            reason="apifailure",
            **market,
        )
        return
    app.registry.add("data_collector_messages_received_total", "Data points received.", type="ohlcv_latest", **market)
    app.registry.observe(
        "data_collector_processing_latency_seconds",
        "Latency of fetching and processing.",
        _seconds(tick),
        COLLECTOR,
        type="ohlcv_latest",
        **market,
    )
    name = "data_collector_cache_hits_total" if tick % 4 else "data_collector_cache_misses_total"
    app.registry.add(name, "Cache look-ups.", endpoint="ohlcv_latest")


def strategy_tick(app: Application, tick: int) -> None:
    """Act out the evaluation of strategies; every eighth query is slow."""
    log_json(
        "strategy-service",
        _payload(
            tick,
            "GET",
            "/api/strategies/",
            type="response",
            status_code=200,
            process_time_ms=round(_seconds(tick) * 1000, 2),
        ),
    )
    if tick % 8 == 7:
        logging.getLogger("utils.query_optimizer").warning(
            "Slow query detected (0.73s): SELECT * FROM strategy_versions WHERE strategy_id = 3"
        )
    _visit(app, tick, "/api/strategies/")


def backtest_tick(app: Application, tick: int) -> None:
    """Act out a backtest."""
    logging.getLogger("backtest.engine").info("run_backtest executed in %.2f seconds", 2 + tick % 9 / 4)
    _visit(app, tick, "/api/backtest/status")


def trade_tick(app: Application, tick: int) -> None:
    """Act out an order on paper; every 30th trips and closes the circuit breaker."""
    market = {"exchange": "binance", "symbol": "BTC/USDT"}
    log_json("trade-service", _payload(tick, "POST", "/api/trades/orders", type="response", status_code=200))
    app.registry.add(
        "order_execution_total",
        "Total number of order executions",
        side="buy" if tick % 2 else "sell",
        status="success",
        **market,
    )
    app.registry.observe(
        "order_execution_latency_seconds", "Order execution latency in seconds", _seconds(tick), TRADE, **market
    )
    if tick % 30 == 29:
        _trip_breaker(app)
    _visit(app, tick, "/api/trades/orders", method="POST")


def _trip_breaker(app: Application) -> None:
    breaker = logging.getLogger("trade.utils.circuit_breaker")
    breaker.warning("CircuitBreaker 'binance': Transitioning from CLOSED to OPEN")
    breaker.info("CircuitBreaker 'binance': Transitioning from OPEN to CLOSED")
    app.registry.add("circuit_breaker_trips_total", "Total number of circuit breaker trips", exchange="binance")
    app.registry.add(
        "order_retry_total", "Total number of order execution retries", exchange="binance", symbol="BTC/USDT"
    )


def set_gauges(app: Application) -> None:
    """Given the trade service, set the gauges that always have a value; other services have none."""
    if app.service.name != "trade":
        return
    app.registry.set(
        "circuit_breaker_state", "State of the circuit breaker (0=closed, 1=half-open, 2=open)", 0, exchange="binance"
    )
    app.registry.set(
        "reconciliation_mismatch_percentage", "Percentage of orders with mismatches", 0, exchange="binance"
    )
    app.registry.add(
        "reconciliation_total", "Total number of reconciliation operations", exchange="binance", status="success"
    )


TICKS = {
    "auth": auth_tick,
    "data": data_tick,
    "strategy": strategy_tick,
    "backtest": backtest_tick,
    "trade": trade_tick,
}
