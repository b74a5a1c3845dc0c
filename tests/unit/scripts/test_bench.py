# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

ROW = {"id": "weekly.wall", "ours": 1.5, "peer": 9.0, "unit": "s", "ratio": 6.0, "aim": 5.0}

WRONG = {
    "nothing": ("", "printed no result"),
    "a word in between": (f"{json.dumps(ROW)}\nready\n", "printed what is no JSON: ready"),
    "a result without its aim": (json.dumps({**ROW, "aim": 1} | {"id": "x"}).replace('"aim"', '"goal"'), "not: "),
    "a list": (json.dumps([ROW]), "a result has the keys"),
}


def test_each_line_is_a_result(load):
    printed = f"{json.dumps(ROW)}\n\n{json.dumps({**ROW, 'id': 'weekly.cpu'})}\n"

    assert load("bench/run").rows_of(printed) == [ROW, {**ROW, "id": "weekly.cpu"}]


@pytest.mark.parametrize(("printed", "reason"), WRONG.values(), ids=WRONG.keys())
def test_anything_else_is_an_error(load, printed, reason):
    program = load("bench/run")

    with pytest.raises(program.BenchmarkError, match=reason):
        program.rows_of(printed)


def test_a_benchmark_that_breaks_off_fails_the_whole_and_keeps_what_the_others_measured(load, tmp_path, monkeypatch):
    program = load("bench/run")
    folder = tmp_path / "tests/benchmark"
    folder.mkdir(parents=True)
    (folder / "bench_good.py").write_text(f"print('''{json.dumps(ROW)}''')", encoding="utf-8")
    (folder / "bench_bad.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.setattr(program, "CHECKOUT", tmp_path)
    monkeypatch.setattr(program, "RESULTS", tmp_path / ".bench/results.json")
    monkeypatch.setattr(program.sys, "argv", ["run.py"])

    assert program.main() == 1
    assert json.loads((tmp_path / ".bench/results.json").read_text(encoding="utf-8")) == [ROW]


def test_what_is_left_out_is_told_with_its_reason_and_is_no_failure(load, tmp_path, monkeypatch, capsys):
    program = load("bench/run")
    folder = tmp_path / "tests/benchmark"
    folder.mkdir(parents=True)
    (folder / "bench_good.py").write_text(f"print('''{json.dumps(ROW)}''')", encoding="utf-8")
    source = "import sys; print('no pwsh on PATH', file=sys.stderr); sys.exit(77)"
    (folder / "bench_none.py").write_text(source, encoding="utf-8")
    (folder / "bench_other.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.setattr(program, "CHECKOUT", tmp_path)
    monkeypatch.setattr(program, "RESULTS", tmp_path / ".bench/results.json")
    monkeypatch.setattr(program.sys, "argv", ["run.py", "bench_good", "bench_none"])

    assert program.main() == 0
    told = capsys.readouterr().out
    assert "left out: bench_none (no pwsh on PATH)" in told
    assert "left out: bench_other (not asked for)" in told
