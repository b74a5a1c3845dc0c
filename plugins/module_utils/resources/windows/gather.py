# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at the resources of a Windows host: one call of PowerShell, and what its answers say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar, Union

from ...errors import CoreError
from ...event_log import parse_reach
from ...evidence import Evidence
from ...host import Host
from ...powershell import Answers, ask
from ..attempt import LEFT_OUT, OF_CPU, attempt
from ..records import Absent, Blind, Clock, CpuShares, Exhaustions, LeftOut, Mount, Mounted, Observation, Seen
from .clock import SOURCE, parse_last_word, parse_service, parse_status
from .parse import (
    parse_cpu,
    parse_disks,
    parse_exhaustions,
    parse_handles,
    parse_memory,
    parse_page_files,
    parse_queue,
    sorted_out,
)
from .queries import LOG, queries

T = TypeVar("T")
NO_CONNECTIONS = Absent("Windows does not limit how many connections its firewall tracks")
NO_HELD_FILES = Absent("Windows has no list of files that were deleted while a process has them open")
DETECTOR = "Windows' Resource-Exhaustion-Detector"


def observe(host: Host, *, sample: float, scan: float, window: float, skip: Collection[str]) -> Observation:
    """Given a Windows host, look at its resources once.

    ``sample`` are the seconds over which processor time is measured, ``window`` those for which exhausted memory is
    looked up. ``scan`` is not needed: Windows has no list of deleted open files. ``skip`` names checks to leave out.
    """
    del scan
    begun = host.now()
    answers = _answers(host, sample, window, frozenset(skip))
    mounts, unseen, left_out = _mounts(answers)

    def seen(check: str, query: str, parse: Callable[[Sequence[Any]], T]) -> Union[T, Blind, Absent]:
        return LEFT_OUT if check in skip else attempt(lambda: parse(answers[query]))

    return Observation(
        at=begun,
        mounts=mounts,
        lost_mounts=unseen,
        left_out=left_out,
        memory=seen("memory", "system", parse_memory),
        swap=seen("swap", "page_files", parse_page_files),
        load=seen("load", "queue", parse_queue),
        cpu=_cpu(answers, sample, skip),
        open_files=seen("open_files", "handles", parse_handles),
        connections=NO_CONNECTIONS,
        clock=LEFT_OUT if "clock" in skip else attempt(lambda: _clock(answers)),
        oom=LEFT_OUT if "oom_kills" in skip else attempt(lambda: _exhaustions(answers)),
        held=NO_HELD_FILES,
        mount_table="the volumes of Windows",
    )


def _answers(host: Host, sample: float, window: float, skip: frozenset[str]) -> Answers:
    """Return the answers; where PowerShell itself does not run, that is the answer to everything."""
    asked = queries(sample, window, skip)
    try:
        return ask(host, asked)
    except CoreError as error:
        return Answers({name: {"error": str(error)} for name in asked})


def _mounts(
    answers: Answers,
) -> tuple[Seen[tuple[Mount, ...]], Union[dict[str, str], Blind], Union[tuple[LeftOut, ...], Blind]]:
    """Return the volumes, that none is missing, because Windows declares no mounts itself, and what was left out.

    Where volumes are refused, return the disks that have a letter, and why others may not have been seen.
    """
    volumes = attempt(lambda: sorted_out(answers["volumes"]))
    if isinstance(volumes, Mounted):
        return volumes.mounts, {}, volumes.left_out
    unseen = Blind(f"volumes that have no letter were not seen: {volumes.reason}")
    return attempt(lambda: parse_disks(answers["disks"])), unseen, unseen


def _cpu(answers: Answers, sample: float, skip: Collection[str]) -> Union[CpuShares, Blind, Absent]:
    if set(skip) >= OF_CPU:
        return LEFT_OUT
    return attempt(lambda: parse_cpu(answers["cpu"])) if sample > 0 else Absent("sample_seconds is 0")


def _exhaustions(answers: Answers) -> Exhaustions:
    """Return the events within the window, and how far back the log goes in which they are."""
    events, odd = parse_exhaustions(answers["exhaustions"])
    try:
        since, doubts = parse_reach("log_reach", answers["log_reach"], (LOG,))
    except CoreError as error:
        since, doubts = None, (f"how far back the {LOG} log goes is not known ({error})",)
    return Exhaustions(DETECTOR, Evidence(events, since, (*odd, *doubts)))


def _clock(answers: Answers) -> Clock:
    """Return what the time service says by itself, or where that cannot be read what its last event says.

    A service that does not run, or was told to synchronise with nothing, keeps no clock.
    """
    service = parse_service(answers["time_service"])
    if service.state != "Running" or service.kind == "NoSync":
        why = f"its state is {service.state}, its start mode {service.start_mode}, its type {service.kind}"
        return Clock(f"{SOURCE} ({why})", synchronised=False)
    try:
        return parse_status(answers["time_status"])
    except CoreError:
        last = parse_last_word(answers["time_events"])
        if last is None:
            raise
        return Clock(f"the last event of {SOURCE}", synchronised=last)
