# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host registered, taken apart into answers: one of one area, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import (
    CRITICAL,
    OK,
    STATUSES,
    UNKNOWN,
    Finding,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import seal

from .checks import CHECKS
from .findings import EMPTY, Said, said_by_us
from .sealed import is_sealed

PREFIX = "cryptobot_result_"
PART = "__"  # what follows it in the name of a result tells tasks of one area apart
CHECKUP = "checkup"  # the one task that looks at several areas
LEFT_OUT = f"{PREFIX}validation"  # the answer for a host that was left out, because its variables are wrong


class Answer(NamedTuple):
    """What one task said of one area. Turns of a loop are answers of one task."""

    area: str
    task: str
    said: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        """Whether the task failed or its host was lost."""
        return bool(self.said.get("failed", False) or self.said.get("unreachable", False))

    @property
    def looked(self) -> bool:
        """Whether it holds findings, so that it can stand for what was said before."""
        return bool(self.said.get("findings"))


def results_of(variables: Mapping[str, Any], clean: Optional[set[str]] = None) -> dict[str, Any]:
    """Given a host's variables, return its results, sealed: not every task that registers one is a module of ours.

    ``clean`` is what is_sealed remembers from host to host.
    """
    given = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    mappings = {name: value for name, value in given.items() if isinstance(value, Mapping)}
    return {name: value if is_sealed(value, clean) else seal(value) for name, value in mappings.items()}


def answers_of(variables: Mapping[str, Any]) -> list[Answer]:
    """Given a host's variables, return its answers; the checkup's first, because the other procedures looked later."""
    names = sorted(
        (name for name in variables if name.startswith(PREFIX)), key=lambda name: (CHECKUP not in name, name)
    )
    return [answer for name in names for answer in _of_task(name[len(PREFIX) :], variables[name])]


def _of_task(task: str, said: Any) -> Iterator[Answer]:
    if not isinstance(said, Mapping) or (task == CHECKUP and said.get("skipped", False)):
        return  # a checkup that was asked for none of its areas is no procedure: the tags of the run were for others
    own = task.partition(PART)[0]
    yield Answer(own, task, said)
    # what a checkup planned is no action of the run: the acting module says itself what it did
    looks = said.get("areas", {})
    yield from (
        Answer(area, task, {**seen, "actions": []}) for area, seen in looks.items() if isinstance(seen, Mapping)
    )
    yield from (Answer(own, task, turn) for turn in said.get("results", []) if isinstance(turn, Mapping))


def standing(answers: Iterable[Answer]) -> list[Answer]:
    """Given a host's answers, return them with the findings that stand.

    What a later task says of a check and subject replaces what an earlier one of the same area said of it; what it says
    nothing of stands: a set that is damaged stays damaged when a good one is made beside it. Nothing within an answer
    is ever dropped, however many findings it has of one check and subject.
    """
    told = list(answers)
    return [replace_findings(answer, _said_later(answer, told[at + 1 :])) for at, answer in enumerate(told)]


def _said_later(answer: Answer, later: Iterable[Answer]) -> set[tuple[Any, Any]]:
    """Return the checks and subjects of which later tasks of an answer's area say something."""
    others = [each for each in later if each.area == answer.area and each.task != answer.task]
    return {_about(finding) for each in others for finding in each.said.get("findings") or []}


def _about(finding: Any) -> tuple[Any, Any]:
    return (finding.get("check"), str(finding.get("subject"))) if isinstance(finding, Mapping) else (None, None)


def replace_findings(answer: Answer, replaced: set[tuple[Any, Any]]) -> Answer:
    """Given an answer and what was said anew, return it without that."""
    if not replaced or not answer.looked:
        return answer
    kept = [finding for finding in answer.said["findings"] if _about(finding) not in replaced]
    return answer._replace(said={**answer.said, "findings": kept})


def findings_of(host: str, answer: Answer) -> Iterator[Said]:
    """Yield the findings of an answer of a host; what is none as it should be is one that is unknown, and says so."""
    for said in answer.said.get("findings", []):
        if isinstance(said, Mapping):
            status, check = said.get("status"), said.get("check", EMPTY["check"])
            yield Said(host, answer.area, status if status in STATUSES else UNKNOWN, str(check), said)
        else:
            told = {"subject": answer.area, "procedure": "D1.1", "message": "returned a finding that cannot be read"}
            yield Said(host, answer.area, UNKNOWN, EMPTY["check"], told)
    notes = [
        str(note) for note in answer.said.get("cut", []) if "findings" in str(note).partition(":")[0].split(".")[-1]
    ]
    if notes:
        said_so = f"returned more findings than a report can hold: {'; '.join(notes)}"
        yield said_by_us(host, answer.area, CHECKS["run.complete"].finding(UNKNOWN, answer.area, said_so))


def ended(answer: Answer) -> Finding:
    """A failed task that has findings was told to act and could not; one without could not even look."""
    check = CHECKS["run.procedure"]
    if answer.said.get("unreachable", False):
        return check.finding(UNKNOWN, answer.area, "did not run to its end because the host was lost")
    if answer.failed:
        status = CRITICAL if answer.looked else UNKNOWN
        return check.finding(
            status, answer.area, str(answer.said.get("msg", "failed without a message")), expected="an end"
        )
    return check.finding(OK, answer.area, "came to its end")


def reached(answers: list[Answer]) -> Finding:
    """Return whether the host was reached from its first answer to its last."""
    check = CHECKS["run.reached"]
    for answer in answers:
        if answer.said.get("unreachable", False):
            why = answer.said.get("msg", "no reason given")
            return check.finding(UNKNOWN, "host", f"could not be reached for {answer.area}: {why}")
        if answer.said.get("left_out", False):
            return check.finding(UNKNOWN, "host", "was left out of the run", expected="a look at it", actual="none")
    if not answers:
        return check.finding(UNKNOWN, "host", "returned no result at all", expected="a result", actual="none")
    return check.finding(OK, "host", "was reached from the first task to the last")
