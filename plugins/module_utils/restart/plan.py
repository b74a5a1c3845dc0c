# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making the plan of a restart: pure. Check mode shows what it says, a run does what it says.

A service is restarted together with everything that depends on it and runs, whether the inventory says so or only the
system's service manager: dependents are stopped first and started last. So whatever must not be stopped also protects
all that it depends on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..services.order import dependents, together
from ..steps import Step
from .declared import Options
from .model import RELOAD, START, STOP, SYSTEMD, RestartPlan, Situation

INTERRUPTED = "it ran before a restart that was interrupted"
RELOAD_STEP = Step(RELOAD, SYSTEMD, "unit files have changed since systemd read them")


def make_plan(situation: Situation, options: Options, protected: Mapping[str, str]) -> RestartPlan:
    """Given the situation and what must not be stopped (with the reason), return the plan."""
    repair = tuple(s.name for s in situation.services if _is_to_repair(situation, s.name))
    running = situation.running | set(repair)
    excepted = {name: f"{name} is excepted" for name in options.excepted}
    safe = {**excepted, **_unavailable(situation), **_without_command(situation), **situation.obstacles, **protected}
    chosen: set[str] = set()
    refused: dict[str, str] = {}
    names, web = wanted(situation, options), situation.web
    for name in names:
        together_with = dependents(web, [name]) & (running | set(situation.unavailable))
        in_the_way = [safe[other] for other in sorted(together_with & set(safe))]
        if in_the_way:
            refused[name] = "; ".join(in_the_way)
        else:
            chosen |= together_with
    groups, barred = _parted(situation, chosen)
    refused.update({name: barred[name] for name in names if name in barred})
    chosen -= set(barred)
    reload = bool(chosen & situation.reload)
    left = {s.name: _why_left(situation, options, s.name) for s in situation.services}
    left = {
        name: why for name, why in left.items() if name not in chosen and name not in refused and name not in repair
    }
    steps = tuple(_steps(situation, repair, groups, reload))
    return RestartPlan(steps, repair, groups, reload, left, refused)


def _parted(situation: Situation, chosen: set[str]) -> tuple[tuple[tuple[str, ...], ...], dict[str, str]]:
    """Return the groups of what is chosen, and by name why the others are not stopped: in a group with a service that
    its stop command would not end, nothing else is stopped for it.
    """
    groups, barred = [], {}
    for group in together(situation.graph, chosen):
        reasons = [situation.unstoppable[name] for name in group if name in situation.unstoppable]
        barred.update(dict.fromkeys(group, "; ".join(reasons)) if reasons else {})
        groups += [] if reasons else [tuple(group)]
    return tuple(groups), barred


def _is_to_repair(situation: Situation, name: str) -> bool:
    return name in situation.interrupted and name not in situation.running and name not in situation.unavailable


def _unavailable(situation: Situation) -> dict[str, str]:
    return {name: f"{name} cannot be looked at ({why})" for name, why in situation.unavailable.items()}


def _without_command(situation: Situation) -> dict[str, str]:
    """A script-started service is not stopped where nothing tells how to start it again."""
    scripts = [service for service in situation.services if service.manager == "pid_file" and not service.command]
    return {s.name: f"services[{s.name}].command is not declared, so {s.name} could not be started" for s in scripts}


def wanted(situation: Situation, options: Options) -> list[str]:
    """Return the names of the running services that there is a reason to restart, in start order."""
    names = [service.name for service in situation.services if service.name in situation.running]
    asked_for = [name for name in names if not options.only or name in options.only]
    return [name for name in asked_for if situation.reasons.get(name) and name not in options.excepted]


def _why_left(situation: Situation, options: Options, name: str) -> str:
    void = situation.void.get(name)
    if name in situation.unavailable:
        return f"it cannot be looked at: {situation.unavailable[name]}"
    if name not in situation.running:
        left = f"it ran before a restart that was interrupted, but {void}" if void else ""
        return left or situation.unnamed.get(name) or "it did not run before"
    if name in options.excepted:
        return "it is excepted"
    if options.only and name not in options.only:
        return "it is not among those asked for"
    return "nothing gives a reason to restart it"


def _steps(
    situation: Situation, repair: tuple[str, ...], groups: tuple[tuple[str, ...], ...], reload: bool
) -> Iterator[Step]:
    yield from (repair_step(name) for name in repair)
    if reload:
        yield RELOAD_STEP
    for group in groups:
        yield from steps_of(situation, group)


def repair_step(name: str) -> Step:
    """Return the step by which a service that an interrupted restart left stopped is started."""
    return Step(START, name, INTERRUPTED)


def steps_of(situation: Situation, group: tuple[str, ...]) -> tuple[Step, ...]:
    """Return the steps by which a group is restarted: all its members are stopped before the first is started."""
    reasons = {name: _why(situation, group, name) for name in group}
    stops = (Step(STOP, name, reasons[name]) for name in reversed(group))
    return (*stops, *(Step(START, name, reasons[name]) for name in group))


def _why(situation: Situation, group: tuple[str, ...], name: str) -> str:
    """Return why a member of a group is restarted: for reasons of its own, or with what it depends on."""
    own = situation.reasons.get(name)
    if own:
        return "; ".join(own)
    web = situation.web
    roots = [n for n in group if n != name and situation.reasons.get(n) and name in dependents(web, [n])]
    return f"it depends on {', '.join(roots)}"
