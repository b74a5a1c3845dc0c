# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""backup_archive against ``tar | zstd -3``: 2 GB in 100,000 files and a SQLite database of 1 GB.

Both sides are whole programs at the same priority, run in turn over the same data, which lies in the page cache: the
module as Ansible starts it on a host, the peer as an operator types it. The peer copies the database's file as it is;
ours copies it through SQLite, checks it and counts its rows. Ours also flushes everything to the disk.

- ``full_set``: ours takes the set, with a checksum of every file, and reads it back (verify_level L1).
- ``full_set_proved``: ours takes the set at its defaults, so that everything in it is unpacked and compared (L2); the
  peer lists its archive afterwards and writes and checks one checksum of it, which proves less.
- ``bytes``: what the two take on the disk.

CRYPTOBOT_BENCH_SCALE makes it all smaller (0.1 is 10,000 files), CRYPTOBOT_BENCH_DIR says where 8 GB are free.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path

from pair import Cost, emit, measure

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = CHECKOUT / "plugins" / "modules" / "backup_archive.py"
SCALE = float(os.environ.get("CRYPTOBOT_BENCH_SCALE", "1"))
RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "3"))
PLACE = os.environ.get("CRYPTOBOT_BENCH_DIR")
AIM = 0.91  # ours may take 1.1 times as long
FILES, FILE_BYTES, ROWS = int(100_000 * SCALE), 20_000, int(4_600_000 * SCALE)
SIZES = (0.1, 0.2, 0.5, 1, 1, 1.2, 1.5, 2.5)  # of FILE_BYTES: many small ones, few large ones, 1 on average
FILES_IN_A_FOLDER = 200
PAIRS = ("BTC", "ETH", "SOL", "XRP")
# What the module does for itself, so that both sides wait for the same neighbours.
PRIORITY = ["nice", "-n", "10"]


def candle(chance: random.Random, minute: int) -> bytes:
    """Return one line as the application's data service writes it."""
    prices = ",".join(f'"{name}":{chance.uniform(1, 60000):.2f}' for name in ("open", "high", "low", "close"))
    pair, volume, order = chance.choice(PAIRS), chance.uniform(0, 1000), chance.getrandbits(64)
    line = f'{{"ts":{minute * 60},"symbol":"{pair}/USDT",{prices},"volume":{volume:.4f},"id":"{order:016x}"}}\n'
    return line.encode()


def make_files(root: Path, chance: random.Random) -> None:
    """Write the files: each is another cut out of 35 MB of lines, which is more than a compressor remembers."""
    lines = b"".join(candle(chance, minute) for minute in range(250_000))
    for number in range(FILES):
        folder = root / f"{number // FILES_IN_A_FOLDER:04d}"
        if number % FILES_IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
        size = int(FILE_BYTES * chance.choice(SIZES))
        start = chance.randrange(len(lines) - size)
        (folder / f"candles {number:06d}.jsonl").write_bytes(lines[start : start + size])


def rows(chance: random.Random) -> Iterator[tuple[object, ...]]:
    """Yield rows of a table of candles, out of a stock of 50,000 that is larger than a compressor's memory."""
    stock = [
        (chance.choice(PAIRS), *(chance.uniform(1, 60000) for _unused in range(5)), f"{chance.getrandbits(280):0140x}")
        for _unused in range(50_000)
    ]
    return islice(cycle(stock), ROWS)


def make_database(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("CREATE TABLE candles (id INTEGER PRIMARY KEY, pair, open, high, low, close, volume, raw)")
        names = "pair, open, high, low, close, volume, raw"
        connection.executemany(f"INSERT INTO candles ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows(chance))
        connection.execute("CREATE INDEX by_pair ON candles (pair, id)")
        connection.commit()


def ours(place: Path, level: str) -> Callable[[], Cost]:
    """Return our side: a set of both sources, taken and read back to a level."""
    options = {
        "dir": str(place / "ours"),
        "state_dir": str(place / "state"),
        "sources": [
            {"name": "files", "type": "files", "path": str(place / "data" / "files")},
            {"name": "database", "type": "sqlite", "path": str(place / "data" / "app.db")},
        ],
        "verify_level": level,
    }
    (place / "arguments.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    argv = [*PRIORITY, sys.executable, str(MODULE), str(place / "arguments.json")]
    return lambda: measure(argv, cwd=place, env={**os.environ, "PYTHONPATH": str(place / "tree")})


def peer(place: Path, *, proved: bool) -> Callable[[], Cost]:
    """Return the peer: what an operator types, with or without a look at what came of it."""
    line = "mkdir peer && tar -cf - -C data . | zstd -q -3 -o peer/all.tar.zst"
    if proved:
        line += " && cd peer && sha256sum all.tar.zst >sums && sha256sum --quiet -c sums"
        line += " && zstd -dcq all.tar.zst | tar -tf - >/dev/null"
    return lambda: measure([*PRIORITY, "bash", "-o", "pipefail", "-c", line], cwd=place, env=os.environ)


def one(place: Path, work: Callable[[], Cost], sizes: dict[str, list[float]]) -> float:
    """Measure one run from a clean folder, with nothing of the last one on its way to the disk; note what it wrote."""
    for name in ("ours", "peer"):
        shutil.rmtree(place / name, ignore_errors=True)
    os.sync()
    cost = work()
    for name in ("ours", "peer"):
        written = sum(path.stat().st_size for path in (place / name).rglob("*") if path.is_file())
        sizes.setdefault(name, []).extend([float(written)] if written else [])
    print(f"  {cost.wall:.1f} s, CPU {cost.cpu:.1f} s", file=sys.stderr)
    return cost.wall


def compare(place: Path) -> None:
    """Run both sides in turn and print their ratios."""
    sizes: dict[str, list[float]] = {}
    taken: dict[str, tuple[list[float], list[float]]] = {"full_set": ([], []), "full_set_proved": ([], [])}
    one(place, peer(place, proved=False), {})  # whoever came first would read from the disk
    for _unused in range(RUNS):
        for name, level in (("full_set", "L1"), ("full_set_proved", "L2")):
            taken[name][0].append(one(place, ours(place, level), sizes))
            taken[name][1].append(one(place, peer(place, proved=level == "L2"), sizes))
    for name, (mine, theirs) in taken.items():
        emit(f"backup_archive.{name}", mine, theirs, "s", AIM)
    emit("backup_archive.bytes", sizes["ours"], sizes["peer"], "bytes", AIM)


def main() -> None:
    for tool in ("tar", "zstd"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed: it is the peer")
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="cryptobot-bench-") as folder:
        place, chance = Path(folder), random.Random(20261122)
        collections = place / "tree" / "ansible_collections" / "cryptobot"
        collections.mkdir(parents=True)
        (collections / "maintenance").symlink_to(CHECKOUT)
        make_files(place / "data" / "files", chance)
        make_database(place / "data" / "app.db", chance)
        compare(place)


if __name__ == "__main__":
    main()
