# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What else a host needs for the way back, read from hosts of three platforms that are written down."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.context import SourceContext
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Notes
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.rules_made import judge_system_parts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench, Workshop
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.system.back_up import (
    back_up,
    verify,
    wanted_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.system.collect import (
    Wanted,
    escaped,
    read_parts,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.system.parts import NAMES, PARTS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.system.restore import restore
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.reader import ArchiveReader
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.streams import COMPRESSIONS, Codec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    ActionFailed,
    InputError,
    SourceDenied,
    ToolFailed,
)

from .examples import a_set, settings

UNITS = "/etc/systemd/system"
LINUX = {
    f"{UNITS}/cryptobot-auth.service": "[Service]\nUser=cryptobot\n",
    f"{UNITS}/cryptobot-auth.service.d/limits.conf": "[Service]\nLimitNOFILE=9\n",
    f"{UNITS}/ssh.service": "[Unit]\n",
    "/lib/systemd/system/redis-server.service": "[Unit]\n",
    "/etc/cron.d/cryptobot": "0 0 * * * cryptobot /opt/cryptobot/run\n",
    "/var/spool/cron/crontabs/cryptobot": "0 1 * * * true\n",
    "/var/spool/cron/crontabs/somebody": "0 1 * * * theirs\n",
    "/etc/os-release": "ID=debian\n",
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\ncryptobot:x:990:990::/opt/cryptobot:/bin/false\n",
    "/etc/group": "cryptobot:x:990:\nadm:x:4:root,cryptobot\nother:x:5:\n",
    "/etc/logrotate.d/cryptobot": "/opt/cryptobot/logs/*.log {}\n",
    "/opt/cryptobot/venv/lib/python3.11/site-packages/requests-2.31.0.dist-info/METADATA": "",
    "/opt/cryptobot/venv/lib/python3.11/site-packages/Py_X-1.0.post1.dist-info/METADATA": "",
    "/opt/cryptobot/venv/lib/python3.11/site-packages/requests/__init__.py": "",
}
COMMANDS = {
    "nft list ruleset": "table inet filter {\n}\n",
    "dpkg-query": "zstd\t1.5\tii \n",
    "uname": "Linux 6.1\n",
    "iptables-save": (4, "", "iptables-save v1.8.9: Could not fetch rule set generation id: Permission denied"),
}
WANTED = Wanted(("*cryptobot*", "redis*"), ("cryptobot",), ("/opt/cryptobot/venv",))


def linux(**more: Any) -> FakeHost:
    links = {f"{UNITS}/multi-user.target.wants/cryptobot-auth.service": f"{UNITS}/cryptobot-auth.service"}
    return FakeHost(
        files={**LINUX, **more.pop("files", {})}, links={**links, **more.pop("links", {})}, commands=COMMANDS
    )


def by_name(host: FakeHost, wanted: Wanted = WANTED) -> dict[str, str]:
    return {piece.name: piece.content.decode() for piece in read_parts(wanted, host).pieces}


def test_a_linux_host_is_read_file_by_file():
    found = by_name(linux())
    assert found["services~etc~systemd~system~cryptobot-auth.service"].endswith("User=cryptobot\n")
    assert "services~etc~systemd~system~cryptobot-auth.service.d~limits.conf" in found
    assert "services~lib~systemd~system~redis-server.service" in found
    assert found["services.links.txt"] == (
        f"{UNITS}/multi-user.target.wants/cryptobot-auth.service -> {UNITS}/cryptobot-auth.service\n"
    )
    assert "schedules~var~spool~cron~crontabs~cryptobot" in found
    assert found["firewall.nft.txt"].startswith("table inet")
    assert found["accounts.passwd.txt"].startswith("cryptobot:x:990")
    assert found["accounts.group.txt"] == "cryptobot:x:990:\nadm:x:4:root,cryptobot\n"
    assert found["packages.pip~opt~cryptobot~venv.txt"] == "Py_X==1.0.post1\nrequests==2.31.0\n"
    assert not any("ssh" in name or "somebody" in name for name in found)


def test_nothing_of_the_application_is_run():
    host = linux()
    read_parts(WANTED, host)
    assert {line.split()[0] for line in host.ran} <= {
        *("nft", "iptables-save", "ip6tables-save", "dpkg-query", "apt-mark", "rpm", "uname"),
    }


def test_what_is_not_there_is_missing_and_what_is_refused_is_a_trouble():
    found = read_parts(WANTED, linux())
    assert found.missing == ["sysctl", "postgresql", "redis"]
    assert [trouble.part for trouble in found.troubles] == ["firewall"]
    assert "Permission denied" in found.troubles[0].why


def test_a_folder_that_cannot_be_listed_is_a_trouble_not_an_empty_one():
    host = linux(files={"/etc/cron.d": SourceDenied("/etc/cron.d")})
    assert "/etc/cron.d cannot be read: permission denied" in [one.why for one in read_parts(WANTED, host).troubles]


def test_a_masked_unit_is_told_by_its_link():
    masked = f"{UNITS}/cryptobot-data.service"
    host = linux(files={masked: SourceDenied(masked, "it is a device")}, links={masked: "/dev/null"})
    found = read_parts(WANTED, host)
    assert not [trouble for trouble in found.troubles if trouble.part == "services"]
    assert f"{masked} -> /dev/null\n" in by_name(host)["services.links.txt"]


def test_a_link_that_may_not_be_read_is_a_trouble():
    unit = f"{UNITS}/cryptobot-data.service"
    host = linux(files={unit: SourceDenied(unit)}, links={unit: "/opt/cryptobot/data.service"})
    assert [trouble.part for trouble in read_parts(WANTED, host).troubles].count("services") == 1


def test_a_venv_without_packages_is_a_trouble():
    troubles = read_parts(WANTED._replace(venvs=("/opt/cryptobot",)), linux()).troubles
    assert "/opt/cryptobot is no virtual environment with packages in it" in [one.why for one in troubles]
    denied = linux(files={"/opt/mine": SourceDenied("/opt/mine")})
    troubles = read_parts(WANTED._replace(venvs=("/opt/mine",)), denied).troubles
    assert "/opt/mine cannot be read: permission denied" in [one.why for one in troubles]


def test_a_venv_that_is_not_there_is_missing():
    found = read_parts(WANTED._replace(venvs=("/opt/gone",)), linux())
    assert "packages of /opt/gone" in found.missing
    assert "packages" in {piece.part for piece in found.pieces}


def test_a_part_can_be_left_out():
    found = read_parts(WANTED._replace(left_out=("fire*", "packages")), linux())
    assert {piece.part for piece in found.pieces} == {"services", "schedules", "release", "logrotate", "accounts"}
    assert "firewall" not in found.missing


MAC = {
    "/Library/LaunchDaemons/com.cryptobot.auth.plist": "<plist/>",
    "/Library/LaunchDaemons/com.apple.other.plist": "<plist/>",
    "/Users/cryptobot/Library/LaunchAgents/com.cryptobot.data.plist": "<plist/>",
    "/private/var/at/tabs/root": "0 0 * * * true\n",
    "/etc/pf.conf": "block all\n",
    "/opt/homebrew/Cellar/redis/7.2.4/README": "",
    "/opt/homebrew/Cellar/postgresql@15/15.6/README": "",
    "/opt/homebrew/etc/redis.conf": "requirepass x\n",
}


def test_a_mac_is_read_without_running_homebrew_as_root():
    host = FakeHost(
        "darwin", files=MAC, commands={"launchctl print-disabled": "disabled services = {\n}\n", "sw_vers": "macOS\n"}
    )
    found = by_name(host, Wanted(("*cryptobot*",), ("cryptobot",)))
    assert "services~Library~LaunchDaemons~com.cryptobot.auth.plist" in found
    assert "services~Users~cryptobot~Library~LaunchAgents~com.cryptobot.data.plist" in found
    assert "services~Library~LaunchDaemons~com.apple.other.plist" not in found
    assert found["packages.brew.txt"] == (
        "/opt/homebrew/Cellar/postgresql@15\t15.6\n/opt/homebrew/Cellar/redis\t7.2.4\n"
    )
    assert "redis~opt~homebrew~etc~redis.conf" in found
    assert not any(line.startswith("brew") for line in host.ran)


def windows(answers: Any, **more: Any) -> FakeHost:
    told = answers if isinstance(answers, (tuple, Exception)) else json.dumps(answers)
    files = {"C:/Program Files/PostgreSQL/15/data/pg_hba.conf": "host all all 127.0.0.1/32 scram-sha-256\n"}
    return FakeHost("windows", commands={"powershell.exe": told, **more}, files=files)


NSSM = {
    "Name": "CryptoBotAuth",
    "PathName": "C:\\Program Files\\nssm\\nssm.exe",
    "StartMode": "Auto",
    "Parameters": {"Application": "C:\\Python39\\python.exe", "AppEnvironmentExtra": ["KEY=geheim"]},
}
ANSWERS = {
    "services": {"value": [NSSM]},
    "schedules": {"value": {"value": [], "Count": 0}},  # what 5.1 makes of an empty array
    "firewall": {"value": [{"Name": "a", "Rule": "v2.30|Action=Allow|Dir=In|LPort=8000|"}]},
    "packages": {"error": "Requested registry access is not allowed.", "kind": "PermissionDenied", "missing": ""},
    "release": {"value": [{"Caption": "Microsoft Windows Server 2022 Standard", "Version": "10.0.20348"}]},
}


def test_windows_is_asked_in_one_call():
    host = windows(ANSWERS)
    found = read_parts(Wanted(("*CryptoBot*", "it's")), host)
    pieces = {piece.name: piece.content.decode() for piece in found.pieces}
    assert json.loads(pieces["services.json"]) == [NSSM]
    assert "postgresql~C~Program%20Files~PostgreSQL~15~data~pg_hba.conf" in pieces
    assert found.missing == ["schedules", "redis"]
    assert [(one.part, "registry access" in one.why) for one in found.troubles] == [("packages", True)]
    assert host.ran.count(host.ran[0]) == 1


def test_what_is_declared_is_no_word_of_powershells():
    asked: list[str] = []
    host = windows(ANSWERS)
    run = host.run
    host.run = lambda argv, **more: asked.append(more.get("stdin") or "") or run(argv, **more)
    read_parts(Wanted(("*'; Remove-Item C:\\",)), host)
    script = base64.b64decode(asked[0]).decode()
    assert "@('*''; Remove-Item C:\\')" in script


@pytest.mark.parametrize("answer", [ToolFailed(["powershell.exe"], 1, "blocked"), (0, "garbage", "")])
def test_a_windows_that_answers_nothing_has_all_its_parts_unknown(answer):
    found = read_parts(Wanted(), windows(answer))
    assert {one.part for one in found.troubles} == {"services", "schedules", "firewall", "packages", "release"}


def test_winget_lists_where_there_is_one():
    found = read_parts(Wanted(), windows(ANSWERS, winget="Name Id Version\n"))
    assert "packages.winget.txt" in [piece.name for piece in found.pieces]
    broken = read_parts(
        Wanted(), windows(ANSWERS, winget=(1, "", "0x8a15000f : Data required by the source is missing"))
    )
    assert [one.part for one in broken.troubles].count("packages") == 2


NAMED = [
    ("/etc/systemd/system/a@b.service", "~etc~systemd~system~a%40b.service"),
    ("C:\\Program Files\\x", "~C~Program%20Files~x"),
    ("/srv/ä~b", "~srv~%C3%A4%7Eb"),
]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_path_is_a_name_on_every_system(path, name):
    assert escaped(path) == name


def taken(folder: Path, host: FakeHost, **more: Any) -> Any:
    (folder / "host").mkdir()
    source = settings(sources=[{"name": "host", "type": "system", **more}]).sources[0]
    workshop = Workshop(folder / "host", host, Codec(COMPRESSIONS["gzip"], 6))
    return back_up(source, workshop)


def test_all_is_plain_and_the_overview_says_where_it_is_from(tmp_path):
    entry = taken(tmp_path, linux(), venvs=["/opt/cryptobot/venv"])
    assert entry.compression == "none"
    unit = tmp_path / "host" / "services~etc~systemd~system~cryptobot-auth.service"
    assert unit.read_text() == LINUX[f"{UNITS}/cryptobot-auth.service"]
    overview = (tmp_path / "host" / "overview.txt").read_text()
    assert f"services\t{unit.name}\t{UNITS}/cryptobot-auth.service" in overview
    assert "sysctl\t\tthere was nothing of it" in overview
    assert entry.facts["missing"] == ["sysctl", "postgresql", "redis"]
    assert (entry.live_bytes, entry.things) == (0, len(entry.payloads) - 1)
    assert verify(entry, Bench(tmp_path, tmp_path, linux())) == []


@pytest.mark.parametrize(("part", "why"), [("sysctl", "nothing of it here"), ("firewall", "Permission denied")])
def test_a_part_that_is_wanted_and_not_there_whole_fails(tmp_path, part, why):
    with pytest.raises(ActionFailed, match=f"part {part} is declared as wanted: .*{why}"):
        taken(tmp_path, linux(), wanted=["services", part])


def test_a_part_that_is_wanted_and_unknown_on_this_platform_fails(tmp_path):
    with pytest.raises(ActionFailed, match="part sysctl"):
        taken(tmp_path, windows(ANSWERS), wanted=["sysctl"])


def test_where_nothing_can_be_read_there_is_no_source(tmp_path):
    with pytest.raises(ActionFailed, match="none of its parts"):
        taken(tmp_path, FakeHost("windows", commands={"powershell.exe": ToolFailed(["powershell.exe"], 1, "no")}))


def restored(folder: Path, entry: Any) -> Path:
    into = folder / "into"
    into.mkdir(mode=0o700)
    manifest = a_set().manifest._replace(sources=(entry,))
    reader = ArchiveReader(manifest, folder, linux())
    found = restore(entry, reader, into, Bench(folder, folder, linux()))
    assert found.proof["files"] == len(entry.payloads)
    return into


def test_beside_the_files_are_a_tree_and_what_commands_printed_is_next_to_it(tmp_path):
    entry = taken(tmp_path, linux())
    unit = f"host/services{escaped(f'{UNITS}/cryptobot-auth.service')}"
    rights = {"mode": 0o640, "uid": os.geteuid(), "gid": os.getegid()}
    entry.facts["files"][unit].update(rights)
    into = restored(tmp_path, entry)
    placed = into / f"files{UNITS}/cryptobot-auth.service"
    assert placed.read_text() == LINUX[f"{UNITS}/cryptobot-auth.service"]
    assert placed.stat().st_mode & 0o7777 == 0o640
    assert (into / "firewall.nft.txt").read_text().startswith("table inet")
    assert (into / "overview.txt").exists()


@pytest.mark.parametrize("origin", ["/../outside", "/etc/../../outside", "//etc/x", "/"])
def test_a_manifest_that_leads_elsewhere_is_refused(tmp_path, origin):
    entry = taken(tmp_path, linux())
    name = next(iter(entry.facts["files"]))
    entry.facts["files"][name].update({"from": origin, "mode": 0o644})
    with pytest.raises(ActionFailed, match=name):
        restored(tmp_path, entry)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("change", ["drop", "add"])
def test_an_overview_that_tells_of_other_files_is_found(tmp_path, change):
    entry = taken(tmp_path, linux())
    overview = tmp_path / "host" / "overview.txt"
    lines = overview.read_text().splitlines(keepends=True)
    overview.write_text("".join(lines[:1] + lines[2:] if change == "drop" else [*lines, "redis\tredis.txt\tx\t\t\n"]))
    assert "differ in host/" in verify(entry, Bench(tmp_path, tmp_path, linux()))[0]


def test_what_is_missing_is_named_and_only_what_is_unread_is_a_warning(tmp_path):
    entry = taken(tmp_path, linux())
    outcome = next(judge_system_parts(SourceContext("host", "files", entry)))
    assert outcome.status == "warning"
    assert "nothing on this host of: sysctl, postgresql, redis" in outcome.message
    calm = entry._replace(facts={**entry.facts, "notes": Notes({"missing": 1}, {"missing": ["redis"]}).as_dict()})
    assert next(judge_system_parts(SourceContext("host", "files", calm))).status == "ok"
    assert not list(judge_system_parts(SourceContext("host", "files", calm._replace(type="files"))))


def test_the_parts_that_may_be_wanted_are_those_that_there_are():
    assert {part.name for parts in PARTS.values() for part in parts} == set(NAMES)
    assert set(SPEC["sources"]["options"]["wanted"]["choices"]) == set(NAMES)


def test_the_least_declaration_finds_the_application():
    wanted = wanted_of(settings(sources=[{"name": "host", "type": "system"}]).sources[0])
    assert "services~etc~systemd~system~cryptobot-auth.service" in by_name(linux(), wanted)
    mac = FakeHost("darwin", files=MAC)
    assert "services~Library~LaunchDaemons~com.cryptobot.auth.plist" in by_name(mac, wanted)


@pytest.mark.parametrize("option", ["services", "accounts"])
@pytest.mark.parametrize("value", ["../etc", "a/b", "C:\\x", ""])
def test_a_name_is_no_way(option, value):
    with pytest.raises(InputError, match="a name, without a path"):
        settings(sources=[{"name": "host", "type": "system", option: [value]}])


def test_a_system_source_has_no_path():
    with pytest.raises(InputError, match="declare other files as a files source"):
        settings(sources=[{"name": "host", "type": "system", "path": "/etc"}])
