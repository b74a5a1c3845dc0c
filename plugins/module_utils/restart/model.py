# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records of a restart: what is asked for, what is planned, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from ..finding import Action
from ..redact import tells_secret
from ..registry import EMPTY
from ..services.declared import Service
from ..services.model import Snapshot
from ..steps import Step
from .record import Record

RELOAD, STOP, START = "reload", "stop", "start"
SYSTEMD = "systemd"


@dataclass(frozen=True)
class Launch:
    """How to start a script: ``folder`` and ``environment`` as it had them, ``ids`` (uid, gid, groups) of its account.

    ``environment`` may hold secrets: it is never shown, and what looks like one is never written anywhere.
    ``unavailable`` is why it is not known how it ran, ``doubt`` why the process that was seen is not proved to be the
    service, ``lost`` what of its environment nobody knows any more; or empty.
    """

    folder: str
    ids: Optional[tuple[int, int, tuple[int, ...]]] = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    unavailable: str = ""
    doubt: str = ""
    lost: str = ""

    def as_record(self) -> dict[str, Any]:
        """Return what may be written to the disk: of secrets in the environment only their names, and nothing of one
        that could not be seen.
        """
        place = {"folder": self.folder, "ids": self.ids}
        if self.unavailable:
            return place
        secret = [name for name, value in self.environment.items() if tells_secret(name, value)]
        plain = {name: value for name, value in self.environment.items() if name not in secret}
        return {**place, "environment": plain, "withheld": sorted(secret)}


class LaunchdJob(NamedTuple):
    """How to start a job of launchd again once it was booted out: what launchd calls it, and its plist."""

    target: str
    plist: str

    @property
    def domain(self) -> str:
        """The domain of launchd that the job lives in, such as ``system`` or ``gui/501``."""
        return self.target.rpartition("/")[0]

    def as_record(self) -> dict[str, Any]:
        """Return what may be written to the disk."""
        return {"target": self.target, "plist": self.plist}


class Prepared(NamedTuple):
    """What the system's service manager knows of who depends on whom.

    ``services`` are the declared ones, those that it stops together with them, and what depends on what. ``along`` says
    by name what is stopped along with a service, whoever declares it; it may hold circles. ``known`` is what else it
    says of them by name, ``unknown`` why it says nothing.
    """

    services: Sequence[Service]
    along: Mapping[str, tuple[str, ...]] = EMPTY
    known: Mapping[str, Any] = EMPTY
    unknown: str = ""


class Situation(NamedTuple):
    """What a plan is made from.

    ``services`` are the declared ones and the units that systemd stops together with them, in start order. ``running``
    are the names of those that run, ``unavailable`` says why that could not be seen of others. ``reasons`` says for
    each why it should be restarted. ``interrupted`` are the services that an interrupted restart had stopped or was
    about to stop. ``reload`` names the units whose files systemd has not read yet. ``obstacles`` says of services why
    this platform could not stop them and start them again. ``along`` is as in Prepared. ``void`` says of services
    that an interrupted restart had stopped why it is not this run's to start them, ``unnamed`` of those that do not run
    by their pid files why they may run all the same, ``unstoppable`` of those that run why their declared stop command
    would not be run.
    """

    services: tuple[Service, ...]
    running: frozenset[str] = frozenset()
    unavailable: Mapping[str, str] = EMPTY
    reasons: Mapping[str, tuple[str, ...]] = EMPTY
    interrupted: tuple[str, ...] = ()
    reload: frozenset[str] = frozenset()
    obstacles: Mapping[str, str] = EMPTY
    along: Mapping[str, tuple[str, ...]] = EMPTY
    void: Mapping[str, str] = EMPTY
    unnamed: Mapping[str, str] = EMPTY
    unstoppable: Mapping[str, str] = EMPTY

    @property
    def graph(self) -> dict[str, tuple[str, ...]]:
        """Who depends on whom, as far as an order can follow it: without circles."""
        return {service.name: service.depends_on for service in self.services}

    @property
    def web(self) -> dict[str, tuple[str, ...]]:
        """Who depends on whom or is stopped along with it, circles included."""
        leaders = {name: [other for other in self.along if name in self.along[other]] for name in self.graph}
        return {name: (*needs, *leaders[name]) for name, needs in self.graph.items()}

    def service(self, name: str) -> Service:
        """Return a service by its name."""
        return next(service for service in self.services if service.name == name)


class RestartPlan(NamedTuple):
    """What a run does, in order: ``repair`` is started first, then each of ``groups`` is stopped and started.

    The members of a group are in start order and depend on one another; between groups there is no dependency.
    ``steps`` are the same as single steps. ``left`` says of each other service why nothing is done to it, ``refused``
    of those that should be restarted why they are not.
    """

    steps: tuple[Step, ...] = ()
    repair: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    reload: bool = False
    left: Mapping[str, str] = EMPTY
    refused: Mapping[str, str] = EMPTY

    @property
    def restarted(self) -> tuple[str, ...]:
        """The names of all services that are to be restarted, in order."""
        return tuple(name for group in self.groups for name in group)


class Passage(NamedTuple):
    """How a service came through its gate: in how many ``seconds``, and what was wrong (empty: nothing).

    ``began`` is when its main process began, ``at`` when it had come through (epoch).
    """

    seconds: float
    fault: str = ""
    began: Optional[float] = None
    at: float = 0.0


@dataclass
class Progress:
    """What came of a run: ``failures`` are sentences, ``not_running`` what ran before and does not now.

    ``gone`` is what else ended, ``named`` are the units that are told under the names of their services. ``memory`` is
    what the services use once their grace is over, in bytes, ``young`` why that is not known yet.
    """

    actions: list[Action] = field(default_factory=list)
    passages: dict[str, Passage] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    not_running: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    memory: dict[str, int] = field(default_factory=dict)
    young: dict[str, str] = field(default_factory=dict)


class Before(NamedTuple):
    """What is known from before the first step: the snapshot, and how each service is to be judged and started."""

    snapshot: Snapshot
    failing: Mapping[str, frozenset[tuple[str, str]]]
    launches: Mapping[str, Any]


class Survey(NamedTuple):
    """What was found before the first step: the situation to plan from, the details, and the record of an interrupted
    run, of which ``lost`` are services that are not declared any more and that nothing tells how to start.
    """

    situation: Situation
    before: Before
    record: Optional[Record]
    lost: tuple[str, ...] = ()
