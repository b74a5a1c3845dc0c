# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services that a host is told of, each of which something on it can be, and known to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError
from .declared import MANAGERS, Service, declare
from .texts import check_no_secret

_FOUND_BY = ("pid_file", "command", "process", "port", "ports", "health")


def declare_whole(services: Sequence[Mapping[str, Any]], platform: str) -> tuple[Service, ...]:
    """As `declare`, and raise InputError for a service that nothing on its host can be, or be known to be, and for a
    secret in a command.
    """
    declared = declare(services, platform)
    option = MANAGERS.get(platform, MANAGERS["linux"]).option
    for raw in services:
        if not any(raw.get(each) for each in (option, *_FOUND_BY)):
            raise InputError(f"services[{raw['name']}].{option}", None, f"it, or one of {', '.join(_FOUND_BY)}")
    for service in declared:
        if service.manager == "pid_file" and not (service.command or service.process):
            expected = "it or command: what a pid file names may be any process"
            raise InputError(f"services[{service.name}].process", None, expected)
        for option, words in (("command", service.command), ("stop_command", service.stop_command)):
            check_no_secret(f"services[{service.name}].{option}", words)
    return declared
