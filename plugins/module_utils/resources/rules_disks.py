# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for mounted file systems: space, inodes, and when they will be full. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Union

from ..finding import CRITICAL, OK, SKIPPED, STATUSES, UNKNOWN, WARNING, Finding, worst
from ..printable import printable
from ..units import human_bytes, human_seconds
from .checks import CHECKS
from .declared import MountLimits, Thresholds
from .history import NEEDED_SAMPLES, NEEDED_SECONDS, History, Sample, growth
from .model import Absent, Mount, Snapshot, Unavailable, Usage
from .verdict import below, expected, missing, percent

Rule = Callable[[Snapshot, Thresholds, History], Union[Finding, Iterable[Finding]]]
JudgeMount = Callable[[Mount, Usage, Thresholds, History], Finding]


def judge_mounts(snapshot: Snapshot, limits: Thresholds, _history: History) -> Iterator[Finding]:
    """Yield whether the mounts could be listed, and each declared one that cannot be written.

    What is written to a missing mount goes to the file system below instead, and is hidden once it is mounted.
    """
    check = CHECKS["resources.mounts"]
    if not isinstance(snapshot.mounts, tuple):
        yield missing(check.id, "mounts", snapshot.mounts)
        return
    looked_at = sorted(mount.path for mount in snapshot.mounts)
    yield check.finding(OK, "mounts", f"{len(looked_at)} file systems are looked at: {', '.join(looked_at)}")
    present = {path for mount in snapshot.mounts for path in (mount.path, *mount.also)}
    for path, limit in limits.mounts.items():
        if path in present:
            continue
        if limit.ignore:
            yield check.finding(SKIPPED, path, "ignored by thresholds.mounts", remedy="")
        else:
            message = f"{path} is declared in thresholds.mounts, and nothing that can be written is mounted there"
            yield check.finding(CRITICAL, path, message, expected="mounted", actual="not mounted")
    yield from _judge_lost(snapshot, limits)


def _judge_lost(snapshot: Snapshot, limits: Thresholds) -> Iterator[Finding]:
    check = CHECKS["resources.mounts"]
    if isinstance(snapshot.lost_mounts, (Unavailable, Absent)):
        yield check.finding(UNKNOWN, snapshot.mount_table, f"could not be looked at: {snapshot.lost_mounts.reason}")
        return
    for path, state in snapshot.lost_mounts.items():
        if path not in limits.mounts:
            message = f"{path} is declared in {snapshot.mount_table} and {state}"
            yield check.finding(
                WARNING, path, message, expected=f"mounted as {snapshot.mount_table} says", actual=state
            )


def judge_left_out(snapshot: Snapshot, _limits: Thresholds, _history: History) -> Finding:
    """Return one finding that names every mount which no other rule looks at, by the reason."""
    check = CHECKS["resources.not_looked_at"]
    if not isinstance(snapshot.mounts, tuple):
        return missing(check.id, "mounts", snapshot.mounts)
    if isinstance(snapshot.left_out, Unavailable):
        return check.finding(UNKNOWN, "mounts", f"what is not looked at is not known: {snapshot.left_out.reason}")
    if not snapshot.left_out:
        return check.finding(OK, "mounts", "every mount is looked at")
    by_reason: dict[str, list[str]] = {}
    for path, reason in snapshot.left_out:
        by_reason.setdefault(reason, []).append(printable(path))
    named = "; ".join(f"{reason}: {', '.join(paths)}" for reason, paths in sorted(by_reason.items()))
    return check.finding(SKIPPED, "mounts", f"{len(snapshot.left_out)} mounts are not looked at: {named}", remedy="")


def _each_mount(
    check: str, judge: JudgeMount, snapshot: Snapshot, limits: Thresholds, history: History
) -> Iterator[Finding]:
    """Apply ``judge`` to each mount that is not ignored; without a list of them it is unknown."""
    if not isinstance(snapshot.mounts, tuple):
        yield missing(check, "mounts", snapshot.mounts)
        return
    for mount in snapshot.mounts:
        if limits.limits(mount.path, *mount.also).ignore:
            yield CHECKS[check].finding(SKIPPED, mount.path, "ignored by thresholds.mounts", remedy="")
        elif isinstance(mount.usage, Unavailable):
            yield CHECKS[check].finding(UNKNOWN, mount.path, f"could not be looked at: {mount.usage.reason}")
        else:
            yield judge(mount, mount.usage, limits, history)


def _judge_space(mount: Mount, usage: Usage, limits: Thresholds, _history: History) -> Finding:
    limit = limits.limits(mount.path, *mount.also)
    status = worst((below(usage.free_share, limit.free), below(usage.available, limit.free_bytes)))
    actual = f"{percent(usage.free_share)} free, {human_bytes(usage.available)} of {human_bytes(usage.size)}"
    return CHECKS["resources.disk_space"].finding(
        status, mount.path, f"{mount.path} has {actual}", expected=_expected_space(limit), actual=actual
    )


def _expected_space(limit: MountLimits) -> str:
    wanted = (expected("at least", limit.free, percent), expected("at least", limit.free_bytes, human_bytes))
    return " and ".join(text for text in wanted if text) + " free"


def _judge_inodes(mount: Mount, usage: Usage, limits: Thresholds, _history: History) -> Finding:
    check, limit = CHECKS["resources.inodes"], limits.limits(mount.path, *mount.also).inodes
    if not usage.inodes:
        return check.finding(SKIPPED, mount.path, f"{mount.kind} has no fixed number of inodes", remedy="")
    actual = f"{percent(usage.inodes_free_share)} of {usage.inodes} inodes free"
    status = below(usage.inodes_free_share, limit)
    message = f"{mount.path} has {actual}"
    return check.finding(status, mount.path, message, expected=expected("at least", limit, percent), actual=actual)


def _judge_forecast(mount: Mount, usage: Usage, limits: Thresholds, history: History) -> Finding:
    check, samples = CHECKS["resources.disk_forecast"], history.samples.get(mount.path, ())
    speed = growth(samples)
    if speed is None:
        return check.finding(SKIPPED, mount.path, _too_few(samples), remedy="")
    per_day = speed * 86400
    if per_day < 1:  # less than a byte
        return check.finding(OK, mount.path, f"{mount.path} does not fill up", actual=f"{per_day:.0f} bytes a day")
    left = usage.available / speed
    actual = f"full in {human_seconds(left)}"
    message = f"{mount.path} is {actual} if it grows on by {human_bytes(per_day)} a day"
    wanted = expected("not within", limits.forecast, human_seconds)
    return check.finding(_forecast_status(left, usage, limits), mount.path, message, expected=wanted, actual=actual)


def _too_few(samples: tuple[Sample, ...]) -> str:
    span = samples[-1].at - samples[0].at if samples else 0.0
    return (
        f"a forecast needs {NEEDED_SAMPLES} samples over {human_seconds(NEEDED_SECONDS)}; "
        f"there are {len(samples)} over {human_seconds(span)}"
    )


def _forecast_status(left: float, usage: Usage, limits: Thresholds) -> str:
    """Return the milder of two verdicts: it must be soon, and it must be rather full already."""
    soon = below(left, limits.forecast)
    full = below(usage.free_share, limits.forecast_free)
    return min(soon, full, key=STATUSES.index)


RULES: tuple[tuple[str, Rule], ...] = (
    ("mounts", judge_mounts),
    ("not_looked_at", judge_left_out),
    ("disk_space", partial(_each_mount, "resources.disk_space", _judge_space)),
    ("inodes", partial(_each_mount, "resources.inodes", _judge_inodes)),
    ("disk_forecast", partial(_each_mount, "resources.disk_forecast", _judge_forecast)),
)
