# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the own sources of a Linux host say of its clock."""

from __future__ import annotations

import ctypes
import os
import re
from typing import Union

from ..errors import CoreError, ParseError, SourceDenied
from ..host import Host
from .model import FOLLOWS_ITSELF, Absent, Clock, staleness

TIME_ERROR = 5  # adjtimex(2): return value and status bits, from linux/timex.h
STA_PLL, STA_UNSYNC, STA_NANO = 0x0001, 0x0040, 0x2000
CHRONY, NTPD = "chronyc", "ntpq"
NTP_EPOCH = 2208988800  # seconds from 1900 to 1970
FUTURE = 60.0  # so much may a clock have been set back since it was corrected
CAP_SYS_TIME = 25  # capability.h


def parse_chrony(text: str, now: float) -> Clock:
    """Given `chronyc -c tracking` (chronyc(1): the first field is what the clock follows, the 4th when it was last
    corrected, the 5th its offset, the last the leap status) and the time, return what is known of the clock.
    """
    fields = text.strip().split(",")
    try:
        reference, updated, offset, leap = fields[0], float(fields[3]), float(fields[4]), fields[13]
    except (IndexError, ValueError):
        raise ParseError("chronyc tracking", 1, text.strip(), "expected 14 fields, the 4th and 5th numbers") from None
    if now < updated - FUTURE:
        raise ParseError("chronyc tracking", 1, text.strip(), "the clock was last corrected in the future")
    why = "it has no source" if leap == "Not synchronised" else _own_clock(reference) or staleness(now - updated)
    return Clock(CHRONY, not why, None if why else offset, why)


def _own_clock(reference: str) -> str:
    """Return why a reference is none: 127.127.1.x is a machine's own clock, for chrony ("local") and ntpd alike."""
    return FOLLOWS_ITSELF if reference.upper().startswith("7F7F01") else ""


def parse_ntpq(text: str, now: float) -> Clock:
    """Given `ntpq -c rv` (ntpq(1): leap, stratum, refid, reftime, offset in ms), return what is known of the clock."""
    pairs = dict(re.findall(r"\b(leap|stratum|refid|reftime|offset)=([^,\s]+)", text))
    try:
        leap, stratum, reference = pairs["leap"], int(pairs["stratum"]), pairs["refid"]
        updated = int(pairs["reftime"].partition(".")[0], 16) - NTP_EPOCH
        offset = float(pairs["offset"]) / 1000
    except (KeyError, ValueError):
        raise ParseError("ntpq -c rv", 1, text.strip(), "expected leap, stratum, refid, reftime and offset") from None
    why = ""
    if leap in ("3", "11", "leap_alarm") or not 0 < stratum < 16 or reference in ("INIT", "STEP"):
        why = "it has no source"
    elif re.match(r"LOCA?L|127\.127\.1\.", reference):
        why = FOLLOWS_ITSELF
    why = why or staleness(now - updated)
    return Clock(NTPD, not why, None if why else offset, why)


def parse_timedatectl(text: str) -> Clock:
    """Given `timedatectl show`, return whether the clock is kept. Raise ParseError where it does not say."""
    match = re.search(r"^NTPSynchronized=(yes|no)$", text, re.MULTILINE)
    if match is None:
        raise ParseError("timedatectl show", 1, text.strip(), "no NTPSynchronized")
    return Clock("timedatectl", match.group(1) == "yes")


def kernel_clock(state: int, status: int, offset: int) -> Clock:
    """Given what adjtimex(2) returned, its status and its offset, return what the kernel knows of its clock.

    The offset is one only while the kernel's own loop (STA_PLL) steers: chrony steers by itself and leaves it at 0.
    """
    synchronised = state != TIME_ERROR and not status & STA_UNSYNC
    unit = 1e-9 if status & STA_NANO else 1e-6
    return Clock("the kernel", synchronised, offset * unit if synchronised and status & STA_PLL else None)


def may_set_clock(status: str) -> bool:
    """Given /proc/PID/status, return whether that process could ever get the right to set the clock (CAP_SYS_TIME)."""
    match = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if match is None:
        raise ParseError("/proc/1/status", 1, status[:40], "no CapBnd")
    return bool(int(match.group(1), 16) >> CAP_SYS_TIME & 1)


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


def collect_clock(host: Host, container: str) -> Union[Clock, Absent]:
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
    for source in (_ask_chrony, _ask_ntpd, _ask_kernel, _ask_systemd):
        try:
            return source(host)
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
