# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes as the kernel shows them."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import (
    process_table,
    read_process,
    uptime,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.linux import (
    parse_command,
    parse_open_files_limit,
    parse_replaced,
    parse_stat,
    parse_status,
    read_details,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process, of_unit, tree_of

# A name with blanks and brackets, as a process may give itself.
STAT = "4711 (a) b (c) S 12 4700 4700 0 -1 4194304 90 0 0 0 150 50 0 0 20 0 3 0 203050 8192 500 18446744073709551615"

MAPS = """\
55d0-55d1 r-xp 00000000 fd:00 100 /usr/bin/python3.11 (deleted)
7f00-7f01 r-xp 00000000 fd:00 101 /usr/lib/x86_64-linux-gnu/libssl.so.3 (deleted)
7f02-7f03 rw-p 00000000 fd:00 102 /usr/lib/x86_64-linux-gnu/libdata.so (deleted)
7f04-7f05 r-xp 00000000 00:01 103 /memfd:jit (deleted)
7f06-7f07 r-xp 00000000 fd:00 104 /tmp/ffi1234 (deleted)
7f08-7f09 rwxp 00000000 00:01 105 /dev/zero (deleted)
7f0a-7f0b r-xp 00000000 fd:00 106 /usr/lib/libc.so.6
7f0c-7f0d r-xp 00000000 00:00 0
7f0e-7f0f r-xp 00000000 fd:00 107 /opt/my app/lib.so (deleted)
"""


def test_a_process_is_read_whatever_its_name_holds():
    process = parse_stat(STAT)
    assert process == Process(4711, 12, 4700, "S", 2030.5, 2.0, 3)


@pytest.mark.parametrize("text", ["", "4711 (x) S 1 2", "4711 (x) S a b c d e f g h i j k l m n o p q r s t"])
def test_a_broken_stat_is_named(text):
    with pytest.raises(ParseError, match="/proc/PID/stat"):
        parse_stat(text)


COMMANDS = [
    (b"/bin/sh\0-c\0a b\0", ("/bin/sh", "-c", "a b")),
    (b"", ()),
    (b"x\xff\0", ("x\ufffd",)),
    (b"a\0\0b\0", ("a", "", "b")),
]


@pytest.mark.parametrize(("content", "words"), COMMANDS)
def test_a_command_line_is_its_words(content, words):
    assert parse_command(content) == words


def test_uid_and_memory_are_read():
    assert parse_status("Name:\tx\nUid:\t1\t998\t3\t4\nVmRSS:\t   20 kB\n") == (998, 20480)
    assert parse_status("Uid:\t0\t0\t0\t0\n") == (0, 0)  # a zombie has no memory
    with pytest.raises(ParseError, match="no Uid"):
        parse_status("Name:\tx\n")


LIMITS = [("1024", 1024), ("unlimited", 0)]


@pytest.mark.parametrize(("soft", "limit"), LIMITS)
def test_the_soft_limit_counts(soft, limit):
    assert parse_open_files_limit(f"Limit Soft Hard\nMax open files    {soft}   524288   files\n") == limit


def test_a_table_of_limits_without_open_files_is_named():
    with pytest.raises(ParseError, match="Max open files"):
        parse_open_files_limit("Limit Soft Hard\n")


def test_only_program_files_that_were_replaced_count():
    assert parse_replaced("/usr/bin/python3.11 (deleted)", MAPS) == (
        "/opt/my app/lib.so",
        "/usr/bin/python3.11",
        "/usr/lib/x86_64-linux-gnu/libssl.so.3",
    )
    assert parse_replaced("/usr/bin/python3.11", "") == ()


def _table(*rows):
    return {pid: Process(pid, parent, session, "S", 1.0, 0.0, 1, (), unit) for pid, parent, session, unit in rows}


def test_a_tree_is_the_descendants_and_the_session_of_its_main_process():
    table = _table((1, 0, 1, ""), (10, 1, 10, ""), (11, 10, 10, ""), (12, 11, 12, ""), (13, 1, 10, ""), (20, 1, 20, ""))
    assert [process.pid for process in tree_of(10, table)] == [10, 11, 12, 13]
    assert tree_of(99, table) == ()


def test_the_processes_of_a_unit_are_those_of_all_its_names():
    table = _table((10, 1, 10, "a.service"), (11, 1, 11, "b.service"), (12, 1, 12, "alias.service"))
    assert [process.pid for process in of_unit(("a.service", "alias.service"), table)] == [10, 12]


def _files(pid=4711):
    return {
        f"/proc/{pid}/stat": STAT,
        f"/proc/{pid}/cmdline": b"python3\0",
        f"/proc/{pid}/cgroup": "0::/system.slice/a.service\n",
        f"/proc/{pid}/status": "Uid:\t0\t0\t0\t0\nVmRSS:\t 4 kB\n",
        f"/proc/{pid}/limits": "Max open files  10  10  files\n",
        f"/proc/{pid}/maps": "",
    }


LINKS = {"/proc/4711/exe": "/usr/bin/python3", "/proc/4711/fd/0": "/dev/null", "/proc/4711/fd/1": "pipe:[1]"}


def test_the_table_holds_numbers_only_and_what_ended_meanwhile_is_left_out():
    files = {**_files(), "/proc/meminfo": "", "/proc/99/stat": STAT}
    assert [(p.pid, p.title, p.unit) for p in process_table(FakeHost(files=files)).values()] == [
        (4711, "python3", "a.service")
    ]


def test_the_details_of_a_process_are_read():
    details = read_details(FakeHost(files=_files(), links=LINKS), 4711)
    assert (details.uid, details.rss, details.open_files, details.open_files_limit, details.denied) == (
        0,
        4096,
        2,
        10,
        "",
    )


def test_what_may_not_be_seen_of_a_process_is_said():
    hidden = {**_files(), "/proc/4711/fd": denied("/proc/4711/fd")}
    details = read_details(FakeHost(files=hidden), 4711)
    assert "permission denied" in details.denied
    assert (details.rss, details.open_files) == (4096, 0)
    assert read_details(FakeHost(), 4711).denied == ""  # it has ended, nobody hides it


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the /proc of a real Linux kernel")
def test_a_real_child_of_this_process_is_seen_as_it_is():
    host, begun = LinuxHost(30), time.monotonic()
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            while (read_process(host, child.pid) or Process(0, 0, 0, "", 0, 0, 0)).command != ("sleep", "60"):
                assert time.monotonic() - begun < 10
            process = process_table(host)[child.pid]
            assert (process.parent, process.threads, process.state) == (os.getpid(), 1, "S")
            assert 0 <= uptime(host) - process.began < 10
            assert process in tree_of(os.getpid(), process_table(host))
            assert read_details(host, child.pid).rss > 0
        finally:
            child.kill()
