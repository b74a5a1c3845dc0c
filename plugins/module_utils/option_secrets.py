# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which options are secrets in an answer: those of services, where not every value is one. Pure.

Ansible takes each value of an option that is ``no_log`` out of whatever leaves: right for what it writes into the log
of the host ("Invoked with"), and too much for an answer, in which WORKERS=1 would take out every 1. There it is those
values that are secrets: by the name of their variable, or because a probe carries them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from .redact import tells_secret


def secrets_among(values: Collection[str], params: Mapping[str, Any]) -> set[str]:
    """Given the values of all options that are ``no_log``, and the options, return what an answer must hide."""
    services = [each for each in params.get("services") or () if isinstance(each, Mapping)]
    plain = {value for each in services for value, secret in _values(each) if not secret}
    return (set(values) - plain) | {value for each in services for value, secret in _values(each) if secret}


def _values(service: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the values of a service's environment and probe, and whether each is a secret."""
    environment = service.get("environment")
    for name, value in environment.items() if isinstance(environment, Mapping) else ():
        yield str(value), tells_secret(str(name), str(value))
    probe = service.get("health")
    path, mark, query = str(probe.get("path") or "" if isinstance(probe, Mapping) else "").partition("?")
    yield path, False
    if mark:
        yield f"{path}?{query}", True
        yield query, True
        yield from ((value, True) for _name, value in parse_qsl(query))
        yield unquote(query), True
