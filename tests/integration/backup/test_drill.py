# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drills with real sets, a real PostgreSQL and a real application: what comes back, what is refused, what is left."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from plugins.module_utils.backup.examples import act, database, files, filled, sqlite

from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from ..database.postgres_server import running_server
from ..faults.test_backup_postgresql import need_binaries
from .restic_lab import PASSWORD, RESTIC, new_repository

DEFAULTS = Path(__file__).parents[3] / "roles" / "dr_drill" / "defaults" / "main.yml"
SCENARIOS = yaml.safe_load(DEFAULTS.read_text())["dr_drill_scenarios"]
NOWHERE = "127.0.0.1:1"  # nobody listens there, and nothing leaves this machine
APP = """
import http.server, os, sqlite3, sys
root, port = sys.argv[1], int(sys.argv[2])
rows = sqlite3.connect(f"file:{root}/database/database.sqlite?mode=ro", uri=True).execute("SELECT count(*) FROM trades")
assert rows.fetchone()[0] == 100
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.environ.get("MODE") == "drill" else 500)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", port), Health).serve_forever()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other accounts may pass, with an installation of which there is a set."""
    with tempfile.TemporaryDirectory(prefix="h-drill-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "app").mkdir()
        (folder / "app" / ".env").write_text("EXCHANGE_SANDBOX=true\nAPI_KEY=live\n")
        (folder / "app" / "config.yml").write_text("risk: 1\n" * 200)
        database(folder / "app.db")
        yield folder


def sources(place: Path) -> list[dict[str, Any]]:
    return [files("app", place / "app"), sqlite("database", place / "app.db")]


def drill(place: Path, scenario: str = "host_lost", check_mode: bool = False, **more: Any) -> Result:
    given = {
        "dir": str(place / "backups"),
        "scenario": scenario,
        "scenarios": [filled(SPEC["scenarios"]["options"], row) for row in [*SCENARIOS, *more.pop("rows", [])]],
        "state_dir": str(place / "state"),
        "scratch_dir": str(place / "scratch"),
        "endpoints": [NOWHERE],
        **more,
    }
    (place / "scratch").mkdir(exist_ok=True, mode=0o755)
    return run(filled(SPEC, given), choose_host(600), check_mode)


def left(place: Path) -> list[str]:
    return sorted(os.listdir(place / "scratch"))


def statuses(result: Result) -> dict[str, str]:
    return {finding.check: finding.status for finding in result.findings}


@pytest.mark.parametrize("scenario", [row["name"] for row in SCENARIOS])
def test_each_scenario_brings_all_back_and_leaves_nothing(place, scenario):
    act(place, sources=sources(place))
    result = drill(place, scenario, rows=[{**row, "before": "0s"} for row in SCENARIOS])
    assert result.failure == ""
    assert {"drill.recovered": "ok", "drill.rto": "ok", "drill.rpo": "ok"}.items() <= statuses(result).items()
    record = result.data["drill"]
    assert {"verify", "restore", "smoke"} == set(record["phases"])
    assert left(place) == []
    kept = [json.loads(line) for line in (place / "state" / "drills.jsonl").read_text().splitlines()]
    assert [(one["scenario"], one["ok"]) for one in kept] == [(scenario, True)]
    assert (place / "state" / "drills.jsonl").stat().st_mode & 0o777 == 0o600
    assert scenario in result.data["sheet"]
    assert "live" not in json.dumps(result.data)


def test_ransomware_is_told_from_a_bad_deploy(place):
    act(place, sources=sources(place))
    rows = [{**row, "before": "0s"} for row in SCENARIOS]
    assert "2 of them look encrypted" in drill(place, "ransomware", rows=rows).data["drill"]["noticed"]
    assert "encrypted" not in drill(place, "bad_deploy", rows=rows).data["drill"]["noticed"]


def test_a_set_that_is_too_young_for_the_scenario_is_none(place):
    act(place, sources=sources(place))
    result = drill(place, rows=[{**SCENARIOS[0], "before": "1h"}])
    assert "at least 1.0 h old" in result.failure
    assert statuses(result)["drill.recovered"] == "critical"


def test_a_damaged_set_fails_the_drill(place):
    made = act(place, sources=sources(place), compression="none")
    payload = Path(made.data["set"]["path"]) / "database" / "database.sqlite"
    content = bytearray(payload.read_bytes())
    content[5000] ^= 1
    payload.write_bytes(content)
    result = drill(place)
    assert "does not hold" in result.failure
    assert left(place) == []


def test_targets_that_are_missed_are_said(place):
    act(place, sources=sources(place))
    result = drill(place, rto_minutes=0.00001, rpo_hours=0.0000001)
    assert {"drill.rto": "critical", "drill.rpo": "critical"}.items() <= statuses(result).items()
    assert not result.data["drill"]["ok"]


def test_check_mode_says_which_set_and_writes_nothing(place):
    act(place, sources=sources(place))
    (place / "scratch").mkdir()
    result = drill(place, check_mode=True)
    assert result.actions[0].state == "planned"
    assert not (place / "state" / "drills.jsonl").exists()
    assert left(place) == []


# --- the application --------------------------------------------------------------------------------------------------


def smoke(place: Path, **more: Any) -> list[dict[str, Any]]:
    (place / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    row = {
        "name": "trade",
        "command": ["/usr/bin/python3", str(place / "app.py"), "{root}", str(port)],
        "user": "root" if os.geteuid() == 0 else "",
        "environment": {"MODE": "drill"},
        "port": port,
        "seconds": 20.0,
        **more,
    }
    return [filled(SPEC["smoke"]["options"], row)]


def test_the_restored_application_is_tried_and_ended(place):
    act(place, sources=sources(place))
    result = drill(place, smoke=smoke(place))
    assert result.failure == ""
    assert "trade was well" in result.data["drill"]["smoke"][-1]
    assert processes_of(place) == []


def level_of(place: Path, **more: Any) -> str:
    """Return what is shown of the one set: the level that it reached."""
    (found,) = act(place, state="listed", **more).data["sets"]
    return str(found["verified"])


def test_only_a_drill_in_which_the_application_ran_brings_a_set_to_l4(place):
    made = act(place, sources=sources(place))
    assert level_of(place) == "L2"
    # a part of the set says nothing of the whole, however well it runs
    part = drill(place, rows=[{**SCENARIOS[0], "types": ["sqlite"]}], smoke=smoke(place))
    assert (part.failure, part.data["drill"]["level"], level_of(place)) == ("", "", "L2")
    assert (drill(place).data["drill"]["level"], level_of(place)) == ("L3", "L3")
    ill = drill(place, smoke=smoke(place, environment={"MODE": "live"}, seconds=1.0))
    assert (bool(ill.failure), ill.data["drill"]["level"], level_of(place)) == (True, "L3", "L3")
    unsafe = drill(place, smoke=smoke(place), endpoints=[])
    assert (bool(unsafe.failure), unsafe.data["drill"]["level"], level_of(place)) == (True, "L3", "L3")
    well = drill(place, smoke=smoke(place))
    assert (well.failure, well.data["drill"]["level"], level_of(place)) == ("", "L4", "L4")
    assert "it is at L4" in next(one.message for one in well.findings if one.check == "drill.recovered")
    assert "| level of the set | L4 |" in well.data["sheet"]
    # it is kept while the bytes are the same, and named by the drill that proved it
    assert act(place, state="verified", verify_level="L3").failure == ""
    evidence = json.loads((Path(made.data["set"]["path"]) / "verified.json").read_text())
    assert (level_of(place), evidence["evidence"]["drill"]) == ("L4", well.data["drill"]["id"])
    flip(next(Path(made.data["set"]["path"]).glob("database/*")))
    assert "does not hold" in drill(place, smoke=smoke(place)).failure
    assert level_of(place) == "None"


def processes_of(place: Path) -> list[str]:
    """Return what still runs of a drill, by its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(place / "scratch") in line:
            found.append(line)
    return found


def test_where_an_exchange_answers_nothing_is_started(place):
    act(place, sources=sources(place))
    with socket.create_server(("127.0.0.1", 0)) as exchange:
        endpoint = f"127.0.0.1:{exchange.getsockname()[1]}"
        result = drill(place, smoke=smoke(place), endpoints=[NOWHERE, endpoint])
        assert "nothing was started" in result.failure
        assert "can be reached" in result.failure
        assert not (place / "started").exists()
        sandboxed = drill(place, smoke=smoke(place), endpoints=[endpoint], sandbox=["EXCHANGE_SANDBOX=true"])
        assert sandboxed.failure == ""
        other = drill(place, smoke=smoke(place), endpoints=[endpoint], sandbox=["EXCHANGE_SANDBOX=1"])
        assert "does not say EXCHANGE_SANDBOX=1" in other.failure
    assert "no endpoint" in drill(place, smoke=smoke(place), endpoints=[]).failure


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"command": ["/usr/bin/false"]}, "ended with exit code 1"),
        ({"command": ["/nowhere/app"]}, "could not be started"),
        ({"command": ["/usr/bin/sleep", "60"], "seconds": 1.0}, "was not well"),
        ({"environment": {"MODE": "other"}, "seconds": 2.0}, "was not well"),
    ],
)
def test_an_application_that_is_not_well_fails_the_drill(place, given, why):
    act(place, sources=sources(place))
    result = drill(place, smoke=smoke(place, **given))
    assert why in result.failure
    assert left(place) == []
    assert processes_of(place) == []


def test_a_port_that_is_taken_is_not_mistaken_for_the_copy(place):
    act(place, sources=sources(place))
    asked = smoke(place)
    live = subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(asked[0]["port"])], cwd=place
    )
    try:
        time.sleep(1.5)
        result = drill(place, smoke=[{**asked[0], "path": "/"}])
        assert "is taken already" in result.failure
        assert live.poll() is None
    finally:
        live.kill()
        live.wait()


# --- killed -----------------------------------------------------------------------------------------------------------

KILLED = """
import sys, os, json, signal
sys.path[:0] = {paths!r}
import conftest
from integration.backup import test_drill
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill import act, smoke
from pathlib import Path
def die(*_words, **_more):
    os.kill(os.getpid(), signal.SIGKILL)
setattr({module}, {name!r}, die)
place = Path({place!r})
test_drill.drill(place, **json.loads({options!r}))
"""


def killed(place: Path, module: str, name: str, **options: Any) -> None:
    """Run a drill in a process of its own that kills itself where a function would be called."""
    tests = Path(__file__).parents[2]
    script = KILLED.format(
        paths=[str(tests), str(tests / "unit")], module=module, name=name, place=str(place), options=json.dumps(options)
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -9, done.stdout + done.stderr
    assert len(left(place)) == 1


def test_what_a_killed_drill_left_is_swept_by_the_next(place):
    act(place, sources=sources(place))
    killed(place, "smoke", "_answers", smoke=[{**smoke(place)[0], "name": "x"}])
    result = drill(place)
    assert result.failure == ""
    assert [one.action for one in result.actions] == ["sweep", "drill"]
    assert left(place) == []


def test_a_service_of_a_killed_drill_is_ended_by_the_next(place):
    act(place, sources=sources(place))
    command = ["/bin/sh", "-c", "sleep 600 & exec sleep 601", "{root}"]
    killed(place, "smoke", "note_process", smoke=smoke(place, command=command))
    assert len(started_from(place)) == 2
    result = drill(place)
    assert result.failure == ""
    assert left(place) == []
    assert started_from(place) == []


def started_from(place: Path) -> list[int]:
    """Return what has the mark of a drill in its environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            marked = f"CRYPTOBOT_SCRATCH={place}/scratch/" in path.read_text(errors="replace")
        except OSError:
            continue
        found += [int(path.parent.name)] if marked else []
    return found


def test_what_names_no_owner_or_is_of_a_living_drill_stays(place):
    act(place, sources=sources(place))
    (place / "scratch").mkdir(mode=0o755)
    (place / "scratch" / "cryptobot-drill-strange").mkdir()
    (place / "scratch" / "cryptobot-drill-alive").mkdir()
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.owner import owner_document

    (place / "scratch" / "cryptobot-drill-alive" / "owner.json").write_bytes(owner_document(choose_host()))
    result = drill(place)
    assert left(place) == ["cryptobot-drill-alive", "cryptobot-drill-strange"]
    assert statuses(result)["drill.leftover"] == "warning"


# --- a repository of restic -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RESTIC, reason="needs restic")
def test_all_comes_back_from_a_repository_and_from_what_is_left_of_it(place):
    given = {"store": "restic", "repository": str(place / "repository"), "repository_password": PASSWORD}
    new_repository(place / "repository")
    assert act(place, sources=sources(place), **given).failure == ""
    rows = [{**row, "before": "0s"} for row in SCENARIOS]
    planned = drill(place, "ransomware", check_mode=True, rows=rows, **given)
    assert [(one.action, one.state) for one in planned.actions] == [("drill", "planned")]
    result = drill(place, "ransomware", rows=rows, **given)
    assert (result.failure, result.data["drill"]["ok"]) == ("", True)
    assert result.data["drill"]["sources"] == {"app": 2, "database": 100}
    assert "2 of them look encrypted" in result.data["drill"]["noticed"]
    # the host that a drill is for is gone, with its evidence; another one has the repository and its password
    for name in ("backups", "state"):
        shutil.rmtree(place / name)
    assert drill(place, of_host="another", **given).failure.endswith("has no good set of another")
    alone = drill(place, **given)
    assert (alone.failure, alone.data["drill"]["ok"]) == ("", True)
    # what is in the repository is not what was written: nothing is restored
    flip(max((place / "repository" / "data").glob("*/*"), key=lambda pack: pack.stat().st_size))
    broken = drill(place, **given)
    assert "does not hold" in broken.failure
    assert statuses(broken)["drill.recovered"] == "critical"
    assert "restore" not in broken.data["drill"]["phases"]
    assert left(place) == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def test_a_server_comes_back_on_one_of_our_own(place):
    with running_server(need_binaries()) as server:
        server.sql("postgres", "CREATE DATABASE main")
        server.sql("main", "CREATE TABLE trades (id int)", "INSERT INTO trades SELECT generate_series(1, 500)")
        source = {
            "name": "pg",
            "type": "postgresql",
            "database": "main",
            "login_unix_socket": str(server.folder),
            "login_port": server.port,
            "login_user": server.user,
            "system_user": server.account,
            "bin_dir": str(server.bin),
        }
        made = act(place, sources=[*sources(place), source])
        assert not made.failure, made.failure
        before = server.sql("postgres", "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database")
        result = drill(place, "database_corrupted")
        assert result.failure == ""
        assert result.data["drill"]["sources"]["pg"] == 500
        assert server.sql("postgres", "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database") == before
        killed(place, "act.Drill", "_smoke", scenario="host_lost")
        assert running_from(place)
        again = drill(place)
        assert again.failure == ""
    assert left(place) == []
    assert running_from(place) == []


def running_from(place: Path) -> list[str]:
    """Return the processes whose working folder is in the scratch folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            where = os.readlink(path)
        except OSError:
            continue
        if where.startswith(str(place / "scratch")):
            found.append(where)
    return found
