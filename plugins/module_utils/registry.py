# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an area is, and how its rules are declared: a rule, its id, its remedy and its source stand where it judges.

An area is a folder whose ``__init__.py`` has an ``AREA``; the list of areas is found, never written. A rule is a
function from a context to outcomes; the context turns an outcome into a finding of its subject.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Protocol, Union

from .finding import EMPTY, Check, Finding, Result

if TYPE_CHECKING:
    from .host import Host

__all__ = ["EMPTY", "Area", "Context", "Outcome", "Rule", "Rules", "area", "areas", "declare", "finding_of"]

Remedy = Union[str, Mapping[str, str]]


class Outcome(NamedTuple):
    """What a rule says before it is a finding.

    ``remedy`` is one that fits this state better than the rule's own (None), or empty where there is nothing to do.
    ``subject`` is what it is about where that is not the subject of the context.
    """

    status: str
    message: str
    expected: Any = None
    actual: Any = None
    remedy: Optional[str] = None
    subject: str = ""


class Context(Protocol):
    """What a rule gets; each area has its own. It knows the subject, and fills in names and the manager's remedy."""

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome of a check as a finding."""


def finding_of(check: Check, outcome: Outcome, subject: str = "", kind: str = "") -> Finding:
    """Given an outcome of a check, return it as a finding: of ``subject`` unless it names its own, with the check's
    remedy for that kind of manager, engine or system unless it has its own.
    """
    status, message, expected, actual, remedy, own_subject = outcome
    advice = check.remedy_for(kind) if remedy is None else remedy
    return check.finding(status, own_subject or subject, message, expected=expected, actual=actual, remedy=advice)


Judge = Callable[[Any], Iterable[Outcome]]


class Rule(NamedTuple):
    """A rule: its check, the function that judges, and the kind of context that it is given.

    ``many`` is whether it may say more than one thing of one subject.
    """

    check: Check
    judge: Judge
    per: str = ""
    many: bool = False


class Rules:
    """The rules of a file, or those of several files joined. Raise ValueError where an id stands twice."""

    def __init__(self, *parts: Rules) -> None:
        self.checks: dict[str, Check] = {}
        self.all: list[Rule] = []
        self.vital: frozenset[str] = frozenset()
        for part in parts:
            for check in part.checks.values():
                self._add(check)
            self.all += part.all
            self.vital |= part.vital

    def __getitem__(self, check_id: str) -> Check:
        return self.checks[check_id]

    def rule(  # noqa: PLR0913 - a row of a table
        self,
        check_id: str,
        *,
        procedure: str,
        remedy: Remedy,
        source: str = "",
        title: str = "",
        per: str = "",
        vital: bool = False,
        many: bool = False,
    ) -> Callable[[Judge], Judge]:
        """Declare the function below as the rule of an id. Its title is the first sentence of its docstring, or given.

        ``remedy`` is a text, or one for each manager or system of which the first is the documented one. ``per`` names
        the kind of context that it is for: the subject ("") or another. ``vital``: a failure of it may pass by itself,
        so that a run looks again before it believes it.
        """

        def declare(judge: Judge) -> Judge:
            check = self.check(check_id, title or first_sentence(judge.__doc__), procedure, remedy, source)
            self.all.append(Rule(check, judge, per, many))
            self.vital |= {check_id} if vital else frozenset()
            return judge

        return declare

    def check(self, check_id: str, title: str, procedure: str, remedy: Remedy, source: str = "") -> Check:
        """Declare an id that no function alone makes, and return its check."""
        remedies = EMPTY if isinstance(remedy, str) else remedy
        first = remedy if isinstance(remedy, str) else next(iter(remedy.values()))
        return self._add(Check(check_id, procedure, title, first, source, remedies))

    def _add(self, check: Check) -> Check:
        if check.id in self.checks:
            raise ValueError(f"the check {check.id} is declared twice")
        self.checks[check.id] = check
        return check

    def judge(self, context: Context, per: str = "") -> list[Finding]:
        """Given a context, return what all rules for that kind of context say of it, in their order."""
        return [
            context.finding(rule.check, outcome)
            for rule in self.all
            if rule.per == per
            for outcome in rule.judge(context)
        ]


def first_sentence(text: Optional[str]) -> str:
    """Given a docstring, return its first sentence on one line; empty where Python was told to leave docstrings out."""
    joined = " ".join((text or "").split())
    found = re.match(r".*?[.](?= [A-Z`\"]|$)", joined)
    return found[0] if found else joined


Run = Callable[[dict[str, Any], "Host", bool], Result]


class Area(NamedTuple):
    """One area: what its module takes and does. ``run`` and ``rules`` import the area when they are called.

    ``module`` is the name of its module; ``procedures`` are its ids in docs/procedures.md, by which a checkup is asked
    for it; none where it is no part of a checkup. A run asks for it by these, by its name and by its ``tags``.
    ``force`` are option values that a checkup sets, and ``plan_only`` has it run in check mode there, which is how an
    acting area is made to look without acting. ``acts`` is whether its module may change anything, ``low_priority``
    whether it runs with that. ``opt_in`` is one that no run holds which does not ask for it by one of those words.
    """

    name: str
    module: str
    spec: Mapping[str, Any]
    run: Run
    rules: Callable[[], Rules]
    procedures: tuple[str, ...]
    force: Mapping[str, Any] = EMPTY
    plan_only: bool = False
    acts: bool = False
    low_priority: bool = True
    tags: tuple[str, ...] = ()
    opt_in: bool = False


def declare(package: str, *, module: str, spec: Mapping[str, Any], procedures: tuple[str, ...], **more: Any) -> Area:
    """Given the ``__name__`` of an area's package and what else is known of it, return the area.

    Its parts are imported by name, in no statement that Ansible would find when it packs a module: whoever imports any
    file of an area would bring all of it.
    """

    def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
        result: Result = importlib.import_module(".run", package).run(params, host, check_mode)
        return result

    def rules() -> Rules:
        found: Rules = importlib.import_module(".run", package).RULES
        return found

    return Area(package.rpartition(".")[2], module, spec, run, rules, procedures, **more)


def area(name: str) -> Area:
    """Given an area's name, return it. Raise ModuleNotFoundError where there is no such folder."""
    found: Area = importlib.import_module(f".{name}", __package__).AREA
    return found


def areas(core: Optional[Path] = None) -> Iterator[Area]:
    """Yield all areas, by name: the folders of the core whose ``__init__.py`` declares one.

    On the controller only: on a host there are no others than those that were asked for.
    """
    for folder in sorted(path.parent for path in (core or Path(__file__).resolve().parent).glob("*/__init__.py")):
        if re.search(r"^AREA\b", (folder / "__init__.py").read_text("utf-8"), re.M):
            yield area(folder.name)
