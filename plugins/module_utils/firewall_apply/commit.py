# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of the firewall as it is kept on a host: armed, confirmed, rolled back."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Optional

from .. import trusted
from ..errors import ActionFailed, CoreError
from ..host import Host
from ..publish import fsync_path, publish_file
from . import ARMED, CONFIRMED, ROLLED_BACK
from .declared import Peer, Refused
from .linux import runs_systemd
from .rollback import BOOT_UNIT, BOOT_WANTED, SCRIPT, UNITS_FOLDER, boot_unit
from .snapshot import keep

GOING = "going"
MOST_REASON = 300  # characters
RESERVE = 6  # seconds that a rollback may take: by so many it begins before the time is over
GRACE = 15.0  # seconds after its deadline in which a rollback may still be at work
REASONS = {
    "timer": "it was not confirmed in time: the host did not answer by a new connection, or the run ended",
    "boot": "the host was booted before it was confirmed",
    "run": "the run took it back",
}


class Change(NamedTuple):
    """A change that the host knows of. ``how`` is what rolled it back, ``verified`` whether the rules are the same."""

    id: str
    state: str
    folder: Path
    manager: str
    peers: tuple[Peer, ...]
    steps: tuple[Mapping[str, Any], ...]
    left: float
    how: str = ""
    when: str = ""
    verified: str = ""
    reason: str = ""

    @property
    def why(self) -> str:
        """Why it was rolled back, in words."""
        return REASONS.get(self.how, "") + (f" ({self.reason})" if self.reason else "")


def changes_folder(state_dir: str) -> Path:
    """Return the folder of changes."""
    return Path(state_dir, "firewall_apply")


def find_changes(host: Host, folder: Path) -> tuple[Change, ...]:
    """Return the changes that a host knows of. Raise DistrustedError where another may have written there."""
    trusted.require(str(folder))
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    found = [name.partition("-") for name in names]
    return tuple(
        _read(host, folder, state, each) for state, dash, each in found if dash and state in (ARMED, GOING, ROLLED_BACK)
    )


def _read(host: Host, folder: Path, state: str, change_id: str) -> Change:
    place = folder / f"{state}-{change_id}"
    record = json.loads(_text(place, "record.json") or "{}")
    how, _blank, when = _text(place, "rolled").strip().partition(" ")
    left = float(_text(place, "deadline") or 0) - uptime(host)
    peers = tuple(Peer(*peer) for peer in record.get("peers", ()))
    steps = tuple(record.get("steps", ()))
    verified, reason = (_text(place, name).strip() for name in ("verified", "reason"))
    return Change(change_id, state, place, record.get("manager", ""), peers, steps, left, how, when, verified, reason)


def _text(place: Path, name: str) -> str:
    try:
        return trusted.read(place / name).decode()
    except FileNotFoundError:
        return ""


def uptime(host: Host) -> float:
    """Return the seconds on the clock that the script reads, which nobody sets."""
    return float(host.read("/proc/uptime", 64).split()[0])


def arm(host: Host, folder: Path, record: Mapping[str, Any], seconds: int) -> Change:
    """Keep what is there, and have the host restore it by itself after so many seconds. Raise CoreError."""
    change_id = uuid.uuid4().hex[:12]
    trusted.make(str(folder))
    for name in os.listdir(folder):  # of a run that was killed before anything was changed
        if name.startswith("new-"):
            shutil.rmtree(folder / name)
    publish_file(folder / "rollback.sh", SCRIPT.encode())
    draft, place = folder / f"new-{change_id}", folder / f"{ARMED}-{change_id}"
    draft.mkdir(mode=0o700)
    try:
        keep(host, draft, str(record["manager"]))
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    publish_file(draft / "record.json", json.dumps(record).encode())
    _set_deadline(host, draft, seconds)
    _arm_boot(folder)
    os.rename(draft, place)
    fsync_path(folder)
    try:
        start_timer(host, folder, change_id, seconds)
    except CoreError:
        forget(host, folder, place)
        raise
    return _read(host, folder, ARMED, change_id)


def _set_deadline(host: Host, place: Path, seconds: float) -> None:
    """Raise FileNotFoundError where the folder has another name by now: publish_file would make it anew."""
    text = f"{int(uptime(host) + seconds - RESERVE)}\n"
    with open(os.open(place / "deadline.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    os.replace(place / "deadline.new", place / "deadline")


def renew(host: Host, change: Change, seconds: float) -> None:
    """Begin the seconds anew. Raise Refused where it is being rolled back already."""
    try:
        _set_deadline(host, change.folder, seconds)
    except OSError:
        raise Refused(f"the change {change.id} is being rolled back") from None


def _arm_boot(folder: Path) -> None:
    """Have the next boot restore the files before anything reads them."""
    if not Path(UNITS_FOLDER).is_dir():
        return
    publish_file(Path(UNITS_FOLDER, BOOT_UNIT), boot_unit(str(folder)).encode(), 0o644)
    wanted = Path(BOOT_WANTED)
    wanted.parent.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        wanted.symlink_to(f"../{BOOT_UNIT}")
    fsync_path(wanted.parent)


def timer_of(change_id: str) -> str:
    """Return the name of a change's unit, without its ending."""
    return f"cryptobot-firewall-rollback-{change_id}"


def start_timer(host: Host, folder: Path, change_id: str, seconds: int) -> None:
    """Start what outlives this connection, and Ansible. Raise CoreError."""
    script = ["/bin/sh", str(folder / "rollback.sh"), str(folder), change_id, "timer"]
    if runs_systemd(host):
        unit = [
            f"--unit={timer_of(change_id)}",
            f"--on-active={seconds - RESERVE}",
            "--timer-property=AccuracySec=100ms",
        ]
        host.run(["systemd-run", "--collect", *unit, "--quiet", *script])
    else:
        detach = 'setsid "$@" < /dev/null > /dev/null 2>&1 &'
        host.run(["sh", "-c", detach, "sh", *script])


def confirm(host: Host, folder: Path, change: Change) -> None:
    """End the rollback of a change, in one step. Raise Refused where the host was faster."""
    done = folder / f"{CONFIRMED}-{change.id}"
    try:
        os.rename(change.folder, done)
    except FileNotFoundError:
        raise Refused(f"the change {change.id} is being rolled back: it was not confirmed in time") from None
    fsync_path(folder)
    forget(host, folder, done)


def forget(host: Host, folder: Path, place: Path) -> None:
    """Remove what is kept of a change that needs no rollback, and what earlier ones left."""
    for path in (Path(BOOT_WANTED), Path(UNITS_FOLDER, BOOT_UNIT)):
        path.unlink(missing_ok=True)
    if runs_systemd(host):
        unit = timer_of(place.name.partition("-")[2])
        host.run(["systemctl", "stop", f"{unit}.timer", f"{unit}.service"], expect=None)
    leftovers = [folder / name for name in os.listdir(folder) if name.startswith((f"{CONFIRMED}-", f"{ROLLED_BACK}-"))]
    for old in {place, *leftovers}:
        shutil.rmtree(old, ignore_errors=True)


def roll_back(host: Host, folder: Path, change: Change, reason: str) -> Change:
    """Restore now what was there before. Raise ActionFailed where the rules are not the same afterwards."""
    script = folder / "rollback.sh"
    trusted.read(script)
    host.run(["sh", str(script), str(folder), change.id, "run"], expect=None)
    _note_reason(folder, change.id, reason)
    after = _of(find_changes(host, folder), change.id)
    if after is None or after.state != ROLLED_BACK or after.verified != "restored":
        raise ActionFailed(
            f"the change {change.id} could not be rolled back exactly; what was there is in {change.folder.parent}, "
            "what went wrong in rollback.log there"
        )
    return after


def _note_reason(folder: Path, change_id: str, reason: str) -> None:
    place = folder / f"{ROLLED_BACK}-{change_id}"
    if reason and place.is_dir():
        publish_file(place / "reason", " ".join(reason.split())[:MOST_REASON].encode())


def _of(changes: Iterable[Change], change_id: str) -> Optional[Change]:
    return next((change for change in changes if change.id == change_id), None)
