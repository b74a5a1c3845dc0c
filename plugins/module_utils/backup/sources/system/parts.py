# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host needs for the way back beside the application's own data: which files and which commands tell it, and
what was read, as records.

Rows of three tables. Nothing of the application is run, and nothing of an account that is not root's: what is installed
in a virtual environment stands in the names of its folders. Windows is asked by PowerShell (windows.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ....finding import EMPTY


class Command(NamedTuple):
    """A command whose output is one file of the set."""

    file: str
    argv: tuple[str, ...]


class HostPart(NamedTuple):
    """One part. In ``files`` and ``links`` each word in braces stands for every one that is declared (``{service}``,
    ``{account}``); ``*`` and ``?`` are those of a shell. Of ``links`` it is kept where they lead, of ``folders`` what
    is in them, two levels deep: a package and its version.
    """

    name: str
    files: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    links: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """What is declared of a host: patterns of service names, accounts, virtual environments, the parts without which
    there is no source, and patterns of those that are left out.
    """

    services: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    venvs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class SystemPiece(NamedTuple):
    """One file of the source: ``origin`` is the path or the command that it comes from."""

    part: str
    name: str
    content: bytes
    origin: str
    attributes: Mapping[str, Any] = EMPTY


class Trouble(NamedTuple):
    """What of a part could not be read, and why."""

    part: str
    why: str


class Parts(NamedTuple):
    """All that was read; ``missing`` names the parts of which there was nothing."""

    pieces: list[SystemPiece]
    troubles: list[Trouble]
    missing: list[str]


NAMES = (
    "services",
    "schedules",
    "firewall",
    "packages",
    "release",
    "sysctl",
    "logrotate",
    "postgresql",
    "redis",
    "accounts",
)
_UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system")
_DPKG = ("dpkg-query", "-W", "-f", "${binary:Package}\\t${Version}\\t${db:Status-Abbrev}\\n")
_RPM = ("rpm", "-qa", "--qf", "%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\n")

LINUX = (
    HostPart(
        "services",
        files=(*(f"{folder}/{{service}}" for folder in _UNITS), *(f"{folder}/{{service}}.d/*" for folder in _UNITS)),
        links=(f"{_UNITS[0]}/{{service}}", f"{_UNITS[0]}/*.wants/{{service}}", f"{_UNITS[0]}/*.requires/{{service}}"),
    ),
    HostPart(
        "schedules",
        files=(
            *("/etc/crontab", "/etc/cron.d/*"),
            *("/var/spool/cron/crontabs/root", "/var/spool/cron/crontabs/{account}"),  # Debian
            *("/var/spool/cron/root", "/var/spool/cron/{account}"),  # Red Hat
        ),
    ),
    HostPart(
        "firewall",
        files=(
            *("/etc/nftables.conf", "/etc/nftables.d/*", "/etc/sysconfig/nftables.conf", "/etc/iptables/rules.v*"),
            *("/etc/ufw/*.rules", "/etc/ufw/ufw.conf", "/etc/default/ufw", "/etc/ufw/applications.d/*"),
            *("/etc/firewalld/*.conf", "/etc/firewalld/*.xml", "/etc/firewalld/*/*.xml"),
        ),
        commands=(
            Command("nft.txt", ("nft", "list", "ruleset")),
            Command("iptables.txt", ("iptables-save",)),
            Command("ip6tables.txt", ("ip6tables-save",)),
        ),
    ),
    HostPart(
        "packages",
        files=("/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/etc/apt/preferences.d/*", "/etc/yum.repos.d/*"),
        commands=(
            Command("dpkg.txt", _DPKG),
            Command("apt-manual.txt", ("apt-mark", "showmanual")),
            Command("apt-hold.txt", ("apt-mark", "showhold")),
            Command("rpm.txt", _RPM),
        ),
    ),
    HostPart("release", files=("/etc/os-release",), commands=(Command("uname.txt", ("uname", "-srvm")),)),
    HostPart("sysctl", files=("/etc/sysctl.conf", "/etc/sysctl.d/*.conf")),
    HostPart("logrotate", files=("/etc/logrotate.d/{service}",)),
    HostPart(
        "postgresql",
        files=(
            *("/etc/postgresql/*/*/*.conf", "/etc/postgresql/*/*/conf.d/*.conf"),
            *("/var/lib/postgresql/*/*/*.conf", "/var/lib/pgsql/data/*.conf", "/var/lib/pgsql/*/data/*.conf"),
        ),
    ),
    HostPart("redis", files=("/etc/redis/*.conf", "/etc/redis/*.acl", "/etc/redis.conf", "/etc/valkey/*.conf")),
    HostPart("accounts"),
)

_BREW = ("/opt/homebrew", "/usr/local")
DARWIN = (
    HostPart(
        "services",
        files=(
            *("/Library/LaunchDaemons/{service}", "/Library/LaunchAgents/{service}"),
            "/Users/{account}/Library/LaunchAgents/{service}",
        ),
        commands=(Command("launchd-disabled.txt", ("launchctl", "print-disabled", "system")),),
        links=("/Library/LaunchDaemons/{service}",),
    ),
    HostPart("schedules", files=("/etc/crontab", "/private/var/at/tabs/root", "/private/var/at/tabs/{account}")),
    HostPart(
        "firewall",
        files=("/etc/pf.conf", "/etc/pf.anchors/*"),
        commands=(
            Command("pf-rules.txt", ("pfctl", "-sr")),
            Command("pf-nat.txt", ("pfctl", "-sn")),
            Command("applications.txt", ("/usr/libexec/ApplicationFirewall/socketfilterfw", "--listapps")),
        ),
    ),
    HostPart("packages", folders=tuple(f"{place}/{kind}" for place in _BREW for kind in ("Cellar", "Caskroom"))),
    HostPart("release", commands=(Command("sw_vers.txt", ("sw_vers",)), Command("uname.txt", ("uname", "-srvm")))),
    HostPart("sysctl", files=("/etc/sysctl.conf",)),
    HostPart("logrotate", files=("/etc/newsyslog.d/{service}",)),
    HostPart("postgresql", files=tuple(f"{place}/var/postgresql*/*.conf" for place in _BREW)),
    HostPart("redis", files=tuple(f"{place}/etc/redis*.conf" for place in _BREW)),
    HostPart("accounts"),
)

WINDOWS = (
    HostPart("services"),
    HostPart("schedules"),
    HostPart("firewall"),
    HostPart("packages"),
    HostPart("release"),
    HostPart("postgresql", files=("C:/Program Files/PostgreSQL/*/data/*.conf",)),
    HostPart("redis", files=("C:/Program Files/Redis/*.conf", "C:/Program Files/Memurai/*.conf")),
)

PARTS = {"linux": LINUX, "darwin": DARWIN, "windows": WINDOWS}
