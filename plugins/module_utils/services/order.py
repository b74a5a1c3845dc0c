# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of services: a dependency graph, given as the names that each name depends on. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..errors import InputError

Graph = Mapping[str, Sequence[str]]


def start_order(graph: Graph) -> list[str]:
    """Given a graph, return its names so that each comes after all it depends on, else in the order given.

    Names that are depended on but are no keys do not count. Raise InputError naming a cycle.
    """
    ordered: list[str] = []
    waiting = list(graph)
    while waiting:
        ready = [name for name in waiting if all(need in ordered for need in graph[name] if need in graph)]
        if not ready:
            first, *others = _cycle(graph, waiting)
            raise InputError(f"services[{first}].depends_on", " -> ".join([first, *others]), "no cycle")
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return ordered


def _cycle(graph: Graph, waiting: Sequence[str]) -> list[str]:
    """Given names that all wait for one another, return one cycle, its first name repeated at the end."""
    path = [waiting[0]]
    while path.count(path[-1]) == 1:
        path.append(next(need for need in graph[path[-1]] if need in waiting))
    return path[path.index(path[-1]) :]


def needs(graph: Graph, name: str) -> set[str]:
    """Given a name, return everything that it depends on, directly or not."""
    return _reach({key: tuple(value) for key, value in graph.items()}, [name]) - {name}


def dependents(graph: Graph, names: Collection[str]) -> set[str]:
    """Given names, return them with everything that depends on them, directly or not."""
    reverse = {name: tuple(key for key, value in graph.items() if name in value) for name in graph}
    return _reach(reverse, names)


def _reach(graph: Mapping[str, tuple[str, ...]], names: Collection[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(graph.get(name, ()))
    return found


def together(graph: Graph, names: Collection[str]) -> list[list[str]]:
    """Given a set of names, return it as groups that have no dependency between them, each in start order."""
    ordered = [name for name in start_order(graph) if name in names]
    both = {a: tuple(b for b in ordered if a in graph.get(b, ()) or b in graph.get(a, ())) for a in ordered}
    groups: list[list[str]] = []
    for name in ordered:
        if not any(name in group for group in groups):
            members = _reach(both, [name])
            groups.append([member for member in ordered if member in members])
    return groups
