# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes: each is bounded, gets no shell and leaves nothing behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    CoreError,
    SourceDenied,
    ToolMissing,
    ToolTimeout,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import (
    Completed,
    plain_environment,
    run_process,
)

PYTHON = sys.executable


def run(argv: list[str], timeout: float = 20.0, **options: object) -> Completed:
    return run_process(argv, **{"timeout": timeout, "stdin": None, "env": None, **options})  # type: ignore[arg-type]


def python(code: str, timeout: float = 20.0, **options: object) -> Completed:
    return run([PYTHON, "-c", code], timeout, **options)


def test_a_process_returns_its_exit_code_and_both_outputs() -> None:
    done = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (done.rc, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_words_are_never_read_by_a_shell() -> None:
    assert run(["echo", "$HOME; ls *", "`id`"]).stdout == "$HOME; ls * `id`\n"


def test_a_process_reads_what_it_is_given() -> None:
    assert python("import sys; print(sys.stdin.read()[::-1])", stdin="abc").stdout == "cba\n"


def test_a_process_that_is_given_nothing_sees_the_end_of_its_input() -> None:
    assert python("import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_a_process_that_does_not_read_its_input_is_no_error() -> None:
    assert run(["true"], stdin="x" * 1_000_000).rc == 0


def test_a_process_runs_in_the_c_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", "echo $LC_ALL $LANG"]).stdout == "C C\n"


def test_what_the_caller_adds_to_the_environment_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSFILE", raising=False)
    assert run(["sh", "-c", "echo $PGPASSFILE"], env={"PGPASSFILE": "/x"}).stdout == "/x\n"
    assert "PGPASSFILE" not in os.environ
    assert plain_environment({"A_1": "x"})["A_1"] == "x"


def test_output_that_is_not_utf8_is_kept_with_replacements() -> None:
    assert python("import sys; sys.stdout.buffer.write(b'a\\xffb')").stdout == "a\ufffdb"


def test_much_output_on_both_streams_cannot_block() -> None:
    done = python("import sys; [print('x' * 99, file=s) for s in (sys.stdout, sys.stderr) for _ in range(20000)]")
    assert len(done.stdout) == 2_000_000
    assert len(done.stderr) > 200_000


def test_a_missing_command_is_named() -> None:
    with pytest.raises(ToolMissing, match="no-such-command-here"):
        run(["no-such-command-here"])


def _script(path: Path, text: str, mode: int) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_file_that_may_not_be_executed_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceDenied, match="tool"):
        run([_script(tmp_path / "tool", "#!/bin/sh\n", 0o644)])


NOT_STARTABLE = [
    ("not a program", lambda folder: [_script(folder / "tool", "\x00\x01 no program", 0o755)]),
    ("below a file", lambda folder: [_script(folder / "file", "", 0o644) + "/tool"]),
    ("a NUL in a word", lambda _folder: ["echo", "a\x00b"]),
    ("a word too long", lambda _folder: ["echo", "x" * (1 << 21)]),
]


@pytest.mark.parametrize(("_case", "make"), NOT_STARTABLE, ids=[case for case, _make in NOT_STARTABLE])
def test_a_command_that_cannot_be_started_is_an_error_of_the_core(_case: str, make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CoreError):
        run(make(tmp_path))


def _alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def _gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _alive(pid)


def test_a_process_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    with pytest.raises(ToolTimeout, match="1 s"):
        run(["sh", "-c", f"sleep 60 & echo $! > {noted}; wait"], timeout=1.0)
    assert _gone_within(int(noted.read_text()), 5)


def test_a_grandchild_that_escapes_its_group_cannot_hold_the_caller(tmp_path: Path) -> None:
    noted = tmp_path / "pid"
    escape = f"import os, time; os.setsid(); open({str(noted)!r}, 'w').write(str(os.getpid())); time.sleep(30)"
    begun = time.monotonic()
    with pytest.raises(ToolTimeout):
        run(["sh", "-c", f'{PYTHON} -c "{escape}" & sleep 60'], timeout=1.5)
    took = time.monotonic() - begun
    os.kill(int(noted.read_text()), 9)  # the one that this test started
    assert took < 15


ENDLESS = {
    "output": ("import os\nwhile True: os.write(1, b'x' * 65536)", "more than 134217728 bytes to its standard output"),
    "errors": ("import os\nwhile True: os.write(2, b'x' * 65536)", "more than 16777216 bytes to its standard error"),
}
MEASURED = """
import sys
sys.path[:0] = [sys.argv[1]]
import conftest
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import run_process
try:
    run_process([sys.executable, "-c", sys.argv[2]], timeout=60.0, stdin=None, env=None)
except ToolFailed as error:
    print(error)
# not ru_maxrss: that remembers what was there before exec, the whole of a test run
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.case("WN5")
@pytest.mark.parametrize(("code", "said"), ENDLESS.values(), ids=ENDLESS)
def test_a_tool_that_prints_without_end_costs_bounded_memory_and_is_no_answer(code: str, said: str) -> None:
    done = run([PYTHON, "-c", MEASURED, str(Path(__file__).parents[3]), code], 100.0)
    message, peak = done.stdout.splitlines()
    assert said in message
    assert len(message) < 300
    assert int(peak) < 400 << 10  # KiB; unbounded it is gigabytes a second


@pytest.mark.case("WN5")
def test_errors_that_were_cut_say_so_and_the_output_beside_them_is_whole() -> None:
    done = python("import sys; sys.stderr.write('x' * 3_000_000); sys.stdout.write('y' * 3_000_000)")
    assert done.stdout == "y" * 3_000_000
    assert done.stderr == f"({3_000_000 - (256 << 10)} bytes before this were cut)\n" + "x" * (256 << 10)


@pytest.mark.case("WN5")
@pytest.mark.parametrize(("size", "cut"), [((256 << 10) - 1, False), (256 << 10, False), ((256 << 10) + 1, True)])
def test_the_bound_of_errors_is_exact(size: int, cut: bool) -> None:
    assert ("were cut" in python(f"import sys; sys.stderr.write('x' * {size})").stderr) is cut
