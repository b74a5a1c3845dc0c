# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""backup_archive with ``store: restic`` beside restic itself, on the data of bench_backup.py.

Both are whole programs that begin with an empty repository each. Ours has a checksum of every file, an index, a
manifest and three snapshots, reads back what it wrote and looks at the whole with ``restic check``; so the peer is
``restic backup`` with ``restic check`` after it, and beside that, as ``alone``, ``restic backup`` by itself.

- ``restic.full.*``, ``restic.unchanged.*``: a first set, and the next one where nothing has changed; ``.cpu`` the same
  in seconds of CPU, which other work on the machine disturbs less.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from bench_backup import AIM, CHECKOUT, DATA, MODULE, PLACE, PRIORITY, RUNS, Bench, Data, candle, make_files
from pair import LEFT_OUT, Cost, emit

PASSWORD = "x"


def environment(place: Path, repository: str) -> dict[str, str]:
    where = {"RESTIC_REPOSITORY": str(place / repository), "RESTIC_CACHE_DIR": str(place / f"{repository}-cache")}
    return {"RESTIC_PASSWORD": PASSWORD, **where}


def ours(bench: Bench) -> Cost:
    """Run the module on the repository ``mine``."""
    options = {
        "state": "present",
        "store": "restic",
        "repository": str(bench.place / "mine"),
        "repository_password": PASSWORD,
        "dir": str(bench.place / "ours"),
        "state_dir": str(bench.place / "state"),
        "sources": [{"name": "files", "type": "files", "path": str(bench.place / "data" / bench.data.name)}],
        "verify_level": "L1",
        "space_factor": 0.0,
    }
    path = bench.place / "arguments.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    argv = [*PRIORITY, sys.executable, str(MODULE), str(path)]
    return bench._measured(argv, {"PYTHONPATH": str(bench.place / "tree")}, "ours")


def peer(bench: Bench, line: str) -> Cost:
    return bench.shell(line, environment(bench.place, "peer"), line.split(" -q", maxsplit=1)[0])


def compare(identity: str, mine: list[Cost], theirs: list[Cost]) -> None:
    emit(f"backup.restic.{identity}", [one.wall for one in mine], [one.wall for one in theirs], "s", AIM)
    emit(f"backup.restic.{identity}.cpu", [one.cpu for one in mine], [one.cpu for one in theirs], "s CPU", AIM)


def of_data(bench: Bench) -> None:
    line = f"restic backup -q {bench.place}/data/{bench.data.name}"
    names = ("first", "first.alone", "unchanged", "unchanged.alone")
    mine, theirs = {name: [] for name in names}, {name: [] for name in names}  # type: ignore[var-annotated]
    bench.shell(f"cat data/{bench.data.name}/*/* >/dev/null", {}, "warm")
    for _unused in range(RUNS):
        bench.clean("ours", "state", "mine", "peer", "peer-cache", "mine-cache")
        for repository in ("mine", "peer"):
            bench.shell("restic init >/dev/null", environment(bench.place, repository), "init")
        for kind in ("first", "unchanged"):
            cost = ours(bench)
            alone = peer(bench, line)
            check = peer(bench, "restic check >/dev/null")
            mine[kind].append(cost)
            mine[f"{kind}.alone"].append(cost)
            theirs[f"{kind}.alone"].append(alone)
            theirs[kind].append(Cost(alone.wall + check.wall, alone.cpu + check.cpu))
    for name in names:
        compare(f"{name}.{bench.data.name}", mine[name], theirs[name])


def run(place: Path) -> None:
    chance = random.Random(20261122)
    lines = b"".join(candle(chance, minute) for minute in range(250_000))
    for data in DATA:
        make_files(place / "data" / data.name, data, lines, chance)
        of_data(Bench(place, Data(*data)))
        shutil.rmtree(place / "data")


def main() -> None:
    if shutil.which("restic") is None:
        print("restic is not installed", file=sys.stderr)
        sys.exit(LEFT_OUT)
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="cryptobot-bench-") as folder:
        collections = Path(folder) / "tree" / "ansible_collections" / "cryptobot"
        collections.mkdir(parents=True)
        (collections / "maintenance").symlink_to(CHECKOUT)
        run(Path(folder))


if __name__ == "__main__":
    main()
