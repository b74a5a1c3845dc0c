# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What came out of steps and layers, and the lines that say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

SKIPPED = 77  # the exit code by which a step says that this machine cannot run it (as automake and meson read it)
SAID = 300  # characters of what a failed test said
TELLING = re.compile(r"(?:fatal: \[|\[ERROR\]: |ERROR! ).{0,600}")  # what a playbook's long output says went wrong


@dataclass(frozen=True)
class Counts:
    """How many tests (or steps that are not made of tests) passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Outcome:
    """How a layer ended. ``notes`` are one line each: a failed step, or a step left out with its reason; ``red`` is a
    line for each test that failed.
    """

    layer: str
    counts: Counts
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    red: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return self.counts.failed > 0

    def line(self) -> str:
        """Return the one line that sums up the layer."""
        word = "FAILED" if self.failed else "passed" if self.counts.passed else "skipped"
        because = f", because {'; '.join(self.notes)}" if self.notes and word != "passed" else ""
        left_out = f" ({'; '.join(self.notes)})" if self.notes and word == "passed" else ""
        return f"layer {self.layer}: {word}{because} - {self.counts} in {self.seconds:.0f} s{left_out}"


def counts_of_step(code: int, junit: Path) -> Counts:
    """Given a step's exit code and where its JUnit report would be, return its counts.

    A report that holds no failure does not hide a non-zero exit code: a crash counts as one failure.
    """
    if code == SKIPPED:
        return Counts(skipped=1)
    counts = read_junit(junit) if junit.exists() else Counts(passed=int(code == 0))
    if code != 0 and not counts.failed:
        counts += Counts(failed=1)
    return counts


def read_junit(path: Path) -> Counts:
    """Given pytest's JUnit report, return its counts. A test that errs in its set-up failed."""
    passed = failed = skipped = 0
    for case in ET.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return Counts(passed, failed, skipped)


def failed_tests(junit: Path) -> tuple[str, ...]:
    """Given where pytest's JUnit report would be, return a line for each test that failed: its name, what it said."""
    if not junit.exists():
        return ()
    found = []
    for case in ET.parse(junit).getroot().iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            said = what_it_said(problem.get("message", ""))
            found.append(f"{case.get('classname')}::{case.get('name')} - {said}")
    return tuple(found)


def what_it_said(message: str) -> str:
    """Given a failed test's message, return one line: how it begins, and what a playbook in it names as wrong."""
    line = " ".join(message.split())
    return " ... ".join([line[:SAID], *TELLING.findall(line[SAID:])[:2]])
