# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was once taken though it is wrong: each is a line, by the playbook that a user runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .test_inventory import AUTH, DATA, SOURCE, Site
from .test_one_line import said

APART = "expected one that auth does not have"
URL = "expected http://ADDRESS:PORT or https://ADDRESS:PORT"


def services(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"cryptobot_services": list(rows)}


def health(**options: Any) -> dict[str, Any]:
    return services({**AUTH, "port": 8000, "health": options})


def trading(**options: Any) -> dict[str, Any]:
    return {"cryptobot_trading": options}


# (the variables of a host, the lines that are said of it)
WRONG: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (health(timeout=-5), ("cryptobot_services[0] (auth).health.timeout is -5.0: expected seconds above 0",)),
    (
        health(status=[99, 2000]),
        ("cryptobot_services[0] (auth).health.status is [99, 2000]: expected status codes of HTTP, 100 to 599",),
    ),
    (
        trading(timeout=-3, wait_delay=-1),
        (
            "cryptobot_trading.timeout is -3.0: expected seconds above 0",
            "cryptobot_trading.wait_delay is -1.0: expected seconds above 0",
        ),
    ),
    (trading(url="http://localhost:abc"), (f"cryptobot_trading.url is 'http://localhost:abc': {URL}",)),
    (trading(service="nosuch"), ("cryptobot_trading.service is 'nosuch': expected names of services: ",)),
    (
        services({**AUTH, "port": 8000, "bind": "999.1.1.1"}),
        ("cryptobot_services[0] (auth).bind is '999.1.1.1': expected an IPv4 or IPv6 address, any or localhost",),
    ),
    (
        services({**AUTH, "port": 8000}, {**DATA, "port": 8000}),
        (f"cryptobot_services[1] (data).port is 8000: {APART}",),
    ),
    (services(AUTH, {**DATA, "unit": "auth"}), (f"cryptobot_services[1] (data).unit is 'auth.service': {APART}",)),
    (
        services({"name": "auth"}),
        (
            (
                "cryptobot_services[0] (auth).unit: is not set:"
                " expected it, or one of pid_file, command, process, port, ports, health"
            ),
        ),
    ),
    (services({**AUTH, "name": ""}), ("cryptobot_services[0].name is '': expected a name",)),
    (
        services({**AUTH, "command": "sleep 5"}),
        (
            (
                "cryptobot_services[0] (auth).command is ['sleep 5']:"
                " expected a list of words, such as [sleep, '5']: this is one word with a blank in it"
            ),
        ),
    ),
    (
        {"cryptobot_backup": {"dir": "/backups", "sources": [{**SOURCE, "path": "/backups/x.db"}]}},
        (
            (
                "cryptobot_backup.sources[0] (database).path is '/backups/x.db':"
                " expected a path outside of dir, which holds the sets"
            ),
        ),
    ),
    (
        {"cryptobot_backup": {"dir": "/etc", "sources": [SOURCE]}},
        ("cryptobot_backup.dir is '/etc': expected a folder of its own, not one of the system such as /etc or /var",),
    ),
]


@pytest.mark.case("RP2")
def test_what_no_host_could_work_with_is_said_of_each(tmp_path: Path) -> None:
    hosts = {f"trader{number:02}": given for number, (given, _lines) in enumerate(WRONG)}
    ended = Site(tmp_path, hosts).play("validate")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    lines = sorted(f"{host}: {line}" for host, (_given, found) in zip(hosts, WRONG) for line in found)
    assert said(ended.stdout) == lines
