# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playing a scenario: every phase of the way back timed, on copies in a folder that is gone afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Optional

from ..backup.declared import LEVELS
from ..backup.model import L3, L4, BackupSet, Report, SourceCopy
from ..backup.scratch import remove_tree
from ..backup.sources.kinds import restore
from ..backup.sources.model import Bench
from ..backup.sources.postgresql.scratch import scratch_server
from ..backup.store.store import Store
from ..errors import ActionFailed, CoreError
from ..host import Host
from . import ENCRYPT, FLIP, NONE
from .damage import compare, damage, fingerprints
from .declared import DrillRequest
from .isolation import danger
from .records import Record
from .smoke import try_services

DATABASES = ("sqlite", "redis")
VERIFY, RESTORE, SMOKE = "verify", "restore", "smoke"


class Drill:
    """One drill at work in its folder, with its record."""

    def __init__(
        self, request: DrillRequest, store: Store, found: BackupSet, folder: Path, record: Record, host: Host
    ) -> None:
        self._request, self._store, self._found = request, store, found
        self._folder, self.record, self._host = folder, record, host
        types = request.scenario.types
        self.entries = [entry for entry in found.manifest.sources if not types or entry.type in types]
        self._root = folder / "root"
        self.report: Optional[Report] = None

    def play(self) -> None:
        """Play the scenario. What fails is in the record, and ends the drill."""
        try:
            self._play()
        except (CoreError, OSError, KeyError) as error:
            self.record.why = str(error)

    def _play(self) -> None:
        record, scenario = self.record, self._request.scenario
        if not self.entries:
            raise ActionFailed(f"set {self._found.id} has no source of the types {', '.join(scenario.types)}")
        record.sources, record.bytes = {}, sum(entry.raw_bytes for entry in self.entries)
        with self._timed(VERIFY):
            self._verify()
        first = self._damaged() if scenario.damage != NONE else None
        with ExitStack() as servers:
            with self._timed(RESTORE):
                self._restore(self.entries, servers)
            if first is not None:
                self._require_same(first)
            self._reached(L3)
            with self._timed(SMOKE):
                self._smoke()

    def _reached(self, level: int) -> None:
        """Note what is proved of the set by now; of one of which only some sources came back nothing is."""
        whole = len(self.entries) == len(self._found.manifest.sources)
        self.report = Report(self._found.id, level, not whole, sources=len(self.entries), bytes=self.record.bytes)
        self.record.level = LEVELS[level] if whole else ""

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.record.phases[phase] = round(time.monotonic() - begun, 3)

    def _verify(self) -> None:
        manifest = self._found.manifest._replace(sources=tuple(self.entries))
        bench = Bench(self._found.folder, self._folder, self._host)
        self.report = report = self._store.verify(self._found._replace(manifest=manifest), bench)
        report.partial = report.partial or len(self.entries) < len(self._found.manifest.sources)
        if not report.ok:
            raise ActionFailed(f"set {self._found.id} does not hold: {report.defects[0].message}")

    def _restore(self, entries: list[SourceCopy], servers: ExitStack) -> None:
        """Restore sources below the root; each kind compares what it wrote with the manifest."""
        self._root.mkdir(mode=0o711)
        reader = self._store.reader(self._found, self._folder, self._pulse)
        for entry in entries:
            bench = Bench(self._found.folder, self._folder, self._host, self._found.manifest.platform, thorough=True)
            if entry.type == "postgresql":
                # what was restored is in there, so it lives as long as the smoke test
                options = servers.enter_context(scratch_server(entry, bench))
                bench = bench._replace(server=options, create_roles=True, tag="drill")
            into = self._root / entry.name
            into.mkdir(mode=0o700)
            restored = restore(entry, reader, into, bench)
            self.record.sources[entry.name] = restored.things
            self.record.notes += [f"{kind} of {entry.name}" for kind in restored.notes.counts]

    def _pulse(self) -> None:
        self._host.remaining()

    def _damaged(self) -> dict[str, object]:
        """Restore once, do the damage, and return the files as they were. Raise ActionFailed where nobody notices."""
        kind = self._request.scenario.damage
        entries = [entry for entry in self.entries if entry.type != "postgresql"]
        hurt = [entry for entry in entries if kind != FLIP or entry.type in DATABASES]
        if not hurt:
            self.record.noticed = "of databases on servers no damaged copy was made"
            return {}
        with ExitStack() as servers:
            self._restore(entries, servers)
        before = fingerprints(self._root)
        count = sum(damage(self._root / entry.name, kind) for entry in hurt)
        noticed = compare(before, fingerprints(self._root))
        if noticed.all != count or (kind == ENCRYPT and not noticed.random):
            raise ActionFailed(f"{count} files were damaged ({kind}), and what was noticed is another thing: {noticed}")
        self.record.noticed = str(noticed)
        remove_tree(self._root)
        return dict(before)

    def _require_same(self, first: dict[str, object]) -> None:
        """Raise ActionFailed where a file that was damaged is not what it was again."""
        now = fingerprints(self._root)
        other = [name for name, one in first.items() if now.get(name) != one]
        if other:
            raise ActionFailed(f"{len(other)} files are not what they were before the damage, such as {other[0]}")

    def _smoke(self) -> None:
        rows = {entry.name: self.record.sources[entry.name] for entry in self.entries if entry.type != "files"}
        self.record.smoke += [f"{name}: opened, {count} rows, keys or files counted" for name, count in rows.items()]
        if not self._request.smoke:
            return
        why = danger(self._root, self._request.endpoints, self._request.sandbox, self._host)
        if why:
            raise ActionFailed(f"nothing was started: {why}")
        self._hand_over()
        self.record.smoke += try_services(self._request.smoke, self._folder, self._root, self._host)
        self._reached(L4)

    def _hand_over(self) -> None:
        """Let the accounts of the services read what they are started from: it keeps its owners otherwise."""
        for entry in self.entries:
            (self._root / entry.name).chmod(0o711)


Heartbeat = Callable[[], None]
