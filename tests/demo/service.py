# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one service of the demo Cryptobot in the foreground, as systemd or ``manage.py up`` starts it.

python3 tests/demo/service.py auth --install-dir /opt/cryptobot --port 8000
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Optional

from cryptobot_demo.catalog import SERVICES
from cryptobot_demo.endpoints import Application
from cryptobot_demo.environment import read_environment
from cryptobot_demo.logs import SERVER, set_up_logging
from cryptobot_demo.orders import OrderBook, load_orders
from cryptobot_demo.pidfile import remove_pid_file, write_pid_file
from cryptobot_demo.server import ServiceServer, make_server
from cryptobot_demo.stop import Stop, catch_signals
from cryptobot_demo.traffic import play, set_gauges
from cryptobot_demo.workers import die_of_import_error, import_switch, supervise

HISTORY_TICKS = 60


def parse_arguments(argv: Optional[list[str]] = None) -> argparse.Namespace:
    """Given the command line, return its values."""
    parser = argparse.ArgumentParser(description="One service of the demo Cryptobot, in the foreground.")
    parser.add_argument("name", choices=list(SERVICES))
    parser.add_argument("--install-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--pid-file", type=Path)
    parser.add_argument(
        "--traffic-seconds", type=float, default=20, help="invent a request this often; 0 invents none (default: 20)"
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no access log and no invented traffic: the files change only at start and stop",
    )
    return parser.parse_args(argv)


def make_application(name: str, install_dir: Path) -> Application:
    """Given a service and its installation, return it with DRY_RUN set, and with a list of orders if there is one.

    ``data/orders.json`` is what the list holds; without it trade answers 405 to who asks for it, as the real one does.
    DRY_RUN comes from the environment, else from ``.env``, else it is true; a restart always resets it.
    """
    environment = {**read_environment(install_dir / ".env"), **os.environ}
    orders = load_orders(install_dir / "data" / "orders.json") if name == "trade" else None
    dry_run = environment.get("DRY_RUN", "true").lower() != "false"
    return Application(
        SERVICES[name], install_dir, orders=None if orders is None else OrderBook(orders), dry_run=dry_run
    )


def keep_busy(app: Application, seconds: float, stop: Stop) -> None:
    """Given a pause in seconds, act out one tick after each until ``stop`` is set."""
    tick = HISTORY_TICKS
    while not stop.wait(seconds):
        play(app, tick, 1)
        tick += 1


def serve(server: ServiceServer, app: Application, traffic_seconds: float, stop: Stop) -> None:
    """Given a bound server, listen and answer until ``stop`` is set."""
    server.server_activate()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    if traffic_seconds:
        threading.Thread(target=keep_busy, args=(app, traffic_seconds, stop), daemon=True).start()
    stop.wait()
    server.shutdown()
    server.server_close()


def serve_with_workers(server: ServiceServer, app: Application, traffic_seconds: float, stop: Stop) -> None:
    """Given a bound server, have the service's workers answer until ``stop`` is set; each has its own DRY_RUN."""

    def work(number: int) -> None:
        die_of_import_error(import_switch(app.install_dir, app.service.name))
        SERVER.info("Started server process [%d]", os.getpid())
        serve(server, app, 0 if number else traffic_seconds, stop)

    supervise(app.service.workers, work, stop)
    server.server_close()


def log_start(app: Application, host: str, port: int) -> None:
    """Write the lines with which uvicorn starts."""
    SERVER.info("Started server process [%d]", os.getpid())
    SERVER.info("Waiting for application startup.")
    SERVER.info("Application startup complete.")
    SERVER.info("Uvicorn running on http://%s:%d (Press CTRL+C to quit)", host, port)


def main() -> int:
    """Run the service; return 1 where it cannot start."""
    arguments = parse_arguments()
    stop = catch_signals()
    os.umask(0o027)
    set_up_logging(arguments.name, arguments.install_dir / "logs")
    try:
        app = make_application(arguments.name, arguments.install_dir)
        server = make_server(app, arguments.host, arguments.port, access_log=not arguments.quiet)
    except (OSError, ValueError) as error:
        SERVER.error("%s cannot start on ('%s', %d): %s", arguments.name, arguments.host, arguments.port, error)
        return 1
    set_gauges(app)
    play(app, 0, HISTORY_TICKS)
    write_pid_file(arguments.pid_file, os.getpid())
    log_start(app, arguments.host, arguments.port)
    run = serve if app.service.workers == 1 else serve_with_workers
    run(server, app, 0 if arguments.quiet else arguments.traffic_seconds, stop)
    SERVER.info("Finished server process [%d]", os.getpid())
    remove_pid_file(arguments.pid_file, os.getpid())
    logging.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
