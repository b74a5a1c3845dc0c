# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for mounted file systems: which there are, how full they are, and when they will be full. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..printable import printable
from ..registry import Outcome, Rules
from ..thresholds import BELOW, Bounded, Number, Threshold, add_rows, mildest
from ..units import human_bytes, human_seconds
from .context import Context, missing, percent
from .history import NEEDED_SAMPLES, NEEDED_SECONDS, Sample, growth
from .model import Absent, Unavailable

_MIXIN = "prometheus/node_exporter, docs/node-mixin"
_AWESOME = "samber/awesome-prometheus-alerts, host-and-hardware"
_CRYPTOBOT = "Cryptobot's own alert rules and technical specification"
Numbers = Iterator[Union[Number, Outcome]]
RULES = Rules()

PLATFORM = RULES.check(
    "resources.platform",
    "Whether this collection knows how to look at the resources of this kind of host.",
    procedure="D1.1",
    remedy="Run resource_check on a supported platform, or take this host out of the play.",
)


def unsupported(platform: str, known: str) -> Finding:
    """Given a platform that nobody can look at, and those that somebody can, return the finding."""
    message = f"the resources of {platform} cannot be looked at yet; expected one of {known}"
    return PLATFORM.finding(UNKNOWN, platform, message)


@RULES.rule(
    "resources.mounts",
    procedure="D1.1",
    remedy={
        "linux": "Mount it (`mount PATH`, then /etc/fstab), or take it out of cryptobot_thresholds.mounts.",
        "darwin": "See what is there (`diskutil list`), mount it (`diskutil mount`), or correct "
        "cryptobot_thresholds.mounts.",
        "windows": "See what is there (`Get-Volume`, `Get-Partition`), bring the disk online, or correct "
        "cryptobot_thresholds.mounts.",
    },
)
def judge_mounts(context: Context) -> Iterator[Outcome]:
    """Whether the table of mounts could be read, and every mount that the thresholds name is mounted.

    What is written to a missing mount goes to the file system below instead, and is hidden once it is mounted.
    """
    mounts, limits = context.snapshot.mounts, context.limits
    if not isinstance(mounts, tuple):
        yield missing("mounts", mounts)
        return
    looked_at = ", ".join(sorted(mount.path for mount in mounts))
    yield Outcome(OK, f"{len(mounts)} file systems are looked at: {looked_at}", subject="mounts")
    present = {path for mount in mounts for path in (mount.path, *mount.also)}
    for path, limit in limits.mounts.items():
        if path in present:
            continue
        if limit.ignore:
            yield Outcome(SKIPPED, "ignored by thresholds.mounts", remedy="", subject=path)
        else:
            message = f"{path} is declared in thresholds.mounts, and nothing that can be written is mounted there"
            yield Outcome(CRITICAL, message, "mounted", "not mounted", subject=path)
    yield from _lost(context)


def _lost(context: Context) -> Iterator[Outcome]:
    lost, table = context.snapshot.lost_mounts, context.snapshot.mount_table
    if isinstance(lost, (Unavailable, Absent)):
        yield Outcome(UNKNOWN, f"could not be looked at: {lost.reason}", subject=table)
        return
    for path, state in lost.items():
        if path not in context.limits.mounts:
            message = f"{path} is declared in {table} and {state}"
            yield Outcome(WARNING, message, f"mounted as {table} says", state, subject=path)


@RULES.rule(
    "resources.not_looked_at",
    procedure="D1.1",
    remedy="Nothing, as long as none of them holds data that can grow; else look at it yourself (`df -h PATH`).",
)
def judge_not_looked_at(context: Context) -> Iterator[Outcome]:
    """Every mount or volume that the other checks leave out, by name and with the reason."""
    mounts, left_out = context.snapshot.mounts, context.snapshot.left_out
    if not isinstance(mounts, tuple):
        yield missing("mounts", mounts)
    elif isinstance(left_out, Unavailable):
        yield Outcome(UNKNOWN, f"what is not looked at is not known: {left_out.reason}", subject="mounts")
    elif not left_out:
        yield Outcome(OK, "every mount is looked at", subject="mounts")
    else:
        by_reason: dict[str, list[str]] = {}
        for path, reason in left_out:
            by_reason.setdefault(reason, []).append(printable(path))
        named = "; ".join(f"{reason}: {', '.join(paths)}" for reason, paths in sorted(by_reason.items()))
        message = f"{len(left_out)} mounts are not looked at: {named}"
        yield Outcome(SKIPPED, message, remedy="", subject="mounts")


def _space(context: Context) -> Numbers:
    for found in context.usages():
        if isinstance(found, Outcome):
            yield found
            continue
        mount, usage = found
        free = f"{percent(usage.free_share)} free, {human_bytes(usage.available)} of {human_bytes(usage.size)}"
        yield Number((usage.free_share, usage.available), free, subject=mount.path)


def _inodes(context: Context) -> Numbers:
    for found in context.usages():
        if isinstance(found, Outcome):
            yield found
            continue
        mount, usage = found
        free = f"{percent(usage.inodes_free_share)} of {usage.inodes} inodes free"
        none = Outcome(SKIPPED, f"{mount.kind} has no fixed number of inodes", remedy="", subject=mount.path)
        yield Number((usage.inodes_free_share,), free, subject=mount.path) if usage.inodes else none


def _forecast(context: Context) -> Numbers:
    for found in context.usages():
        if isinstance(found, Outcome):
            yield found
            continue
        mount, usage = found
        samples = context.history.samples.get(mount.path, ())
        speed = growth(samples)
        per_day = (speed or 0.0) * 86400
        if speed is None:
            yield Outcome(SKIPPED, _too_few(samples), remedy="", subject=mount.path)
        elif per_day < 1:  # less than a byte
            grows = f"{per_day:.0f} bytes a day"
            yield Outcome(OK, f"{mount.path} does not fill up", actual=grows, subject=mount.path)
        else:
            left = usage.available / speed
            full = f"full in {human_seconds(left)}"
            yield Number((left, usage.free_share), full, human_bytes(per_day), mount.path)


def _too_few(samples: tuple[Sample, ...]) -> str:
    span = samples[-1].at - samples[0].at if samples else 0.0
    return (
        f"a forecast needs {NEEDED_SAMPLES} samples over {human_seconds(NEEDED_SECONDS)}; "
        f"there are {len(samples)} over {human_seconds(span)}"
    )


add_rows(
    RULES,
    Threshold(
        "resources.disk_space",
        "Free space of each mounted file system, as a share of what ordinary accounts can use, and in bytes.",
        "D1.1",
        _space,
        (
            Bounded("disk_free", BELOW, percent, 20.0, 5.0),
            Bounded("disk_free_bytes", BELOW, human_bytes),
        ),
        "{subject} has {actual}",
        {
            "linux": "See what uses it (`du -xh --max-depth=1 MOUNT | sort -h`), run disk_cleanup, or enlarge the file "
            "system.",
            "darwin": "See what uses it (`du -xh -d 1 PATH | sort -h`), delete local snapshots (`tmutil "
            "listlocalsnapshots /`), run disk_cleanup, or enlarge the container.",
            "windows": "See what uses it (`Get-ChildItem -Recurse -File | Sort-Object Length | Select-Object -Last "
            "20`), run disk_cleanup, or enlarge the volume.",
        },
        f"Warning below 20 % free: {_CRYPTOBOT} (HighDiskUsage). Critical below 5 %: technical specification, and the "
        f"lower bound of {_MIXIN} (NodeFilesystemAlmostOutOfSpace). The share is counted as POSIX df does.",
        expected="{} free",
    ),
    Threshold(
        "resources.inodes",
        "Free inodes of each mounted file system that has a fixed number of them.",
        "D1.1",
        _inodes,
        (Bounded("inodes_free", BELOW, percent, 10.0, 3.0),),
        "{subject} has {actual}",
        {
            "linux": "Find the folder with too many small files (`du -x --inodes --max-depth=2 MOUNT | sort -n`) and "
            "clean it.",
            "darwin": "Find the folder with too many small files and clean it.",
            "windows": "Unlock the volume or bring it online, and run it again.",
        },
        f"Warning below 10 %: {_AWESOME} (HostOutOfInodes). Critical below 3 %: {_MIXIN} "
        "(NodeFilesystemAlmostOutOfFiles).",
    ),
    Threshold(
        "resources.disk_forecast",
        "When each file system will be full, from what earlier runs measured (three samples over a day at least).",
        "D1.1",
        _forecast,
        (
            Bounded("forecast", BELOW, human_seconds, "24h", "4h", wanted="not within"),
            Bounded("forecast_free", BELOW, percent, 40.0, 20.0, wanted=None),
        ),
        "{subject} is {actual} if it grows on by {what} a day",
        {
            "linux": "Find what grows (compare `du` of two days), rotate or clean it, or enlarge the file system in "
            "time.",
            "windows": "Find what grows, rotate or clean it, or enlarge the volume in time.",
        },
        f"Full within 24 h and less than 40 % free: warning; within 4 h and less than 20 %: critical. {_MIXIN} "
        "(NodeFilesystemSpaceFillingUp). The slope is Theil and Sen's median of slopes, which one cleanup cannot tilt.",
        of=mildest,
    ),
)
