# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of running processes: dead, wedged, displaced, uninvited, in the middle of a trade.

Every function takes the demo and the fault's *notes*, a folder in which planting leaves what healing needs.
Planting returns a sentence that says what was done.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

from .. import processes
from ..catalog import SERVICES
from ..root import Demo, DemoError
from ..workers import import_switch
from .listener import end_listener, start_listener

DEAD, STRAY, WEDGED = "data", "backtest", "strategy"
# As far from auth's port as 18099 is from 18000.
OPEN_PORT_OFFSET = 99
ORDER = {
    "id": "demo-order-1",
    "exchange": "binance",
    "symbol": "BTC/USDT",
    "side": "buy",
    "amount": 0.01,
    "price": 64000.0,
    "status": "OPEN",
}


def kill_data(demo: Demo, notes: Path) -> str:
    """Kill data and leave its pid file."""
    pid = kill_service(demo, DEAD)
    return f"killed {DEAD} (pid {pid}) with SIGKILL; its pid file {demo.pid_file(DEAD)} is stale now"


def revive_data(demo: Demo, notes: Path) -> None:
    """Start data again."""
    restart_service(demo, DEAD)


def wedge_strategy(demo: Demo, notes: Path) -> str:
    """Make strategy answer 500 on its probe while its process runs on."""
    switch = demo.install_dir / "run" / f"{WEDGED}.wedged"
    switch.touch()
    return f"{WEDGED} runs on but answers 500 on {SERVICES[WEDGED].probe} ({switch})"


def free_strategy(demo: Demo, notes: Path) -> None:
    """Take the switch away."""
    (demo.install_dir / "run" / f"{WEDGED}.wedged").unlink(missing_ok=True)


def usurp_port(demo: Demo, notes: Path) -> str:
    """Kill backtest and let another process listen, and answer 200, on its port."""
    pid = kill_service(demo, STRAY)
    stray = start_listener(notes, "127.0.0.1", demo.ports[STRAY], inside=demo.install_dir)
    return f"killed {STRAY} (pid {pid}); its port {demo.ports[STRAY]} now belongs to pid {stray}, which answers 200 too"


def return_port(demo: Demo, notes: Path) -> None:
    """End the usurper and start backtest."""
    end_listener(notes)
    restart_service(demo, STRAY)


def open_port(demo: Demo, notes: Path) -> str:
    """Let a process listen to the whole world on a port that no policy names."""
    port = demo.base_port + OPEN_PORT_OFFSET
    pid = start_listener(notes, "0.0.0.0", port, inside=demo.install_dir)
    return f"pid {pid} listens on 0.0.0.0:{port}, which no rule of the policy allows"


def close_port(demo: Demo, notes: Path) -> None:
    """End the listener."""
    end_listener(notes)


def place_order(demo: Demo, notes: Path) -> str:
    """Let trade start with a live order that is not filled yet."""
    if orders_of(demo).exists():
        shutil.copy2(orders_of(demo), notes / "orders.json")
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    orders_of(demo).write_text(json.dumps([{**ORDER, "created_at": created}], indent=2) + "\n", encoding="utf-8")
    restart_service(demo, "trade", DRY_RUN="false")
    return f"trade has the order {ORDER['id']} in flight and DRY_RUN is off"


def withdraw_order(demo: Demo, notes: Path) -> None:
    """Put the orders of before back; the restart also turns DRY_RUN on again."""
    orders_of(demo).unlink(missing_ok=True)
    if (notes / "orders.json").exists():
        os.replace(notes / "orders.json", orders_of(demo))
    restart_service(demo, "trade")


def orders_of(demo: Demo) -> Path:
    """Return the file from which trade takes its orders when it starts."""
    return demo.install_dir / "data" / "orders.json"


def break_workers(demo: Demo, notes: Path) -> str:
    """Start strategy so that every worker dies of an import error while their parent lives on and starts them again."""
    switch = import_switch(demo.install_dir, WEDGED)
    switch.touch()
    processes.stop(demo, WEDGED)
    processes.start(demo, WEDGED, answers=False)
    return f"{WEDGED} lives, its workers die of an import error as often as it starts them ({switch})"


def mend_workers(demo: Demo, notes: Path) -> None:
    """Take the switch away; the next workers live."""
    import_switch(demo.install_dir, WEDGED).unlink(missing_ok=True)
    restart_service(demo, WEDGED)


def split_dry_run(demo: Demo, notes: Path) -> str:
    """Turn DRY_RUN off in one of trade's workers, as a single request to the real service does."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{demo.ports['trade']}/api/v1/settings/dry_run",
        method="PUT",
        data=json.dumps({"dry_run": False}).encode(),
    )
    urllib.request.urlopen(request, timeout=5).close()
    return f"one of the {SERVICES['trade'].workers} workers of trade trades for real, the others only pretend to"


def join_dry_run(demo: Demo, notes: Path) -> None:
    """Restart trade, which turns DRY_RUN on again in every worker."""
    restart_service(demo, "trade")


def kill_service(demo: Demo, name: str) -> int:
    """Given a service that runs, end it with SIGKILL, so that its pid file stays, and return the pid that it had.

    Raise DemoError where it ended by itself in the meantime.
    """
    pid = processes.running_pid(demo, name)
    if pid is None:
        raise DemoError(f"{name} does not run any more")
    os.kill(pid, signal.SIGKILL)
    processes.wait_gone(pid, processes.STOP_SECONDS)
    return pid


def restart_service(demo: Demo, name: str, **environment: str) -> None:
    """Given a service, stop it if it runs, and start it."""
    processes.stop(demo, name)
    processes.start(demo, name, **environment)
