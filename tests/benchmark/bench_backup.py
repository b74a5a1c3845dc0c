# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""backup_archive beside ``tar | zstd -3``, restic and borg, on the same files: 2 GB in 100,000 and 50,000 of 2 KB.

All are whole programs at the same priority, run in turn over the same data, which lies in the page cache: the module as
Ansible starts it on a host, the others as an operator types them. Ours flushes everything to the disk, has a checksum
of every file, and reads back what it wrote.

- ``full.*``: a first set (verify_level L1); ``.cpu`` is the same in seconds of CPU.
- ``full_proved``: at the module's defaults, so that everything is unpacked and compared (L2); the peer lists its
  archive afterwards and writes and checks one checksum of it, which proves less.
- ``unchanged.*``, ``one_percent.*``: the next incremental set where nothing, or one file in a hundred, has changed.
- ``verify``: seconds for a GB of a set at L1, within the module; the peer is ``sha256sum`` over the same files.
- ``restore.*``: the newest of a full and an incremental set, written beside and compared with the index; the peer is
  ``zstd -dc | tar -x``, which compares nothing.
- ``bytes``: what a first set takes on the disk.

restic and borg are left out where they are not installed. CRYPTOBOT_BENCH_SCALE makes it all larger or smaller (1 is
the sizes above; the default takes some minutes), CRYPTOBOT_BENCH_RUNS is how often each is run, CRYPTOBOT_BENCH_DIR
says where 8 GB times the scale are free.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from pair import Cost, emit, measure

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = CHECKOUT / "plugins" / "modules" / "backup_archive.py"
SCALE = float(os.environ.get("CRYPTOBOT_BENCH_SCALE", "0.2"))
RUNS = min(3, int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "2")))  # a chain of incremental sets has 7 members at most
PLACE = os.environ.get("CRYPTOBOT_BENCH_DIR")
AIM = 0.91  # ours may take 1.1 times as long
FILES_IN_A_FOLDER = 200
PAIRS = ("BTC", "ETH", "SOL", "XRP")
# What the module does for itself, so that all wait for the same neighbours.
PRIORITY = ["nice", "-n", "10"]
RESTORE = """
import sys
from pathlib import Path
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import restore
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.reader import ArchiveReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
host, into = choose_host(), Path("out")
found = read_catalog(Path("ours").resolve(), host).good[-1]
into.mkdir(mode=0o700)
reader = ArchiveReader(found.manifest, found.folder, host)
restore(found.manifest.sources[0], reader, into.resolve(), Bench(found.folder, into, host, found.manifest.platform))
"""
A_DAY_AGO = time.time() - 86400


class Data(NamedTuple):
    """Files to back up: how many, of how many bytes each on average, and by which shares of that."""

    name: str
    files: int
    bytes: int
    sizes: tuple[float, ...]


DATA = (
    Data("large", int(100_000 * SCALE), 20_000, (0.1, 0.2, 0.5, 1, 1, 1.2, 1.5, 2.5)),
    Data("small", int(50_000 * SCALE), 2_048, (1,)),
)


def candle(chance: random.Random, minute: int) -> bytes:
    """Return one line as the application's data service writes it."""
    prices = ",".join(f'"{name}":{chance.uniform(1, 60000):.2f}' for name in ("open", "high", "low", "close"))
    pair, volume, order = chance.choice(PAIRS), chance.uniform(0, 1000), chance.getrandbits(64)
    line = f'{{"ts":{minute * 60},"symbol":"{pair}/USDT",{prices},"volume":{volume:.4f},"id":"{order:016x}"}}\n'
    return line.encode()


def make_files(root: Path, data: Data, lines: bytes, chance: random.Random) -> None:
    """Write the files: each is another cut out of 35 MB of lines, which is more than a compressor remembers."""
    for number in range(data.files):
        write(path_of(root, number), int(data.bytes * chance.choice(data.sizes)), lines, chance)


def path_of(root: Path, number: int) -> Path:
    return root / f"{number // FILES_IN_A_FOLDER:04d}" / f"candles {number:06d}.jsonl"


def write(path: Path, size: int, lines: bytes, chance: random.Random) -> None:
    """Write a file as it would be after a day: an incremental run does not trust what was written this minute."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start = chance.randrange(len(lines) - size)
    path.write_bytes(lines[start : start + size])
    os.utime(path, (A_DAY_AGO, A_DAY_AGO + chance.random()))


class Tool(NamedTuple):
    """One program: what it stores in, how that is begun (not measured), a first set and a further one."""

    name: str
    begin: str
    first: str
    again: str
    env: Mapping[str, str]


def tools(place: Path, data: Data) -> list[Tool]:
    """Return the programs that are installed."""
    files, repository = f"data/{data.name}", str(place / "repository")
    restic = {"RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": repository, "RESTIC_CACHE_DIR": str(place / "cache")}
    borg = {"BORG_REPO": repository, "BORG_BASE_DIR": str(place / "cache")}
    borg["BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK"] = "yes"
    create = f"borg create --compression zstd,3 ::{{now:%s.%f}} {files}"
    known = [
        Tool("restic", "restic init", f"restic backup -q {files}", f"restic backup -q {files}", restic),
        Tool("borg", "borg init -e none", create, create, borg),
    ]
    for tool in known:
        if shutil.which(tool.name) is None:
            print(f"left out: {tool.name} is not installed", file=sys.stderr)
    return [tool for tool in known if shutil.which(tool.name)]


class Bench(NamedTuple):
    """Where one kind of data is measured."""

    place: Path
    data: Data

    def ours(self, level: str = "L1", *, state: str = "present", incremental: bool = False) -> Cost:
        """Run the module."""
        options = {
            "state": state,
            "dir": str(self.place / "ours"),
            "state_dir": str(self.place / "state"),
            "sources": [{"name": "files", "type": "files", "path": str(self.place / "data" / self.data.name)}],
            "verify_level": level,
            "incremental": incremental,
        }
        (self.place / "arguments.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        argv = [*PRIORITY, sys.executable, str(MODULE), str(self.place / "arguments.json")]
        return self._measured(argv, self._path, "ours")

    def tar(self, *, proved: bool = False) -> Cost:
        """Run what an operator types, with or without a look at what came of it."""
        line = f"mkdir peer && tar -cf - -C data/{self.data.name} . | zstd -q -3 -o peer/all.tar.zst"
        if proved:
            line += " && cd peer && sha256sum all.tar.zst >sums && sha256sum --quiet -c sums"
            line += " && zstd -dcq all.tar.zst | tar -tf - >/dev/null"
        self.clean("peer")
        return self.shell(line, {}, "tar")

    def restored(self) -> Cost:
        """Write the newest set beside."""
        self.clean("out")
        return self._measured([*PRIORITY, sys.executable, "-c", RESTORE], self._path, "ours restored")

    @property
    def _path(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.place / "tree")}

    def shell(self, line: str, env: Mapping[str, str], name: str) -> Cost:
        """Run a line of shell."""
        return self._measured([*PRIORITY, "bash", "-o", "pipefail", "-c", line], env, name)

    def _measured(self, argv: list[str], env: Mapping[str, str], name: str) -> Cost:
        os.sync()  # nothing of the last one is still on its way to the disk
        cost = measure(argv, cwd=self.place, env={**os.environ, **env})
        print(f"  {self.data.name}, {name}: {cost.wall:.2f} s, CPU {cost.cpu:.2f} s", file=sys.stderr)
        return cost

    def clean(self, *names: str) -> None:
        for name in names:
            shutil.rmtree(self.place / name, ignore_errors=True)

    def begin(self, tool: Tool) -> None:
        """Give a program an empty store."""
        self.clean("repository", "cache")
        self.shell(f"{tool.begin} >/dev/null", tool.env, f"{tool.name} init")


def compare(identity: str, mine: list[Cost], theirs: list[Cost], aim: float = AIM, *, cpu: bool = False) -> None:
    emit(f"backup.{identity}", [cost.wall for cost in mine], [cost.wall for cost in theirs], "s", aim)
    if cpu:
        emit(f"backup.{identity}.cpu", [cost.cpu for cost in mine], [cost.cpu for cost in theirs], "s CPU", aim)


def first_sets(bench: Bench) -> list[Cost]:
    """Compare first sets with tar; return what ours took."""
    mine, theirs, sizes = [], [], ([], [])
    bench.tar()  # whoever came first would read from the disk
    for _unused in range(RUNS):
        bench.clean("ours", "state")
        mine.append(bench.ours())
        theirs.append(bench.tar())
        for folder, found in zip(("ours", "peer"), sizes):
            paths = (path for path in (bench.place / folder).glob("**/*") if path.is_file())
            found.append(float(sum(path.stat().st_size for path in paths)))
    compare(f"full.{bench.data.name}", mine, theirs, cpu=True)
    emit(f"backup.bytes.{bench.data.name}", *sizes, "bytes", AIM)
    return mine


def proved(bench: Bench) -> None:
    mine, theirs = [], []
    for _unused in range(RUNS):
        bench.clean("ours", "state")
        mine.append(bench.ours("L2"))
        theirs.append(bench.tar(proved=True))
    compare(f"full_proved.{bench.data.name}", mine, theirs, cpu=True)


def further_sets(bench: Bench, first: list[Cost], change: Callable[[], None]) -> None:
    """Compare first, unchanged and slightly changed sets with restic and borg."""
    bench.clean("ours", "state")
    bench.ours()
    mine = [bench.ours(incremental=True) for _unused in range(RUNS)]
    for tool in tools(bench.place, bench.data):
        bench.begin(tool)
        theirs = bench.shell(tool.first, tool.env, tool.name)
        compare(f"full.{bench.data.name}.{tool.name}", first, [theirs])
        unchanged = [bench.shell(tool.again, tool.env, f"{tool.name} unchanged") for _unused in range(RUNS)]
        compare(f"unchanged.{bench.data.name}.{tool.name}", mine, unchanged, cpu=True)
        change()
        changed = [bench.ours(incremental=True)]
        compare(f"one_percent.{bench.data.name}.{tool.name}", changed, [bench.shell(tool.again, tool.env, tool.name)])


def restore(bench: Bench, change: Callable[[], None]) -> None:
    """Compare restoring a full and an incremental set with unpacking an archive."""
    bench.tar()
    for name in ("full", "incremental"):
        mine, theirs = [], []
        if name == "full":
            bench.clean("ours", "state")
        else:
            change()
        bench.ours(incremental=True)
        for _unused in range(RUNS):
            mine.append(bench.restored())
            bench.clean("out")
            theirs.append(bench.shell("mkdir out && zstd -dcq peer/all.tar.zst | tar -xp -C out", {}, "tar -x"))
        compare(f"restore.{name}.{bench.data.name}", mine, theirs, 1.0, cpu=True)
    bench.clean("out")


def verify(bench: Bench) -> None:
    """Compare what ours takes for a GB of a set with sha256sum."""
    bench.clean("ours", "state")
    bench.ours()
    size = sum(path.stat().st_size for path in (bench.place / "ours").glob("2*/files/*")) / 1e9
    mine, theirs = [], []
    for _unused in range(RUNS):
        result = json.loads(bench.ours(state="verified").printed)
        mine.append(result["verifications"][0]["seconds"] / size)
        theirs.append(bench.shell("sha256sum ours/2*/files/*", {}, "sha256sum").wall / size)
    emit("backup.verify", mine, theirs, "s/GB", AIM)


def run(place: Path) -> None:
    chance = random.Random(20261122)
    lines = b"".join(candle(chance, minute) for minute in range(250_000))
    for data in DATA:
        bench = Bench(place, data)
        root = place / "data" / data.name
        make_files(root, data, lines, chance)

        def change(root: Path = root, data: Data = data) -> None:
            for number in chance.sample(range(data.files), data.files // 100):
                path = path_of(root, number)
                write(path, path.stat().st_size, lines, chance)

        first = first_sets(bench)
        further_sets(bench, first, change)
        restore(bench, change)
        if data.name == "large":
            proved(bench)
            verify(bench)
        bench.clean("data", "ours", "state", "peer", "repository", "cache")


def main() -> None:
    for tool in ("tar", "zstd"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is needed: it is the peer")
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="cryptobot-bench-") as folder:
        collections = Path(folder) / "tree" / "ansible_collections" / "cryptobot"
        collections.mkdir(parents=True)
        (collections / "maintenance").symlink_to(CHECKOUT)
        run(Path(folder))


if __name__ == "__main__":
    main()
