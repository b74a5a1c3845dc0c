# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making the sets in tests/fixtures/backup-sets anew, by the real code with what the platform tells played.

It is needed only where the format of sets changes, which is a decision of its own: the kept sets prove that sets of an
earlier release still verify. With ``keep(Path(...))`` each system's set is made in a folder of its name there.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import make as making
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import system as systems
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.attributes import Members
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.kinds import KINDS

from .elsewhere import Elsewhere, powershell, windows_paths
from .examples import act, database, files, sqlite

SYSTEMS = {
    "windows-server-2022": ("windows", "Windows-2022Server-10.0.20348-SP0", "C:\\CryptoBot", 0x22),
    "macos-14": ("darwin", "macOS-14.5-arm64-arm-64bit", "/opt/CryptoBot", 0x8000),
}
NAMES = {
    "windows-server-2022": ("Größe 漢字.txt", "it's $(x).txt", "Logs/Trade.txt", ".env"),
    "macos-14": ("Gro\u0308ße 漢字.txt", "colon: and back\\slash.txt", "Logs/Trade.txt", ".env"),
}
NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z


class Then(Elsewhere):
    """Another system at a moment that is always the same."""

    def now(self) -> float:
        return NOW


def keep(target: Path) -> None:
    """Make the sets below a folder, in place of those that are there."""
    for version in SYSTEMS:
        with tempfile.TemporaryDirectory() as folder:
            shutil.rmtree(target / version, ignore_errors=True)
            shutil.copytree(_made(Path(folder), version), target / version / _identity(version))


def _identity(version: str) -> str:
    return f"20261118T110640Z-{list(SYSTEMS).index(version):06x}"


def _made(folder: Path, version: str) -> Path:
    name, system, place, bits = SYSTEMS[version]
    root = folder / "CryptoBot"
    for path in NAMES[version]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"content of {path}\n" * 20)
    sources = [files("install", root), sqlite("main", database(folder / "app.db"))]
    with _played(folder, version, system, place, bits), windows_paths(root, place):
        result = act(folder, sources=sources, compression="gzip", host=_host(name))
    return Path(result.data["set"]["path"])


def _host(name: str) -> Then:
    def listing(argv: tuple[str, ...]) -> str:
        return "".join(
            f"-rw-------+  1 bot  staff  0 Nov 18 11:06 {path}\n 0: user:bot allow read\n" for path in argv[2:]
        )

    answers = {"ls": listing} if name == "darwin" else None
    return Then(name, answers, {"descriptors": powershell("windows-server-2019", "descriptors")})


def _played(folder: Path, version: str, system: str, place: str, bits: int) -> ExitStack:
    stack = ExitStack()
    real_report, kinds = Members.report, dict(KINDS)

    def report(self: Members, found: Any, name: str, kind: str, _status: Any, descriptor: int) -> None:
        real_report(self, found, name, kind, SimpleNamespace(st_file_attributes=bits), descriptor)

    def moved(kind: str) -> Any:
        def take(source: Any, workshop: Any) -> Any:
            taken = kinds[kind].back_up(source, workshop)
            slash = "\\" if ":" in place else "/"
            there = {"paths": [place]} if kind == "files" else {"path": f"{place}{slash}app.db"}
            return taken._replace(facts={**taken.facts, **there})

        return kinds[kind]._replace(back_up=take)

    stack.enter_context(mock.patch.object(Members, "report", report))
    stack.enter_context(mock.patch.object(platform, "platform", return_value=system))
    stack.enter_context(mock.patch.object(making, "new_id", return_value=_identity(version)))
    own = str(folder / "CryptoBot")
    on_macos = systems.SYSTEMS["darwin"]._replace(member_name=lambda path: path.replace(own, place)[1:])
    stack.enter_context(mock.patch.dict(systems.SYSTEMS, {"darwin": on_macos}))
    stack.enter_context(mock.patch.dict(KINDS, {kind: moved(kind) for kind in ("files", "sqlite")}))
    return stack
