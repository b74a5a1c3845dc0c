# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a service whether it is well: the request, and the judgement of its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional

from ..errors import CoreError, SourceDenied
from ..host import Host
from .declared import Probe
from .model import Answer

if TYPE_CHECKING:
    from ..web import HttpReply, Tls

AT_ONCE = 8


def ask_all(host: Host, probes: Sequence[Probe]) -> list[Answer]:
    """Given probes, return their answers in the same order. They are asked at the same time: one may hang."""
    if not probes:
        return []
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(AT_ONCE, len(probes))) as pool:
        return list(pool.map(lambda probe: ask(host, probe), probes))


def ask(host: Host, probe: Probe) -> Answer:
    """Given a probe, return the answer to ``samples`` requests; the first bad one ends it."""
    seconds: list[float] = []
    end, certificate_unavailable = _certificate(host, probe) if probe.tls else (None, "")
    for _sample in range(probe.samples):
        try:
            reply = host.http(probe.url, probe.timeout, tls=_tls(probe))
        except (CoreError, OSError) as error:
            return Answer(
                tuple(seconds), None, str(error).replace(probe.url, shown(probe.url)), end, certificate_unavailable
            )
        fault = check_reply(probe, reply)
        if fault:
            return Answer(tuple(seconds), reply.status, fault, end, certificate_unavailable)
        seconds.append(reply.seconds)
    return Answer(tuple(seconds), reply.status, "", end, certificate_unavailable)


def _tls(probe: Probe) -> Tls:
    """Return how to talk TLS to a probe's service, or None where it is asked without."""
    if not probe.tls:
        return None
    from ..tls import local_tls

    return local_tls(verify=probe.tls_verify, ca_path=probe.ca_path)


def _certificate(host: Host, probe: Probe) -> tuple[Optional[float], str]:
    try:
        return host.certificate_end(probe.host, probe.port, probe.timeout), ""
    except SourceDenied as error:
        return None, str(error)


def shown(url: str) -> str:
    """Return a URL as it may be shown: what a query says may be a secret."""
    path, mark, _query = url.partition("?")
    return f"{path}?..." if mark else path


def check_reply(probe: Probe, reply: HttpReply) -> str:
    """Given a probe and a reply, return what is wrong with the reply; empty where nothing is."""
    if reply.status not in probe.status:
        return f"{shown(probe.url)} answers {reply.status}, expected {' or '.join(map(str, probe.status))}"
    if probe.body_regex and re.search(probe.body_regex, reply.body) is None:
        return f"{shown(probe.url)} answers a body in which {probe.body_regex!r} finds nothing"
    return check_json(probe, reply.body)


def check_json(probe: Probe, body: str) -> str:
    """Given a probe and a body, return which value of its JSON is not the declared one; empty where all are."""
    if not probe.json:
        return ""
    try:
        document = json.loads(body)
    except ValueError:
        return f"{shown(probe.url)} answers a body that is no JSON"
    for path, expected in probe.json.items():
        actual = value_at(document, path)
        if str(actual) != str(expected):
            return f"{shown(probe.url)} answers {path} = {str(actual)[:80]!r}, expected {expected!r}"
    return ""


def value_at(document: Any, path: str) -> Any:
    """Given a JSON document and a dotted path (``database.status``, ``items.0.id``), return what is there, or None."""
    for step in path.split("."):
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document
