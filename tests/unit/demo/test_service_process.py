# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service as a real process: how it starts, refuses, keeps quiet and ends."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from cryptobot_demo.processes import SERVICE_SCRIPT, children_of, command_line

from .http_client import ask, ask_each

START_SECONDS = 15


def command(name, install_dir, port, *more):
    return [sys.executable, str(SERVICE_SCRIPT), name, "--install-dir", str(install_dir), "--port", str(port), *more]


def wait_until_it_answers(process, port):
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            ask(port, "/")
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nothing answers on {port}, exit code {process.returncode}")


def wait_until(happened):
    deadline = time.monotonic() + START_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def run(tmp_path):
    processes = []

    def start(name, port, *more, environment=None, wait=True):
        process = subprocess.Popen(
            command(name, tmp_path, port, *more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        processes.append(process)
        if wait:
            wait_until_it_answers(process, port)
        return process

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its workers, which outlive a parent that is killed
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_within_a_second(run, tmp_path, base_port, number):
    pid_file = tmp_path / "run" / "cryptobot_data.pid"
    process = run("data", base_port, "--pid-file", str(pid_file))
    assert int(pid_file.read_text()) == process.pid
    sent = time.monotonic()
    process.send_signal(number)
    output, _unused = process.communicate(timeout=5)
    assert time.monotonic() - sent < 1
    assert process.returncode == 0
    assert not pid_file.exists()
    assert f"Finished server process [{process.pid}]" in output.decode()


def test_it_logs_to_its_file_what_it_logs_to_stdout(run, tmp_path, base_port):
    process = run("backtest", base_port)
    assert ask(base_port, "/health")[0] == 404
    process.terminate()
    output, _unused = process.communicate(timeout=5)
    logged = (tmp_path / "logs" / "backtest_service.log").read_text()
    assert logged == output.decode()
    assert '"GET /health HTTP/1.1" 404 Not Found' in logged


def test_it_refuses_a_port_that_is_taken_and_says_so(tmp_path, base_port):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", base_port))
        holder.listen()
        refused = subprocess.run(
            command("auth", tmp_path, base_port, "--pid-file", str(tmp_path / "pid")),
            capture_output=True,
            text=True,
            timeout=15,
            check=False,
        )
    assert refused.returncode == 1
    assert f"auth cannot start on ('127.0.0.1', {base_port}): " in refused.stdout
    assert os.strerror(errno.EADDRINUSE) in refused.stdout
    assert not (tmp_path / "pid").exists()


def test_quiet_leaves_the_log_as_it_is_while_requests_come(run, tmp_path, base_port):
    run("strategy", base_port, "--quiet", "--traffic-seconds", "0.05")
    log = tmp_path / "logs" / "strategy_service.log"
    before = log.read_bytes()
    for _unused in range(3):
        assert ask(base_port, "/health")[0] == 200
    time.sleep(0.3)
    assert log.read_bytes() == before


def test_without_quiet_traffic_is_invented(run, tmp_path, base_port):
    run("strategy", base_port, "--traffic-seconds", "0.05")
    log = tmp_path / "logs" / "strategy_service.log"
    before = log.stat().st_size
    time.sleep(0.5)
    assert log.stat().st_size > before


def test_trade_starts_with_the_planted_orders_and_the_mode_of_its_env_file(run, tmp_path, base_port):
    order = {
        "id": "1",
        "exchange": "kraken",
        "symbol": "ETH/USD",
        "side": "sell",
        "status": "PENDING",
        "created_at": "x",
    }
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.json").write_text(json.dumps([order]))
    (tmp_path / ".env").write_text("DRY_RUN=false\n")
    run("trade", base_port, environment={"PATH": ""})
    assert json.loads(ask(base_port, "/api/trades/orders?status=open")[1]) == [order]
    assert json.loads(ask(base_port, "/api/v1/settings/dry_run")[1]) == {"dry_run": False}


def test_it_speaks_http_1_1_as_uvicorn(run, base_port):
    run("auth", base_port)
    status, _unused, headers = ask(base_port, "/")
    assert (status, headers["location"], headers["server"]) == (307, "/docs", "uvicorn")
    assert ask(base_port, "/health", method="POST", body="{}")[0] == 405


def workers_of(process):
    return [pid for pid in children_of(process.pid) if pid != process.pid]


def seen_dry_run(process, port):
    answers = ask_each(workers_of(process), port, "/api/v1/settings/dry_run")
    return sorted(json.loads(answer)["dry_run"] for answer in answers)


def test_one_request_turns_dry_run_off_in_one_of_two_workers(run, base_port):
    process = run("trade", base_port, "--quiet")
    assert len(workers_of(process)) == 2
    assert seen_dry_run(process, base_port) == [True, True]
    ask(base_port, "/api/v1/settings/dry_run", method="PUT", body=b'{"dry_run": false}')
    assert seen_dry_run(process, base_port) == [False, True]


def test_the_parent_outlives_workers_that_die_at_once_and_starts_them_again(run, tmp_path, base_port):
    switch = tmp_path / "run" / "strategy.import-error"
    switch.parent.mkdir()
    switch.touch()
    process = run("strategy", base_port, "--quiet", wait=False)
    log = tmp_path / "logs" / "strategy_service.log"
    wait_until(lambda: log.exists() and log.read_text().count("died with status") > 2)
    assert process.poll() is None
    with pytest.raises(OSError, match="refused"):
        ask(base_port, "/health")
    assert "ImportError: cannot import name" in log.read_text()
    switch.unlink()
    wait_until_it_answers(process, base_port)


@pytest.mark.parametrize("name", ["auth", "trade"])
def test_a_signal_that_another_thread_than_the_main_one_takes_ends_it_too(run, base_port, name):
    process = run(name, base_port)
    workers = workers_of(process) or [process.pid]
    tgkill = ctypes.CDLL(None, use_errno=True).tgkill  # the kernel chooses so where the main thread is busy
    for pid in workers:
        other = next(int(thread) for thread in os.listdir(f"/proc/{pid}/task") if int(thread) != pid)
        assert tgkill(pid, other, signal.SIGTERM) == 0
    wait_until(lambda: not [pid for pid in workers if command_line(pid)])


def test_a_service_with_workers_leaves_none_behind(run, base_port):
    process = run("trade", base_port, "--quiet")
    workers = workers_of(process)
    process.terminate()
    assert process.wait(5) == 0
    assert not [pid for pid in workers if command_line(pid)]
