# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options, sets and folders for the tests of this area."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.declared import Settings, read_settings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import (
    BackupSet,
    Catalog,
    Manifest,
    Payload,
    SourceCopy,
    Verification,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import RULES, run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host, choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import Context, Outcome

DAY = 86400.0
NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z


def filled(spec: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as Ansible hands them over: every one there, defaults in place, suboptions too."""
    unknown = set(given) - set(spec)
    assert not unknown, f"the spec has no option {unknown}"
    values = {}
    for name, option in spec.items():
        value = given.get(name, option.get("default"))
        if "options" in option and value:
            rows = value if option["type"] == "list" else [value]
            rows = [filled(option["options"], row) for row in rows]
            value = rows if option["type"] == "list" else rows[0]
        values[name] = value
    return values


def params(folder: Path, **given: Any) -> dict[str, Any]:
    """Return the module's options for a backup folder below ``folder``."""
    return filled(SPEC, {"dir": str(folder / "backups"), "state_dir": str(folder / "state"), **given})


def settings(folder: Path = Path("/nowhere"), platform: str = "", **given: Any) -> Settings:
    given.setdefault("sources", [files("config", "/etc/cryptobot")])
    return read_settings(params(folder, **given), platform)


def files(name: str, *paths: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "files", "paths": [str(path) for path in paths], **more}


def sqlite(name: str, path: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "sqlite", "path": str(path), **more}


def act(folder: Path, *, check_mode: bool = False, host: Optional[Host] = None, **given: Any) -> Result:
    """Run the area for real."""
    return run(params(folder, **given), host or choose_host(600.0), check_mode)


def judged(judge: Callable[[Any], Iterable[Outcome]], context: Context, check: str = "") -> list[Finding]:
    """Return what one rule says as findings; ``check`` is its id where the function is but a part of the rule."""
    checks = [RULES[check]] if check else [rule.check for rule in RULES.all if rule.judge is judge]
    return [context.finding(checks[0], outcome) for outcome in judge(context)]


def steps(result: Result) -> list[tuple[str, str]]:
    """Return what a result's actions do to what."""
    return [(done.action, done.subject) for done in result.actions]


def found(result: Result, check: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.check == check]


def status(result: Result, check: str) -> str:
    """Return the one status that a result has for a check."""
    statuses = {finding.status for finding in found(result, check)}
    assert len(statuses) == 1, f"{check}: {found(result, check)}"
    return statuses.pop()


def tree(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return everything below a folder: kind, mode, content or link of each, times aside."""
    seen: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            seen[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            seen[name] = ("folder", path.stat().st_mode)
        else:
            seen[name] = ("file", path.stat().st_mode, path.read_bytes())
    return seen


def database(path: Path, rows: int = 100) -> Path:
    """Make a small database with a table ``trades``."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS trades (id INTEGER PRIMARY KEY, symbol TEXT)")
        connection.executemany("INSERT INTO trades (symbol) VALUES (?)", [("BTC",)] * rows)
        connection.commit()
    return path


def a_set(
    age: float = 0.0,
    *,
    name: str = "",
    label: str = "regular",
    verified: Optional[int] = 2,
    anomalies: tuple[str, ...] = (),
    host: str = "fake",
    size: int = 1000,
    pin_until: Optional[float] = None,
    sources: tuple[str, ...] = ("config",),
    suffix: int = 0,
) -> BackupSet:
    """Return a set that is ``age`` seconds old at NOW."""
    set_id = f"{int(NOW - age):014d}"
    set_id = f"{set_id[:8]}T{set_id[8:]}Z-{suffix:06x}"
    share = size // max(1, len(sources))
    entries = tuple(an_entry(source, size=share) for source in sources)
    manifest = Manifest(
        id=set_id,
        host=host,
        label=label,
        name=name,
        reason="",
        requested_by="",
        created=NOW - age,
        seconds=1.0,
        pin_until=pin_until,
        sources=entries,
        skipped={},
        anomalies=anomalies,
        sha256="0" * 64,
    )
    evidence = None if verified is None else Verification(verified, True, NOW - age)
    return BackupSet(manifest, Path("/nowhere") / set_id, evidence)


def an_entry(name: str = "config", *, kind: str = "files", size: int = 1000, live: Optional[int] = None) -> SourceCopy:
    payload = Payload(f"{name}/archive.tar", "archive", size, "0" * 64)
    facts = {"paths": ["/etc/cryptobot"], "exclude": []}
    return SourceCopy(name, kind, "none", (payload,), 10, size, size if live is None else live, facts)


def a_catalog(*sets: BackupSet, **more: Any) -> Catalog:
    ordered = tuple(sorted(sets, key=lambda one: one.created))
    return Catalog(Path("/nowhere"), exists=True, sets=ordered, free=1 << 40)._replace(**more)
