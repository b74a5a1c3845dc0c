# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A save that the server makes because we asked: awaited, and proven to be that one and no other.

``BGSAVE`` answers before anything is written. A save that failed leaves the moment of the last one as it was, and one
of before in its place.
"""

# pylint does not see that our errors are exceptions.
# pylint: disable=bad-exception-cause
from __future__ import annotations

import ntpath
import posixpath
from collections.abc import Mapping
from typing import NamedTuple, Optional

from ....errors import ActionFailed
from ..model import Workshop
from .client import Conversation, RedisRefused, information

WAITS = (0.05, 0.1, 0.2, 0.5)  # seconds between two looks, the last for all that follow
# What a server says where it is at work on another save or on its AOF; it says so in three ways since Redis 2.
BUSY = ("already in progress", "AOF log rewriting", "Another child process is active", "BGSAVE SCHEDULE")


# Seconds after a save from which on one that is begun gets another moment: they are info in whole seconds, of a clock
# that is up to some hundredths behind the one that is info (time(2) and gettimeofday(2)).
TELLABLE = 1.1


class Saved(NamedTuple):
    """A save of ours. ``before`` is the moment of the last one before it, in seconds of the server's clock."""

    before: int
    at: int
    info: Mapping[str, str]


def save(conversation: Conversation, patience: float, workshop: Workshop) -> Saved:
    """Have the server save now, and wait for it. ``patience`` is how many seconds others may stand in the way.

    Raise ActionFailed where it fails, or cannot be begun in that time.
    """
    before = _begin(conversation, patience, workshop)
    tries, idle = 0, 0.0
    while idle <= patience:
        info = information(conversation)
        running = _field(info, "rdb_bgsave_in_progress", conversation) != "0"
        if not running:
            _require_ok(info, conversation)
            if _moment(info, conversation) > before:
                return Saved(before, _moment(info, conversation), info)
        paused = _pause(tries, workshop)
        tries, idle = tries + 1, 0.0 if running else idle + paused
    raise ActionFailed(f"{conversation.server} said that it saves, and tells of no save since")


def _require_ok(info: Mapping[str, str], conversation: Conversation) -> None:
    status = _field(info, "rdb_last_bgsave_status", conversation)
    if status != "ok":
        raise ActionFailed(
            f"{conversation.server} could not save (rdb_last_bgsave_status is {status}, expected ok): its log says "
            "why, mostly a full disk or a folder that it may not write to"
        )


def _begin(conversation: Conversation, patience: float, workshop: Workshop) -> int:
    """Have a save of ours begin, and return the moment of the one before it."""
    waited, tries = 0.0, 0
    while True:
        info = information(conversation)
        before = _moment(info, conversation)
        soon = _clock(info, conversation) < before + TELLABLE
        refusal = "a save ended in this very second" if soon else _refusal(conversation)
        if not refusal:
            return before
        if waited > patience:
            raise ActionFailed(
                f"{conversation.server} could not begin to save for {patience:g} s (lock_wait_timeout): {refusal}"
            )
        waited += _pause(tries, workshop)
        tries += 1


def _clock(info: Mapping[str, str], conversation: Conversation) -> float:
    """Return the server's clock in seconds. Before 6.2 it is not info by INFO."""
    now = info.get("server_time_usec", "")
    if now.isdigit():
        return int(now) / 1e6
    answer = conversation.ask("TIME")
    if not isinstance(answer, list) or len(answer) != 2 or not all(str(one).isdigit() for one in answer):
        raise ActionFailed(f"{conversation.server} answers TIME with {answer!r}, expected seconds and microseconds")
    return int(answer[0]) + int(answer[1]) / 1e6


def _refusal(conversation: Conversation) -> str:
    """Have a save begin. Return why it has to wait, or an empty text where it has begun."""
    try:
        conversation.ask("BGSAVE")
    except RedisRefused as refusal:
        if any(word in refusal.answer for word in BUSY):
            return refusal.answer
        raise
    return ""


def _moment(info: Mapping[str, str], conversation: Conversation) -> int:
    """Return when the last save ended that did not fail."""
    moment = _field(info, "rdb_last_save_time", conversation)
    if not moment.isdigit():
        raise ActionFailed(f"{conversation.server} tells rdb_last_save_time {moment!r}, expected seconds")
    return int(moment)


def _field(info: Mapping[str, str], name: str, conversation: Conversation) -> str:
    if name not in info:
        raise ActionFailed(f"{conversation.server} does not tell {name}, so whether it has saved is not known")
    return info[name]


def _pause(tries: int, workshop: Workshop) -> float:
    seconds = WAITS[min(tries, len(WAITS) - 1)]
    workshop.pulse()
    workshop.host.pause(seconds)
    return seconds


def file_of(conversation: Conversation, declared: Optional[str], platform: str) -> str:
    """Return the file that the server saves into: as declared, else as it says itself.

    Raise ActionFailed where it does not say so, or is on another machine, whose files are not here.
    """
    if declared:
        return declared
    try:
        folder, name = (_setting(conversation, one) for one in ("dir", "dbfilename"))
    except RedisRefused as refusal:
        raise ActionFailed(f"{refusal}; let the account ask CONFIG GET, or declare the file as path") from refusal
    path = ntpath.join(folder, name) if platform == "windows" else posixpath.join(folder, name)
    if not conversation.same_host:
        raise ActionFailed(
            f"{conversation.server} is another machine: the file it saves into, {path}, is there and cannot be read "
            "here. Back it up on its own host, or declare as path where its folder is mounted"
        )
    return path


def _setting(conversation: Conversation, name: str) -> str:
    answer = conversation.ask("CONFIG", "GET", name)
    pairs = dict(zip(answer[::2], answer[1::2])) if isinstance(answer, list) else {}
    if not pairs.get(name):
        raise ActionFailed(f"{conversation.server} does not say what its {name} is: declare the file it saves as path")
    return str(pairs[name])
