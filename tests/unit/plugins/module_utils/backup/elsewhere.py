# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another system on top of this one: the real code on real files, what the platform itself tells written down."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional
from unittest import mock

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import names as windows_names
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import windows_files
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import system as systems
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
SETS = FIXTURES / "backup-sets"
PROTECTED = "O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


class Elsewhere(type(choose_host())):
    """This host, saying that it is of another platform. ``answers`` are those of its programs, by their first word.

    PowerShell answers each query by name, with the objects or the error that stand there.
    """

    def __init__(self, platform: str, answers: Optional[dict[str, Any]] = None, queries: Any = None) -> None:
        super().__init__(600.0)
        self.platform, self.answers = platform, answers or {}
        self.queries = {"descriptors": [], "access": [{"sddl": PROTECTED, "of": "0,1,2,3"}], "protect": []}
        self.queries.update(queries or {})
        self.ran: list[tuple[str, ...]] = []
        self.scripts: list[str] = []

    def name(self) -> str:
        return f"{self.platform}-host"

    def which(self, tool: str) -> None:
        return None

    def run(self, argv, *, timeout=60.0, stdin=None, env=None, expect=(0,)) -> Completed:
        self.ran.append(tuple(argv))
        answer = self.answers.get(argv[0])
        if argv[0] == "powershell.exe" and answer is None:
            self.scripts.append(stdin)
            answer = json.dumps({name: _answer(given) for name, given in self.queries.items()})
        if answer is None:
            raise ToolMissing(argv[0])
        text = answer(argv) if callable(answer) else answer
        return Completed(tuple(argv), 0, text, "")


def _answer(given: Any) -> dict[str, Any]:
    return {"error": str(given)} if isinstance(given, Exception) else {"value": given}


def powershell(version: str, name: str) -> list[Any]:
    """Return the recorded answer of a query."""
    return json.loads((FIXTURES / "powershell" / "backup" / version / f"{name}.json").read_text())


def status(mode: int = 0o100644, attributes: int = 0x20, tag: int = 0, **more: Any) -> SimpleNamespace:
    """Return a status as Windows gives it."""
    return SimpleNamespace(st_mode=mode, st_file_attributes=attributes, st_reparse_tag=tag, **more)


@contextmanager
def windows_paths(root: Path, drive: str = "C:\\CryptoBot") -> Iterator[None]:
    """Let the archives of a "Windows" host name what lies below ``root`` as if it lay below ``drive``."""

    def there(path: str) -> str:
        below = os.path.relpath(path, root).replace("/", "\\")
        return drive if below == "." else f"{drive}\\{below}"

    def member_name(path: str) -> str:
        return windows_names.member_name(windows_names.extended(there(path)))

    def shown(path: str) -> str:
        return there(path) if path.startswith(str(root)) else windows_names.shown(path)

    changed = systems.SYSTEMS["windows"]._replace(member_name=member_name, shown=shown)
    with mock.patch.dict(systems.SYSTEMS, {"windows": changed}):
        yield


@contextmanager
def reparse_points(tags: dict[str, int], mode: int = 0o100644) -> Iterator[None]:
    """Let entries of these names be reparse points with these tags."""
    real = windows_files.status_kind

    def kind(name: str, seen: os.stat_result) -> str:
        return real(name, status(mode, 0x400, tags[name])) if name in tags else real(name, seen)

    with mock.patch.object(windows_files, "status_kind", kind):
        yield
