# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making one set: every source into a folder that nobody takes for a set, read back, and only then given its name."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from ..errors import ActionFailed, CoreError
from ..finding import EMPTY
from ..host import Host
from .access import require_own_way
from .declared import Settings, Source
from .errors import NoSpace
from .manifest import manifest_document, parse_manifest, seal
from .model import L1, SAFETY, BackupSet, Catalog, Made, Manifest, Report
from .names import MANIFEST
from .plan import SetPlan, pin_of
from .rules_anomaly import find_anomalies
from .sources.kinds import back_up
from .sources.model import Bench, Workshop
from .store.publish import begin, new_id, partial_of, publish, record_verification, write_manifest
from .streams import Codec, is_full
from .verification import evidence, verify


class SourceFailed(ActionFailed):
    """A source that the set cannot do without could not be taken whole."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"no set was made, the source {source} could not be taken: {reason}")
        self.source, self.reason = source, reason


class NotVerified(ActionFailed):
    """The set that was made could not be read back."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"no set was made, what was written could not be read back: {report.defects[0].message}")


def make_set(
    settings: Settings, plan: SetPlan, codec: Codec, host: Host, made: Made, heartbeat: Callable[[], None]
) -> None:
    """Take every source but those that ``made`` has as skipped, verify and publish.

    ``made`` is filled on the way, so that a failure can be told in detail. Raise SourceFailed, NotVerified or another
    CoreError; then no trace of a set is left.
    """
    begun = host.now()
    with growing(settings, new_id(begun), host) as partial:
        workshop = Workshop(partial, host, codec, settings.protected, parent=plan.parent)
        wanted = [source for source in settings.sources if source.name not in made.skipped]
        back_up_all(workshop, wanted, settings.jobs, made, heartbeat)
        manifest = seal_set(workshop, begun, settings, plan.catalog, made)
        # the checksums are compared whatever was asked for: what is published is what was written
        bench = Bench(partial, partial, host, hashed=workshop.hashed, heartbeat=heartbeat)
        made.report = verify(manifest, bench, max(L1, settings.verify_level))
        if not made.report.proved.ok:
            raise NotVerified(made.report)
        require_own_way(settings.dir, settings.others)
        made.published = _publish(partial, manifest, made.report, host)


@contextmanager
def growing(settings: Settings, set_id: str, host: Host) -> Iterator[Path]:
    """Yield the folder of a set in the making; where it cannot be made or the block fails, nothing of it stays.

    Raise NoSpace or ActionFailed where the system refuses what the block does to it, or another account leads there.
    """
    partial = partial_of(settings.dir, set_id)
    require_own_way(settings.dir, settings.others)
    try:
        begin(partial, host, settings.others)
    except OSError as error:
        raise _explained(error, partial) from error
    try:
        yield partial
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise _explained(error, partial) from error
        raise


def _explained(error: OSError, partial: Path) -> ActionFailed:
    if is_full(error):
        return NoSpace(f"no set was made, the disk of {partial.parent} was full")
    return ActionFailed(f"no set was made, {error.filename or partial} could not be written: {error.strerror}")


def back_up_all(
    workshop: Workshop, wanted: Sequence[Source], jobs: int, made: Made, heartbeat: Callable[[], None]
) -> None:
    """Take sources, ``jobs`` of them side by side. When one fails, the others are given up."""
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(_back_up_one, source, workshop, made) for source in wanted]
        try:
            for done in as_completed(running):
                done.result()
                heartbeat()
        except BaseException:
            workshop.halt.set()
            for waiting in running:
                waiting.cancel()
            raise


def _back_up_one(source: Source, workshop: Workshop, made: Made) -> None:
    own = replace(workshop, folder=workshop.folder / source.name)
    own.folder.mkdir(mode=0o700)
    try:
        made.taken[source.name] = back_up(source, own)
    except NoSpace as error:
        raise SourceFailed(source.name, str(error)) from error  # pylint: disable=bad-exception-cause
    except CoreError as error:
        if not source.optional:
            raise SourceFailed(source.name, str(error)) from error
        shutil.rmtree(own.folder)
        made.skipped[source.name] = str(error)


def seal_set(
    workshop: Workshop,
    begun: float,
    settings: Settings,
    catalog: Catalog,
    made: Made,
    beside: tuple[Mapping[str, Any], Mapping[str, str]] = (EMPTY, EMPTY),
) -> Manifest:
    """Seal the manifest of what was taken into the set's folder and return it as a reader will see it. ``beside`` says
    where the content lies when that is not in the folder, and what else made it.
    """
    if not made.taken:
        raise ActionFailed(f"no set was made, none of its sources could be taken: {made.skipped}")
    anomalies = find_anomalies(settings.sources, made.taken, catalog.good, settings.max_shrink)
    manifest = Manifest(
        id=workshop.folder.stem,
        host=workshop.host.name(),
        platform=workshop.host.platform,
        label=settings.label,
        name=settings.name,
        reason=settings.reason,
        requested_by=settings.requested_by,
        created=begun,
        seconds=round(workshop.host.now() - begun, 3),
        pin_until=pin_of(settings, begun),
        tools={**_tools(workshop.codec, workshop.host), **beside[1]},
        store=beside[0],
        sources=tuple(made.taken[source.name] for source in settings.sources if source.name in made.taken),
        skipped=made.skipped,
        anomalies=() if settings.accept_anomaly else tuple(anomalies),
        chain=_chain(workshop.parent, made),
    )
    content = seal(manifest_document(manifest))
    write_manifest(workshop.folder, content, settings.sign_key)
    return parse_manifest(content, str(workshop.folder / MANIFEST), manifest.id)


def _chain(parent: Optional[BackupSet], made: Made) -> tuple[str, ...]:
    """Return the sets that a new one needs: none where each of its sources turned out whole."""
    needs = parent is not None and any(entry.chain for entry in made.taken.values())
    return (*parent.manifest.chain, parent.id) if parent is not None and needs else ()


def _tools(codec: Codec, host: Host) -> dict[str, str]:
    """Return the versions of what made the set, for whoever has to read it with something else one day."""
    tools = {"python": platform.python_version(), "system": platform.platform()}
    if codec.compression.tool:
        tools[codec.compression.tool] = host.run([codec.compression.tool, "--version"]).stdout.strip()
    return tools


def _publish(partial: Path, manifest: Manifest, report: Report, host: Host) -> BackupSet:
    """Record the evidence, give the set its name, and return it. ``latest`` leads only to a set that counts."""
    found = evidence(report, manifest, None, host.now())
    draft = BackupSet(manifest, partial, found)  # its signature is ours, where there is a key
    if found is not None:
        record_verification(partial, manifest.id, found)
    latest = draft.good and manifest.label != SAFETY
    return draft._replace(folder=publish(partial, manifest, host, latest=latest))
