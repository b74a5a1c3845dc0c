# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""db_vacuum against ``vacuumdb --all --analyze`` on a server of 2,000 tables, 5 % of which need work.

All tables have 12,000 rows of a trades table; in the 5 %, 11,000 of them have been updated since the last vacuum. Both
sides begin with the same copy of the same server, in turn, and both are whole programs at their defaults: db_vacuum as
Ansible starts it on a host, vacuumdb as an operator types it. Then both run once more, when nothing needs work.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from pair import emit

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "integration" / "database"))
from postgres_server import Server, binaries, running_server  # noqa: E402 - the path is set above

MODULE = CHECKOUT / "plugins" / "modules" / "db_vacuum.py"
TABLES = int(os.environ.get("CRYPTOBOT_BENCH_TABLES", "2000"))
ROWS = 12_000
CHURNED = 11_000
BUSY = TABLES // 20
RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "3"))
AIM = 10.0
PLANNING_BUDGET_S = 0.2  # for 2,000 tables; peers.md, C4
DATABASE = "bench"
SETTINGS = {
    "shared_buffers": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "max_locks_per_transaction": "512",
}
BATCH = 100
# a trade as the application stores it: cryptobot.trades
ROW = """
n AS id, (ARRAY['binance', 'kraken', 'coinbase'])[1 + floor(random() * 3)::int] AS exchange,
'PAIR' || floor(random() * 40)::int AS symbol, (ARRAY['buy', 'sell'])[1 + floor(random() * 2)::int] AS side,
random() * 10 AS amount, (random() * 60000)::numeric(18, 8) AS price,
(ARRAY['open', 'filled', 'canceled'])[1 + floor(random() * 3)::int] AS status,
timestamptz '2026-01-01' + n * interval '1 min' AS created_at,
timestamptz '2026-01-01' + n * interval '1 min' + random() * interval '1 h' AS updated_at
"""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(server: Server) -> None:
    """Have the tables, all of them clean but for the busy ones."""
    server.sql("postgres", f"CREATE DATABASE {DATABASE}")
    server.sql(
        DATABASE, "SELECT setseed(0.5)", f"CREATE TABLE sample AS SELECT {ROW} FROM generate_series(1, {ROWS}) n"
    )
    for first in range(0, TABLES, BATCH):
        statements = (
            f"CREATE TABLE t{number} AS TABLE sample; ALTER TABLE t{number} ADD PRIMARY KEY (id)"
            for number in range(first, min(first + BATCH, TABLES))
        )
        server.sql(DATABASE, "; ".join(statements))
    server.sql(DATABASE, "DROP TABLE sample")
    vacuumdb(server, "--jobs=2")
    for number in range(BUSY):
        server.sql(DATABASE, f"UPDATE t{number} SET price = price + 1 WHERE id <= {CHURNED}")


def vacuumdb(server: Server, *options: str) -> None:
    login = ("-h", str(server.folder), "-p", str(server.port))
    server.run("vacuumdb", "--quiet", *login, "--all", "--analyze", *options)


def arguments(server: Server, state: Path, **more: Any) -> dict[str, Any]:
    entry = server.entry("*", exclude=[])
    # the load that would make it wait is the benchmark's own and that of its neighbours
    return {"state_dir": str(state), "databases": [entry], "load_max": 1000.0, **more}


def db_vacuum(server: Server, tree: Path, state: Path, **more: Any) -> dict[str, Any]:
    """Run the module as Ansible does on a host: a Python process with its arguments as JSON."""
    given = state / "arguments.json"
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments(server, state, **more)}))
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    ran = subprocess.run(
        [sys.executable, str(MODULE), str(given)], env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(f"db_vacuum ended with {ran.returncode}\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.monotonic()
    answer = work()
    return time.monotonic() - begun, answer


@contextmanager
def fresh_copy(server: Server, master: Path) -> Iterator[None]:
    """Have the server run on a copy of the master for a block; the server is stopped before and after."""
    shutil.rmtree(server.data, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(master), str(server.data)], check=True)
    server.start()
    try:
        yield
    finally:
        server.stop()


class Round:
    """The seconds of both sides, first and second run, and of our planning."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.ours_again: list[float] = []
        self.peer: list[float] = []
        self.peer_again: list[float] = []
        self.planning: list[float] = []

    def run_ours(self, server: Server, tree: Path, folder: Path) -> None:
        state = Path(tempfile.mkdtemp(dir=folder))
        self.planning.append(planning_seconds(server, tree, state))
        seconds, first = timed(lambda: db_vacuum(server, tree, state))
        done = [action for action in first["actions"] if action["state"] == "done"]
        expect(len(done) == BUSY, f"{BUSY} tables need work, db_vacuum worked on {len(done)}")
        self.ours.append(seconds)
        seconds, second = timed(lambda: db_vacuum(server, tree, state))
        expect(second["actions"] == [] and not second["changed"], f"the second run did {second['actions'][:3]}")
        self.ours_again.append(seconds)
        work = sum(action["details"]["seconds"] for action in done)
        say(f"  db_vacuum {self.ours[-1]:.2f} s ({work:.2f} s of it in the server), again {self.ours_again[-1]:.2f} s")

    def run_peer(self, server: Server) -> None:
        self.peer.append(timed(lambda: vacuumdb(server))[0])
        self.peer_again.append(timed(lambda: vacuumdb(server))[0])
        say(f"  vacuumdb  {self.peer[-1]:.2f} s, again {self.peer_again[-1]:.2f} s")


def expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise RuntimeError(otherwise)


PLAN = """
import json, sys, time
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
options = ArgumentSpecValidator(SPEC).validate(json.loads(sys.argv[1])).validated_parameters
seconds = []
for _ in range(4):
    begun = time.monotonic()
    run(options, choose_host(60.0))
    seconds.append(time.monotonic() - begun)
print(sorted(seconds[1:])[1])
"""


def planning_seconds(server: Server, tree: Path, state: Path) -> float:
    """Return the seconds that looking, judging and planning take, without the start of a Python; a median of three."""
    given = json.dumps(arguments(server, state, mode="plan"))
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    argv = [sys.executable, "-c", PLAN, given]
    return float(subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout)


def collection_tree(folder: Path) -> Path:
    """Return a folder in which Python finds this checkout as a collection."""
    parent = folder / "tree" / "ansible_collections" / "cryptobot"
    parent.mkdir(parents=True)
    (parent / "maintenance").symlink_to(CHECKOUT)
    return folder / "tree"


def compare(server: Server, master: Path, folder: Path) -> Round:
    tree, result = collection_tree(folder), Round()
    for number in range(RUNS):
        say(f"round {number + 1} of {RUNS}")
        with fresh_copy(server, master):
            result.run_ours(server, tree, folder)
        with fresh_copy(server, master):
            result.run_peer(server)
    return result


def main() -> None:
    found = binaries()
    if found is None:
        raise SystemExit("no PostgreSQL server binaries (initdb) on this machine: install postgresql-15")
    with tempfile.TemporaryDirectory() as name, running_server(found, **SETTINGS) as server:
        seconds, _nothing = timed(lambda: build(server))
        say(f"{TABLES} tables of {ROWS} rows, {BUSY} of which need work, built in {seconds:.0f} s")
        server.stop()  # a clean stop keeps the counters
        master = server.folder / "master"
        server.data.rename(master)
        result = compare(server, master, Path(name))
    emit("db_vacuum.first_run", result.ours, result.peer, "s", AIM)
    emit("db_vacuum.second_run", result.ours_again, result.peer_again, "s", AIM)
    emit("db_vacuum.planning", result.planning, [PLANNING_BUDGET_S], "s", 1.0)
    say(f"planning took {statistics.median(result.planning):.3f} s; its peer is the budget of {PLANNING_BUDGET_S} s")


if __name__ == "__main__":
    main()
