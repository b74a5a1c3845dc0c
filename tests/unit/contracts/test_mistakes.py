# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every area: all that it refuses of its options on the host is found on the controller, by the same code.

Each InputError that an area can raise is found in its source; the tables below must reach each of them by a mistake.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import errors, typed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import areas
from ansible_collections.cryptobot.maintenance.plugins.plugin_utils.areas import mistakes_in

CHECKOUT = Path(__file__).resolve().parents[3]
CORE = CHECKOUT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.cryptobot.maintenance.plugins.module_utils"

# What only the host can know, by the function that refuses it: whether an account or a set exists there.
OF_THE_HOST = {
    ("options.py", "expand"): "which accounts a host has",
    ("restart/launch.py", "_account"): "which accounts a host has",
    ("backup/run.py", "chosen"): "which sets are in the folder",
    ("backup/store/restic.py", "require_password_file"): "whose a file of the host is",
    ("pitr_restore/run.py", "_absent"): "what is in a folder of the host",
    ("backup/store/signature.py", "read_key"): "what is in a file of the host",
    ("backup/store/signature.py", "_require_private"): "whose a file of the host is",
    ("restore/choose.py", "choose_set"): "which sets are in the folder",
    ("restore/choose.py", "_named"): "which sets are in the folder",
    ("restore/choose.py", "choose_entries"): "which sources a set has",
    ("restore/journal.py", "chosen"): "which restores there were",
    ("trusted_accounts.py", "_id"): "which accounts and groups a host has",
}


def service(**options: Any) -> dict[str, Any]:
    return {"services": [{"name": "auth", "unit": "auth", "label": "auth", "service": "auth", **options}]}


def rule(**options: Any) -> dict[str, Any]:
    return {"rules": [{"name": "logs", "path": "/opt/cryptobot/logs", "patterns": ["*.log.1"], **options}]}


def source(**options: Any) -> dict[str, Any]:
    return {"dir": "/backups", "sources": [{"name": "config", "type": "files", "path": "/opt/cryptobot", **options}]}


def restic(**options: Any) -> dict[str, Any]:
    given = {"store": "restic", "repository": "/srv/repository", "repository_password": "x"}
    return {**source(), **given, **options}


ELSEWHERE = "sftp:, s3:, rest:, rclone:, b2:, azure:, gs:, swift:"


def place(**options: Any) -> dict[str, Any]:
    """Return options of backup_archive with one place for copies, made of these."""
    return {"copies": [{"name": "nas", "type": "folder", "path": "/mnt/nas/cryptobot", **options}]}


SFTP = {"type": "sftp", "host": "vault", "path": "copies"}
COPIES = [
    (
        place(name="a b"),
        (
            "copies[0] (a b).name is 'a b': expected up to 64 letters, digits, dots, dashes or underscores, the first "
            "a letter or digit"
        ),
    ),
    (
        {"copies": place()["copies"] * 2},
        "copies[1] (nas).name is 'nas': expected each name once",
    ),
    (
        place(path="nas"),
        "copies[0] (nas).path is 'nas': expected an absolute path",
    ),
    (
        place(path="/"),
        "copies[0] (nas).path is '/': expected a folder of its own, not the root",
    ),
    (
        place(**{**SFTP, "host": "-oProxyCommand=x"}),
        "copies[0] (nas).host is '-oProxyCommand=x': expected the name or address of the server, because type is sftp",
    ),
    (
        place(**SFTP, user="-l"),
        "copies[0] (nas).user is '-l': expected an account of the server",
    ),
    (
        place(**SFTP, port=0),
        "copies[0] (nas).port is 0: expected a port from 1 to 65535",
    ),
    (
        place(type="rclone", path="bucket"),
        "copies[0] (nas).path is 'bucket': expected a remote of rclone and a path, such as offsite:bucket/folder",
    ),
    (
        place(rate_limit=-1),
        "copies[0] (nas).rate_limit is -1: expected KiB in a second, 0 for no limit",
    ),
    (
        place(max_age_hours=0),
        "copies[0] (nas).max_age_hours is 0.0: expected hours above 0: every set is older than that",
    ),
    (
        place(labels=["monthly"]),
        "copies[0] (nas).max_age_hours: is not set: expected hours, because labels are given: what is seldom is older",
    ),
    *(
        (
            place(path=path),
            (
                f"copies[0] (nas).path is {path!r}: expected a folder that has nothing to do with dir or the place of "
                "another copy"
            ),
        )
        for path in ("/backups", "/backups/nas")
    ),
    (
        place() | {"copies_policy": "2"},
        "copies_policy is '2': expected 'all', 'any', or a number from 1 to that of copies (1)",
    ),
    (
        place() | {"copies_at_once": 0},
        "copies_at_once is 0: expected 1 or more",
    ),
]


def windows_rule(path: str) -> dict[str, Any]:
    return {"rules": [{"name": "logs", "path": path, "patterns": ["*.log.1"]}]}


def database(**options: Any) -> dict[str, Any]:
    return {"databases": [{"name": "main", "engine": "sqlite", "path": "/main.db", **options}]}


def exception(**options: Any) -> dict[str, Any]:
    whole = {"check": "firewall.blind", "owner": "operations", "reason": "a test", "expires": "2027-01-31"}
    return {"exceptions": [{**whole, **options}]}


def policy(**options: Any) -> dict[str, Any]:
    return {"policy": [{"port": "22", "from": ["any"], **options}]}


def cluster(**options: Any) -> dict[str, Any]:
    return {"clusters": [{"name": "main", **options}]}


def copy_of(**options: Any) -> dict[str, Any]:
    given = {"dir": "/var/lib/postgresql/pitr", "value": "2026-11-29 20:33:19+00"}
    return {"cluster": {"name": "main"}, **given, **options}


# (area, platform, options, the line that says what is wrong)
def restoring(**options: Any) -> dict[str, Any]:
    return {"dir": "/b", "sources": [{"name": "a", "type": "files", "path": "/a"}], **options}


TRIED: dict[str, Any] = {"name": "auth", "command": ["x"], "port": 9000}


def drilling(**options: Any) -> dict[str, Any]:
    rows = [{"name": "host_lost", "title": "It is gone."}]
    return {"dir": "/b", "scenario": "host_lost", "scenarios": rows, **options}


MISTAKES: list[tuple[str, str, dict[str, Any], str]] = [
    ("pitr_restore", "linux", copy_of(port=70000), "port is 70000: expected a number from 0 to 65535"),
    (
        "pitr_restore",
        "linux",
        copy_of(dir="/var/lib/" + "ab/" * 30),
        (
            "dir is /var/lib/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/ab/... (98 characters): expected at most "
            "80 bytes: the path of a socket in it may have no more than 107"
        ),
    ),
    (
        "pitr_restore",
        "linux",
        copy_of(value="2026-11-29 20:33:19"),
        "value is '2026-11-29 20:33:19': expected a time in UTC with its zone, such as 2026-11-29 20:33:19+00",
    ),
    (
        "pitr_restore",
        "linux",
        copy_of(value="2026-13-29 20:33:19+00"),
        "value is '2026-13-29 20:33:19+00': expected a time in UTC with its zone, such as 2026-11-29 20:33:19+00",
    ),
    (
        "pitr_restore",
        "linux",
        copy_of(target="xid", value="two"),
        "value is 'two': expected the number of a transaction, such as 735",
    ),
    (
        "pitr_restore",
        "linux",
        copy_of(target="name", value="a'b"),
        'value is "a\'b": expected the name of a restore point: letters, digits, blanks and . _ : @ + -',
    ),
    ("pitr_restore", "linux", copy_of(target="latest", value="x"), "value is 'x': expected none: latest says it all"),
    (
        "pitr_restore",
        "linux",
        copy_of(target="latest", value="", dump_database="a"),
        "dump_file is '': expected a file where dump_database is given, and only there",
    ),
    (
        "pitr_restore",
        "linux",
        copy_of(set="a'b"),
        'set is "a\'b": expected the label of a backup, such as 20261129-203311F',
    ),
    (
        "pitr_restore",
        "linux",
        copy_of(dir="/copy"),
        "dir is '/copy': expected a folder below another one, such as /var/lib/postgresql/pitr",
    ),
    (
        "pitr",
        "linux",
        {"clusters": [{"name": "main"}, {"name": "main"}]},
        "clusters[1] (main).name is 'main': expected each name once",
    ),
    (
        "pitr",
        "linux",
        cluster(stanza="-x"),
        "clusters[0] (main).stanza is '-x': expected letters, digits, - and _, such as main",
    ),
    ("pitr", "linux", cluster(login_port=0), "clusters[0] (main).login_port is 0: expected a port between 1 and 65535"),
    (
        "pitr",
        "linux",
        {"thresholds": {"rpo_warning": "2h", "rpo_critical": "1h"}},
        "thresholds.rpo_critical is '1h': expected at least that of rpo_warning, which is reached first",
    ),
    (
        "pitr",
        "linux",
        {"thresholds": {"ready_warning": -1}},
        "thresholds.ready_warning is -1: expected a number, 0 or more",
    ),
    (
        "pitr",
        "linux",
        {"thresholds": {"room_warning": 120}},
        "thresholds.room_warning is 120.0: expected a percentage, 0 to 100",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "auth", "unti": "x"}]},
        "services[0] (auth).unti: not an option; did you mean unit?",
    ),
    ("services", "linux", service(port=80000), "services[0] (auth).port is 80000: expected a port between 1 and 65535"),
    ("services", "linux", service(port=0), "services[0] (auth).port is 0: expected a port between 1 and 65535"),
    ("services", "linux", service(port="https"), "services[0] (auth).port is 'https': expected a whole number"),
    (
        "services",
        "linux",
        service(ports=[{"port": 1}, {"port": 65536}]),
        "services[0] (auth).ports[1] (65536).port is 65536: expected a port between 1 and 65535",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"port": 70000}),
        "services[0] (auth).health.port is 70000: expected a port between 1 and 65535",
    ),
    (
        "services",
        "linux",
        service(health={}),
        "services[0] (auth).health.port: is not set: expected a port here, or one of the service",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"path": "health-page"}),
        "services[0] (auth).health.path is 'health-page': expected a path that begins with /",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"samples": 0}),
        "services[0] (auth).health.samples is 0: expected at least 1",
    ),
    (
        "services",
        "linux",
        service(process="("),
        (
            "services[0] (auth).process is '(': expected a regular expression"
            " (missing ), unterminated subpattern at position 0)"
        ),
    ),
    (
        "services",
        "linux",
        service(declared_in=[{"path": "/x", "pattern": "port"}]),
        (
            "services[0] (auth).declared_in[0] (/x).pattern is 'port':"
            " expected a regular expression with a group around the port"
        ),
    ),
    (
        "services",
        "linux",
        service(unit="a b"),
        "services[0] (auth).unit is 'a b': expected the name of a unit, such as auth.service",
    ),
    (
        "services",
        "darwin",
        service(label="a/b c"),
        "services[0] (auth).label is 'a/b c': expected a label, such as com.cryptobot.auth",
    ),
    (
        "services",
        "windows",
        service(service="a/b"),
        "services[0] (auth).service is 'a/b': expected the name of a service without slashes, at most 256 characters",
    ),
    (
        "services",
        "linux",
        service(pid_file="run/x.pid"),
        "services[0] (auth).pid_file is 'run/x.pid': expected an absolute path, such as /opt/cryptobot",
    ),
    (
        "services",
        "windows",
        service(pid_file="C:x.pid"),
        r"services[0] (auth).pid_file is 'C:x.pid': expected an absolute path, such as C:\CryptoBot",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "auth", "port": 1}, {"name": "auth", "port": 2}]},
        "services[1] (auth).name is 'auth': expected each name once",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "auth", "port": 1}, {"name": "data", "unit": "x", "depends_on": ["atuh"]}]},
        "services[1] (data).depends_on is ['atuh']: expected names of services: auth, data; did you mean auth?",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "a", "port": 1, "depends_on": ["b"]}, {"name": "b", "port": 2, "depends_on": ["a"]}]},
        "services[0] (a).depends_on is 'a -> b -> a': expected no cycle",
    ),
    ("services", "linux", {"restarts_warn": 4}, "restarts_warn is 4: expected between 1 and restarts_crit (3)"),
    (
        "services",
        "linux",
        {"restarts_window": "90"},
        "restarts_window is '90': expected a unit: 90 what? write 90d (90h, 90m or 90s)",
    ),
    (
        "services",
        "linux",
        service(start_grace="soon"),
        "services[0] (auth).start_grace is 'soon': expected a duration such as 90s, 15m, 12h or 7d",
    ),
    (
        "services",
        "linux",
        service(start_grace="2M"),
        "services[0] (auth).start_grace is '2M': expected a duration: 2m are minutes, and a month is 30d",
    ),
    (
        "services",
        "linux",
        service(memory_max="big"),
        "services[0] (auth).memory_max is 'big': expected a size such as 500M or 1.5GiB",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "auth"}]},
        "services[0] (auth).unit: is not set: expected it, or one of pid_file, command, process, port, ports, health",
    ),
    (
        "services",
        "windows",
        {"services": [{"name": "auth", "unit": "auth"}]},
        (
            "services[0] (auth).service: is not set:"
            " expected it, or one of pid_file, command, process, port, ports, health"
        ),
    ),
    ("services", "linux", service(name=""), "services[0].name is '': expected a name"),
    *(
        (
            "services",
            "linux",
            service(**{option: words}),
            (
                f"services[0] (auth).{option} is {words}: expected a list of words whose first names a program,"
                " such as [sleep, '5']; where there is none, leave it out"
            ),
        )
        for option, words in (("command", [""]), ("stop_command", [""]), ("command", [" "]), ("command", ["", "-x"]))
    ),
    (
        "services",
        "linux",
        service(command="sleep 5"),
        (
            "services[0] (auth).command is ['sleep 5']:"
            " expected a list of words, such as [sleep, '5']: this is one word with a blank in it"
        ),
    ),
    (
        "services",
        "linux",
        service(port=1, bind="999.1.1.1"),
        "services[0] (auth).bind is '999.1.1.1': expected an IPv4 or IPv6 address, any or localhost",
    ),
    (
        "services",
        "linux",
        service(ports=[{"port": 1, "bind": "nowhere"}]),
        "services[0] (auth).ports[0] (1).bind is 'nowhere': expected an IPv4 or IPv6 address, any or localhost",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "a", "port": 1, "bind": "localhost"}, {"name": "b", "port": 1, "bind": "127.0.0.1"}]},
        "services[1] (b).port is 1: expected one that a does not have",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "a", "unit": "x"}, {"name": "b", "unit": "x.service"}]},
        "services[1] (b).unit is 'x.service': expected one that a does not have",
    ),
    (
        "services",
        "windows",
        {"services": [{"name": "a", "service": "App"}, {"name": "b", "service": "APP"}]},
        "services[1] (b).service is 'APP': expected one that a does not have",
    ),
    (
        "services",
        "linux",
        {"services": [{"name": name, "pid_file": "/run/x", "process": "x"} for name in ("a", "b")]},
        "services[1] (b).pid_file is '/run/x': expected one that a does not have",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"timeout": -5}),
        "services[0] (auth).health.timeout is -5.0: expected seconds above 0",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"latency_warn": 0}),
        "services[0] (auth).health.latency_warn is 0.0: expected seconds above 0",
    ),
    *(
        ("services", "linux", service(**options), f"services[0] (auth).{line}")
        for options, line in (
            ({"chdir": "/x\ny"}, "chdir is '/x\\ny': expected a path without control characters"),
            ({"user": "a\tb"}, "user is 'a\\tb': expected a text without control characters"),
            (
                {"command": ["/bin/x", "a\0b"]},
                "command is ['/bin/x', 'a\\x00b']: expected words without a NUL, which no command can have",
            ),
            ({"output": "/var/log/"}, "output is '/var/log/': expected a file: what ends with a slash is a folder"),
            *(
                (
                    {"environment": {name: "x"}},
                    (
                        f"environment is {shown!r}: expected names of variables, which are not empty"
                        " and have no '=' and no control characters in them"
                    ),
                )
                for name, shown in (("A=B", "A="), ("", ""), ("A\0", "A\0"), ("=", "="))
            ),
            (
                {"environment": {"A": "x\0y"}},
                "environment is 'A': expected variables whose values have no NUL in them",
            ),
            (
                {"port": 1, "health": {"status": []}},
                "health.status is []: expected at least one status code of a service that is well",
            ),
        )
    ),
    (
        "services",
        "linux",
        {"services": [{"name": "auth", "pid_file": "/run/auth.pid", "port": 1}]},
        "services[0] (auth).process: is not set: expected it or command: what a pid file names may be any process",
    ),
    *(
        (
            area,
            "linux",
            service(**{option: ["/bin/x", *words]}),
            (
                f"services[0] (auth).{option} is '{words[0].partition('=')[0]}=********': expected no secret in a"
                " command, which every account can read: let the program read it from a file"
            ),
        )
        for area in ("services", "restart")
        for option, words in (
            ("command", ["--password=hunter22222"]),
            ("command", ["--db-password", "hunter22222"]),
            ("stop_command", ["-api_key=hunter22222"]),
        )
    ),
    *(
        ("backup", "linux", source(type=kind, **given), message)
        for kind, given, message in (
            (
                "system",
                {},
                (
                    "sources[0] (config).path is '/opt/cryptobot': expected no path: a system source holds what is"
                    " there of its parts; declare other files as a files source"
                ),
            ),
            (
                "redis",
                {"path": None, "paths": ["/a"]},
                "sources[0] (config).paths is '/a': expected path, because a redis source is one file",
            ),
            (
                "system",
                {"path": None, "services": ["a/b"]},
                "sources[0] (config).services is 'a/b': expected a name, without a path",
            ),
        )
    ),
    (
        "backup",
        "linux",
        source(type="postgresql"),
        (
            "sources[0] (config).path is '/opt/cryptobot':"
            " expected no path: a postgresql source holds what its database names"
        ),
    ),
    *(
        (
            "backup",
            "linux",
            source() | {"max_age_hours": hours},
            f"max_age_hours is {hours}: expected hours above 0: every set is older than that",
        )
        for hours in (0.0, -1.0)
    ),
    (
        "backup",
        "linux",
        source() | {"max_chain": 8},
        "max_chain is 8: expected 1 to 7 sets, the full one among them",
    ),
    (
        "cleanup",
        "linux",
        rule(path="/opt/x\ny"),
        "rules[0] (logs).path is '/opt/x\\ny': expected a path without control characters",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"status": [99]}),
        "services[0] (auth).health.status is [99]: expected status codes of HTTP, 100 to 599",
    ),
    (
        "services",
        "linux",
        service(port=1, health={"status": [100, 599, 600]}),
        "services[0] (auth).health.status is [600]: expected status codes of HTTP, 100 to 599",
    ),
    ("restart", "linux", {"trading": {"timeout": -3}}, "trading.timeout is -3.0: expected seconds above 0"),
    ("restart", "linux", {"trading": {"wait_delay": 0}}, "trading.wait_delay is 0.0: expected seconds above 0"),
    (
        "restart",
        "linux",
        {"trading": {"url": "http://localhost:abc"}},
        "trading.url is 'http://localhost:abc': expected http://ADDRESS:PORT or https://ADDRESS:PORT",
    ),
    (
        "restart",
        "linux",
        service() | {"trading": {"service": "nosuch"}},
        "trading.service is 'nosuch': expected names of services: auth",
    ),
    (
        "backup",
        "linux",
        source(path="/backups/old"),
        "sources[0] (config).path is '/backups/old': expected a path outside of dir, which holds the sets",
    ),
    (
        "backup",
        "windows",
        {"dir": r"D:\sets", "sources": [{"name": "a", "type": "files", "paths": [r"C:\x", r"d:/SETS/y"]}]},
        "sources[0] (a).paths is 'd:/SETS/y': expected a path outside of dir, which holds the sets",
    ),
    *(
        (
            "backup",
            "linux",
            source() | {"dir": folder},
            f"dir is '{folder}': expected a folder of its own, not one of the system such as /etc or /var",
        )
        for folder in ("/etc", "/etc/cryptobot", "/usr/bin", "/var", "/opt/../home")
    ),
    (
        "backup",
        "windows",
        {"dir": r"c:\windows\x", "sources": [{"name": "a", "type": "files", "path": r"C:\x"}]},
        r"dir is 'c:\\windows\\x': expected a folder of its own, not one of the system such as /etc or /var",
    ),
    ("restart", "linux", {"only": ["auth"]}, "only is ['auth']: expected names of services: "),
    ("restart", "linux", {"gate_delay": -1}, "gate_delay is -1.0: expected 0 or more"),
    ("restart", "linux", {"trading": {"asks": 0}}, "trading.asks is 0: expected at least 1"),
    ("restart", "linux", {"trading": {"workers": 0}}, "trading.workers is 0: expected at least 1"),
    (
        "restart",
        "linux",
        {"trading": {"url": "localhost:8004"}},
        "trading.url is 'localhost:8004': expected http://ADDRESS:PORT or https://ADDRESS:PORT",
    ),
    (
        "restart",
        "linux",
        {"trading": {"when_orders": "wiat"}},
        "trading.when_orders is 'wiat': expected one of refuse, proceed, wait; did you mean wait?",
    ),
    (
        "resources",
        "linux",
        {"thresholds": {"disk_free_critical": 50}},
        "thresholds.disk_free_critical is 50.0: expected at most that of disk_free_warning, which is reached first",
    ),
    (
        "resources",
        "linux",
        {"thresholds": {"memory_available_warning": 101}},
        "thresholds.memory_available_warning is 101.0: expected a percentage, 0 to 100",
    ),
    (
        "resources",
        "linux",
        {"thresholds": {"load_warning": 0}},
        "thresholds.load_warning is 0.0: expected a number above 0",
    ),
    (
        "resources",
        "linux",
        {"thresholds": {"mounts": [{"mount": "/data"}, {"mount": "/data"}]}},
        "thresholds.mounts[1] (/data).mount is '/data': expected each mount once",
    ),
    ("resources", "linux", {"sample_seconds": 61}, "sample_seconds is 61.0: expected seconds, 0 to 60"),
    (
        "cleanup",
        "linux",
        rule(path="logs"),
        "rules[0] (logs).path is 'logs': expected an absolute path, such as /opt/cryptobot",
    ),
    (
        "cleanup",
        "linux",
        rule(path="/opt/../etc"),
        "rules[0] (logs).path is '/opt/../etc': expected an absolute path without '..'",
    ),
    (
        "cleanup",
        "linux",
        rule(path="/etc/x"),
        "rules[0] (logs).path is '/etc/x': expected a folder that is not at, in or above /etc, which is protected",
    ),
    (
        "cleanup",
        "linux",
        rule(path="/opt"),
        "rules[0] (logs).path is '/opt': expected a folder below /opt, not itself or above it",
    ),
    (
        "cleanup",
        "linux",
        rule(path="/home/bob"),
        "rules[0] (logs).path is '/home/bob': expected a folder within a home or a volume, not the whole of it",
    ),
    (
        "cleanup",
        "linux",
        rule(patterns=["a/b"]),
        "rules[0] (logs).patterns is 'a/b': expected shell patterns of file names, without a slash",
    ),
    (
        "cleanup",
        "linux",
        rule(patterns=["*"]),
        "rules[0] (logs).patterns is ['*']: expected patterns that leave something out, or an age beside them",
    ),
    (
        "cleanup",
        "linux",
        rule(age=35),
        "rules[0] (logs).age is '35': expected a unit: 35 what? write 35d (35h, 35m or 35s)",
    ),
    ("cleanup", "linux", rule(keep=-1), "rules[0] (logs).keep is -1: expected 0 or more files that stay"),
    (
        "cleanup",
        "linux",
        rule(empty_dirs=True),
        (
            "rules[0] (logs).empty_dirs is True:"
            " expected recurse and an age beside it: a young empty folder is about to be used"
        ),
    ),
    (
        "cleanup",
        "linux",
        {"rules": rule()["rules"] * 2},
        "rules[1] (logs).name is 'logs': expected a name for each rule that no other rule has",
    ),
    ("cleanup", "linux", {"rules": [], "max_files": 0}, "max_files is 0: expected 1 or more"),
    (
        "cleanup",
        "windows",
        windows_rule(r"\logs"),
        r"rules[0] (logs).path is '\\logs': expected an absolute path with its drive, such as C:\CryptoBot\logs",
    ),
    (
        "cleanup",
        "windows",
        windows_rule(r"\\server\share\logs"),
        (
            r"rules[0] (logs).path is '\\\\server\\share\\logs':"
            r" expected an absolute path without '..' on a drive of this host, such as C:\CryptoBot\logs"
        ),
    ),
    (
        "cleanup",
        "windows",
        windows_rule(r"C:\a\..\b"),
        r"rules[0] (logs).path is 'C:\\a\\..\\b': expected an absolute path without '..', wildcards or streams",
    ),
    (
        "cleanup",
        "windows",
        windows_rule(r"C:\a\nul"),
        (
            r"rules[0] (logs).path is 'C:\\a\\nul':"
            " expected a path that Windows takes as it is written; it does not so with 'nul'"
        ),
    ),
    (
        "cleanup",
        "windows",
        windows_rule(r"C:\CRYPTO~1"),
        r"rules[0] (logs).path is 'C:\\CRYPTO~1': expected the long name instead of the short one (8.3), 'CRYPTO~1'",
    ),
    ("database", "linux", {"databases": [], "jobs": 33}, "jobs is 33: expected a number from 1 to 32"),
    ("database", "linux", {"databases": [], "load_max": 0}, "load_max is 0.0: expected a load per core above 0"),
    (
        "database",
        "linux",
        {"databases": database()["databases"] * 2},
        "databases[1] (main).name is 'main': expected a name that no other database of the list has",
    ),
    (
        "database",
        "linux",
        {"databases": [], "rewrite": "allow"},
        "require_backup: is not set: expected the dir of verified backups, because rewrite is allow",
    ),
    (
        "database",
        "linux",
        {"databases": [], "sqlite_strategy": "in_place"},
        "require_backup: is not set: expected the dir of verified backups, because sqlite_strategy is in_place",
    ),
    (
        "database",
        "linux",
        {"databases": [], "require_backup": {"dir": "/b", "max_age_hours": 0}},
        "require_backup.max_age_hours is 0.0: expected hours above 0",
    ),
    ("database", "linux", database(path=""), "databases[0] (main).path is '': expected an absolute path"),
    (
        "database",
        "windows",
        database(path=r"\main.db"),
        r"databases[0] (main).path is '\\main.db': expected an absolute path",
    ),
    (
        "database",
        "linux",
        database(exclude=["("]),
        (
            "databases[0] (main).exclude is '(':"
            " expected a regular expression (missing ), unterminated subpattern at position 0)"
        ),
    ),
    (
        "database",
        "linux",
        database(thresholds={"dead_ratio": 1.1}),
        "databases[0] (main).thresholds.dead_ratio is 1.1: expected a ratio above 0 and at most 1",
    ),
    (
        "database",
        "linux",
        {"databases": [{"name": "m", "engine": "sqlite", "path": "/m"}], "thresholds": {"dead_rows": -1}},
        "thresholds.dead_rows is -1: expected 0 or more",
    ),
    (
        "database",
        "linux",
        {"databases": [{"name": "m", "engine": "sqlite"}]},
        "databases[0] (m).path: is missing, because engine is sqlite",
    ),
    (
        "backup",
        "windows",
        source(path="C:x") | {"dir": r"C:\backups"},
        r"sources[0] (config).path is 'C:x': expected an absolute path, such as C:\CryptoBot",
    ),
    (
        "backup",
        "windows",
        source(path=r"C:\a\nul") | {"dir": r"C:\backups"},
        (
            r"sources[0] (config).path is 'C:\\a\\nul':"
            r" expected a path such as C:\CryptoBot or \\server\share\folder: it names a device"
        ),
    ),
    ("backup", "linux", restic(repository=""), f"repository is '': expected an absolute path, or one of {ELSEWHERE}"),
    (
        "backup",
        "linux",
        restic(repository="repo"),
        f"repository is 'repo': expected an absolute path, or one of {ELSEWHERE}",
    ),
    (
        "backup",
        "linux",
        restic(repository_password=""),
        (
            "repository_password: is not set: expected the password of the repository: either it or "
            "repository_password_file"
        ),
    ),
    (
        "backup",
        "linux",
        restic(repository_password_file="/root/password"),
        "repository_password is 'both': expected the password of the repository: either it or repository_password_file",
    ),
    (
        "backup",
        "linux",
        restic(repository_environment={"RESTIC_PASSWORD": "x"}),
        (
            "repository_environment is 'RESTIC_PASSWORD': expected no variable of restic's own but "
            "RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD"
        ),
    ),
    (
        "backup",
        "linux",
        restic(copies=[{"name": "nas", "type": "folder", "path": "/mnt/nas/cryptobot"}]),
        "copies is 'nas': expected none with store restic, whose sets are no folders",
    ),
    (
        "backup",
        "linux",
        restic(repository="/opt"),
        "sources[0] (config).path is '/opt/cryptobot': expected a path outside of repository, which holds the sets",
    ),
    (
        "backup",
        "windows",
        source(path="C:\\CryptoBot") | {"dir": "D:\\backups", "store": "restic", "repository": "D:\\r"},
        "repository is 'D:\\\\r': expected none on Windows: store restic was not tried there by this collection",
    ),
    ("backup", "linux", {"dir": "/backups"}, "sources is []: expected at least one source, because state is present"),
    (
        "backup",
        "linux",
        {"dir": "/backups", "state": "pruned"},
        "retention: is not set: expected what to keep, because state is pruned",
    ),
    (
        "backup",
        "linux",
        source() | {"dir": "/"},
        "dir is '/': expected a folder of its own, not the root of a file system",
    ),
    (
        "backup",
        "linux",
        source() | {"dir": "backups"},
        "dir is 'backups': expected an absolute path, such as /opt/cryptobot",
    ),
    (
        "backup",
        "linux",
        source() | {"label": "a b"},
        "label is 'a b': expected up to 64 letters, digits, dots, dashes or underscores, the first a letter or digit",
    ),
    (
        "backup",
        "linux",
        source(name="con"),
        (
            "sources[0] (con).name is 'con': expected up to 64 letters, digits, dashes or underscores,"
            " the first a letter or digit, and no device (con)"
        ),
    ),
    *(("backup", "linux", source() | given, line) for given, line in COPIES),
    ("backup", "linux", source() | {"jobs": 0}, "jobs is 0: expected 1 or more"),
    (
        "backup",
        "linux",
        source() | {"trusted_accounts": ["backup", "group: backup"]},
        (
            "trusted_accounts is 'group: backup': expected the name or uid of an account, or group: and the name or gid"
            " of a group"
        ),
    ),
    (
        "database",
        "linux",
        {"databases": [], "require_backup": {"dir": "/b", "trusted_accounts": ["group:"]}},
        (
            "require_backup.trusted_accounts is 'group:': expected the name or uid of an account, or group: and the"
            " name or gid of a group"
        ),
    ),
    (
        "backup",
        "linux",
        source() | {"max_shrink": 0},
        "max_shrink is 0.0: expected a share above 0 and up to 1, such as 0.5",
    ),
    (
        "backup",
        "linux",
        source() | {"set": "a b"},
        "set is 'a b': expected 'newest', 'all', or the id or name of a set",
    ),
    (
        "backup",
        "linux",
        source() | {"subset": "3/2"},
        "subset is '3/2': expected part/parts such as 2/7, the part from 1 to the number of parts",
    ),
    (
        "backup",
        "linux",
        source() | {"retention": {"min_keep": 1}},
        (
            "retention is {'daily': 0, 'weekly': 0, 'monthly': 0, 'yearly': 0, '... (67 characters):"
            " expected at least one of daily, weekly, monthly, yearly above 0"
        ),
    ),
    (
        "backup",
        "linux",
        source() | {"sources": [*source()["sources"], *source(name="CONFIG")["sources"]]},
        (
            "sources[1] (CONFIG).name is 'CONFIG': expected each name once, whatever its case,"
            " because it names the source's folder in a set"
        ),
    ),
    (
        "backup",
        "linux",
        {"dir": "/backups", "sources": [{"name": "a", "type": "files", "paths": []}]},
        "sources[0] (a).path: is not set: expected what the files source 'a' holds",
    ),
    (
        "backup",
        "linux",
        source() | {"pin_until": "2020-01-01"},
        "pin_until is '2020-01-01': expected a moment that is still to come",
    ),
    (
        "backup",
        "linux",
        source() | {"pin_until": "tomorrow"},
        (
            "pin_until is 'tomorrow': expected a duration such as 30d, a day such as 2026-12-31"
            " or a moment such as 2026-12-31T23:59:59Z"
        ),
    ),
    (
        "backup",
        "linux",
        source() | {"compression": "gzip", "compression_level": 10},
        "compression_level is 10: expected 1 to 9 for gzip",
    ),
    (
        "backup",
        "windows",
        {
            "dir": r"C:\backups",
            "sources": [{"name": "db", "type": "postgresql", "system_user": "postgres"}],
        },
        (
            "sources[0] (db).system_user is 'postgres':"
            " expected no account on windows, where there is no peer authentication: leave it out"
        ),
    ),
    (
        "firewall",
        "linux",
        policy(port="8000-80"),
        "policy[0] (8000-80).port is '8000-80': expected a port from 1 to 65535 or a range such as 8000-8004",
    ),
    (
        "firewall",
        "linux",
        {"policy": [{"port": "22", "from": []}]},
        "policy[0] (22).from is []: expected at least one of any, loopback or a network such as 10.0.0.0/8",
    ),
    (
        "firewall",
        "linux",
        policy(**{"from": ["10.0.0.0/33"]}),
        (
            "policy[0] (22).from is '10.0.0.0/33': expected any, loopback, or a network such as 10.0.0.0/8"
            " ('10.0.0.0/33' does not appear to be an IPv4 or IPv6 network)"
        ),
    ),
    (
        "firewall",
        "linux",
        policy(expires="2027-02-30"),
        "policy[0] (22).expires is '2027-02-30': expected a date such as 2027-01-31",
    ),
    ("firewall_probe", "linux", {"rate": 11}, "rate is 11: expected a number from 1 to 10"),
    ("firewall_probe", "linux", {"limit": 0}, "limit is 0: expected a number from 1 to 1000"),
    ("firewall_probe", "linux", {"wait": 11}, "wait is 11.0: expected seconds above 0, up to 10"),
    (
        "firewall_probe",
        "linux",
        {"addresses": ["10.0.0.5", "db1.example.org"]},
        "addresses is 'db1.example.org': expected an address such as 10.0.0.5 or fd12:3456::5",
    ),
    (
        "firewall_probe",
        "windows",
        {"targets": [{"host": "db1", "addresses": ["169.254.169.254"]}]},
        (
            "targets[0].addresses is '169.254.169.254': expected an address at which other hosts reach this one, not a"
            " link-local one"
        ),
    ),
    (
        "firewall_probe",
        "linux",
        {"targets": [{"host": "db1", "policy": [{"port": "80000", "from": ["any"]}]}]},
        "targets[0].policy[0] (80000).port is '80000': expected a port from 1 to 65535 or a range such as 8000-8004",
    ),
    (
        "firewall",
        "linux",
        exception(check="firewall.latent_openin"),
        (
            "exceptions[0].check is 'firewall.latent_openin': expected the id of a check of this module; did you mean "
            "firewall.latent_opening?"
        ),
    ),
    (
        "firewall",
        "linux",
        exception(owner=" "),
        "exceptions[0].owner is ' ': expected a text: nobody else can be asked about it",
    ),
    (
        "firewall",
        "linux",
        exception(expires=""),
        "exceptions[0].expires is '': expected a date such as 2027-01-31",
    ),
    ("firewall_apply", "linux", {"seconds": 19}, "seconds is 19: expected 20 to 600"),
    (
        "firewall_apply",
        "linux",
        {"state_dir": "/var/lib/the state"},
        (
            "state_dir is '/var/lib/the state': expected a path of letters, digits and ._+@%:~/\\- alone, because what"
            " restores the rules is started by it"
        ),
    ),
    (
        "restore",
        "linux",
        restoring(sources=[]),
        "sources is []: expected at least one source, because it says where to restore to (or into)",
    ),
    (
        "restore",
        "linux",
        restoring(time="yesterday"),
        "time is 'yesterday': expected a moment in UTC such as 2026-11-29T18:00:00Z",
    ),
    ("restore", "linux", restoring(gate_timeout=0), "gate_timeout is 0.0: expected more than 0"),
    (
        "restore",
        "linux",
        restoring(hold=["auht"]),
        "hold is ['auht']: expected names of services: none is declared",
    ),
    (
        "restore",
        "linux",
        restoring(set="pre_change", time="2026-11-29T18:00:00Z"),
        "set is 'pre_change': expected newest, because time says which",
    ),
    (
        "restore",
        "linux",
        restoring(tables=["trades"]),
        "only is []: expected the one source that has the tables",
    ),
    ("drill", "linux", drilling(scenario="meteor"), "scenario is 'meteor': expected one of host_lost"),
    (
        "drill",
        "linux",
        drilling(endpoints=["api.kraken.com"]),
        "endpoints is 'api.kraken.com': expected host:port, such as api.kraken.com:443",
    ),
    ("drill", "linux", drilling(rto_minutes=0), "rto_minutes is 0.0: expected more than 0"),
    (
        "drill",
        "linux",
        drilling(smoke=[{**TRIED, "command": []}]),
        "smoke[0] (auth).command is []: expected the words of a command",
    ),
    (
        "drill",
        "linux",
        drilling(smoke=[{**TRIED, "port": 0}]),
        "smoke[0] (auth).port is 0: expected a port from 1 to 65535",
    ),
    (
        "restore",
        "linux",
        restoring(archive="/a.tar.gz", set="pre_change", install_dir="/opt/cryptobot"),
        "archive is '/a.tar.gz': expected either an archive, or set, time or label: they name a set",
    ),
    (
        "restore",
        "linux",
        restoring(archive="/a.tar.gz"),
        "install_dir is '': expected the folder of Cryptobot, where those of archive belong",
    ),
    (
        "recover",
        "linux",
        restoring(steps=[{"name": "a"}, {"name": "b", "after": "c"}]),
        "steps[1] (b).after is 'c': expected one of a",
    ),
    (
        "recover",
        "linux",
        restoring(steps=[{"name": "a", "after": "a"}]),
        "steps[0] (a).after is 'a': expected another step than itself",
    ),
    ("recover", "linux", restoring(packages=["-x y"]), "packages is '-x y': expected the name of a package"),
    (
        "recover",
        "linux",
        restoring(accounts=[{"name": "Bot Two"}]),
        "accounts[0] (Bot Two).name is 'Bot Two': expected a name of small letters, digits, - and _",
    ),
    (
        "recover",
        "linux",
        restoring(accounts=[{"name": "bot", "uid": 0}]),
        "accounts[0] (bot).uid is 0: expected a number above 0",
    ),
    (
        "recover",
        "linux",
        restoring(state="judged"),
        "findings: is not set: expected what was found when the host was looked at, or failed_step",
    ),
    ("restore", "linux", restoring(set="../x"), "set is '../x': expected newest, or the id or name of a set"),
]


def mistakes_of(area: str) -> Callable[..., list[Any]]:
    found: Callable[..., list[Any]] = importlib.import_module(f"{PACKAGE}.{area}.mistakes").mistakes
    return found


@pytest.mark.case("RP2", "RP3", "CL2")
@pytest.mark.parametrize(("area", "platform", "options", "line"), MISTAKES, ids=[row[3][:70] for row in MISTAKES])
def test_what_an_area_refuses_is_said_in_one_line(area: str, platform: str, options: dict, line: str) -> None:
    assert [str(mistake) for mistake in mistakes_of(area)(options, platform)] == [line]


def refusals() -> Iterator[tuple[str, str, range]]:
    """Yield each place in the core that refuses an option: file, function, its lines."""
    for path in sorted(CORE.rglob("*.py")):
        text = path.read_text("utf-8")
        tree = ast.parse(text if "InputError" in text else "")
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            for node in ast.walk(function):
                if _refuses(node):
                    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                    yield path.relative_to(CORE).as_posix(), function.name, lines


def _refuses(node: ast.AST) -> bool:
    called = node.exc if isinstance(node, ast.Raise) else node.value if isinstance(node, ast.Expr) else None
    name = called.func.id if isinstance(called, ast.Call) and isinstance(called.func, ast.Name) else ""
    return name == ("InputError" if isinstance(node, ast.Raise) else "_require")


@pytest.mark.case("RP2")
def test_every_refusal_of_the_core_is_reached_by_a_mistake_on_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[tuple[str, int]] = set()
    begin = errors.InputError.__init__

    def remember(self: errors.InputError, *arguments: Any, **more: Any) -> None:
        frame: Optional[Any] = sys._getframe(1)
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if CORE in path.parents:
                reached.add((path.relative_to(CORE).as_posix(), frame.f_lineno))
            frame = frame.f_back
        begin(self, *arguments, **more)

    monkeypatch.setattr(errors.InputError, "__init__", remember)
    for area, platform, options, _line in MISTAKES:
        mistakes_of(area)(options, platform)
    missed = [
        f"{path}:{lines.start} ({function})"
        for path, function, lines in refusals()
        if (path, function) not in OF_THE_HOST and not any((path, line) in reached for line in lines)
    ]
    assert missed == [], "add a mistake to MISTAKES that leads there"


def test_what_only_a_host_can_know_is_still_refused_there() -> None:
    there = {(path, function) for path, function, _lines in refusals()}
    assert set(OF_THE_HOST) <= there


LOOKED_AT = [area.name for area in areas() if area.procedures]
# One whose options mean no more than their types has no such file: plugin_utils/areas.py compares those by itself.
WITH_MEANINGS = [area for area in LOOKED_AT if importlib.util.find_spec(f"{PACKAGE}.{area}.mistakes")]


@pytest.mark.parametrize("area", WITH_MEANINGS)
def test_every_area_has_its_mistakes_by_the_same_signature(area: str) -> None:
    assert list(inspect.signature(mistakes_of(area)).parameters)[:2] == ["given", "platform"]


@pytest.mark.parametrize("area", LOOKED_AT)
def test_every_area_says_what_is_no_option_of_it(area: str) -> None:
    lines = [str(mistake) for mistake in mistakes_in(area, {"zzz": 1}, ("linux",))]
    assert [line for line in lines if line.startswith("zzz: not an option")]


# (area, options in which mistakes meet, a line for each and none for what follows from another)
MANY = [
    (
        "services",
        {
            "services": [
                {"name": "auth", "port": 80000},
                {"name": "data", "unit": "x", "depends_on": ["nope", "auth"], "unti": "x"},
                {"name": "trade", "process": "(", "health": {"path": "health-page", "sttus": [200], "port": 1}},
                {"name": "auth", "port": 1, "ports": [{"port": 0}, {"port": 99999}, {}]},
            ],
            "restarts_warn": 9,
        },
        [
            "services[1] (data).unti: not an option; did you mean unit?",
            "services[2] (trade).health.sttus: not an option; did you mean status?",
            "services[3] (auth).ports[2].port: is missing",
            "services[0] (auth).port is 80000: expected a port between 1 and 65535",
            (
                "services[2] (trade).process is '(': expected a regular expression (missing ),"
                " unterminated subpattern at position 0)"
            ),
            "services[2] (trade).health.path is 'health-page': expected a path that begins with /",
            "services[3] (auth).ports[0].port is 0: expected a port between 1 and 65535",
            "services[3] (auth).ports[1] (99999).port is 99999: expected a port between 1 and 65535",
            "services[3] (auth).name is 'auth': expected each name once",
            "services[1] (data).depends_on is ['nope']: expected names of services: auth, data, trade",
            "restarts_warn is 9: expected between 1 and restarts_crit (3)",
        ],
    ),
    (
        "firewall",
        {
            "policy": [
                {"prt": 3, "from": ["any"]},
                {"port": 80000, "from": ["1.1.1.1/33", "x", "any"], "expires": "soon"},
            ]
        },
        [
            "policy[0].prt: not an option; did you mean port?",
            "policy[1] (80000).port is '80000': expected a port from 1 to 65535 or a range such as 8000-8004",
            (
                "policy[1] (80000).from is '1.1.1.1/33': expected any, loopback, or a network such as"
                " 10.0.0.0/8 ('1.1.1.1/33' does not appear to be an IPv4 or IPv6 network)"
            ),
            (
                "policy[1] (80000).from is 'x': expected any, loopback, or a network such as 10.0.0.0/8"
                " ('x' does not appear to be an IPv4 or IPv6 network)"
            ),
            "policy[1] (80000).expires is 'soon': expected a date such as 2027-01-31",
        ],
    ),
    (
        "cleanup",
        {
            "rules": [
                {"name": "a", "path": "opt", "age": "35x"},
                {"name": "a", "path": "/etc/x", "patterns": ["*"]},
                {"name": "c", "path": "/opt", "patterns": ["*.1"], "keep": -1},
            ],
            "install_dir": "opt/x",
        },
        [
            "rules[0] (a).path is 'opt': expected an absolute path, such as /opt/cryptobot",
            "install_dir is 'opt/x': expected an absolute path, such as /opt/cryptobot",
            "rules[0] (a).age is '35x': expected a duration such as 90s, 15m, 12h or 7d",
            "rules[1] (a).path is '/etc/x': expected a folder that is not at, in or above /etc, which is protected",
            "rules[1] (a).patterns is ['*']: expected patterns that leave something out, or an age beside them",
            "rules[2] (c).path is '/opt': expected a folder below /opt, not itself or above it",
            "rules[2] (c).keep is -1: expected 0 or more files that stay",
            "rules[1] (a).name is 'a': expected a name for each rule that no other rule has",
        ],
    ),
    (
        "database",
        {
            "databases": [
                {"name": "a", "engine": "sqlite", "path": "x"},
                {"name": "a", "engine": "sqlite"},
                {"name": "p", "engine": "postgres", "database": "p"},
                {
                    "name": "q",
                    "engine": "postgresql",
                    "database": "q",
                    "thresholds": {"dead_ratio": 3, "wal_bytes": "big"},
                },
            ]
        },
        [
            "databases[0] (a).path is 'x': expected an absolute path, such as /opt/cryptobot",
            "databases[1] (a).path: is missing, because engine is sqlite",
            "databases[2] (p).engine is 'postgres': expected one of postgresql, sqlite; did you mean postgresql?",
            "databases[3] (q).thresholds.dead_ratio is 3.0: expected a ratio above 0 and at most 1",
            "databases[3] (q).thresholds.wal_bytes is 'big': expected a size such as 500M or 1.5GiB",
            "databases[1] (a).name is 'a': expected a name that no other database of the list has",
        ],
    ),
    (
        "backup",
        {
            "dir": "/",
            "sources": [{"name": "b c", "type": "files", "path": "/x"}, {"name": "x", "type": "sqlite"}],
            "retention": {"dayly": 3},
            "fresh_for": "20x",
        },
        [
            "sources[1] (x).path: is missing, because type is sqlite",
            "retention.dayly: not an option; did you mean daily?",
            (
                "sources[0] (b c).name is 'b c': expected up to 64 letters, digits, dashes or underscores,"
                " the first a letter or digit, and no device (con)"
            ),
            "dir is '/': expected a folder of its own, not the root of a file system",
            "fresh_for is '20x': expected a duration such as 90s, 15m, 12h or 7d",
        ],
    ),
]


@pytest.mark.case("RP2", "RP3")
@pytest.mark.parametrize(("area", "options", "lines"), MANY, ids=[row[0] for row in MANY])
def test_all_mistakes_are_found_at_once_and_nothing_that_only_follows_from_them(
    area: str, options: dict, lines: list
) -> None:
    assert [str(mistake) for mistake in mistakes_of(area)(options, "linux")] == lines


SOUND = [
    (
        "services",
        {
            "services": [
                {"name": "a", "port": 1, "bind": "127.0.0.1", "command": "/opt/my app/run"},
                {"name": "b", "port": 1, "bind": "127.0.0.2", "command": ["sleep", "5"]},
                {"name": "c", "port": 1, "bind": "127.0.0.1", "state": "stopped"},
                {"name": "d", "ports": [{"port": 1, "proto": "udp", "bind": "127.0.0.1"}, {"port": 2, "bind": "::1"}]},
                {"name": "e", "health": {"port": 7, "timeout": 0.1, "tls_min_days": 0}},
                {"name": "f", "port": 3, "bind": "fe80::1%eth0"},
                {"name": "g", "process": "^/opt/g"},
                {"name": "h", "pid_file": "/run/h.pid", "process": "^/opt/h", "output": "/var/log/h"},
                {"name": "i", "process": "i", "environment": {"A.b": "x=y\nz"}, "command": ["/i", "-c", "a\nb"]},
                {"name": "j", "process": "j", "command": ["/j", "--password-file=/x", "--token", "--password", "-v"]},
                {"name": "k", "process": "k", "command": ["/k", "--password=$PW", "--secret=/run/secret", "--token="]},
            ]
        },
    ),
    ("restart", service() | {"trading": {"service": "elsewhere", "url": "https://[::1]:8004/x"}}),
    ("backup", source(path="/") | {"dir": "/var/backups/cryptobot"}),
    ("backup", source() | {"dir": "/usr/local/var/backups/cryptobot"}),
    ("backup", source(path="/mnt2") | {"dir": "/mnt"}),
    ("services", service(port="8000", health={"path": "/x"}, enabled="no", ports=[{"port": 1}])),
    ("restart", service(port=8000) | {"only": "auth", "trading": {"dry_run": "yes", "timeout": "2.5"}}),
    ("cleanup", rule(age="35d", recurse=1) | {"install_dir": "~/cryptobot", "protected": ["$HOME/x"]}),
    ("database", database(thresholds={"dead_ratio": "0.5"})),
    ("backup", source(exclude=["*.pyc"]) | {"retention": {"daily": 7}, "compression_level": 3}),
    ("firewall", policy(port="8000-8004", **{"from": "loopback, 10.0.0.0/8"})),
    ("firewall_probe", {"host_address": "localhost", "targets": [{"host": "a", "host_address": "::1"}], "wait": "0.5"}),
    ("resources", {"thresholds": {"mounts": [{"mount": "/data", "ignore": True}], "load_warning": "2"}}),
]


@pytest.mark.parametrize(("area", "options"), SOUND, ids=[row[0] for row in SOUND])
def test_what_is_right_is_no_mistake_and_is_typed_as_ansible_types_it(area: str, options: dict) -> None:
    validator = pytest.importorskip("ansible.module_utils.common.arg_spec").ArgumentSpecValidator
    spec = importlib.import_module(f"{PACKAGE}.{area}").SPEC
    assert mistakes_of(area)(options, "linux") == []
    by_ansible = validator(spec).validate(copy.deepcopy(options)).validated_parameters
    assert without_paths(typed.fill(spec, options)[0], spec) == without_paths(by_ansible, spec)


def without_paths(options: Any, spec: dict[str, Any]) -> Any:
    """Return options without the paths: Ansible resolves them as this machine would, which is another host."""
    if isinstance(options, list):
        return [without_paths(each, spec) for each in options]
    if not isinstance(options, dict):
        return options
    kinds = {name: (spec[name].get("type"), spec[name].get("elements")) for name in spec}
    return {
        name: without_paths(value, spec[name].get("options") or {}) if spec else value
        for name, value in options.items()
        if "path" not in kinds.get(name, ()) and value is not None
    }


@pytest.mark.case("RP3")
def test_a_secret_is_in_no_line_whatever_is_wrong_with_it_or_beside_it() -> None:
    options = {
        "databases": [
            {
                "name": "hunter2-db",
                "engine": "sqlite",
                "login_password": "hunter2",
                "path": "x/hunter2",
                "pass": "other1",
            },
        ]
    }
    text = "\n".join(map(str, mistakes_of("database")(options)))
    assert "hunter2" not in text
    assert "other1" not in text
    assert "databases[0] (********-db).path is 'x/********'" in text


# (area, options, the line, what is never in it)
HIDDEN = [
    (
        "services",
        service(port=1, health={"path": "health"}),
        "services[0] (auth).health.path is 'health': expected",
        "",
    ),
    ("services", service(port=1, health={"path": "x?key=s3cr3t"}), "services[0] (auth).health.path is ****", "s3cr3t"),
    (
        "services",
        service(environment={"A": "auth", "API_KEY": "port", "N": "1"}, port=100000),
        "services[0] (auth).port is 100000: expected a port between 1 and 65535",
        "*",
    ),
    (
        "restart",
        {**service(port=1, health={"path": "/"}), "trading": {"url": "not a url", "token": "ADDRESS"}},
        "trading.url is 'not a url': expected http://ADDRESS:PORT or https://ADDRESS:PORT",
        "*",
    ),
    ("restart", {"trading": {"token": "abc", "url": "abcd abc"}}, "trading.url is 'abcd abc': expected", "*"),
    ("restart", {"trading": {"token": "abcde", "url": "x abcde"}}, "trading.url is 'x ********': expected", "abcde"),
    ("restart", {"trading": {"token": "abcde", "url": "abcdef"}}, "trading.url is 'abcdef': expected", "*"),
    ("database", database(login_password=["ab"]), "databases[0] (main).login_password is ********: expected", "ab'"),
]


@pytest.mark.parametrize(("area", "options", "line", "never"), HIDDEN, ids=[row[2][:40] for row in HIDDEN])
def test_what_is_a_secret_is_hidden_and_nothing_that_only_looks_like_it(
    area: str, options: dict, line: str, never: str
) -> None:
    lines = [str(mistake) for mistake in mistakes_of(area)(options, "linux")]
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert not never or never not in lines[0]


@pytest.mark.case("RP3")
@pytest.mark.parametrize("value", ["word " * 8000, "w" * 40000, "\x1b[2J" * 9000, ["word"] * 9000, {"a" * 9000: 1}])
def test_a_long_value_is_one_short_line_cut_between_words(value: Any) -> None:
    line = str(mistakes_of("services")({"restarts_window": value})[0])
    assert len(line) < 200
    assert line.isprintable()
    assert "wor." not in line
    assert "wo." not in line
