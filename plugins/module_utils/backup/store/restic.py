# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restic as a program: how it is called, and what is never believed of it.

What it is known to end with 0 for (a source that is not there, a snapshot that is gone, an id that it does not know) is
never taken for done: whoever calls it looks afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Optional

from ... import trusted
from ...errors import ActionFailed, CoreError, InputError, ParseError, ToolFailed
from ...finding import EMPTY
from ...folders import FILE_FLAGS
from ...host import Host
from ...masking import Mask
from ...process import Completed
from ..errors import NoSpace
from ..repository import Repository
from ..scratch import marked
from ..stage import CHUNK, Stage
from .restic_output import (
    ABSENT,
    FULL_ID,
    LOCKED,
    PARTIAL,
    PASSWORD,
    Checked,
    Snapshot,
    last_words,
    meaning,
    parse_check,
    parse_snapshots,
    parse_version,
    summary_of,
    unread_items,
)

OLDEST = (0, 14)
_FULL = re.compile(r"no space left on device|disk quota exceeded|not enough space", re.IGNORECASE)
_RETRY = re.compile(r"returned error, retrying after")
LOCK_WAIT, LOCK_PAUSE = 60.0, 2.0  # seconds
POLL, LAST_WORDS, GIVEN_UP = 0.1, 5.0, -9  # seconds, seconds, exit code
FRESH = 5.0  # seconds that an answer about what is there counts
READS = ("snapshots", "cat", "ls", "dump", "check", "restore")
STATUS_EVERY = "0.0166"  # lines a second: one a minute


class ResticFailed(ToolFailed):
    """Restic ended with another exit code than 0; ``meaning`` says what for, ``items`` what it could not read."""

    def __init__(self, word: str, rc: int, words: str, meaning: str, items: Sequence[str] = ()) -> None:
        super().__init__((f"restic {word}",), rc, words)
        self.meaning, self.items = meaning, tuple(items)


def require_password_file(path: str) -> None:
    """Raise InputError or SourceDenied where the file of a password could be read or replaced by others."""
    try:
        descriptor = os.open(path, FILE_FLAGS)
    except OSError as error:
        raise InputError("repository_password_file", path, f"a file that can be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("repository_password_file", path, "a regular file")
    if os.name != "nt" and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o077):
        actual = f"mode {stat.S_IMODE(status.st_mode):04o}, uid {status.st_uid}"
        raise InputError("repository_password_file", path, f"mode 0600 and root or this account as owner, not {actual}")


class Restic:
    """Restic on one repository. ``host_name`` is what its snapshots are made under, ``cache`` a folder of its own."""

    def __init__(self, repository: Repository, host: Host, state_dir: str, lock_wait: float = LOCK_WAIT) -> None:
        self.repository, self.host, self.lock_wait = repository, host, lock_wait
        self.cache = Path(state_dir, "restic-cache")
        self.key = hashlib.sha256(repository.where.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        login = re.search(r"://[^/@:]*:([^/@]*)@", repository.where)
        secrets = [repository.password, *repository.environment.values(), login.group(1) if login else ""]
        self._masking = Mask([secret for secret in secrets if len(secret) > 3])
        self._version: tuple[int, ...] = ()
        self._known: Optional[tuple[float, list[Snapshot]]] = None
        if repository.password_file:
            require_password_file(repository.password_file)

    @property
    def version(self) -> tuple[int, ...]:
        """The program's version. Raise ToolMissing where it is not there, ActionFailed where it is too old."""
        if not self._version:
            self._version = parse_version(self.host.run([self.repository.program, "version"]).stdout)
            if self._version < OLDEST:
                raise ActionFailed(f"restic is of version {self.shown_version}, expected 0.14 or newer")
        return self._version

    @property
    def shown_version(self) -> str:
        """The version as text."""
        return ".".join(map(str, self._version))

    def environment(self) -> dict[str, str]:
        """Return what restic gets beside this process's environment: none of its own variables that are set here."""
        found = self.repository
        cleared = {name: "" for name in os.environ if name.startswith("RESTIC_")}
        password = {"RESTIC_PASSWORD": found.password, "RESTIC_PASSWORD_FILE": found.password_file}
        return {
            **cleared,
            **found.environment,
            **password,
            "RESTIC_REPOSITORY": found.where,
            "RESTIC_CACHE_DIR": str(self.cache),
            "RESTIC_PROGRESS_FPS": STATUS_EVERY,
            "TZ": "UTC",
        }

    def run(self, *words: str, stdin: Optional[str] = None, more: Mapping[str, str] = EMPTY) -> Completed:
        """Run a command of restic to its end. Raise ResticFailed where it ends with another exit code than 0, NoSpace
        where a disk was full. ``more`` is for its environment.
        """
        done = self.attempt(*words, stdin=stdin, more=more)
        if done.rc != 0:
            raise self._failed(words[0], done)
        return done

    def attempt(self, *words: str, stdin: Optional[str] = None, more: Mapping[str, str] = EMPTY) -> Completed:
        """Run a command to its end, whatever that is. While another program holds the repository it is waited for."""
        version, until = self.version, self.host.now() + self.lock_wait
        if words[0] not in READS:
            self._known = None
        trusted.make(str(self.cache))
        while True:
            argv = [self.repository.program, *words]
            environment = {**self.environment(), **more}
            done = self.host.run(argv, timeout=self.host.remaining(), stdin=stdin, env=environment, expect=None)
            if done.rc == 0 or meaning(done.rc, done.stderr, version) != LOCKED or self.host.now() > until:
                return done
            self.host.pause(LOCK_PAUSE)

    def _failed(self, word: str, done: Completed) -> CoreError:
        words = self._masking.hide(last_words(done.stderr) or last_words(done.stdout))
        if _FULL.search(done.stderr):
            return NoSpace(f"the disk of the repository {self.repository.shown} was full: {words}")
        kind = meaning(done.rc, done.stderr, self.version)
        return ResticFailed(word, done.rc, words, kind, unread_items(done.stderr + "\n" + done.stdout))

    def explained(self, error: ResticFailed) -> ActionFailed:
        """Return why a repository cannot be opened, for people."""
        where = self.repository.shown
        kinds = {
            ABSENT: f"there is no repository at {where}",
            PASSWORD: f"the password does not open the repository {where}",
            LOCKED: f"another program holds the repository {where}: see `restic list locks`",
        }
        return ActionFailed(f"{kinds.get(error.meaning, f'the repository {where} cannot be used')} ({error})")

    def snapshots(self, *, now: bool = False) -> list[Snapshot]:
        """Return every snapshot of the repository; no lock is needed for it. An answer of a moment ago counts where
        nothing was done since, unless that of ``now`` is asked for. Raise ResticFailed.
        """
        if self._known is None or now or time.monotonic() - self._known[0] > FRESH:
            self._known = (time.monotonic(), parse_snapshots(self.run("snapshots", "--json", "--no-lock").stdout))
        return self._known[1]

    def init(self) -> None:
        """Make the repository."""
        self.run("init")

    def config_id(self) -> str:
        """Return the repository's own id, which no other has."""
        text = self.run("cat", "config", "--no-lock").stdout
        try:
            return str(json.loads(text)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise ParseError("restic cat config", 1, text, "it has no id") from error

    def unlock(self) -> None:
        """Remove locks whose owner is gone, and no others."""
        folder = self.repository.path
        if not folder or not os.path.isdir(os.path.join(folder, "locks")) or os.listdir(os.path.join(folder, "locks")):
            self.run("unlock")

    def backup(
        self, paths: Sequence[str], tags: Sequence[str], *, exclude: Optional[Path] = None, parent: str = ""
    ) -> tuple[dict[str, Any], list[str]]:
        """Make a snapshot of absolute paths; return restic's summary and the paths that vanished before it read them.

        Raise ResticFailed where something that is there could not be read: half a source is none.
        """
        words = ["backup", "--json", "--quiet", "--host", self.host.name()]
        words += [word for tag in ("cryptobot", *tags) for word in ("--tag", tag)]
        words += ["--exclude-file", str(exclude)] if exclude else []
        words += ["--parent", parent] if parent else []
        done = self.attempt(*words, "--", *paths)
        if done.rc == 0:
            return summary_of(done.stdout), []
        items = unread_items(done.stderr + "\n" + done.stdout)
        partial = meaning(done.rc, done.stderr, self.version) == PARTIAL
        if partial and items and not any(os.path.lexists(item) or not item for item in items):
            return summary_of(done.stdout), items
        error = self._failed("backup", done)
        there = [item for item in items if item and os.path.lexists(item)]
        raise ActionFailed(f"restic could not read {there[0]}: {error}") if there else error

    def forget(self, ids: Sequence[str]) -> None:
        """Forget snapshots by their full ids and see that these, and only these, are gone. Raise ActionFailed."""
        if not all(map(FULL_ID.fullmatch, ids)) or not ids:
            raise ValueError(f"{ids} are not full ids")
        before = {one.id for one in self.snapshots(now=True)}
        self.run("forget", *ids)
        after = {one.id for one in self.snapshots(now=True)}
        left, lost = after & {*ids}, before - after - {*ids}
        if left:
            raise ActionFailed(f"restic forget ended well, and the snapshot {min(left)} is still there")
        if lost:
            raise ActionFailed(f"the snapshot {min(lost)} vanished from {self.repository.shown}, and not by this run")

    def check(self, *words: str) -> Checked:
        """Run ``check``; raise ResticFailed where the repository cannot be opened at all."""
        self.unlock()
        done = self._watched("check", *words) if self.repository.path else self.attempt("check", *words)
        kind = meaning(done.rc, done.stderr, self.version) if done.rc else ""
        if kind in (ABSENT, LOCKED, PASSWORD):
            raise self._failed("check", done)
        return parse_check(done.rc, self._masking.hide(f"{done.stdout}\n{done.stderr}"))

    def _watched(self, *words: str) -> Completed:
        """Run a command on a repository of this host, and end it where it would try a file again and again: each one
        costs minutes, and what a disk gave once it gives again.
        """
        until = self.host.now() + self.lock_wait
        trusted.make(str(self.cache))
        while True:
            done = watched([self.repository.program, *words], self.host, self.environment())
            if done.rc in (0, GIVEN_UP) or meaning(done.rc, done.stderr, self.version) != LOCKED:
                break
            if self.host.now() > until:
                break
            self.host.pause(LOCK_PAUSE)
        if done.rc == GIVEN_UP:
            self.run("unlock")
        return done

    @contextmanager
    def streaming(self, *words: str) -> Iterator[IO[bytes]]:
        """Yield what a command prints, as it comes; when the block ends the rest is read, and the exit code counts."""
        argv = [self.repository.program, *words]
        trusted.make(str(self.cache))
        stage = Stage(argv, self.host, env=self.environment(), name=f"restic {words[0]}")
        try:
            yield stage.give
            while stage.give.read(CHUNK):
                pass
            stage.finish()
        finally:
            stage.abandon()

    def dump(self, snapshot: str, path: str) -> bytes:
        """Return a small file of a snapshot, such as a manifest."""
        with self.streaming("dump", "--no-lock", snapshot, path) as stream:
            return stream.read()

    def restore(self, snapshot: str, into: Path, include: Sequence[str] = ()) -> None:
        """Write a snapshot below an empty folder of ours; what came of it has to be compared afterwards."""
        if os.listdir(into):
            raise ActionFailed(f"{into} is not empty: restic writes through links that it finds there")
        chosen = [word for path in include for word in ("--include", path)]
        self.run("restore", snapshot, "--no-lock", "--target", str(into), *chosen, more=marked(into))


def watched(argv: Sequence[str], host: Host, environment: Mapping[str, str]) -> Completed:
    """Run restic to its end, or to where it begins to try something again: then its exit code is GIVEN_UP."""
    with tempfile.TemporaryFile() as printed:
        stage = Stage(argv, host, env=environment, output=printed, name="restic")
        try:
            rc = stage.wait(POLL)
            while rc is None:
                if _RETRY.search(stage.last_words()):
                    stage.kill()
                    stage.wait(LAST_WORDS)
                    rc = GIVEN_UP
                else:
                    host.remaining()
                    rc = stage.wait(POLL)
            errors = stage.last_words()
        finally:
            stage.abandon()
        printed.seek(0)
        return Completed(tuple(argv), rc, printed.read().decode(errors="replace"), errors)


def of_tags(tags: Mapping[str, str]) -> list[str]:
    """Given names and values, return them as tags."""
    return [f"{name}={value}" for name, value in tags.items()]
