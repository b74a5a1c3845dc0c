# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a rule gets: what was seen of the host and remembered of it, and the thresholds that hold for it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, Union

from ..finding import SKIPPED, UNKNOWN, Check, Finding
from ..registry import Outcome, Rule, Rules, finding_of
from ..thresholds import Bounds
from .declared import MountLimits, Thresholds
from .history import History
from .model import LEFT_OUT, Absent, Mount, Snapshot, Unavailable, Usage


class Context(NamedTuple):
    """One look at a host with all that it is judged by. ``history`` is that of the runs before.

    ``skip`` names the checks that are left out, by the tails of their ids.
    """

    snapshot: Snapshot
    limits: Thresholds
    history: History
    skip: Collection[str] = ()
    platform: str = "linux"

    def bounds(self, option: str, subject: str) -> Bounds:
        """Return the bounds of an option; those of mounts are asked for by the path of one."""
        own = self.limits.bounds
        return own[option] if option in own else self.of_mount(subject).bounds[option]

    def of_mount(self, path: str) -> MountLimits:
        """Given the path of a mount, return its limits, by whichever path it is declared."""
        mounts = self.snapshot.mounts if isinstance(self.snapshot.mounts, tuple) else ()
        also = next((mount.also for mount in mounts if mount.path == path), ())
        return self.limits.limits(path, *also)

    def usages(self) -> Iterator[Union[Outcome, tuple[Mount, Usage]]]:
        """Yield each mount that is not ignored with its usage, or what there is to say instead."""
        if not isinstance(self.snapshot.mounts, tuple):
            yield missing("mounts", self.snapshot.mounts)
            return
        for mount in self.snapshot.mounts:
            if self.of_mount(mount.path).ignore:
                yield Outcome(SKIPPED, "ignored by thresholds.mounts", remedy="", subject=mount.path)
            elif isinstance(mount.usage, Unavailable):
                yield missing(mount.path, mount.usage)
            else:
                yield mount, mount.usage

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding, with the remedy of the host's system unless it has its own."""
        return finding_of(check, outcome, kind=self.platform)

    def judged_by(self, rules: Rules) -> list[Finding]:
        """Return what all rules say, in their order; of those that are left out, that they are."""
        return [finding for rule in rules.all for finding in self._judged_by(rule)]

    def _judged_by(self, rule: Rule) -> Iterator[Finding]:
        name = rule.check.id.partition(".")[2]
        if name in self.skip:
            yield self.finding(rule.check, Outcome(SKIPPED, LEFT_OUT.reason, remedy="", subject=name))
            return
        yield from (self.finding(rule.check, outcome) for outcome in rule.judge(self))


def missing(subject: str, value: Union[Unavailable, Absent]) -> Outcome:
    """Return what there is to say of a measurement that there is none of."""
    if isinstance(value, Unavailable):
        return Outcome(UNKNOWN, f"could not be looked at: {value.reason}", subject=subject)
    return Outcome(SKIPPED, value.reason, remedy="", subject=subject)


def percent(share: float) -> str:
    """Given a share of 0 to 1, return it as a percentage."""
    return f"{share * 100:.3g} %"
