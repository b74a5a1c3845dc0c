# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trials of one area: its tests are collected once, and each trial is a fork that runs those that can notice.

Which tests call which function is recorded in a run without a mistake. A trial asks them, the quickest first, until one
fails. Where the sample names the test that must notice, only that one is asked, and nothing is recorded.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple, Optional

import pytest
from mutants import CHECKOUT, Mutant, source_with, span_of
from planted import plant

PACKAGE = "ansible_collections.cryptobot.maintenance"
KILLED, SURVIVED, SAME = "killed", "survived", "same program"
GRACE = 20.0  # seconds that a trial has beyond ten times what its tests took without a mistake
SLOW = 1.0  # seconds that a test is taken to need where nothing is recorded

Tell = Callable[[Mutant, str, str], None]  # a mutant, what became of it, the test that noticed


class Recorded(NamedTuple):
    """A run without a mistake: by (file, first line) of a function the tests that call it, and how long each took."""

    callers: Mapping[tuple[str, int], Sequence[int]]
    seconds: Sequence[float]


class Trials:
    """A plugin of pytest that runs trials instead of tests. ``hints`` is the test that must notice, by mutant's key."""

    def __init__(self, mutants: Sequence[Mutant], hints: Mapping[str, str], until: float, tell: Tell) -> None:
        self.mutants, self.hints, self.until, self.tell = mutants, hints, until, tell
        self.problem = "pytest did not come to run them"  # what is wrong with the tests themselves

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try each mutant, until the time is up."""
        self.problem = f"{session.testsfailed} files could not be collected" if session.testsfailed else ""
        if self.problem:
            return True
        recorded = None
        try:
            if self.hints:
                pass_alone(session, self.hints.values())
            else:
                recorded = record(session, {mutant.path for mutant in self.mutants})
        except RuntimeError as error:
            self.problem = str(error)
            return True
        for mutant in self.mutants:
            if time.monotonic() > self.until:
                break
            self._try(session, mutant, recorded)
        return True

    def _try(self, session: pytest.Session, mutant: Mutant, recorded: Optional[Recorded]) -> None:
        mutated = source_with(mutant)
        if mutated is None:
            self.tell(mutant, SAME, "")
            return
        items = callers_of(session, mutant, recorded) if recorded else hinted(session, self.hints.get(mutant.key, ""))
        if not items and not recorded:
            return  # its test is gone: it is tried the slow way
        code, noticed = fork(lambda: _trial(session, mutant, mutated, items), 10 * sum(items.values()) + GRACE)
        if code in (0, 1):
            self.tell(mutant, SURVIVED if code == 0 else KILLED, noticed)
        elif code != NOT_PLANTED:  # it died or ran for ever
            self.tell(mutant, KILLED, "")


NOT_PLANTED = 9


def hinted(session: pytest.Session, node: str) -> dict[pytest.Item, float]:
    """Return the test of that id, and how long it may take."""
    return {item: SLOW for item in session.items if item.nodeid == node}


def callers_of(session: pytest.Session, mutant: Mutant, recorded: Recorded) -> dict[pytest.Item, float]:
    """Return the tests that call the function in which a mutant is, the quickest first, and how long each takes."""
    first, last = span_of(mutant)
    found = {
        index
        for (path, line), indexes in recorded.callers.items()
        if path == mutant.path and first <= line <= last
        for index in indexes
    }
    ordered = sorted(found, key=lambda index: (recorded.seconds[index], index))
    return {session.items[index]: recorded.seconds[index] for index in ordered}


def _trial(
    session: pytest.Session, mutant: Mutant, mutated: str, items: Mapping[pytest.Item, float]
) -> tuple[int, str]:
    path = CHECKOUT / mutant.path
    module = ".".join((PACKAGE, *Path(mutant.path).with_suffix("").parts))
    if not plant(module, str(path), path.read_text(encoding="utf-8"), mutated):
        return NOT_PLANTED, ""
    for item in run(session, list(items)):
        if session.testsfailed:
            return 1, item.nodeid
    return 0, ""


def run(session: pytest.Session, items: Sequence[pytest.Item]) -> Iterator[pytest.Item]:
    """Run tests one by one, and yield each when it has ended."""
    for item, following in zip(items, [*items[1:], None]):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        yield item


def pass_alone(session: pytest.Session, nodes: Iterable[str]) -> None:
    """Run the tests of those ids without a mistake in a fork. Raise RuntimeError where one fails."""
    wanted = set(nodes)

    def work() -> tuple[int, str]:
        for item in run(session, [item for item in session.items if item.nodeid in wanted]):
            if session.testsfailed:
                return 1, item.nodeid
        return 0, ""

    code, text = fork(work, 600.0)
    if code:
        raise RuntimeError(f"{text or code} fails without any mistake planted")


def record(session: pytest.Session, paths: set[str]) -> Recorded:
    """Given the files that decide, run all tests without a mistake in a fork. Raise RuntimeError where one fails."""
    code, text = fork(lambda: _record(session, paths), 3600.0)
    if code:
        raise RuntimeError(f"{text or code} fails without any mistake planted")
    told = json.loads(text)
    return Recorded({(path, line): indexes for path, line, indexes in told["callers"]}, told["seconds"])


def _record(session: pytest.Session, paths: set[str]) -> tuple[int, str]:
    callers: dict[CodeType, set[int]] = defaultdict(set)
    files = {str(CHECKOUT / path): path for path in paths}
    seconds: list[float] = []

    def trace(frame: FrameType, _event: str, _argument: Any) -> None:
        if frame.f_code.co_filename in files:
            callers[frame.f_code].add(len(seconds))

    threading.settrace(trace)
    sys.settrace(trace)
    began = time.monotonic()
    for item in run(session, session.items):
        seconds.append(time.monotonic() - began)
        if session.testsfailed:
            return 1, item.nodeid
        sys.settrace(trace)  # a test may have set its own
        began = time.monotonic()
    sys.settrace(None)
    told = [(files[code.co_filename], code.co_firstlineno, sorted(indexes)) for code, indexes in callers.items()]
    return 0, json.dumps({"callers": told, "seconds": seconds})


def fork(work: Callable[[], tuple[int, str]], seconds: float) -> tuple[int, str]:
    """Do work in a fork that has so many seconds and a process group of its own; return its exit code and its text.

    A signal that ended it is told as a code below 0.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as told:
        parent = os.getpid()
        child = os.fork()
        if not child:
            die_with(parent)
            _be_alone(seconds)
            try:
                code, text = work()
            except BaseException:  # noqa: BLE001 - a mistake may break anything, and then it was noticed
                code, text = 1, ""
            told.write(text)
            told.flush()
            os._exit(code)
        _pid, status = os.waitpid(child, 0)
        told.seek(0)
        return os.waitstatus_to_exitcode(status), told.read()


def die_with(parent: int) -> None:
    """Let the kernel end this process when its parent ends, however that was (Linux: prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before
            os._exit(1)


def _be_alone(seconds: float) -> None:
    """Have this process print nothing, and end with all that it starts when its time is up."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.setpgid(0, 0)
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
