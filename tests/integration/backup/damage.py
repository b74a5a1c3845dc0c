# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Damage to the files of sets, one case at a time. The sets are signed; one is full, two are incremental."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

L0, L1 = 0, 1
OWN = ("manifest.json", "manifest.hmac", "verified.json")
KEY = b"k" * 32


class Lab(NamedTuple):
    """Sets that are whole, and the place where a copy of them is damaged."""

    whole: Path
    work: Path

    @property
    def files(self) -> list[Path]:
        """Every file of every set, by its path in the backup folder."""
        paths = sorted(path for path in self.whole.glob("2*/**/*") if path.is_file())
        return [path.relative_to(self.whole) for path in paths]

    def options(self, **given: object) -> dict[str, object]:
        values = {name: option.get("default") for name, option in SPEC.items()}
        key = str(self.whole.parent / "key")
        return {
            **values,
            "dir": str(self.work),
            "state_dir": str(self.work.parent / "state"),
            "sign_key_file": key,
            **given,
        }

    def catalog(self) -> Catalog:
        return read_catalog(self.work, choose_host(60.0), KEY)


def build(folder: Path) -> Lab:
    """Make a full set and two incremental ones of files and a database."""
    lab, chance = Lab(folder / "whole", folder / "backups"), random.Random(1)
    (folder / "key").write_bytes(KEY)
    (folder / "key").chmod(0o600)
    source = folder / "source"
    (source / "sub").mkdir(parents=True)
    for number in range(12):
        (source / "sub" / f"{number}").write_bytes(chance.randbytes(chance.choice([10, 4000, 70_000])))
        os.utime(source / "sub" / f"{number}", (1e9, 1e9))
    time.sleep(2.1)  # what was changed a moment ago is stored again
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, content TEXT)")
        connection.executemany("INSERT INTO trades (content) VALUES (?)", [("BTC" * 9,)] * 500)
        connection.commit()
    sources = [
        {"name": "config", "type": "files", "paths": [str(source)]},
        {"name": "main", "type": "sqlite", "path": str(folder / "app.db")},
    ]
    for number in range(3):
        (source / "new").write_text(f"{number}")
        made = run(lab.options(sources=_filled(sources), incremental=True), choose_host(60.0))
        assert made.failure == "", made.failure
        time.sleep(1.01 - time.time() % 1)  # of two sets of one second neither is the newer
    shutil.move(lab.work, lab.whole)
    assert [len(found.manifest.chain) for found in read_catalog(lab.whole, choose_host(60.0), KEY).good] == [0, 1, 2]
    return lab


def _filled(sources: list[dict[str, object]]) -> list[dict[str, object]]:
    defaults = {name: option.get("default") for name, option in SPEC["sources"]["options"].items()}
    return [{**defaults, **source} for source in sources]


class Damage(NamedTuple):
    """What was done to which set's file, and the level that claims to find it."""

    kind: str
    file: Path
    level: int

    @property
    def set_id(self) -> str:
        return self.file.parts[0]


def _root(path: Path) -> Path:
    return next(above for above in path.parents if above.name == "backups")


def _flip(path: Path, chance: random.Random) -> int:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
    path.write_bytes(content)
    return L0 if path.name in OWN else L1


def _zeros(path: Path, chance: random.Random) -> int:
    content = path.read_bytes()
    begin = chance.randrange(len(content))
    count = min(chance.randrange(1, 4097), len(content) - begin)
    changed = content[:begin] + bytes(count) + content[begin + count :]
    if changed == content:
        return _flip(path, chance)
    path.write_bytes(changed)
    return L0 if path.name in OWN else L1


def _cut(path: Path, chance: random.Random) -> int:
    os.truncate(path, chance.randrange(path.stat().st_size))
    return L0


def _longer(path: Path, chance: random.Random) -> int:
    with path.open("ab") as stream:
        stream.write(chance.randbytes(chance.randrange(1, 600)))
    return L0


def _gone(path: Path, _chance: random.Random) -> int:
    path.unlink()
    return L0


def _link(path: Path, _chance: random.Random) -> int:
    aside = _root(path).parent / f"elsewhere-{path.name}"
    shutil.move(path, aside)
    path.symlink_to(aside)
    return L0


def _folder(path: Path, _chance: random.Random) -> int:
    path.unlink()
    path.mkdir()
    return L0


def _swap(path: Path, chance: random.Random) -> int:
    """Exchange a file with another of any set; one that is just as long is found by its checksum alone."""
    mine = path.read_bytes()
    files = [other for other in sorted(_root(path).glob("2*/**/*")) if other.is_file()]
    other = chance.choice([other for other in files if other.read_bytes() != mine])
    same = path.stat().st_size == other.stat().st_size and not {path.name, other.name} & {*OWN}
    path.write_bytes(other.read_bytes())
    other.write_bytes(mine)
    return L1 if same else L0


def _foreign(path: Path, chance: random.Random) -> int:
    name = chance.choice(["x", "archive.tar", ".hidden", "manifest.json.bak", "neu\n", "verified.json~", "a" * 200])
    where = path.with_name(name)
    if where.exists():
        where = path.with_name("another")
    where.write_bytes(chance.randbytes(10)) if chance.random() < 0.8 else where.mkdir()
    return L0


def _renamed(path: Path, chance: random.Random) -> int:
    """Exchange the names of two sets, or give one a name of its own."""
    root = _root(path)
    mine = root / path.relative_to(root).parts[0]
    others = [other for other in sorted(root.glob("2*")) if other != mine]
    other = chance.choice(others)
    if chance.random() < 0.5:
        mine.rename(mine.with_name(f"{mine.name[:-6]}{chance.getrandbits(24):06x}"))
        return L0
    mine.rename(root / "aside")
    other.rename(mine)
    (root / "aside").rename(other)
    return L0


def _source_link(path: Path, _chance: random.Random) -> int:
    """Put a link to elsewhere in the place of a source's folder, or of the whole set's."""
    root = _root(path)
    folder = path.parent
    folder.rename(root.parent / f"elsewhere-{folder.name}")
    folder.symlink_to(root.parent / f"elsewhere-{folder.name}")
    return L0


KINDS: dict[str, Callable[[Path, random.Random], int]] = {
    "flip": _flip,
    "zeros": _zeros,
    "cut": _cut,
    "longer": _longer,
    "gone": _gone,
    "link": _link,
    "folder": _folder,
    "swap": _swap,
    "foreign": _foreign,
    "renamed": _renamed,
    "source is a link": _source_link,
}
OFTEN = {"flip": 6, "swap": 2, "cut": 2}


def cases(files: list[Path], count: int, seed: int) -> Iterator[tuple[str, Path, random.Random]]:
    """Yield kinds of damage and files, so that each file is hit by each kind about as often."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS for _unused in range(OFTEN.get(kind, 1))]
    pairs = [(kind, file) for kind in kinds for file in files]
    chance.shuffle(pairs)
    for number in range(count):
        kind, file = pairs[number % len(pairs)]
        yield kind, file, random.Random(f"{seed} {number}")


def missed(lab: Lab, kind: str, file: Path, chance: random.Random) -> str:
    """Damage a file of the copy, and return why that was not found at the level that claims it; empty where it was."""
    for path in lab.work.parent.glob("elsewhere-*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(lab.work, ignore_errors=True)
    shutil.copytree(lab.whole, lab.work, symlinks=True)
    done = Damage(kind, file, KINDS[kind](lab.work / file, chance))
    found = _found_at_l0(lab.catalog(), done)
    if not found and done.level == L1:
        result = run(lab.options(state="verified", set="all", verify_level="L1"), choose_host(60.0))
        found = any(
            one.check == "backup.checksum" and one.status == "critical" and done.set_id in one.subject
            for one in result.findings
        ) and not any(one.id == done.set_id for one in lab.catalog().good)
    return "" if found else f"{kind}: {file} was not found at L{done.level}"


def _found_at_l0(catalog: Catalog, done: Damage) -> bool:
    there = {found.id: found for found in catalog.sets}
    if done.set_id not in there or any(broken.id == done.set_id for broken in catalog.broken):
        return True
    if done.kind == "foreign":
        return bool(there[done.set_id].strangers)
    return not there[done.set_id].good


def look(lab: Lab, count: int, seed: int) -> tuple[list[str], Counter[str]]:
    """Try so many cases; return those that were missed, and how many there were of each kind."""
    wrong, kinds = [], Counter[str]()
    for kind, file, chance in cases(lab.files, count, seed):
        kinds[kind] += 1
        why = missed(lab, kind, file, chance)
        if why:
            wrong.append(why)
    return wrong, kinds
