# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same area on three systems: the same findings, the same manifest, and a set of one verifies on another."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import windows_files
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.manifest import parse_manifest, seal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Payload, SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files import (
    attributes as noting,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.formats import HEAD
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.files.verify import verify as look
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.sources.model import Bench
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.store.collect import read_catalog
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.verification import verify
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import worst
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .elsewhere import SETS, Elsewhere, reparse_points, windows_paths
from .examples import act, database, files, found, sqlite, status

PLATFORMS = ("linux", "darwin", "windows")
DESCRIPTORS = [{"sddl": "O:BAG:SYD:AI(A;ID;FA;;;SY)", "of": ",".join(map(str, range(99)))}]


@pytest.fixture
def root(tmp_path) -> Path:
    """An installation with names that the systems treat differently."""
    install = tmp_path / "CryptoBot"
    (install / "Größe" / "deep").mkdir(parents=True)
    for name in (".env", "Größe/config.YML", "Gro\u0308ße.txt", "Größe/deep/x" * 1, "trade.LOG", "it's $(x)"):
        (install / name).write_text(f"content of {name}" * 9)
    (install / "link").symlink_to("Größe")
    return install


def host_of(platform: str, **more) -> Elsewhere:
    def listing(argv):
        return "".join(f"-rw-r--r--  1 u  g  0 Nov 22 20:00 {path}\n" for path in argv[2:])

    more.setdefault("queries", {"descriptors": DESCRIPTORS})
    return Elsewhere(platform, {"ls": listing} if platform == "darwin" else None, **more)


def backed_up(folder: Path, root: Path, platform: str, **given):
    """Take a set as a host of that platform does."""
    folder.mkdir(exist_ok=True)
    install = files("install", root, **given.pop("source", {}))
    sources = given.pop("sources", None) or [install, sqlite("main", database(folder / "app.db"))]
    host = given.pop("host", None) or host_of(platform)
    with windows_paths(root):
        return act(folder, sources=sources, compression="gzip", host=host, **given)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_set_is_taken_proven_and_kept_to_its_owner(tmp_path, root, platform):
    result = backed_up(tmp_path, root, platform)
    assert (result.failure, result.status) == ("", "ok"), [one for one in result.findings if one.status != "ok"]
    assert result.data["set"]["verified"] == "L2"
    listed = act(tmp_path, state="listed", host=host_of(platform))
    assert listed.data["latest"] == result.data["set"]["id"]
    pruned = act(tmp_path, state="pruned", retention={"daily": 1, "min_keep": 1}, host=host_of(platform))
    assert (pruned.changed, pruned.failure) == (False, "")


def test_the_findings_have_the_same_ids_on_all_three(tmp_path, root):
    seen = {}
    for platform in PLATFORMS:
        made = backed_up(tmp_path / platform, root, platform, sources=[files("install", root)])
        looked = act(tmp_path / platform, state="verified", sources=[files("install", root)], host=host_of(platform))
        seen[platform] = [sorted({one.check for one in result.findings}) for result in (made, looked)]
    assert seen["linux"] == seen["darwin"] == seen["windows"]
    assert set(seen["linux"][0]) <= set(RULES.checks)


def manifest(folder: Path) -> dict:
    return json.loads(next((folder / "backups").glob("*Z-*/manifest.json")).read_text())


def test_the_manifest_has_the_same_keys_on_all_three(tmp_path, root):
    shapes = []
    for platform in PLATFORMS:
        backed_up(tmp_path / platform, root, platform, sources=[files("install", root)])
        document = manifest(tmp_path / platform)
        entry = document["sources"][0]
        shapes.append(
            (sorted(document), sorted(entry), sorted(entry["attributes"]), [p["role"] for p in entry["payloads"]])
        )
        assert document["platform"] == platform
    assert shapes[0] == shapes[1] == shapes[2]
    assert shapes[0][3] == ["archive", "index", "attributes"]


@pytest.mark.parametrize("here", PLATFORMS)
@pytest.mark.parametrize("there", PLATFORMS)
def test_a_set_of_one_system_verifies_on_another_at_every_level(tmp_path, root, there, here):
    backed_up(tmp_path, root, there)
    for level in ("L0", "L1", "L2"):
        result = act(tmp_path, state="verified", verify_level=level, host=host_of(here))
        assert result.status in ("ok", "skipped"), [
            one for one in result.findings if one.status not in ("ok", "skipped")
        ]
        assert result.data["verifications"][0]["problems"] == []


def members(folder: Path) -> list[str]:
    with tarfile.open(next((folder / "backups").glob("*Z-*/install/archive.tar.gz"))) as tar:
        return [member.name for member in tar]


def test_an_archive_of_windows_names_drives_as_folders_and_has_slashes(tmp_path, root):
    backed_up(tmp_path, root, "windows")
    assert "C/CryptoBot/Größe/deep/x" in members(tmp_path)
    assert all("\\" not in name and ":" not in name for name in members(tmp_path))


def test_patterns_fold_case_on_windows_alone(tmp_path, root):
    kept = {}
    for platform in PLATFORMS:
        backed_up(tmp_path / platform, root, platform, source={"exclude": ["*.log", "größe/deep"]})
        kept[platform] = {os.path.basename(name) for name in members(tmp_path / platform)}
    assert {"trade.LOG", "x"} <= kept["linux"] & kept["darwin"]
    assert not {"trade.LOG", "x"} & kept["windows"]


def test_macos_meets_a_name_in_the_other_unicode_form(tmp_path, root):
    backed_up(tmp_path, root, "darwin", source={"exclude": ["Größe.txt"]})
    assert not [name for name in members(tmp_path) if name.endswith("ße.txt")]


def test_a_junction_is_kept_as_what_it_is_and_not_followed(tmp_path, root):
    (root / "elsewhere").symlink_to(tmp_path)
    with reparse_points({"elsewhere": 0xA0000003}, 0o040777):
        result = backed_up(tmp_path, root, "windows")
    assert result.failure == ""
    with tarfile.open(next((tmp_path / "backups").glob("*Z-*/install/archive.tar.gz"))) as tar:
        member = tar.getmember("C/CryptoBot/elsewhere")
        assert (member.issym(), member.linkname) == (True, str(tmp_path))
        assert not [name for name in tar.getnames() if name.startswith("C/CryptoBot/elsewhere/")]


def test_what_windows_cannot_give_back_is_left_out_and_said(tmp_path, root):
    for name in ("nul", "trailing.", "alias"):
        (root / name).write_text("x")
    (root / "Con.d").mkdir()
    (root / "Con.d" / "inside").touch()
    streams = [{"stream": "secret", "size": 5, "of": "1"}]
    host = host_of("windows", queries={"descriptors": [*DESCRIPTORS, *streams]})
    with reparse_points({"alias": 0x8000001B}):
        result = backed_up(tmp_path, root, "windows", host=host)
    assert result.failure == ""
    (finding,) = found(result, "backup.left_out")
    assert (finding.status, finding.actual) == ("warning", 5)
    for said in ("C:\\CryptoBot\\nul", "C:\\CryptoBot\\trailing.", "C:\\CryptoBot\\Con.d", "alias", ":secret"):
        assert said in finding.message
    assert not {"nul", "inside", "trailing.", "alias"} & {os.path.basename(name) for name in members(tmp_path)}
    assert status(backed_up(tmp_path / "linux", root, "linux"), "backup.left_out") == "ok"


@pytest.mark.parametrize(("platform", "expected"), [("linux", "ok"), ("darwin", "warning"), ("windows", "warning")])
def test_names_that_differ_in_case_alone_are_said_where_that_costs_one(tmp_path, root, platform, expected):
    (root / "TRADE.log").write_text("another")
    result = backed_up(tmp_path, root, platform)
    assert status(result, "backup.left_out") == expected
    assert sum(name.lower().endswith("trade.log") for name in members(tmp_path)) == 2


def test_what_could_not_be_noted_is_unknown_and_the_set_counts(tmp_path, root):
    host = Elsewhere("windows", {"powershell.exe": "Access is denied."})
    result = backed_up(tmp_path, root, "windows", host=host)
    assert (result.failure, result.data["set"]["good"]) == ("", True)
    assert status(result, "backup.attributes") == "unknown"
    assert status(result, "backup.permissions") == "unknown"
    blind = Elsewhere("darwin")
    result = backed_up(tmp_path / "mac", root, "darwin", host=blind)
    assert (status(result, "backup.attributes"), status(result, "backup.permissions")) == ("unknown", "unknown")


def test_a_backup_folder_that_windows_opens_to_others_is_a_warning(tmp_path, root):
    wide = [{"sddl": "O:BAG:SYD:AI(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)", "of": "0,1"}]
    host = host_of("windows", queries={"descriptors": DESCRIPTORS, "access": wide})
    result = backed_up(tmp_path, root, "windows", host=host)
    seen = found(result, "backup.permissions")
    assert {one.status for one in seen} == {"warning"}
    assert all("Users (S-1-5-32-545)" in one.message and f"icacls '{one.subject}' /" in one.remedy for one in seen)


def test_new_folders_are_closed_by_windows_own_means(tmp_path, root):
    host = host_of("windows")
    backed_up(tmp_path, root, "windows", host=host)
    first = len(host.scripts)
    backed_up(tmp_path, root, "windows", host=host)
    asked = [base64.b64decode(script).decode() for script in host.scripts]
    closing = [script for script in asked if "Set-Acl" in script]
    assert first == len(host.scripts) / 2
    assert len(closing) == 2
    assert f"'{tmp_path / 'backups'}'" in closing[0]
    assert f"'{tmp_path / 'backups'}'," not in closing[1]


def test_a_file_that_another_program_does_not_share_fails_the_set_and_is_named(tmp_path, root, monkeypatch):
    monkeypatch.setattr(windows_files, "WAITS", (0.0,))
    real, tries = os.open, []

    def refusing(path, flags, *more, **options):
        if str(path).endswith("trade.LOG"):
            tries.append(path)
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", refusing)
    result = backed_up(tmp_path, root, "windows")
    assert "C:\\CryptoBot\\trade.LOG cannot be read: another program has it open" in result.failure
    assert (len(tries), result.data["set"]) == (2, None)
    optional = backed_up(tmp_path, root, "windows", source={"optional": True})
    assert (optional.failure, list(optional.data["set"]["skipped"])) == ("", ["install"])


# --- sets as another system made them, kept in the repository ---

FIXED = sorted(path.parent for path in SETS.glob("*/*/manifest.json"))


def test_there_are_sets_of_both_other_systems():
    assert {json.loads((path / "manifest.json").read_text())["platform"] for path in FIXED} == {"windows", "darwin"}


@pytest.mark.parametrize("path", FIXED, ids=[path.parent.name for path in FIXED])
@pytest.mark.parametrize("level", ["L0", "L1", "L2"])
def test_a_kept_set_of_another_system_verifies_here(tmp_path, path, level):
    shutil.copytree(path, tmp_path / "backups" / path.name)
    result = act(tmp_path, state="verified", verify_level=level, max_age_hours=1e6)
    assert result.data["broken"] == []
    assert result.data["verifications"][0]["ok"] is True
    assert status(result, "backup.present") == "ok"


@pytest.mark.parametrize("path", FIXED, ids=[path.parent.name for path in FIXED])
def test_a_kept_set_unpacks_below_one_folder_with_any_tar(tmp_path, path):
    with tarfile.open(path / "install" / "archive.tar.gz") as tar:
        tar.extractall(tmp_path / "restored", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    assert list(tmp_path.iterdir()) == [tmp_path / "restored"]
    assert [one for one in (tmp_path / "restored").rglob("*.txt") if one.read_text()]


# --- hostile sets ---

HOSTILE = [
    ("windows", ["C:x"]),
    ("windows", ["C:/Windows/System32/evil.dll"]),
    ("windows", ["C/CryptoBot/..", "C/CryptoBot/../../x"]),
    ("windows", ["..\\..\\x"]),
    ("windows", ["C/CryptoBot/nul.txt"]),
    ("windows", ["\\\\server\\share\\x"]),
    ("windows", ["C/file:stream"]),
    ("linux", ["/etc/passwd"]),
    ("linux", ["opt/../../etc/passwd"]),
    ("darwin", ["../Users/x"]),
    ("darwin", ["a\0b"]),
    ("linux", ["a//b"]),
]


def planted(folder: Path, names: list[str], kind: bytes = tarfile.REGTYPE, link: str = "") -> SourceCopy:
    """Write a set whose archive, index and attributes agree on names that no set of ours has."""
    (folder / "evil").mkdir(parents=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            member = tarfile.TarInfo("placeholder")
            member.type, member.linkname, member.pax_headers = kind, link, {"path": name}
            member.name = name
            tar.addfile(member)
    empty = hashlib.sha256(b"").hexdigest()
    rows = [
        (
            name,
            "file" if kind == tarfile.REGTYPE else "hardlink",
            0,
            empty if kind == tarfile.REGTYPE else "",
            0,
            0,
            0,
            0,
            link,
        )
        for name in names
    ]
    contents = {
        "archive": buffer.getvalue(),
        "index": (HEAD + "".join(json.dumps(row) + "\n" for row in rows)).encode(),
        "attributes": noting.HEAD.encode(),
    }
    payloads = []
    for role, content in contents.items():
        (folder / "evil" / role).write_bytes(content)
        payloads.append(Payload(f"evil/{role}", role, len(content), ""))
    count = len(names) if kind == tarfile.REGTYPE else 0
    return SourceCopy("evil", "files", "none", tuple(payloads), count, 0, 0, {"attributes": {"noted": 0}})


def test_a_planted_set_with_ordinary_names_is_content(tmp_path):
    entry = planted(tmp_path, ["C/CryptoBot/x", "C/CryptoBot/y"])
    assert look(entry, Bench(tmp_path, tmp_path, choose_host(), "windows")) == []


@pytest.mark.parametrize(("platform", "names"), HOSTILE, ids=[repr(case[1][0]) for case in HOSTILE])
def test_a_member_that_would_lie_elsewhere_condemns_a_set_whose_checksums_hold(tmp_path, platform, names):
    entry = planted(tmp_path, names)
    (wrong, *_more) = look(entry, Bench(tmp_path, tmp_path, choose_host(), platform))
    assert "is no name that a set of ours has" in wrong


def test_a_hard_link_to_something_outside_condemns_a_set(tmp_path):
    entry = planted(tmp_path, ["opt/x"], tarfile.LNKTYPE, "../etc/shadow")
    (wrong,) = look(entry, Bench(tmp_path, tmp_path, choose_host(), "linux"))
    assert "'../etc/shadow' is no name" in wrong


def test_a_link_that_leads_elsewhere_than_the_index_says_condemns_a_set(tmp_path, root):
    backed_up(tmp_path, root, "linux")
    before = read_catalog(tmp_path / "backups", choose_host()).sets[0]
    entry = before.manifest.sources[0]
    path = before.folder / entry.payload("archive").name
    content = gzip.decompress(path.read_bytes())
    changed = content.replace(b"linkpath=Gr\xc3\xb6", b"linkpath=Br\xc3\xb6")
    assert changed != content
    path.write_bytes(gzip.compress(changed))
    (wrong,) = look(entry, Bench(before.folder, tmp_path, choose_host(), "linux"))
    assert wrong.endswith("is not what the index says")


def test_attributes_of_a_member_that_would_lie_elsewhere_condemn_a_set(tmp_path):
    entry = planted(tmp_path, ["C/x"])
    (tmp_path / "evil" / "attributes").write_text(noting.HEAD + json.dumps(["../x", {"sddl": "D:"}]) + "\n")
    wrong = look(entry, Bench(tmp_path, tmp_path, choose_host(), "windows"))
    assert ["leads out of its folder" in wrong[0], "notes 1 members, the manifest says 0" in wrong[1]] == [True, True]


@pytest.mark.parametrize("line", ["{}", "[]", '["a"]', '["a", 1]', "[1, {}]", "x", '["a", {}, 1]'])
def test_attributes_that_are_none_are_unreadable(tmp_path, line):
    entry = planted(tmp_path, ["C/x"])
    (tmp_path / "evil" / "attributes").write_text(noting.HEAD + line + "\n")
    with pytest.raises(Exception, match="line 2 is no member"):
        look(entry, Bench(tmp_path, tmp_path, choose_host(), "windows"))


PAYLOADS = [
    "/etc/passwd",
    "../x",
    "a/../x",
    "a/b/c",
    "C:x",
    "a/C:x",
    "a\\b",
    "a/nul",
    "a/CON.tar",
    "con/x",
    "a/x\0y",
    "a/x.",
    "a/ ",
    "a/x:y",
    "a/.x",
    "",
]


@pytest.mark.parametrize("name", PAYLOADS, ids=repr)
def test_a_manifest_whose_payload_would_lie_elsewhere_holds_nothing(name):
    document = json.loads((FIXED[0] / "manifest.json").read_text())
    document["sources"][0]["payloads"][0]["name"] = name
    with pytest.raises(ParseError):
        parse_manifest(seal(document), "manifest.json", document["id"])


def test_a_set_made_before_attributes_were_noted_still_verifies(tmp_path, root):
    backed_up(tmp_path, root, "linux")
    folder = next((tmp_path / "backups").glob("*Z-*"))
    document = json.loads((folder / "manifest.json").read_text())
    entry = document["sources"][0]
    entry["payloads"] = [one for one in entry["payloads"] if one["role"] != "attributes"]
    del entry["attributes"]
    content = seal(document)
    read = parse_manifest(content, "manifest.json", document["id"])
    assert verify(read, Bench(folder, tmp_path, choose_host()), 2).defects == []
    entry["attributes"] = {"noted": 0, "missing": 0, "why": ""}
    with pytest.raises(ParseError, match="not complete in itself: 'install: no attributes'"):
        parse_manifest(seal(document), "manifest.json", document["id"])


def merged(*results) -> dict[str, str]:
    """Return what a report makes of several looks of one play: of the same check and subject the later one stands."""
    last = {(one.check, one.subject): one for result in results for one in result.findings}
    return {check: worst(one.status for (name, _s), one in last.items() if name == check) for check, _s in last}


def test_what_the_first_look_found_wanting_does_not_stand_beside_the_deed(tmp_path, root):
    sources = [files("install", root), sqlite("main", database(tmp_path / "app.db"))]
    first = act(tmp_path, state="verified", sources=sources, retention={"daily": 7})
    deed = act(tmp_path, sources=sources, retention={"daily": 7})
    assert first.status == "critical"
    both = merged(first, deed)
    skipped = ("backup.drill", "backup.signature", "backup.repository", "backup.copies", "backup.score_3_2_1_1_0")
    assert both == {**dict.fromkeys(both, "ok"), **dict.fromkeys(skipped, "skipped")}
    stale = [
        one for one in first.findings if (one.check, one.subject) not in {(d.check, d.subject) for d in deed.findings}
    ]
    assert stale == []


def test_a_deed_that_fails_says_how_the_backups_stand(tmp_path, root):
    result = act(tmp_path, sources=[files("gone", tmp_path / "gone")])
    assert {status(result, check) for check in ("backup.present", "backup.taken", "backup.last_run")} == {"critical"}
    assert status(result, "backup.complete") == "skipped"


def test_the_retention_says_how_many_always_stay(tmp_path, root):
    result = act(tmp_path, sources=[files("install", root)], retention={"daily": 7, "min_keep": 4})
    assert "4 always stay (min_keep)" in found(result, "backup.retention")[0].message
