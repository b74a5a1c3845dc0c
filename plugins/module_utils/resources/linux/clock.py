# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host's own sources say of its clock. I/O on behalf of gather.py."""

from __future__ import annotations

import ctypes
import os
from typing import Union

from ...errors import CoreError, SourceDenied
from ...host import Host
from ..records import Absent, Clock
from .parse import CHRONY, NTPD, kernel_clock, may_set_clock, parse_chrony, parse_ntpq, parse_timedatectl

# What container engines leave in every container that they make, whatever it shares with its host.
MARKS = ("/run/systemd/container", "/run/.containerenv", "/.dockerenv")
NOT_OURS = Absent("the clock is the one of the host this container runs on")


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read; the rest is room for what the kernel writes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximum_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def look_at_clock(host: Host, container: str) -> Union[Clock, Absent]:
    """Return what the best source says, or that the clock is not this host's: one that nothing keeps, in a container.

    A time service that runs in a container is looked at as any other. Raise SourceDenied where nothing says anything.
    """
    try:
        clock = _best_source(host)
    except SourceDenied:
        if not _is_of_another(host, container):
            raise
        return NOT_OURS
    own = clock.synchronised or clock.source in (CHRONY, NTPD)
    return NOT_OURS if not own and _is_of_another(host, container) else clock


def _is_of_another(host: Host, container: str) -> bool:
    """Return whether this host is a container by its marks, or nothing in it is allowed to set the clock."""
    return bool(container) or any(_exists(host, mark) for mark in MARKS) or not _may_set_clock(host)


def _exists(host: Host, path: str) -> bool:
    try:
        host.read(path, 1)
    except SourceDenied:
        return True
    except CoreError:
        return False
    return True


def _may_set_clock(host: Host) -> bool:
    """Return whether the first process, and so any, may set the clock; where that cannot be read, it is assumed."""
    try:
        return may_set_clock(host.read("/proc/1/status"))
    except CoreError:
        return True


def _best_source(host: Host) -> Clock:
    """Return what the best source says: chrony and ntpd know the offset, the kernel often does, systemd only yes or no.

    Raise SourceDenied, with the reason of each, where none of them says anything.
    """
    reasons = []
    for ask in (_ask_chrony, _ask_ntpd, _ask_kernel, _ask_systemd):
        try:
            return ask(host)
        except CoreError as error:
            reasons.append(str(error))
    raise SourceDenied("the state of the clock", "; ".join(reasons))


def _ask_chrony(host: Host) -> Clock:
    return parse_chrony(host.run(["chronyc", "-c", "-n", "tracking"], timeout=5.0).stdout, host.now())


def _ask_ntpd(host: Host) -> Clock:
    return parse_ntpq(host.run(["ntpq", "-n", "-c", "rv"], timeout=5.0).stdout, host.now())


def _ask_kernel(host: Host) -> Clock:
    del host  # the kernel is asked directly
    answer = _Timex()
    library = ctypes.CDLL(None, use_errno=True)
    state = library.adjtimex(ctypes.byref(answer))
    if state < 0:
        raise SourceDenied("adjtimex", os.strerror(ctypes.get_errno()))
    return kernel_clock(state, answer.status, answer.offset)


def _ask_systemd(host: Host) -> Clock:
    return parse_timedatectl(host.run(["timedatectl", "show"], timeout=5.0).stdout)
