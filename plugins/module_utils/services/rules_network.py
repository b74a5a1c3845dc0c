# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about what a service shows to the network: its ports, addresses, probe and certificate."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from ..sockets.model import Socket
from ..units import human_seconds
from . import listeners
from .context import Context
from .declared import Port
from .possible import WILDCARDS
from .probe import shown

RULES = Rules()
DAY = 86400.0
_LISTENERS: Mapping[str, str] = {
    "linux": "ss -Hlnp{flag} 'sport = :{port}'",
    "darwin": "sudo lsof -nP -i{proto}:{port}",
    "windows": "Get-Net{kind} -LocalPort {port} | Select-Object LocalAddress, OwningProcess",
}
_PROCESS: Mapping[str, str] = {
    "linux": "ps -o pid,user,lstart,args -p {pid}",
    "darwin": "ps -o pid,user,lstart,args -p {pid}",
    "windows": "Get-CimInstance Win32_Process -Filter 'ProcessId={pid}'",
}


@RULES.rule(
    "services.port_owner",
    procedure="D1.2",
    remedy="End the stray process after looking at what it is, or correct the port in the inventory.",
    source="the socket's inode, found among the open files of the service's processes; lsof; Get-NetTCPConnection",
    vital=True,
    many=True,
)
def judge_port_owner(context: Context) -> Iterator[Outcome]:
    """Each declared port is listened on by that very service and by nobody else."""
    if context.observed.service.state == "stopped":
        return
    for port in context.observed.service.ports:
        outcome = _judge_port(context, port)
        remedy = context.as_admin() if outcome.status == UNKNOWN else _port_remedy(context, port, outcome.actual)
        yield outcome._replace(expected=f"{port.proto} {port.port}", remedy=remedy)


def _judge_port(context: Context, port: Port) -> Outcome:
    name, what = context.observed.name, f"{port.proto} port {port.port}"
    if context.snapshot.sockets is None:
        return Outcome(
            UNKNOWN, f"nothing tells who listens on {what} of {name}: {context.snapshot.sockets_unavailable}"
        )
    if context.observed.alive is None:
        return Outcome(UNKNOWN, f"nothing tells whether {what} is held by {name}: it cannot be looked at")
    listeners = context.snapshot.listeners(port.port, port.proto)
    mine = [entry for entry in listeners if owns(context, entry)]
    strays = [entry for entry in listeners if entry.pids and entry not in mine and _in_the_way(entry, mine, port)]
    if strays:
        who = "; ".join(f"{context.snapshot.describe(entry.pids[0])} on {entry.address}" for entry in strays)
        return Outcome(
            CRITICAL, f"{what} of {name} is held by a process that is not {name}: {who}", actual=_pids(strays)
        )
    if mine:
        return Outcome(OK, f"{name} listens on {what}", actual=_pids(mine))
    hidden = [entry for entry in listeners if not entry.pids]
    if not hidden:
        return _nobody(context, what, port.proto)
    return _without_owner(context, what, context.snapshot.sockets.unavailable)


def _without_owner(context: Context, what: str, unavailable: str) -> Outcome:
    if unavailable:
        return Outcome(UNKNOWN, f"{what} is held by somebody, but not known by whom: {unavailable}")
    return Outcome(CRITICAL, f"{what} of {context.observed.name} is held by the kernel, not by a process")


def _nobody(context: Context, what: str, proto: str) -> Outcome:
    unread = context.snapshot.sockets.unread.get(proto) if context.snapshot.sockets else ""
    if unread:
        return Outcome(UNKNOWN, f"nothing tells whether anybody listens on {what}: {unread}")
    if not context.observed.alive:
        return Outcome(SKIPPED, f"nobody listens on {what}, because {context.observed.name} does not run")
    return Outcome(
        context.failing(), f"{context.observed.name} runs, but does not listen on {what}{context.grace_note()}"
    )


def owns(context: Context, entry: Socket) -> bool:
    """Return whether a socket is the service's."""
    return listeners.owns(context.observed, entry)


def _in_the_way(entry: Socket, mine: Sequence[Socket], port: Port) -> bool:
    """Return whether a stranger's socket takes requests that are meant for the service: not on another address."""
    wanted = {own.address for own in mine} or {port.bind}
    return entry.address in WILDCARDS or any(a in WILDCARDS or a == entry.address for a in wanted)


def _pids(entries: Sequence[Socket]) -> list[int]:
    return sorted({pid for entry in entries for pid in entry.pids})


@RULES.rule(
    "services.bind",
    procedure="D1.2",
    remedy="Bind the service to the declared address in its own configuration; a firewall is the second line only.",
    many=True,
)
def judge_bind(context: Context) -> Iterator[Outcome]:
    """A service listens on the declared address and on no wider one."""
    for port in context.observed.service.ports:
        mine = [s for s in context.snapshot.listeners(port.port, port.proto) if owns(context, s)]
        if not port.bind or not mine:
            continue
        actual = sorted({entry.address for entry in mine})
        wrong = sorted(
            {entry.address for entry in mine if not binds(port.bind, entry) and not _twin(port.bind, entry, mine)}
        )
        if wrong:
            text = f"{context.observed.name} listens on {', '.join(wrong)} port {port.port}, declared is {port.bind}"
            yield Outcome(WARNING, text, expected=port.bind, actual=actual)
        else:
            text = f"{context.observed.name} listens on {', '.join(actual)} port {port.port}, as declared"
            yield Outcome(OK, text, expected=port.bind, actual=actual)


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


@RULES.rule(
    "services.http",
    procedure="D1.2",
    remedy="Read the service's log at the time of the probe; ask the same URL with curl -i.",
    source="only some services have /health, so each names its own path and codes",
    vital=True,
)
def judge_http(context: Context) -> Iterator[Outcome]:
    """A service answers its own probe with an accepted code and body."""
    observed, answer = context.observed, context.observed.answer
    if observed.service.probe is None or observed.service.state == "stopped":
        return
    if answer is None:
        text = f"{observed.name} was not asked, because {observed.unasked or 'it does not run'}"
        yield Outcome(SKIPPED, text, expected=list(observed.service.probe.status))
        return
    remedy, text = None, f"{shown(observed.service.probe.url)} is well"
    status = context.failing() if answer.fault else UNKNOWN if observed.unproven else OK
    if answer.fault:
        text, remedy = answer.fault + context.grace_note(), _probe_remedy(context)
    elif observed.unproven:
        text += f", but nothing tells whether it is {observed.name} that answers: {observed.unproven}"
        remedy = context.as_admin()
    expected = list(observed.service.probe.status)
    yield Outcome(status, text, expected=expected, actual=answer.status, remedy=remedy)


@RULES.rule(
    "services.latency",
    procedure="D1.2",
    remedy="Look at load, database and exchange latency; restart only if its memory has grown.",
    source="warning above 1 s (the application's own alert rule)",
)
def judge_latency(context: Context) -> Iterator[Outcome]:
    """A service answers its probe fast enough (95th percentile of the samples)."""
    answer, probe = context.observed.answer, context.observed.service.probe
    if answer is None or probe is None or answer.fault or context.observed.unproven:
        return
    slow = answer.p95 > probe.latency_warn
    text = f"{context.observed.name} answers in {answer.p95 * 1000:.0f} ms (95th percentile of {len(answer.seconds)})"
    note = f", more than {probe.latency_warn * 1000:.0f} ms" if slow else ""
    status = WARNING if slow else OK
    actual = round(answer.p95, 4)
    yield Outcome(status, text + note, expected=probe.latency_warn, actual=actual)


@RULES.rule(
    "services.certificate",
    procedure="D1.2",
    remedy="Renew the certificate and reload the service.",
    source="warning 21 days before the end: time for a manual renewal with a holiday in between",
)
def judge_certificate(context: Context) -> Iterator[Outcome]:
    """The certificate of a service that is probed over TLS lasts long enough."""
    answer, probe = context.observed.answer, context.observed.service.probe
    if answer is None or probe is None or not probe.tls:
        return
    if answer.certificate_end is None:
        yield Outcome(UNKNOWN, answer.certificate_unavailable or "the service shows no certificate")
        return
    left = answer.certificate_end - context.snapshot.now
    ends = f"ends in {human_seconds(left)}" if left > 0 else f"ended {human_seconds(abs(left))} ago"
    status = CRITICAL if left <= 0 else WARNING if left < probe.tls_min_days * DAY else OK
    text = f"the certificate of {context.observed.name} {ends}"
    yield Outcome(status, text, expected=f"{probe.tls_min_days} days", actual=round(left / DAY, 1))


def _port_remedy(context: Context, port: Port, actual: object) -> str:
    """Given a port that is not listened on as declared, and the pids of strangers on it, return what to do."""
    pids = actual if isinstance(actual, list) else []
    kind = "TCPConnection" if port.proto == "tcp" else "UDPEndpoint"
    listing = _LISTENERS.get(context.snapshot.platform, _LISTENERS["linux"])
    listeners = listing.format(port=port.port, proto=port.proto.upper(), flag=port.proto[0], kind=kind)
    if not pids:
        return f"{listeners}; read the log of {context.observed.name} for why it does not listen there."
    process, pid = context.snapshot.processes.get(pids[0]), pids[0]
    first = _PROCESS.get(context.snapshot.platform, _PROCESS["linux"]).format(pid=pid)
    owner = f" (of {process.unit})" if process and process.unit else ""
    return f"{first}; if it{owner} does not belong there, stop it by its own service, else correct the port."


def _probe_remedy(context: Context) -> str:
    """Given a service that answers its probe badly, return what to do."""
    probe = context.observed.service.probe
    url = shlex.quote(shown(probe.url).partition("?")[0]) if probe else ""
    tool = "curl.exe" if context.snapshot.platform == "windows" else "curl"
    return "; ".join(filter(None, (f"{tool} -sSi {url}", context.log_command())))
