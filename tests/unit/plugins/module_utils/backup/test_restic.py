# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restic prints and how it ends, in the versions that there are; and our own index beside it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.errors import Unreadable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Notes
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store import restic_index as index
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.restic import Restic
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.restic_output import (
    ABSENT,
    LOCKED,
    OTHER,
    PARTIAL,
    PASSWORD,
    last_words,
    meaning,
    parse_check,
    parse_snapshots,
    parse_version,
    summary_of,
    unread_items,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .examples import files, settings

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "restic"


def recorded(name: str) -> str:
    return (FIXTURES / name).read_text()


WRONG, GONE = "0.14-wrong-password.stderr", "0.14-absent.stderr"
LOCK = "unable to create lock in backend: repository is already locked exclusively by PID 1 on vm by root"


@pytest.mark.parametrize(
    ("rc", "words", "version", "expected"),
    [
        (1, recorded(WRONG), (0, 14, 0), PASSWORD),
        (1, recorded(GONE), (0, 14, 0), ABSENT),
        (1, LOCK, (0, 14, 0), LOCKED),
        (1, "Fatal: something else", (0, 14, 0), OTHER),
        (3, "", (0, 14, 0), PARTIAL),
        (10, "", (0, 14, 0), OTHER),
        (12, "", (0, 17, 0), OTHER),
        (10, "", (0, 17, 0), ABSENT),
        (11, "", (0, 17, 3), LOCKED),
        (12, "", (0, 17, 1), PASSWORD),
        (1, recorded(WRONG), (0, 18, 0), OTHER),
        (130, "", (0, 19, 0), OTHER),
        (2, "", (0, 18, 0), OTHER),
        (77, "", (0, 18, 0), OTHER),
    ],
)
def test_an_exit_code_means_what_it_means_in_that_version(rc, words, version, expected):
    assert meaning(rc, words, version) == expected


def test_the_version_is_read_from_what_it_prints():
    assert parse_version("restic 0.14.0 compiled with go1.19.8 on linux/amd64") == (0, 14, 0)
    assert parse_version("restic 0.18.1-dev (compiled manually) compiled with go1.24") == (0, 18, 1)
    with pytest.raises(ParseError):
        parse_version("borg 1.2")


def test_a_summary_is_found_among_other_lines():
    summary = summary_of("warning: something\n" + recorded("0.14-backup.stdout") + "{broken\n")
    assert (summary["files_new"], len(summary["snapshot_id"])) == (1, 8)
    assert "data_added_packed" not in summary
    assert summary_of("nothing here\n") == {}


def test_what_could_not_be_read_is_named_in_both_forms():
    old = '{"message_type":"error","error":{"Op":"open","Path":"/srv/a","Err":13},"during":"archival","item":"/srv/a"}'
    assert unread_items(old + "\nWarning: at least one source file could not be read\n") == ["/srv/a"]
    assert unread_items(recorded("0.17-errors.stderr")) == ["/srv/a"]


def test_the_last_words_are_those_that_tell_why():
    assert last_words(recorded(WRONG)) == "Fatal: wrong password or no key found"
    assert last_words(recorded("0.18-exit-error.stderr")) == "Fatal: wrong password or no key found"
    assert "unable to open config file" in last_words(recorded(GONE))


def test_snapshots_are_records_with_full_ids():
    (one,) = parse_snapshots(recorded("0.14-snapshots.stdout"))
    assert (one.host, one.tag("part"), one.tag("set")) == ("demo", "trees-0", "20261129T020000Z-71326f")
    assert len(one.id) == len(one.tree) == 64
    assert parse_snapshots("[]") == parse_snapshots("null") == []
    rows = json.loads(recorded("0.14-snapshots.stdout"))
    for wrong in ("{", "[1]", json.dumps([{**rows[0], "id": rows[0]["short_id"]}]), json.dumps([{"id": "x"}])):
        with pytest.raises(ParseError):
            parse_snapshots(wrong)


def test_check_is_judged_by_its_exit_code_and_told_in_its_words():
    assert parse_check(0, recorded("0.14-check-ok.stdout")).wrong == ()
    text = recorded("0.14-check-flip.stdout") + recorded("0.14-check-flip.stderr")
    assert parse_check(1, text).wrong[0].startswith("Pack ID does not match")
    assert parse_check(1, recorded("0.18-check.stdout")).wrong[0].startswith("Pack ID does not match")
    assert parse_check(1, "").wrong == ("check ended with exit code 1",)
    assert parse_check(0, "1 additional files were found in the repo\nno errors were found\n").extra != ()


def restic_of(**given_options) -> Restic:
    options = {"store": "restic", "repository": "rest:https://me:geheim-1@nas/x", "repository_password": "geheim-2"}
    made = settings(sources=[files("config", "/etc/cryptobot")], **{**options, **given_options})
    return Restic(made.repository, choose_host(), "/nowhere/state")


def test_restic_gets_its_password_and_none_of_our_other_variables(monkeypatch):
    monkeypatch.setenv("RESTIC_PASSWORD_COMMAND", "cat /etc/shadow")
    monkeypatch.setenv("RESTIC_REPOSITORY_FILE", "/elsewhere")
    environment = restic_of(repository_environment={"AWS_SECRET_ACCESS_KEY": "geheim-3"}).environment()
    assert environment["RESTIC_PASSWORD"] == "geheim-2"
    assert (environment["RESTIC_PASSWORD_COMMAND"], environment["RESTIC_REPOSITORY_FILE"]) == ("", "")
    assert environment["AWS_SECRET_ACCESS_KEY"] == "geheim-3"
    assert environment["RESTIC_CACHE_DIR"].startswith("/nowhere/state")


def test_no_secret_is_in_what_people_see():
    restic = restic_of(repository_environment={"AWS_SECRET_ACCESS_KEY": "geheim-3"})
    assert restic.repository.shown == "rest:https://nas/x"
    assert "geheim" not in repr(restic.repository) + restic.repository.shown
    assert "geheim" not in restic._masking.hide("Fatal: rest:https://me:geheim-1@nas/x, geheim-2, geheim-3")


@pytest.mark.parametrize("ids", [[], ["latest"], ["c4bd68db"], ["a" * 63]])
def test_only_full_ids_are_forgotten(ids):
    with pytest.raises(ValueError, match="full ids"):
        restic_of().forget(ids)


def test_nodes_of_the_listing_are_read_and_times_to_the_nanosecond():
    found = dict(filter(None, map(index.parse_node, recorded("0.14-ls.stdout").encode().splitlines())))
    node = found["/tmp/h-restic-fx/src/a"]
    assert (node.kind, node.size, node.mode) == ("file", 2, 0o644)
    assert found["/tmp"].mode == 0o1777
    assert index.to_ns("1970-01-01T01:00:00.5+01:00") == 500_000_000
    assert index.to_ns("2026-11-29T20:35:27.274401362Z") % 10**9 == 274_401_362
    with pytest.raises(ParseError):
        index.to_ns("yesterday")


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_an_index_is_read_back_as_it_was_written(name):
    row = index.Item(f"/{name}", "file", 1, "0" * 64, 0o600, 0, 0, 1, 2, 3, "")
    content = b"".join(index.row_lines([row, row._replace(path="/\udcff")]))
    assert next(iter(index.read_rows(io.BytesIO(content), "index"))) == row
    with pytest.raises(Unreadable):
        list(index.read_rows(io.BytesIO(content[1:]), "index"))
    with pytest.raises(Unreadable):
        list(index.read_rows(io.BytesIO(content[:-3]), "index"))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/a/b", "/a/b"),
        ("/a/*.log", r"/a/\*.log"),
        ("/a/[x]?", r"/a/\[x\?".replace(r"\?", r"]\?")),
        ("/a/$HOME", "/a/$$HOME"),
        ("/a/x ", "/a/x[ ]"),
        ("/a/new\nline", "/a/new?line"),
        ("/a/back\\slash", r"/a/back\\slash"),
    ],
)
def test_an_exclude_means_one_path_alone(path, line):
    assert index.escaped(path) == line


def observed(tmp_path: Path, **more) -> index.Observed:
    (tmp_path / "config").mkdir(exist_ok=True)
    for name in ("a", "b", "c.log"):
        (tmp_path / "config" / name).write_text(name)
    made = settings(tmp_path, sources=[files("config", tmp_path / "config", exclude=["*.log"], **more)])
    return index.observe(made.sources[0], made.protected, choose_host())


def nodes_of(seen: index.Observed) -> dict[str, index.Node]:
    return {
        path: index.Node(row.kind, row.size, row.mode, row.uid, row.gid, row.mtime_ns)
        for path, row in seen.rows.items()
    }


def test_what_restic_left_out_or_took_too_much_is_no_set(tmp_path):
    seen = observed(tmp_path)
    a, b, log = (str(tmp_path / "config" / name) for name in ("a", "b", "c.log"))
    nodes = nodes_of(seen)
    merged = index.merge(seen, nodes, {a: "x", b: "y"}, {})
    assert [(row.path, row.sha256) for row in merged.rows.values() if row.kind == "file"] == [(a, "x"), (b, "y")]
    with pytest.raises(ActionFailed, match="lacks 1 of 3 things"):
        index.merge(seen, {path: node for path, node in nodes.items() if path != a}, {}, {})
    with pytest.raises(ActionFailed, match="leaves out"):
        index.merge(seen, {**nodes, log: nodes[a]}, {}, {})


def test_what_changed_between_has_no_checksum_of_before(tmp_path):
    seen = observed(tmp_path)
    a = str(tmp_path / "config" / "a")
    nodes = nodes_of(seen)
    nodes[a] = nodes[a]._replace(size=99)
    merged = index.merge(seen, nodes, {a: "old", str(tmp_path / "config" / "b"): "y"}, dict(seen.rows))
    assert merged.unhashed == [a]
    assert merged.rows[a].size == 99


def test_what_vanished_is_noted_and_a_root_that_did_is_no_set(tmp_path):
    seen = observed(tmp_path)
    b = tmp_path / "config" / "b"
    nodes = {path: node for path, node in nodes_of(seen).items() if path != str(b)}
    b.unlink()
    index.merge(seen, nodes, {str(tmp_path / "config" / "a"): "x"}, {})
    assert seen.notes.counts == {"vanished": 1}


def test_sources_in_each_other_do_not_share_a_snapshot(tmp_path):
    def one(*roots: str) -> index.Observed:
        return index.Observed(settings().sources[0], roots, {}, [], lambda _path: False, Notes())

    a, inside, beside, other = one("/a"), one("/a/b"), one("/ab"), one("/c", "/a/b/c")
    assert index.groups([a, beside]) == [[a, beside]]
    assert index.groups([a, inside, beside, other]) == [[a, beside], [inside], [other]]


def test_a_file_that_is_another_by_now_is_not_hashed(tmp_path):
    seen = observed(tmp_path)
    row = seen.rows[str(tmp_path / "config" / "a")]
    assert len(index.hash_live(row, str)) == 64
    for changed in ({"size": 2}, {"mtime_ns": 1}, {"ctime_ns": 1}, {"inode": 1}):
        assert index.hash_live(row._replace(**changed), str) == ""
    assert index.hash_live(row._replace(path=row.path + "x"), str) == ""
