# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each service answers.  Only auth and strategy have ``/health``; auth has no ``/metrics``."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from .catalog import Service
from .http_types import Request, Response, Route, detail, json_response
from .metrics import Registry
from .orders import OrderBook

PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TIMEFRAME_SECONDS = {"1m": 60, "5m": 300, "1h": 3600, "1d": 86400}

NOT_ALLOWED = detail(405, "Method Not Allowed")


@dataclass
class Application:
    """One running service: what its endpoints read and, for ``dry_run``, write."""

    service: Service
    install_dir: Path
    registry: Registry = field(default_factory=Registry)
    orders: Optional[OrderBook] = None
    dry_run: bool = True

    @property
    def wedge_file(self) -> Path:
        """The switch that makes this service answer 500 on its probe while its process looks well."""
        return self.install_dir / "run" / f"{self.service.name}.wedged"


def answer(app: Application, request: Request) -> tuple[str, Response]:
    """Given a request, return the path template that took it (``none`` where none did) and the response."""
    if request.path == app.service.probe and app.wedge_file.exists():
        return request.path, Response(500, b"Internal Server Error", "text/plain; charset=utf-8")
    fitting = [
        (route, params) for route in ROUTES[app.service.name] if (params := route.match(request.path)) is not None
    ]
    if not fitting:
        return "none", detail(404, "Not Found")
    for route, params in fitting:
        if route.method == request.method:
            asked = Request(request.method, request.path, request.query, request.body, params)
            return route.path, route.answer(app, asked)
    return fitting[0][0].path, NOT_ALLOWED


def metrics_page(app: Application, request: Request) -> Response:
    """Return the Prometheus page."""
    return Response(200, app.registry.render().encode(), PROMETHEUS_TYPE)


def redirect_to_docs(app: Application, request: Request) -> Response:
    """Return auth's answer for its root."""
    return Response(307, location="/docs")


def docs_page(app: Application, request: Request) -> Response:
    """Return the page that stands for the API documentation."""
    page = f"<!DOCTYPE html><html><title>{app.service.title}</title><body>API documentation</body></html>"
    return Response(200, page.encode(), "text/html; charset=utf-8")


def auth_health(app: Application, request: Request) -> Response:
    """Return auth's health with the parts that it reports on."""
    return json_response({"status": "healthy", "database": "connected", "redis": "connected", "key_rotation": "active"})


def static_health(app: Application, request: Request) -> Response:
    """Return strategy's health, which never looks at anything."""
    return json_response({"status": "healthy", "service": app.service.name})


def welcome(app: Application, request: Request) -> Response:
    """Return the message that data and backtest show at their root."""
    return json_response({"message": f"{app.service.title} is running"})


def candles(app: Application, request: Request) -> Response:
    """Return the last ten candles of a market, invented from the clock so that they are always fresh."""
    step = TIMEFRAME_SECONDS.get(request.params["timeframe"])
    if step is None:
        return detail(400, f"Unsupported timeframe: {request.params['timeframe']}")
    newest = int(time.time()) // step * step
    return json_response(
        [
            {
                "timestamp": newest - age * step,
                "open": 100.0,
                "high": 101.0,
                "low": 99.0,
                "close": 100.5,
                "volume": 12.5,
            }
            for age in range(9, -1, -1)
        ]
    )


def strategies(app: Application, request: Request) -> Response:
    """Return the strategies of the database; ``active_only=true`` leaves out the others."""
    path = app.install_dir / "database" / "cryptobot.db"
    query = "SELECT id, name, version, is_active FROM strategies WHERE is_active OR NOT ? ORDER BY id"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as connection:
            rows = connection.execute(query, (request.query.get("active_only") == "true",)).fetchall()
    except sqlite3.Error as error:
        return detail(500, f"Database error: {error}")
    return json_response([{"id": row[0], "name": row[1], "version": row[2], "is_active": bool(row[3])} for row in rows])


def backtest_status(app: Application, request: Request) -> Response:
    """Return what backtest says of its queue."""
    return json_response({"running": 0, "queued": 0})


def list_orders(app: Application, request: Request) -> Response:
    """Return the orders in memory, by ``status``, where this installation has such a list; the real one has none."""
    if app.orders is None:
        return NOT_ALLOWED
    try:
        return json_response(app.orders.with_status(request.query.get("status", "")))
    except ValueError as error:
        return detail(422, str(error))


def place_order(app: Application, request: Request) -> Response:
    """Refuse an order as the real service does where nobody is logged in: nothing is ever traded here."""
    return detail(401, "Not authenticated")


def get_dry_run(app: Application, request: Request) -> Response:
    """Return whether this process only pretends to trade."""
    return json_response({"dry_run": app.dry_run})


def put_dry_run(app: Application, request: Request) -> Response:
    """Set the flag of this process; as in the real service nobody is asked who they are."""
    try:
        wanted = json.loads(request.body)["dry_run"]
    except (ValueError, KeyError, TypeError):
        wanted = None
    if not isinstance(wanted, bool):
        return detail(422, 'expected a body like {"dry_run": true}')
    app.dry_run = wanted
    return get_dry_run(app, request)


METRICS = Route("GET", "/metrics", metrics_page)

ROUTES: dict[str, tuple[Route, ...]] = {
    "auth": (
        Route("GET", "/", redirect_to_docs),
        Route("GET", "/docs", docs_page),
        Route("GET", "/health", auth_health),
    ),
    "data": (
        Route("GET", "/", welcome),
        METRICS,
        Route("GET", "/api/v1/data/ohlcv/{exchange}/{symbol}/{timeframe}", candles),
    ),
    "strategy": (Route("GET", "/health", static_health), METRICS, Route("GET", "/api/strategies/", strategies)),
    "backtest": (Route("GET", "/", welcome), METRICS, Route("GET", "/api/backtest/status", backtest_status)),
    "trade": (
        METRICS,
        Route("GET", "/api/trades/orders", list_orders),
        Route("POST", "/api/trades/orders", place_order),
        Route("GET", "/api/v1/settings/dry_run", get_dry_run),
        Route("PUT", "/api/v1/settings/dry_run", put_dry_run),
    ),
}
