# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units of the five services, shaped like the real ones: dependencies, restart, sandbox, ports 8000 to 8004."""

from __future__ import annotations

import string
from dataclasses import asdict, dataclass
from pathlib import Path

from .catalog import SERVICES, Service, ports_from
from .database import FILES

REAL_BASE_PORT = 8000


@dataclass(frozen=True)
class UnitOptions:
    """What may differ from host to host.  The real services listen on every address and restart after 10 s."""

    install_dir: str = "/opt/cryptobot"
    source: str = "/opt/cryptobot-demo"
    user: str = "cryptobot"
    python: str = "/usr/bin/python3"
    host: str = "0.0.0.0"  # as the real services do; the firewall is what keeps them internal
    base_port: int = REAL_BASE_PORT
    restart_seconds: int = 10


def write_units(destination: Path, options: UnitOptions) -> list[Path]:
    """Given a folder, write one unit per service there and return their paths."""
    destination.mkdir(parents=True, exist_ok=True)
    paths = [destination / f"cryptobot-{name}.service" for name in SERVICES]
    for path, service in zip(paths, SERVICES.values()):
        path.write_text(render_unit(service, options), encoding="utf-8")
    return paths


def render_unit(service: Service, options: UnitOptions) -> str:
    """Given a service, return the text of its unit."""
    template = string.Template((FILES / "service.unit").read_text(encoding="utf-8"))
    required = [f"cryptobot-{name}.service" for name in service.depends_on]
    return template.substitute(
        asdict(options),
        name=service.name,
        title=service.title,
        port=ports_from(options.base_port)[service.name],
        after=" ".join(["network.target", *service.wants, *required]),
        dependencies="\n".join(_dependency_lines(required, list(service.wants))),
    )


def _dependency_lines(required: list[str], wanted: list[str]) -> list[str]:
    lines = [("Requires", required), ("Wants", wanted)]
    return [f"{keyword}={' '.join(units)}" for keyword, units in lines if units]
