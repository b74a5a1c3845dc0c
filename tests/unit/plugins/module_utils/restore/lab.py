# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small installation with a set of it, and a digest of its state by which two states are told to be one."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from plugins.module_utils.backup.examples import act as backup_run
from plugins.module_utils.backup.examples import filled

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.run import run


class Lab:
    """An installation below ``root``: configuration with logs that no set has, a file, a database in WAL mode."""

    def __init__(self, root: Path) -> None:
        self.root, self.app = root, root / "app"
        self.database = self.app / "database" / "cryptobot.db"

    def install(self) -> None:
        for folder in ("config/deep", "logs", "config/logs", "database"):
            (self.app / folder).mkdir(parents=True)
        (self.app / "config" / "bot.yml").write_text("pair: BTC\n")
        (self.app / "config" / "deep" / "keys.yml").write_text("a: 1\n")
        (self.app / "config" / "current").symlink_to("deep/keys.yml")
        (self.app / "config" / "logs" / "one.log").write_text("before\n")
        (self.app / ".env").write_text("KEY=1\n")
        os.chmod(self.app / ".env", 0o600)
        self.sql("PRAGMA journal_mode = WAL", "CREATE TABLE trades (id INTEGER PRIMARY KEY, side TEXT)")
        self.sql("CREATE TABLE users (id INTEGER PRIMARY KEY)", "INSERT INTO users VALUES (1), (2)")
        self.sql(*(f"INSERT INTO trades (side) VALUES ('s{number}')" for number in range(50)))

    def sql(self, *statements: str) -> list[Any]:
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            return [connection.execute(each).fetchall() for each in statements][-1]

    def spoil(self) -> None:
        """Make another state of it: changed, added and removed things."""
        (self.app / "config" / "bot.yml").write_text("pair: SPOILT\n")
        (self.app / "config" / "new.yml").write_text("new\n")
        (self.app / "config" / "deep" / "keys.yml").unlink()
        (self.app / "config" / "logs" / "one.log").write_text("after\n")
        (self.app / ".env").write_text("KEY=2\n")
        self.sql("DELETE FROM trades WHERE id > 3", "INSERT INTO users VALUES (3)")

    @property
    def sources(self) -> list[dict[str, Any]]:
        paths = [str(self.app / "config"), str(self.app / ".env")]
        return [
            {"name": "config", "type": "files", "paths": paths, "exclude": ["logs"]},
            {"name": "database", "type": "sqlite", "path": str(self.database)},
        ]

    def back_up(self, **options: Any) -> str:
        result = backup_run(self.root, sources=self.sources, compression="none", **options)
        return str(result.data["set"]["id"])

    def params(self, **options: Any) -> dict[str, Any]:
        given = {"dir": str(self.root / "backups"), "state_dir": str(self.root / "state"), "sources": self.sources}
        return filled(SPEC, {**given, **options})

    def restore(self, *, check: bool = False, **options: Any) -> Result:
        return run(self.params(**options), choose_host(120), check)

    def digest(self) -> str:
        """Return the checksum of all that a set has of it, and of what moves along, by a way of its own."""
        lines = (
            [f"trades {self.sql('SELECT * FROM trades ORDER BY id')}"] if self.database.exists() else ["no database"]
        )
        lines += [f"users {self.sql('SELECT * FROM users ORDER BY id')}"] if self.database.exists() else []
        tops = [self.app / "config", self.app / ".env"]
        paths = sorted(path for top in tops for path in (top, *top.rglob("*")))
        for path in (each for each in paths if "logs" not in each.relative_to(self.app).parts):
            status = path.lstat()
            what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            lines.append(f"{path.relative_to(self.app)} {status.st_mode:o} {status.st_uid} {what!r}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def leave_a_log(self) -> None:
        """Leave the database as a process that was killed does: with a log that has not come into it yet."""
        beside = [Path(f"{self.database}{end}") for end in ("", "-wal")]
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("INSERT INTO trades (side) VALUES ('only in the log')")
            kept = [path.read_bytes() for path in beside]
        for path, content in zip(beside, kept):
            path.write_bytes(content)

    def leftovers(self) -> list[str]:
        """Return our folders that are left below the root."""
        return sorted(path.name for path in self.root.rglob(".cryptobot-restore-*"))
