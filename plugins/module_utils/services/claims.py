# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where else a service's port is named: in command line, environment, configuration. Reading them, finding ports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from ..errors import SourceDenied, SourceMissing
from ..host import Host
from ..processes.model import Process
from .declared import Declaration, Service
from .model import Claim, Unit

_PORT_FLAG = re.compile(r"(?:^|\s)--?(?:p|port|http-port)[= ]\s*(\d{1,5})(?!\S)")
_ADDRESS_FLAG = re.compile(r"(?:^|\s)--?(?:b|bind|listen|address|web\.listen-address)[= ]\s*\S*?:(\d{1,5})(?!\S)")
_ASSIGNMENT = re.compile(r"""(?:^|[\s"'])(\w+)=["']?(\d{1,5})(?![\w.])""", re.MULTILINE)


def ports_in_command(command: str) -> tuple[int, ...]:
    """Given a command line, return the ports that it tells the program to listen on."""
    return tuple(int(port) for pattern in (_PORT_FLAG, _ADDRESS_FLAG) for port in pattern.findall(command))


def ports_in_environment(name: str, text: str, *, own: bool) -> tuple[int, ...]:
    """Given a service's name and NAME=value text, return the ports given to that service.

    Such variables end in ``<NAME>_PORT`` or ``<NAME>_SERVICE_PORT``; a bare ``PORT`` counts in the service's ``own``
    environment, but not in a file that services share.
    """
    wanted = re.compile(rf"(?:\w+_)?{re.escape(name.upper().replace('-', '_'))}(?:_SERVICE)?_PORT")
    return tuple(
        int(value)
        for variable, value in _ASSIGNMENT.findall(text)
        if wanted.fullmatch(variable.upper()) or (own and variable.upper() == "PORT")
    )


def collect_claims(host: Host, service: Service, unit: Optional[Unit], main: Optional[Process]) -> tuple[Claim, ...]:
    """Given a service with what was found of it, return every place that names a port for it."""
    return tuple(dict.fromkeys(_claims(host, service, unit, main)))


def _claims(host: Host, service: Service, unit: Optional[Unit], main: Optional[Process]) -> Iterator[Claim]:
    if unit is not None:
        where = f"{'ExecStart' if unit.manager == 'systemd' else 'the command'} of {unit.id}"
        yield from (Claim(where, port) for port in ports_in_command(unit.exec_start))
        ports = ports_in_environment(service.name, unit.environment, own=True)
        yield from (Claim(f"Environment of {unit.id}", port) for port in ports)
        for path in unit.environment_files:
            yield from _from_file(host, service, path.lstrip("-"))
    if main is not None:
        yield from (Claim("the running command line", port) for port in ports_in_command(main.title))
    for place in service.declared_in:
        yield _declared(host, place)


def _from_file(host: Host, service: Service, path: str) -> Iterator[Claim]:
    try:
        text = host.read_declared(path).decode(errors="replace")
    except SourceMissing:
        return  # systemd itself refuses to start the unit then, unless the file is optional
    except SourceDenied as error:
        yield Claim(path, unavailable=str(error))
        return
    yield from (Claim(path, port) for port in ports_in_environment(service.name, text, own=False))


def _declared(host: Host, place: Declaration) -> Claim:
    try:
        text = host.read_declared(place.path).decode(errors="replace")
    except (SourceMissing, SourceDenied) as error:
        return Claim(place.path, unavailable=str(error))
    found = re.search(place.pattern, text, re.MULTILINE)
    if found is None or not (found.group(1) or "").isdigit():
        return Claim(place.path, unavailable=f"the pattern {place.pattern!r} finds no port in {place.path}")
    return Claim(place.path, int(found.group(1)))
