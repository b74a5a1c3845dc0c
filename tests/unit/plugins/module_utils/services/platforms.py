# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows and macOS hosts as recorded, for the tests of services: the answers of their tools, to be changed."""

from __future__ import annotations

import json
import time

from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.windows_queries import queries

from .builders import FIXTURES

WINDOWS = ("windows-server-2019", "windows-server-2022", "windows-11", "windows-server-2019-de")
NOW = 1795348800.0  # 2026-11-22T12:00:00Z
REFUSED = {"error": "Access is denied.", "kind": "PermissionDenied", "missing": ""}
NO_EVENTS = {"value": []}

AUTH = {
    "name": "auth",
    "unit": "cryptobot-auth",
    "label": "com.cryptobot.auth",
    "service": "CryptoBotAuth",  # Windows cares for no capitals
    "port": 8000,
    "bind": "127.0.0.1",
    "health": {"path": "/health"},
}
WELL = {"http://127.0.0.1:8000/health": (200, "{}")}


def service(name, port=0, **fields):
    """Return a service of the application as the inventory declares it for all platforms."""
    names = {"service": f"Cryptobot{name.capitalize()}", "label": f"com.cryptobot.{name}"}
    return {"name": name, "unit": f"cryptobot-{name}", **names, **({"port": port} if port else {}), **fields}


def windows_answers(system="windows-server-2022", **changes):
    """Return what powershell.exe answers on a recorded system."""
    folder = FIXTURES / "powershell" / "services" / system
    rows = {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in queries(1, everything=True)}
    answers = {name: {"value": found} for name, found in rows.items()}
    return {**answers, **changes}


def windows_host(system="windows-server-2022", *, answers=None, now=NOW, **fields):
    """Return a Windows host that answers as recorded, changed by ``answers``."""
    printed = json.dumps(windows_answers(system, **(answers or {})))
    return FakeHost("windows", commands={"powershell.exe": printed}, replies=WELL, now=now, **fields)


def mac_time(text):
    """Return a moment that ps names, in seconds since the epoch."""
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def mac_commands(**changes):
    """Return what the tools of a recorded macOS host print, by command; None takes a tool away."""
    prints = {
        f"launchctl print system/com.cryptobot.{name}": _text(f"launchctl-print/macos-14/com.cryptobot.{name}.txt")
        for name in ("auth", "data", "strategy", "backtest", "trade")
    }
    given = {
        "launchctl print": (113, "", _text("launchctl-print/macos-15/not-found.txt")),
        **prints,
        "launchctl print-disabled system": _text("launchctl-print-disabled/macos-14/system.txt"),
        "launchctl list": _text("launchctl-list/macos-14/system.txt"),
        "ps -axww": _text("ps/macos-14/census.txt"),
        "ps -axo pid=,comm=": _text("ps/macos-14/programs.txt"),
        "lsof": _text("lsof/macos-14/fields.txt"),
        "netstat -anW -p tcp": _text("netstat/macos-14/tcp.txt"),
        "netstat -anW -p udp": _text("netstat/macos-14/udp.txt"),
        **changes,
    }
    return {name: answer for name, answer in given.items() if answer is not None}


def mac_host(*, commands=None, **fields):
    """Return a macOS host that answers as recorded, changed by ``commands``."""
    given = {"replies": WELL, "now": mac_time("2026-11-22 12:00:00"), **fields}
    return FakeHost("darwin", commands=mac_commands(**(commands or {})), **given)


def _text(name):
    return (FIXTURES / name).read_text("utf-8")
