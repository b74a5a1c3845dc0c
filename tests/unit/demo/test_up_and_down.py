# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``manage.py`` on a real demo: up twice, down, status, another port, and what it refuses to touch."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from cryptobot_demo import commands, layout, processes
from cryptobot_demo.catalog import SERVICES
from cryptobot_demo.ports import is_free
from cryptobot_demo.root import MARKER, DemoError, make_demo, open_demo

from .conftest import DEMO
from .http_client import ask

ANSWERS = {"auth": ("/health", 200), "data": ("/health", 404), "trade": ("/api/trades/orders?status=open", 405)}


def manage(*words):
    return subprocess.run(
        [sys.executable, str(DEMO / "manage.py"), *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "demo"
    yield path
    if (path / MARKER).exists():
        commands.clean(path)


@pytest.mark.case("RP14")
@pytest.mark.parametrize("port", ["99999", "65532", "1023", "0", "-5", "auth"])
def test_a_port_that_is_none_is_refused_before_anything_is_written(root, port):
    done = manage("up", "--root", root, f"--base-port={port}")
    assert done.returncode == 2
    assert f"'{port}' is no port for the first of five services, expected 1024 to 65531" in done.stderr
    assert not root.exists()


def pids(demo):
    return {name: processes.running_pid(demo, name) for name in SERVICES}


def test_up_twice_down_and_clean(root, base_port):
    first = manage("up", "--root", root, "--base-port", base_port, "--rows", "small")
    assert first.returncode == 0, first.stderr
    demo = open_demo(root)
    running = pids(demo)
    assert None not in running.values()
    for name, (path, status) in ANSWERS.items():
        assert ask(demo.ports[name], path)[0] == status

    second = manage("up", "--root", root)
    assert second.stdout.count("already running") == 5
    assert pids(demo) == running
    assert manage("status", "--root", root).returncode == 0

    assert manage("down", "--root", root).stdout.splitlines()[0] == "trade: stopped"
    assert set(pids(demo).values()) == {None}
    assert not list(demo.run_dir.glob("*.pid"))
    assert manage("status", "--root", root).returncode == 3

    assert manage("clean", "--root", root).returncode == 0
    assert not root.exists()


def test_up_starts_only_what_is_missing(root, base_port):
    commands.up(root, base_port=base_port, size="small")
    demo = open_demo(root)
    before = pids(demo)
    processes.stop(demo, "data")
    assert [line for line in commands.up(root) if "started" in line] == [f"data: started on port {base_port + 1}"]
    after = pids(demo)
    assert {name for name in SERVICES if after[name] != before[name]} == {"data"}


def test_up_with_another_port_moves_the_services(root, base_port):
    commands.up(root, base_port=base_port, size="small")
    commands.up(root, base_port=base_port + 5)
    assert ask(base_port + 5, "/health")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        ask(base_port, "/health")


def test_down_leaves_a_process_alone_that_only_took_over_the_pid(root, base_port):
    commands.up(root, base_port=base_port, size="small")
    demo = open_demo(root)
    processes.stop(demo, "data")
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        demo.pid_file("data").write_text(f"{stranger.pid}\n")
        assert "data: was not running" in commands.stop_all(demo)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_service_that_cannot_start_is_an_error_with_its_own_words(root, base_port):
    commands.up(root, base_port=base_port, size="small")
    demo = open_demo(root)
    processes.stop(demo, "trade")
    (demo.install_dir / "data" / "orders.json").write_text('[{"id": "a"}]')
    with pytest.raises(DemoError, match=r"trade did not start: .*orders\.json: order 0 lacks"):
        processes.start(demo, "trade")


@pytest.mark.parametrize("action", ["clean", "down", "status", "heal"])
def test_a_folder_without_the_marker_is_refused(tmp_path, action):
    (tmp_path / "precious").write_text("mine")
    refused = manage(action, "--root", tmp_path)
    assert refused.returncode == 2
    assert "is not a demo" in refused.stderr
    assert (tmp_path / "precious").read_text() == "mine"


def test_up_refuses_a_folder_that_holds_something_else(root, base_port):
    root.mkdir()
    (root / "precious").write_text("mine")
    refused = manage("up", "--root", root, "--base-port", base_port)
    assert refused.returncode == 2
    assert "choose another --root" in refused.stderr
    assert os.listdir(root) == ["precious"]


@pytest.fixture
def stranger(base_port):
    """Another program on the port of data."""
    argv = [sys.executable, "-m", "http.server", str(base_port + 1), "--bind", "127.0.0.1"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    deadline = time.monotonic() + 15
    while is_free(base_port + 1) and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.mark.case("RP14")
def test_a_port_that_was_chosen_and_is_taken_is_an_error_that_names_who_has_it(root, base_port, stranger):
    refused = manage("up", "--root", root, "--base-port", base_port, "--rows", "small")
    assert refused.returncode == 2
    assert f"port {base_port + 1} is taken by process {stranger.pid} ({sys.executable} -m http.server" in refused.stderr
    assert "make demo PORT=19000" in refused.stderr


@pytest.mark.case("RP14")
def test_ports_that_nobody_chose_and_are_taken_are_left_for_free_ones(root, base_port, stranger):
    make_demo(root, base_port, quiet=True)
    said = commands.up(root, size="small", quiet=True)
    base = open_demo(root).base_port
    assert base != base_port
    assert f"port {base_port + 1} is taken by process {stranger.pid}" in said[1]
    assert f"the demo takes the ports from {base} on" in said[1]
    assert ask(base, "/health")[0] == 200


@pytest.mark.case("RP14")
def test_a_demo_that_runs_in_part_does_not_move_away_from_its_services(root, base_port, stranger):
    demo = make_demo(root, base_port, quiet=True)
    layout.install(demo.install_dir, size="small")
    processes.start(demo, "auth")
    with pytest.raises(DemoError, match=f"port {base_port + 1} is taken by process {stranger.pid}"):
        commands.up(root)
    assert ask(base_port, "/health")[0] == 200
