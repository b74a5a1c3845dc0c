# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about what a service shows to the network: its ports, addresses, probe and certificate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..sockets.model import Socket
from ..units import human_seconds
from . import listeners
from .case import Case
from .declared import Port
from .possible import WILDCARDS
from .probe import shown
from .remedies import port_remedy, probe_remedy

DAY = 86400.0


def judge_ports(case: Case) -> Iterator[Finding]:
    """Each declared port is listened on by that very service and by nobody else."""
    if case.observed.service.state == "stopped":
        return
    for port in case.observed.service.ports:
        status, text, actual = _judge_port(case, port)
        remedy = case.look_as_admin() if status == UNKNOWN else port_remedy(case, port.port, port.proto, actual)
        expected = f"{port.proto} {port.port}"
        yield case.finding("port_owner", status, text, expected=expected, actual=actual, remedy=remedy)


def _judge_port(case: Case, port: Port) -> tuple[str, str, object]:
    name, what = case.observed.name, f"{port.proto} port {port.port}"
    if case.snapshot.sockets is None:
        return UNKNOWN, f"nothing tells who listens on {what} of {name}: {case.snapshot.sockets_problem}", None
    if case.observed.alive is None:
        return UNKNOWN, f"nothing tells whether {what} is held by {name}: it cannot be looked at", None
    listeners = case.snapshot.listeners(port.port, port.proto)
    mine = [entry for entry in listeners if owns(case, entry)]
    strays = [entry for entry in listeners if entry.pids and entry not in mine and _in_the_way(entry, mine, port)]
    if strays:
        who = "; ".join(f"{case.snapshot.describe(entry.pids[0])} on {entry.address}" for entry in strays)
        return CRITICAL, f"{what} of {name} is held by a process that is not {name}: {who}", _pids(strays)
    if mine:
        return OK, f"{name} listens on {what}", _pids(mine)
    hidden = [entry for entry in listeners if not entry.pids]
    return _without_owner(case, what, case.snapshot.sockets.unavailable) if hidden else _nobody(case, what, port.proto)


def _without_owner(case: Case, what: str, blind: str) -> tuple[str, str, object]:
    if blind:
        return UNKNOWN, f"{what} is held by somebody, but not known by whom: {blind}", None
    return CRITICAL, f"{what} of {case.observed.name} is held by the kernel, not by a process", None


def _nobody(case: Case, what: str, proto: str) -> tuple[str, str, object]:
    unread = case.snapshot.sockets.unread.get(proto) if case.snapshot.sockets else ""
    if unread:
        return UNKNOWN, f"nothing tells whether anybody listens on {what}: {unread}", None
    if not case.observed.alive:
        return SKIPPED, f"nobody listens on {what}, because {case.observed.name} does not run", None
    return case.failing(), f"{case.observed.name} runs, but does not listen on {what}{case.grace_note()}", None


def owns(case: Case, entry: Socket) -> bool:
    """Return whether a socket is the service's."""
    return listeners.owns(case.observed, entry)


def _in_the_way(entry: Socket, mine: Sequence[Socket], port: Port) -> bool:
    """Return whether a stranger's socket takes requests that are meant for the service: not on another address."""
    wanted = {own.address for own in mine} or {port.bind}
    return entry.address in WILDCARDS or any(a in WILDCARDS or a == entry.address for a in wanted)


def _pids(entries: Sequence[Socket]) -> list[int]:
    return sorted({pid for entry in entries for pid in entry.pids})


def judge_bind(case: Case) -> Iterator[Finding]:
    """A service listens on the declared address."""
    for port in case.observed.service.ports:
        mine = [s for s in case.snapshot.listeners(port.port, port.proto) if owns(case, s)]
        if not port.bind or not mine:
            continue
        actual = sorted({entry.address for entry in mine})
        wrong = sorted(
            {entry.address for entry in mine if not binds(port.bind, entry) and not _twin(port.bind, entry, mine)}
        )
        if wrong:
            text = f"{case.observed.name} listens on {', '.join(wrong)} port {port.port}, declared is {port.bind}"
            yield case.finding("bind", WARNING, text, expected=port.bind, actual=actual)
        else:
            text = f"{case.observed.name} listens on {', '.join(actual)} port {port.port}, as declared"
            yield case.finding("bind", OK, text, expected=port.bind, actual=actual)


def _twin(declared: str, entry: Socket, mine: Sequence[Socket]) -> bool:
    """Windows lists a socket of both families twice, as 0.0.0.0 and as ::, and does not say that it is one."""
    both = declared == "0.0.0.0" and entry.address == "::" and entry.v6only is None  # noqa: S104 - compared with
    return both and any(other.address == declared and other.pids == entry.pids for other in mine)


def binds(declared: str, entry: Socket) -> bool:
    """Return whether a socket is bound as declared. All IPv4 addresses are also served by ``::`` that takes both."""
    if declared == "localhost":
        return entry.address in ("127.0.0.1", "::1")
    if declared in ("*", "any"):
        return entry.address in ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound to
    if declared == "0.0.0.0" and entry.address == "::":  # noqa: S104
        return entry.v6only is False
    return entry.address in (declared, f"::ffff:{declared}")


def judge_health(case: Case) -> Iterator[Finding]:
    """A service answers its own probe."""
    observed, answer = case.observed, case.observed.answer
    if observed.service.probe is None or observed.service.state == "stopped":
        return
    if answer is None:
        text = f"{observed.name} was not asked, because {observed.unasked or 'it does not run'}"
        yield case.finding("http", SKIPPED, text, expected=list(observed.service.probe.status))
        return
    remedy, text = "", f"{shown(observed.service.probe.url)} is well"
    status = case.failing() if answer.problem else UNKNOWN if observed.unproven else OK
    if answer.problem:
        text, remedy = answer.problem + case.grace_note(), probe_remedy(case)
    elif observed.unproven:
        text += f", but nothing tells whether it is {observed.name} that answers: {observed.unproven}"
        remedy = case.look_as_admin()
    expected = list(observed.service.probe.status)
    yield case.finding("http", status, text, expected=expected, actual=answer.status, remedy=remedy)


def judge_latency(case: Case) -> Iterator[Finding]:
    """A service answers its probe fast enough."""
    answer, probe = case.observed.answer, case.observed.service.probe
    if answer is None or probe is None or answer.problem or case.observed.unproven:
        return
    slow = answer.p95 > probe.latency_warn
    text = f"{case.observed.name} answers in {answer.p95 * 1000:.0f} ms (95th percentile of {len(answer.seconds)})"
    note = f", more than {probe.latency_warn * 1000:.0f} ms" if slow else ""
    status = WARNING if slow else OK
    actual = round(answer.p95, 4)
    yield case.finding("latency", status, text + note, expected=probe.latency_warn, actual=actual)


def judge_certificate(case: Case) -> Iterator[Finding]:
    """The certificate of a service that is probed over TLS lasts long enough."""
    answer, probe = case.observed.answer, case.observed.service.probe
    if answer is None or probe is None or not probe.tls:
        return
    if answer.certificate_end is None:
        yield case.finding("certificate", UNKNOWN, answer.certificate_problem or "the service shows no certificate")
        return
    left = answer.certificate_end - case.snapshot.now
    ends = f"ends in {human_seconds(left)}" if left > 0 else f"ended {human_seconds(abs(left))} ago"
    status = CRITICAL if left <= 0 else WARNING if left < probe.tls_min_days * DAY else OK
    text = f"the certificate of {case.observed.name} {ends}"
    yield case.finding("certificate", status, text, expected=f"{probe.tls_min_days} days", actual=round(left / DAY, 1))
