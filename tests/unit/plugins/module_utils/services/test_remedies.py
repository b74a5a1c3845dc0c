# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remedy fits the state that a service is in, and can be pasted; its last error line is quoted as data."""

from __future__ import annotations

import json
import os
import re

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils import folders
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.lastwords import (
    TAIL,
    last_error,
    quote_errors,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Answer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.pid_file import PidFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_network import (
    judge_http,
    judge_port_owner,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_starts import judge_enabled
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_state import (
    judge_state,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import RULES

from .builders import NOW, findings_of, make_case, make_observed, make_process, make_service, make_socket, make_unit

UNIT = "cryptobot-auth.service"
DEAD = {"active": "inactive", "sub": "dead", "result": "success"}
STATES = [
    ("no such unit", None, "systemctl list-unit-files --no-pager '*cryptobot-auth*'"),
    ("masked", {"load": "masked"}, f"systemctl unmask {UNIT} && systemctl start {UNIT}"),
    ("not loadable", {"load": "bad-setting", "files": ("/etc/x.service",)}, "systemd-analyze verify /etc/x.service"),
    (
        "not loadable, with a drop-in",
        {"load": "bad-setting", "files": ("/etc/x.service", "/run/y.conf")},
        "systemd-analyze verify /etc/x.service",
    ),
    (
        "no program, with arguments",
        {"active": "failed", "exit_code": 1, "exit_status": 203, "exec_start": "/opt/no --port 8000"},
        "ls -lL /opt/no;",
    ),
    ("failed, and nothing says how", {"active": "failed", "result": ""}, f"then systemctl restart {UNIT}"),
    (
        "no program",
        {"active": "failed", "exit_code": 1, "exit_status": 203, "exec_start": "/opt/no"},
        "ls -lL /opt/no",
    ),
    (
        "given up",
        {"active": "failed", "result": "start-limit-hit", "exit_code": 1, "exit_status": 1},
        f"systemctl reset-failed {UNIT} && systemctl start {UNIT}",
    ),
    ("stopped by hand", DEAD, f"It was stopped, it did not fail: systemctl start {UNIT}"),
    ("failed", {"active": "failed", "exit_code": 1, "exit_status": 1}, f"journalctl -u {UNIT} -n 50 --no-pager;"),
]


def _only(findings):
    (finding,) = findings
    return finding


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("fields", "words"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_the_remedy_of_a_state_is_one_for_that_state(fields, words):
    unit = None if fields is None else make_unit(**fields)
    finding = _only(findings_of(judge_state, make_case(make_observed(unit=unit, main=None))))
    assert (finding.status, words in finding.remedy) == ("critical", True)


MULTI = "multi-user.target"
LINK = f"systemctl edit {UNIT}, write [Install] and WantedBy={MULTI}, then systemctl reenable {UNIT}; or correct"
TAKE_OUT = f"Take it out of what starts it (systemctl list-dependencies --reverse {UNIT}), or correct `enabled`"
SWITCH = f"systemctl enable {UNIT} (or disable), or correct `enabled` in the inventory."
# Declared, the state of its unit file, what starts it in a boot; the cure.
BOOTS = [
    (True, "disabled", (), SWITCH),
    (True, "enabled", (), LINK),  # it is enabled, but nothing that a boot reaches wants it
    (True, "static", (), LINK),
    (True, "indirect", (), LINK),
    (True, "alias", (), LINK),
    (True, "generated", (), LINK),
    (False, "enabled", (MULTI,), SWITCH),
    (False, "disabled", (MULTI,), TAKE_OUT),  # it has no links of its own that disabling would take away
    (False, "static", (MULTI,), TAKE_OUT),
]


@pytest.mark.case("SV17", "L15b")
@pytest.mark.parametrize(("wanted", "state", "started_by", "remedy"), BOOTS)
def test_the_remedy_of_a_boot_changes_what_the_boot_does(wanted, state, started_by, remedy):
    unit = make_unit(file_state=state, started_by=started_by, triggered_by=())
    service = make_service(unit="cryptobot-auth", enabled=wanted)
    finding = _only(findings_of(judge_enabled, make_case(make_observed(service, unit=unit))))
    assert (finding.status, finding.remedy.startswith(remedy)) == ("warning", True), finding.remedy


@pytest.mark.case("SV17")
@pytest.mark.parametrize("wanted", [True, False])
def test_the_remedy_of_a_boot_is_one_of_the_manager_that_there_is(wanted):
    unit = make_unit(manager="launchd", file_state="disabled" if wanted else "enabled")
    service = make_service(unit="cryptobot-auth", enabled=wanted)._replace(managed_by="launchd")
    remedy = _only(findings_of(judge_enabled, make_case(make_observed(service, unit=unit)))).remedy
    assert remedy.startswith("launchctl enable ")


PORT = make_service(unit="cryptobot-auth", port=8000)
PORTS = [
    ("nobody listens, Linux", [], "linux", "ss -Hlnpt 'sport = :8000'"),
    ("nobody listens, macOS", [], "darwin", "lsof -nP -iTCP:8000"),
    ("nobody listens, Windows", [], "windows", "Get-NetTCPConnection -LocalPort 8000"),
    ("a stranger, Linux", [make_socket(8000, pids=(99,))], "linux", "ps -o pid,user,lstart,args -p 99"),
    ("a stranger, Windows", [make_socket(8000, pids=(99,))], "windows", "-Filter 'ProcessId=99'"),
]


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("sockets", "platform", "words"), [row[1:] for row in PORTS], ids=[row[0] for row in PORTS])
def test_a_stray_process_is_only_spoken_of_where_there_is_one(sockets, platform, words):
    stranger = make_process(99, command=("nginx",), unit="nginx.service")
    case = make_case(make_observed(PORT), sockets=sockets, processes={99: stranger}, platform=platform)
    finding = _only(findings_of(judge_port_owner, case))
    assert (finding.status, words in finding.remedy) == ("critical", True)
    assert ("nginx.service" in finding.remedy) == bool(sockets)
    assert "stray" not in finding.remedy


@pytest.mark.case("SV17")
def test_of_several_strangers_the_first_is_looked_at():
    strangers = {pid: make_process(pid, command=("nginx",), unit=f"nginx-{pid}.service") for pid in (98, 99)}
    case = make_case(make_observed(PORT), sockets=[make_socket(8000, pids=(98, 99))], processes=strangers)
    remedy = _only(findings_of(judge_port_owner, case)).remedy
    assert remedy.startswith("ps -o pid,user,lstart,args -p 98; if it (of nginx-98.service) does not belong there")


@pytest.mark.case("SV17")
def test_the_remedy_of_a_bad_answer_asks_the_real_url():
    service = make_service(unit="cryptobot-auth", port=8000, health={"path": "/health?key=s3same"})
    seen = make_observed(service)._replace(answer=Answer(fault="it answers 500", status=500))
    remedy = _only(findings_of(judge_http, make_case(seen))).remedy
    assert remedy.startswith("curl -sSi http://127.0.0.1:8000/health;")
    assert "s3same" not in remedy


@pytest.mark.case("SV17")
@pytest.mark.parametrize("check", RULES.checks)
def test_no_remedy_has_a_gap_to_fill_in(check):
    assert re.search(r"<\w+>", RULES[check].remedy) is None


def _line(age, message):
    return json.dumps({"__REALTIME_TIMESTAMP": str(round((NOW - age) * 1e6)), "MESSAGE": message})


LOG = [
    _line(50, "Started"),
    _line(40, "ConnectionRefusedError: port 5432"),
    _line(30, "ModuleNotFoundError: No module named 'ta' password=hunter22 \x1b[31m\n" + "x" * 500),
    _line(20, "INFO all is well"),
    "{broken",
    json.dumps({"__REALTIME_TIMESTAMP": "1", "MESSAGE": [1, 2]}),
]


@pytest.mark.case("SV17")
def test_a_bad_finding_quotes_the_last_error_of_its_service_once_and_as_data():
    host = FakeHost(commands={"journalctl": "\n".join(LOG)})
    case = make_case(make_observed(unit=make_unit(active="failed", exit_code=1, exit_status=1), main=None))
    found = quote_errors(host, [case], {"auth": list(findings_of(judge_state, case))})["auth"]
    message = _only(found).message
    assert "its last error, 2027-01-15 07:59:30Z: \"ModuleNotFoundError: No module named 'ta'" in message
    assert "hunter22" not in message
    assert "\x1b" not in message
    assert len(message) < 400
    assert f"_SYSTEMD_UNIT={UNIT}" in host.ran[0]


@pytest.mark.case("SV17")
@pytest.mark.parametrize("answer", ["", _line(5, "all is well"), (1, "", "No journal files were opened\n")])
def test_without_an_error_line_nothing_is_quoted(answer):
    assert last_error(FakeHost(commands={"journalctl": answer}), UNIT, NOW) == ""


def test_a_well_service_is_not_asked_for_its_errors():
    host, case = FakeHost(), make_case()
    quote_errors(host, [case], {"auth": list(findings_of(judge_state, case))})
    assert host.ran == []


def _numbers(age, content, **fields):
    """An entry with a message as journald writes one that does not print or is no UTF-8."""
    return json.dumps({**json.loads(_line(age, "")), "MESSAGE": list(content), **fields})


def _told(*lines):
    return last_error(FakeHost(commands={"journalctl": "\n".join(lines)}), UNIT, NOW).partition("Z: ")[2]


# (the message, bytes or a field as it stands in the JSON, as it is quoted)
FIELDS = [
    (b"\x1b[31mERROR\x1b[0m no database", '"ERROR no database"'),
    (b"\x1b[31;1merror\x1b[m at \x1b[2J", '"error at \\u001b[2J"'),
    (b"ERROR caf\xff \xc3\xa9", '"ERROR caf\\xff é"'),
    (b"ERROR \x1b[36mpassword\x1b[0m=\x1b[35mhunter2\x1b[0m", '"ERROR password=********"'),
    ("ERROR exe\u202egol\u2066 \u200b", '"ERROR exe\\u202egol\\u2066 \\u200b"'),
    (["two of a kind", list(b"ERROR \xff"), None], '"two of a kind ERROR \\xff"'),
    (b"ERROR " + b"\xff" * 9_000, '"ERROR ' + "\\xff" * 154 + '..."'),
    ("ERROR two\u2028lines\x85", '"ERROR two lines"'),
]


@pytest.mark.case("SV17", "L3a")
@pytest.mark.parametrize(("message", "shown"), FIELDS)
def test_a_message_that_journald_gives_as_numbers_is_quoted_as_text(message, shown):
    line = _numbers(5, message) if isinstance(message, bytes) else _numbers(5, b"", MESSAGE=message)
    assert _told(_line(9, "ERROR before"), line) == shown


NONSENSE = [[300], [-1], ["a", 1], {"a": 1}, 5, True, [[[300]]], []]


@pytest.mark.case("SV17")
@pytest.mark.parametrize("message", NONSENSE, ids=str)
def test_an_entry_that_cannot_be_read_costs_one_entry(message):
    assert _told(_line(9, "ERROR before"), _numbers(5, b"", MESSAGE=message)) == '"ERROR before"'


def _long(age, text):
    """An entry with a message that is left out without --all, and as it is given with it."""
    short = {**json.loads(_line(age, "")), "MESSAGE": None, "__CURSOR": f"s={age};i=1"}
    return json.dumps(short), {f"{ALL} --cursor=s={age};i=1 -n 1": json.dumps({**short, "MESSAGE": text})}


ALL = "journalctl --no-pager -o json --output-fields=MESSAGE --all"


@pytest.mark.case("SV17")
def test_a_message_that_is_too_long_for_an_answer_is_asked_for_by_itself():
    short, answers = _long(5, "ERROR token=abc " + "x" * 5_000)
    host = FakeHost(commands={"journalctl": "\n".join([_line(9, "ERROR before"), short]), **answers})
    said = last_error(host, UNIT, NOW).partition("Z: ")[2]
    assert said == '"ERROR token=******** ' + "x" * (160 - 21) + '..."'
    assert host.ran[1].endswith(f"_SYSTEMD_UNIT={UNIT}")


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("count", "asked"), [(4, 5), (5, 6), (6, 6)])
def test_so_many_long_messages_are_asked_for_and_no_more(count, asked):
    entries = [_long(age, "all is well " * 500) for age in range(1, count + 1)]
    lines = [_line(99, "ERROR before"), *(short for short, _answer in reversed(entries))]
    answers = {prefix: answer for _short, each in entries for prefix, answer in each.items()}
    host = FakeHost(commands={"journalctl": "\n".join(lines), **answers})
    assert last_error(host, UNIT, NOW).endswith('"ERROR before"')
    assert len(host.ran) == asked


@pytest.mark.case("SV17")
@pytest.mark.parametrize("other", ["", (1, "", "no"), _line(5, "ERROR another entry"), "x" * 3_000_000])
def test_a_long_message_that_is_gone_or_huge_is_passed_over(other):
    short, answers = _long(5, "")
    host = FakeHost(commands={"journalctl": f"{_line(9, 'ERROR before')}\n{short}", **dict.fromkeys(answers, other)})
    assert last_error(host, UNIT, NOW).endswith('"ERROR before"')


SCRIPT = {"pid_file": "/run/auth.pid", "command": ["/opt/bot/start", "auth"]}


def script_case(log, **fields):
    """Return a script-started service that does not run and appends what it prints to a file."""
    service = make_service(**{**SCRIPT, "output": str(log), **fields})
    pid_file = PidFile("/run/auth.pid", unavailable="the pid file /run/auth.pid does not exist")
    return make_case(make_observed(service, unit=None, main=None, pid_file=pid_file))


def last_words(log, host=None, **fields):
    """Return what the bad finding about that service says after what it says without the file."""
    case = script_case(log, **fields)
    plain = _only(findings_of(judge_state, case)).message
    told = _only(
        quote_errors(host or FakeHost(now=NOW), [case], {"auth": list(findings_of(judge_state, case))})["auth"]
    ).message
    assert told.startswith(plain)
    return told[len(plain) :]


def written(path, text, age=60.0):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (NOW - age, NOW - age))
    return path


@pytest.mark.case("SV17")
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_script_started_service_is_quoted_from_the_file_that_it_prints_to(tmp_path, platform):
    log = written(tmp_path / "auth.log", f"{'x' * 100}\n" * 5000 + "OSError: [Errno 98] \x1b[31min use\nINFO bye\n")
    assert last_words(log, FakeHost(platform, now=NOW)) == (
        f'; its last error in {log}, last written 2027-01-15 07:59:00Z: "OSError: [Errno 98] in use"'
    )


@pytest.mark.case("SV17")
def test_a_line_of_the_file_is_quoted_without_secrets_and_bounded(tmp_path):
    secret = "p4ss/w0rd-of-the-house"
    line = f"ERROR token=abc123 {'y' * 118} {secret} {'z' * 9000}"
    said = last_words(written(tmp_path / "log", line + "\n"), environment={"DB_PASSWORD": secret, "PORT": "1"})
    assert "abc123" not in said
    assert "p4ss" not in said  # what is cut in the middle is hidden before it is cut
    assert len(said) < len(str(tmp_path)) + 300


@pytest.mark.case("SV17")
def test_a_line_of_the_file_with_bytes_that_are_no_text_is_quoted_with_them(tmp_path):
    said = last_words(written(tmp_path / "log", b"\x1b[31mERROR\x1b[0m caf\xff\n"))
    assert said.endswith('"ERROR caf\\xff"')


@pytest.mark.case("SV17")
def test_only_the_end_of_a_large_file_is_read_and_from_a_whole_line_on(tmp_path):
    far = "ERROR far from the end\n" + "a" * TAIL + "\n"
    assert last_words(written(tmp_path / "far", far)) == ""
    half = "begun before the part that is read " + "b" * (TAIL - 20) + " ERROR\nINFO\n"
    assert last_words(written(tmp_path / "half", half)) == ""
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as stream:
        stream.truncate(10 << 30)
        stream.seek(0, os.SEEK_END)
        stream.write(b"\nFATAL end")
    os.utime(sparse, (NOW, NOW))
    assert last_words(sparse).endswith('"FATAL end"')


def of_somebody_else(path, content):
    """Put a link of another account to a file of ours where a log file is expected."""
    written(path.with_name("precious"), content)
    path.symlink_to("precious")
    os.lchown(path, 65534, 65534)


def below_a_folder_of_somebody_else(path, content):
    (path.parent / "root").mkdir()
    written(path.parent / "root" / path.name, content)
    (path.parent / "app").symlink_to("root")
    os.lchown(path.parent / "app", 65534, 65534)
    return path.parent / "app" / path.name


def a_hard_link(path, content):
    os.link(written(path.with_name("precious"), content), path)


def a_pipe(path, content):
    del content
    os.mkfifo(path)


def a_folder(path, content):
    written(path, content).unlink()
    path.mkdir()


def two_days_old(path, content):
    written(path, content, age=2 * 86400)


def nothing(path, content):
    del path, content


TRAPS = [of_somebody_else, below_a_folder_of_somebody_else, a_hard_link, a_pipe, a_folder, two_days_old, nothing]


@pytest.mark.case("SV17")
@pytest.mark.skipif(os.geteuid() != 0, reason="a link of another account is made by root")
@pytest.mark.parametrize("trap", TRAPS, ids=[trap.__name__ for trap in TRAPS])
def test_what_is_no_log_file_of_today_is_not_read(tmp_path, trap):
    log = trap(tmp_path / "log", "root only: ERROR\n") or tmp_path / "log"
    assert last_words(log) == ""


@pytest.mark.case("SV17")
def test_a_link_that_root_made_is_followed_and_one_that_takes_its_place_meanwhile_is_not(tmp_path, monkeypatch):
    written(tmp_path / "current.log", "ERROR here\n")
    (tmp_path / "log").symlink_to("current.log")
    assert last_words(tmp_path / "log").endswith('"ERROR here"')
    written(tmp_path / "precious", "root only: ERROR\n")
    real = folders.Folder.open_file

    def swapped(folder, name):
        os.unlink(name, dir_fd=folder.descriptor)
        os.symlink("precious", name, dir_fd=folder.descriptor)
        return real(folder, name)

    monkeypatch.setattr(folders.Folder, "open_file", swapped)
    assert last_words(tmp_path / "log") == ""


@pytest.mark.case("SV17")
def test_where_a_file_cannot_be_opened_safely_it_is_not(tmp_path):
    assert last_words(written(tmp_path / "log", "ERROR\n"), FakeHost("windows", now=NOW)) == ""


# (platform, the log file, what the remedy begins with)
LOGS = [
    ("linux", "/srv/my bot/log", "tail -n 50 '/srv/my bot/log'; remove the cause, then start it: /opt/bot/start auth"),
    ("darwin", "/srv/log", "tail -n 50 /srv/log; remove the cause"),
    ("windows", "C:\\it's\\log", "Get-Content -Tail 50 -LiteralPath 'C:\\it''s\\log'; remove the cause"),
    ("linux", "", "Read the log that it writes; remove the cause"),
]


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("platform", "log", "begins"), LOGS)
def test_the_remedy_of_a_script_started_service_shows_its_log(platform, log, begins):
    case = script_case(log)
    case = case._replace(snapshot=case.snapshot._replace(platform=platform))
    assert _only(findings_of(judge_state, case)).remedy.startswith(begins)
