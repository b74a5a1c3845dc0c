# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines in the families of the real services: four formats, one file per service, no rotation."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

TIMESTAMPED = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"
BARE = "%(levelname)s:%(name)s:%(message)s"
SQL = "%(asctime)s %(levelname)s %(name)s %(message)s"

# Only trade gets the format that the documentation promises; elsewhere an earlier basicConfig wins.
STYLES = {"auth": BARE, "data": BARE, "strategy": BARE, "backtest": BARE, "trade": TIMESTAMPED}

ACCESS = logging.getLogger("uvicorn.access")
SERVER = logging.getLogger("uvicorn.error")
ENGINE = logging.getLogger("sqlalchemy.engine.Engine")


class ServiceFormatter(logging.Formatter):
    """The service's own format, and uvicorn's (level, colon, padded to ten columns) for uvicorn's loggers."""

    def __init__(self, style: str) -> None:
        super().__init__(style)

    def format(self, record: logging.LogRecord) -> str:
        """Given a record, return its text."""
        text = super().format(record)
        if not record.name.startswith("uvicorn"):
            return text
        return f"{record.levelname + ':':<9} {record.getMessage()}"


def set_up_logging(service: str, log_dir: Path) -> None:
    """Given a service and its log folder, send every logger to ``<service>_service.log`` and to stdout."""
    log_dir.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [
        logging.FileHandler(log_dir / f"{service}_service.log", encoding="utf-8"),
        logging.StreamHandler(sys.stdout),
    ]
    for handler in handlers:
        handler.setFormatter(ServiceFormatter(STYLES[service]))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    _add_sql_echo(handlers)


def _add_sql_echo(handlers: list[logging.Handler]) -> None:
    """Give SQLAlchemy's logger a handler of its own: as in the real services each statement is logged twice."""
    echo = logging.StreamHandler(handlers[0].stream)  # type: ignore[attr-defined]
    echo.setFormatter(logging.Formatter(SQL))
    ENGINE.handlers = [echo]


def log_access(client: str, method: str, target: str, status: int, reason: str) -> None:
    """Given an answered request, write uvicorn's access line."""
    ACCESS.info('%s - "%s %s HTTP/1.1" %s %s', client, method, target, status, reason)


def log_json(logger: str, payload: dict[str, Any], *, level: int = logging.INFO) -> None:
    """Given a logger's name and a payload, write the payload as JSON inside the message."""
    logging.getLogger(logger).log(level, json.dumps(payload))
