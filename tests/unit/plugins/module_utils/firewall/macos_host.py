# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""macOS hosts from fixtures: what pfctl, socketfilterfw, ifconfig, netstat and lsof print."""

from __future__ import annotations

from pathlib import Path

from fake_host import Answer, FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.collect import (
    SOCKETFILTERFW,
    collect,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Snapshot

from .recorded import FIXTURES

SYSTEMS = ("macos-12", "macos-13", "macos-14", "macos-15")
_ALF = ("getglobalstate", "getblockall", "getallowsigned", "getstealthmode", "listapps")
# Two programs of Cryptobot, one on loopback, sshd of launchd, and Bonjour; the form is that of lsof -F.
LSOF = """p1
claunchd
u0
Lroot
f7
tIPv6
d0x1
PTCP
n*:22
TST=LISTEN
p512
cPython
u0
Lroot
f3
tIPv4
d0x2
PTCP
n*:8000
TST=LISTEN
f4
tIPv4
d0x3
PTCP
n127.0.0.1:5432
TST=LISTEN
p91
cmDNSResponder
u65
L_mdnsresponder
f6
tIPv4
d0x4
PUDP
n*:5353
"""
PYTHON = "/Library/Frameworks/Python.framework/Versions/3.9/Resources/Python.app/Contents/MacOS/Python"
PROGRAMS = f"    1 /sbin/launchd\n   91 /usr/sbin/mDNSResponder\n  512 {PYTHON}\n"
NO_SOCKETS = (
    "Active Internet connections (including servers)\nProto Recv-Q Send-Q  Local Address  Foreign Address  (state)\n"
)
SERVICES = """# ports
ssh              22/udp     # SSH Remote Login Protocol
ssh              22/tcp
https           443/tcp
"""


def text(path: str) -> str:
    """Return a fixture."""
    return (FIXTURES / path).read_text(encoding="utf-8")


def commands(system: str) -> dict[str, Answer]:
    """Return what the tools of a system print."""
    folder = FIXTURES / "pfctl" / system
    network = system if system == "macos-12" else "macos-14"
    found: dict[str, Answer] = {
        "pfctl -s info": text(f"pfctl/{system}/info"),
        "ifconfig -a": text(f"ifconfig/{network}/all"),
        "netstat -rnl -f inet": text(f"netstat-routes/{network}/routes4"),
        "netstat -rnl -f inet6": text("netstat-routes/macos-14/routes6"),
        "netstat -anW -p": NO_SOCKETS,
        "sysctl -n net.inet.ip.portrange": "49152\n65535\n",
        "lsof -nP": LSOF,
        "ps -axo pid=,comm=": PROGRAMS,
        "launchctl list": "PID\tStatus\tLabel\n512\t0\tcom.cryptobot.auth\n1\t0\tcom.openssh.sshd\n",
        **{f"{SOCKETFILTERFW} --{option}": text(f"socketfilterfw/{system}/{option}") for option in _ALF},
    }
    names = {"rules": "rules", "nat": "nat", "anchors": "Anchors", "interfaces": "Interfaces"}
    for path in folder.glob("*"):
        verbose = "-v " if path.name in ("anchors", "interfaces") else ""
        if path.name in names:
            found[f"pfctl {verbose}-s {names[path.name]}"] = path.read_text(encoding="utf-8")
    found.update(_anchors(folder))
    return found


def _anchors(folder: Path) -> dict[str, Answer]:
    anchors = {path.relative_to(folder / "anchor"): path for path in folder.glob("anchor/**/*") if path.is_file()}
    tables = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("table/*")}
    return {
        **{
            f"pfctl -a {name.parent} -s {name.name}": path.read_text(encoding="utf-8") for name, path in anchors.items()
        },
        **{f"pfctl -t {name} -T show": shown for name, shown in tables.items()},
    }


def host(system: str, *, admin: bool = True, **changed: Answer) -> FakeHost:
    """Return a system; ``changed`` are commands by their beginning with _ for spaces."""
    return FakeHost(
        "darwin",
        commands={**commands(system), **{name.replace("__", " "): answer for name, answer in changed.items()}},
        files={"/etc/services": SERVICES},
        admin=admin,
    )


def facts(asked: FakeHost) -> Snapshot:
    """Return the facts of a host."""
    return parse(collect(asked))
