# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

JUNIT = """<testsuites><testsuite>
<testcase name="good"/>
<testcase classname="tests.some" name="bad"><failure message="no"/></testcase>
<testcase classname="tests.some" name="broken set-up"><error message="no"/></testcase>
<testcase name="left out"><skipped message="no pwsh"/></testcase>
</testsuite></testsuites>"""
GREEN = '<testsuites><testsuite><testcase name="good"/></testsuite></testsuites>'

# a step's exit code, the JUnit report that it left, and what it counts as
STEPS = {
    "a check that passed": (0, None, "1 passed, 0 failed, 0 skipped"),
    "a check that failed": (3, None, "0 passed, 1 failed, 0 skipped"),
    "a step that this machine cannot run": (77, None, "0 passed, 0 failed, 1 skipped"),
    "tests": (1, JUNIT, "1 passed, 2 failed, 1 skipped"),
    "tests that all passed": (0, GREEN, "1 passed, 0 failed, 0 skipped"),
    "tests that passed before pytest crashed": (3, GREEN, "1 passed, 1 failed, 0 skipped"),
    "no test at all, pytest's exit code 5": (5, "<testsuites/>", "0 passed, 1 failed, 0 skipped"),
}


@pytest.mark.parametrize(("code", "report", "expected"), STEPS.values(), ids=STEPS.keys())
def test_a_step_counts_as(load, tmp_path, code, report, expected):
    junit = tmp_path / "report.xml"
    if report is not None:
        junit.write_text(report, encoding="utf-8")

    assert str(load("layers/outcome").counts_of_step(code, junit)) == expected


SH = ("sh", "-c")

# what a layer needs and does, in which environment, and the line that sums it up
LAYERS = {
    "passed": ((), (("one", "exit 0"), ("two", "exit 0")), {}, "layer x: passed - 2 passed, 0 failed, 0 skipped"),
    "every step runs, also after one failed": (
        (),
        (("one", "exit 4"), ("two", "exit 0")),
        {},
        "layer x: FAILED, because one ended with 4 - 1 passed, 1 failed, 0 skipped",
    ),
    "a step that is left out says why": (
        (),
        (("one", "exit 0"), ("two", "echo no Python 3.9; exit 77")),
        {},
        "layer x: passed - 1 passed, 0 failed, 1 skipped in 0 s (two: no Python 3.9)",
    ),
    "skipped where the machine lacks what it needs": (
        ("echo run apt-get install nspawn; exit 1",),
        (("one", "exit 0"),),
        {"CI": ""},
        "layer x: skipped, because run apt-get install nspawn - 0 passed, 0 failed, 1 skipped",
    ),
}


def make(load, needs, steps):
    """Return the program, and a layer x of these shell scripts."""
    run = load("layers/run")
    made = tuple(run.Step(name, (*SH, script)) for name, script in steps)
    return run, run.Layer("x", made, needs=tuple((*SH, script) for script in needs))


@pytest.mark.parametrize(("needs", "steps", "variables", "line"), LAYERS.values(), ids=LAYERS.keys())
def test_a_layer_ends_with_one_line(load, tmp_path, monkeypatch, needs, steps, variables, line):
    run, layer = make(load, needs, steps)
    monkeypatch.setattr(run, "LOGS", tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert run.run_layer(layer, shown=False).line().startswith(line)


@pytest.mark.parametrize(
    ("user", "tool", "failed"),
    [(0, "/usr/bin/dpkg-query", True), (1000, "/usr/bin/dpkg-query", False), (0, None, False)],
    ids=["root on Debian", "not root", "not Debian"],
)
def test_in_ci_a_layer_may_be_skipped_only_where_it_cannot_run(load, tmp_path, monkeypatch, user, tool, failed):
    run, layer = make(load, ("echo no chromium; exit 1",), (("one", "exit 0"),))
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(run.os, "geteuid", lambda: user)
    monkeypatch.setattr(run.shutil, "which", lambda _name: tool)

    outcome = run.run_layer(layer, shown=False)

    assert outcome.failed is failed
    assert "no chromium" in outcome.line()


def test_the_output_of_a_failed_layer_is_shown_and_that_of_a_good_one_is_not(load, tmp_path, monkeypatch, capsys):
    run, bad = make(load, (), (("one", "echo what went wrong; exit 1"),))
    _run, good = make(load, (), (("one", "echo all is well"),))
    monkeypatch.setattr(run, "LOGS", tmp_path)

    run.run_layer(bad, shown=False)
    run.run_layer(good, shown=False)

    said = capsys.readouterr().out
    assert "x| what went wrong" in said
    assert "all is well" not in said
    assert "all is well" in (tmp_path / "x.log").read_text(encoding="utf-8")


def test_make_test_runs_every_layer_once_but_the_benchmarks(load):
    table = load("layers/table")

    assert sorted([*table.ORDER, "bench"]) == sorted(table.LAYERS)
    assert set(table.ON_FREE_PORTS) <= set(table.ORDER)


def test_layers_run_side_by_side_but_for_those_on_free_ports(load, tmp_path, monkeypatch):
    run = load("layers/run")
    waits = "touch $0.here; for i in 1 2 3 4 5 6 7 8 9 10; do [ -e $1.here ] && exit 0; sleep 0.1; done; exit 1"

    def waiting_for(name, other):
        return run.Layer(name, (run.Step("wait", (*SH, waits, str(tmp_path / name), str(tmp_path / other))),))

    layers = [waiting_for(*pair) for pair in (("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"))]
    for name, value in {
        "LOGS": tmp_path,
        "LAYERS": {layer.name: layer for layer in layers},
        "ORDER": ("a", "b", "c", "d"),
        "ON_FREE_PORTS": ("c", "d"),
        "OWN_NETWORK": "/bin/false",
        "AT_A_TIME": 2,
    }.items():
        monkeypatch.setattr(run, name, value)

    # a and b meet; of c and d, whoever goes first waits in vain for the other
    assert [outcome.failed for outcome in run.run_all()] in ([False, False, True, False], [False, False, False, True])


def test_a_step_that_takes_too_long_is_ended(load, tmp_path, monkeypatch):
    run, layer = make(load, (), (("one", "exec sleep 60"),))
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setitem(run.run_command.__globals__, "LIMIT", 0.2)

    assert "one ended with 124" in run.run_layer(layer, shown=False).line()


def test_what_a_step_leaves_running_does_not_hold_it_up(load, tmp_path, monkeypatch):
    run, layer = make(load, (), (("one", "sleep 5 & echo done"),))
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setitem(run.run_command.__globals__, "GRACE", 0.2)

    outcome = run.run_layer(layer, shown=False)

    assert outcome.seconds < 4
    assert not outcome.failed


def test_every_folder_of_integration_tests_is_run_by_exactly_one_layer(load):
    table = load("layers/table")
    root = table.CHECKOUT
    steps = [step.name for layer in table.LAYERS.values() for step in layer.steps]

    for folder in {str(path.parent.relative_to(root)) for path in root.glob("tests/integration/*/test_*.py")}:
        assert steps.count(folder) == 1, folder


def test_a_folder_that_no_layer_names_belongs_to_the_layer_integration(load, tmp_path):
    for folder in ("demo", "site", "no_tests"):
        (tmp_path / "tests/integration" / folder).mkdir(parents=True)
    (tmp_path / "tests/integration/demo/test_weekly.py").touch()
    (tmp_path / "tests/integration/site/test_rules.py").touch()

    found = load("layers/table").other_integration(tmp_path)

    assert [step.name for step in found] == ["tests/integration/site"]


def test_what_failed_is_named_at_the_end_in_a_line_each(load, tmp_path, monkeypatch, capsys):
    """Who sees only the end of a long output, as some CI shows it, sees which tests to look at."""
    run = load("layers/run")
    writes = f"cat > ${{0#--junitxml=}} <<'E'\n{JUNIT}\nE\nexit 1"
    layer = run.Layer("x", (run.Step("tests", (*SH, writes), counted=True),))
    for name, value in {"LOGS": tmp_path, "LAYERS": {"x": layer}, "ORDER": ("x",)}.items():
        monkeypatch.setattr(run, name, value)
    monkeypatch.setattr("sys.argv", ["run.py", "--all"])

    assert run.main() == 1

    assert capsys.readouterr().out.splitlines()[-3:] == [
        "FAILED x: tests.some::bad - no",
        "FAILED x: tests.some::broken set-up - no",
        "1 passed, 2 failed, 1 skipped",
    ]


def test_of_a_long_output_of_a_playbook_what_it_says_went_wrong_is_shown(load):
    output = (
        "PLAY [all] "
        + "TASK ok: [h1] " * 100
        + "fatal: [h1]: FAILED! => {'msg': 'the unit ignores SIGTERM'} "
        + "x" * 999
    )
    said = load("layers/outcome").what_it_said(output)
    assert said.startswith("PLAY [all]")
    assert "the unit ignores SIGTERM" in said
    assert len(said) < 1000
