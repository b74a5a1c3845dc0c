# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files sources in a repository of restic: a snapshot of them where they are, and the index of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ... import trusted
from ...errors import ActionFailed, CoreError
from ...host import Host
from ..declared import Settings, Source
from ..make import SourceFailed
from ..model import BackupSet, Catalog, Made, Manifest, SourceCopy
from ..sources.files.content import FILE
from ..sources.model import Size, Workshop
from ..sources.owners import names_of
from ..streams import COMPRESSIONS, Codec, writing
from .restic import Restic, of_tags
from .restic_catalog import (
    KIND,
    PART,
    SET,
    STAGE,
    TREES,
    read_stock,
)
from .restic_index import (
    Item,
    Merged,
    Node,
    Observed,
    below_roots,
    cached_index,
    groups,
    hash_live,
    merge,
    observe,
    parse_node,
    read_rows,
    row_lines,
)
from .restic_index import (
    unchanged as as_before,
)
from .restic_output import Snapshot
from .restic_reader import hashes, sha256_of

PLAIN = Codec(COMPRESSIONS["none"], 0)


class Run(NamedTuple):
    """What making a set needs everywhere."""

    settings: Settings
    host: Host
    restic: Restic
    catalog: Catalog
    workshop: Workshop
    set_id: str

    @property
    def cache(self) -> Path:
        """The folder in which the newest indexes are kept."""
        return self.restic.cache.parent / "restic-index" / self.restic.key

    @property
    def former(self) -> Optional[BackupSet]:
        """The newest good set of this repository that this host made, or None."""
        ours = [one for one in self.catalog.good if one.manifest.store.get("kind") == KIND]
        return next((one for one in reversed(ours) if one.manifest.host == self.host.name()), None)

    def tags(self, part: str) -> list[str]:
        """Return the tags of a part of the set."""
        return of_tags({SET: self.set_id, PART: part, "label": self.settings.label})


class Tree(NamedTuple):
    """A snapshot of files sources: its tag, what was seen of each source and what its index is; ``unchanged`` where
    that of the former set still holds.
    """

    part: str
    observed: tuple[Observed, ...]
    indexes: tuple[Merged, ...]
    unchanged: bool = False


def back_up_trees(run: Run, sources: Sequence[Source], made: Made, heartbeat: Callable[[], None]) -> list[Tree]:
    """Make a snapshot of the files sources, or several where one leaves out what another takes, and their indexes."""
    observed = []
    for source in sources:
        try:
            observed.append(observe(source, run.workshop.protected, run.host))
        except CoreError as error:
            if not source.optional:
                raise SourceFailed(source.name, str(error)) from error
            made.skipped[source.name] = str(error)
    trees = []
    for number, group in enumerate(groups(observed)):
        trees.append(_back_up_tree(run, f"{TREES}-{number}", group, made))
        heartbeat()
    return trees


def _back_up_tree(run: Run, part: str, group: Sequence[Observed], made: Made) -> Tree:
    former = {one.source.name: former_rows(run, one.source) for one in group}
    paths = sorted({root for one in group for root in one.roots})
    exclude = run.workshop.folder / f"{part}.exclude"
    exclude.write_bytes(
        "".join(f"{line}\n" for one in group for line in one.excludes).encode("utf-8", "surrogateescape")
    )
    parent = _parent(run, paths)
    with ThreadPoolExecutor(1) as pool:  # restic reads; beside it the checksums are taken of what is new
        running = pool.submit(run.restic.backup, paths, run.tags(part), exclude=exclude, parent=parent)
        hashed = {one.source.name: _hashes(run, one, former[one.source.name]) for one in group}
        summary, vanished = running.result()
    exclude.unlink()
    for path in vanished:
        group[0].notes.add("vanished", path)
    if parent and not vanished and _nothing_new(summary, group, former):
        return Tree(part, tuple(group), tuple(Merged(former[one.source.name], []) for one in group), unchanged=True)
    nodes = _nodes(run, part, str(summary.get("snapshot_id", "")))
    merged = [merge(one, below_roots(one, nodes), hashed[one.source.name], former[one.source.name]) for one in group]
    return Tree(part, tuple(group), tuple(_complete(run, part, one) for one in merged))


def _nothing_new(
    summary: Mapping[str, Any], group: Sequence[Observed], former: Mapping[str, Mapping[str, Item]]
) -> bool:
    """Return whether a snapshot is that of the former set again: by our walk, and by restic's own count."""
    counted = (summary.get("files_new"), summary.get("files_changed"), summary.get("files_unmodified"))
    return counted == (0, 0, sum(one.files for one in group)) and all(
        as_before(one, former[one.source.name]) for one in group
    )


def _hashes(run: Run, observed: Observed, former: Mapping[str, Item]) -> dict[str, str]:
    """Return the checksums of a source's files: those of the former set, and of what is new since."""
    found = {}
    for path, row in observed.rows.items():
        before = former.get(path)
        if row.kind != FILE:
            continue
        if before is not None and before.sha256 and before.same == row.same:
            found[path] = before.sha256
        else:
            found[path] = hash_live(row, run.workshop.pulse)
            run.workshop.pulse()
    return found


def former_rows(run: Run, source: Source) -> dict[str, Item]:
    """Return the index of a source's newest set. Without one, or where it is not what the manifest says, all is new."""
    entry = _former_entry(run, source)
    path = cached_index(run.cache, source.name)
    if entry is None or not _is_payload(path, entry, run):
        return {}
    with open(path, "rb") as stream:
        return {row.path: row for row in read_rows(stream, str(path))}


def _former_entry(run: Run, source: Source) -> Optional[SourceCopy]:
    entries = run.former.manifest.sources if run.former else ()
    return next(
        (one for one in entries if one.name == source.name and one.is_of(source) and "snapshot" in one.facts), None
    )


def _is_payload(path: Path, entry: SourceCopy, run: Run) -> bool:
    try:
        trusted.require(str(path.parent))
        return sha256_of(path, run.host.remaining) == entry.payload("index").sha256
    except (OSError, trusted.DistrustedError):
        return False


def _parent(run: Run, paths: Sequence[str]) -> str:
    """Return the snapshot of the former set that has the same paths: what is unchanged against it is not read again."""
    listed = run.former.manifest.store["snapshots"] if run.former else ()
    return next((one["id"] for one in listed if one["part"] != STAGE and list(one["paths"]) == list(paths)), "")


def _nodes(run: Run, part: str, named: str) -> dict[str, Node]:
    """Return what the snapshot of a part holds, by path as restic prints it. ``named`` is what restic called it."""
    snapshot = named or made_of(run, read_stock(run.restic).of_set(run.set_id))[part].id
    found: dict[str, Node] = {}
    with run.restic.streaming("ls", "--no-lock", "--json", snapshot) as stream:
        for line in stream:
            node = parse_node(line)
            if node is not None:
                found[node[0]] = node[1]
    return found


def made_of(run: Run, snapshots: Sequence[Snapshot]) -> dict[str, Snapshot]:
    """Return the snapshots of this set by part. Raise ActionFailed where there are two of one: somebody else's."""
    found: dict[str, Snapshot] = {}
    for one in snapshots:
        if one.tag(PART) in found:
            raise ActionFailed(f"two snapshots say that they are {one.tag(PART)} of set {run.set_id}")
        found[one.tag(PART)] = one
    return found


def _complete(run: Run, part: str, merged: Merged) -> Merged:
    """Return an index whose every file has a checksum: what changed before it could be read is read from restic."""
    if not merged.unhashed:
        return merged
    snapshot = made_of(run, read_stock(run.restic).of_set(run.set_id))[part]
    found = hashes(run.restic, snapshot.id, frozenset(merged.unhashed), run.workshop.pulse)
    lacking = [path for path in merged.unhashed if path not in found]
    if lacking:
        raise ActionFailed(f"the snapshot of {lacking[0]} cannot be read back")
    rows = {path: row._replace(sha256=found.get(path, row.sha256)) for path, row in merged.rows.items()}
    return Merged(rows, [])


def index_entry(run: Run, observed: Observed, rows: Mapping[str, Item], *, unchanged: bool) -> SourceCopy:
    """Write the index of a source into the stage and return what was taken of it."""
    folder, source = run.workshop.folder / observed.source.name, observed.source
    folder.mkdir(mode=0o700)
    workshop = replace(run.workshop, folder=folder)
    with writing(folder / "index.jsonl", PLAIN, run.host) as sink:
        lines = [cached_index(run.cache, source.name).read_bytes()] if unchanged else row_lines(rows.values())
        for part in lines:
            sink.write(part)
        written = sink.close()
    files = [row for row in rows.values() if row.kind == FILE]
    total = sum(row.size for row in files)
    facts = {
        "paths": list(source.paths),
        "exclude": list(source.exclude),
        "roots": list(observed.roots),
        "unchanged": unchanged,
        "owners": names_of((row.uid, row.gid) for row in rows.values()),
    }
    payload = workshop.payload("index.jsonl", "index", written)
    return workshop.entry(source, (payload,), Size(len(files), total, total), facts, observed.notes)


def keep_indexes(run: Run, manifest: Manifest) -> None:
    """Keep the newest index of each source for the next run, which needs none: it then reads all files."""
    for entry in manifest.sources:
        if "snapshot" in entry.facts:
            path = cached_index(run.cache, entry.name)
            try:
                trusted.make(str(path.parent))
                shutil.copyfile(run.workshop.folder / entry.payload("index").name, path)
                os.chmod(path, 0o600)
            except OSError:
                path.unlink(missing_ok=True)
