# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery of a host: what it refuses, what it needs, in which order, and when it is ready."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Optional

import pytest
from plugins.module_utils.backup.examples import filled
from plugins.module_utils.restore.lab import Lab

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.model import Payload, SourceCopy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import NOT_DONE, Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.collect import Here
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.declared import (
    Account,
    Recovery,
    StepRow,
    ordered,
    read_recovery,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.plan import is_system, needs_of, unmet
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.recorded import (
    Recorded,
    owners_of,
    read_recorded,
    release_of,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.rules_recover import RULES, Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.run import RecoveryRefused, run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import journal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.model import Journal

STEPS = [{"name": "packages"}, {"name": "restore"}, {"name": "ready"}]


class Bare(Lab):
    """An installation of which a set was made, and which is gone then."""

    def recover(self, *, check: bool = False, **options: Any) -> Result:
        given = {"dir": str(self.root / "backups"), "state_dir": str(self.root / "state"), "sources": self.sources}
        return run(filled(SPEC, {**given, "steps": STEPS, **options}), choose_host(120), check)

    def lose(self) -> None:
        self.app.rename(self.root / "lost")

    def come_back(self) -> None:
        """As if the restore had been done."""
        (self.root / "lost").rename(self.app)

    @property
    def record(self) -> dict[str, Any]:
        path = self.root / "state" / "recover.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    lab = Bare(tmp_path)
    lab.install()
    lab.back_up()
    lab.lose()
    return lab


def status_of(result: Result, check: str) -> str:
    return next(finding.status for finding in result.findings if finding.check == check)


def test_a_plan_writes_nothing_and_names_each_step_with_its_size(bare: Bare) -> None:
    before = sorted(bare.root.rglob("*"))
    result = bare.recover(check=True)
    assert sorted(bare.root.rglob("*")) == before
    assert [(action.action, action.state) for action in result.actions] == [
        ("packages", "planned"),
        ("restore", "planned"),
        ("ready", "planned"),
    ]
    assert result.actions[1].details["bytes"] == result.data["recover"]["bytes"] > 0
    assert "in about" in result.actions[1].reason


def test_a_host_that_an_installation_lives_on_is_refused_and_nothing_is_remembered(bare: Bare) -> None:
    bare.come_back()
    with pytest.raises(RecoveryRefused, match=r"config is there.* say recover_over=true"):
        bare.recover()
    assert bare.record == {}
    assert bare.recover(over=True).data["recover"]["replaces"] != []


def test_an_empty_folder_is_no_installation(bare: Bare) -> None:
    (bare.app / "config").mkdir(parents=True)
    assert bare.recover().data["recover"]["restore"] == "restored"


def test_a_set_that_does_not_hold_is_refused_before_anything_is_begun(bare: Bare) -> None:
    payload = next((bare.root / "backups").glob("2*/config/archive.tar"))
    payload.write_bytes(payload.read_bytes()[:-1] + b"x")
    with pytest.raises(CoreError, match="does not hold"):
        bare.recover()
    assert bare.record == {}


def test_a_folder_without_sets_is_refused(bare: Bare) -> None:
    with pytest.raises(CoreError):
        bare.recover(dir=str(bare.root / "not-mounted"))
    assert bare.record == {}


def test_what_is_under_way_goes_on_with_its_own_set_and_never_restores_twice(bare: Bare) -> None:
    first = bare.recover().data["recover"]
    bare.come_back()
    newer = bare.back_up()
    bare.lose()
    assert bare.recover().data["recover"]["set"] == first["set"] != newer
    with pytest.raises(RecoveryRefused, match=f"from set {first['set']} is under way"):
        bare.recover(set=newer)
    ended = bare.restore(set=first["set"], safety_set=False)
    assert ended.failure == ""
    assert bare.recover().data["recover"]["restore"] == "done"
    assert bare.record["restored"] == ended.data["restore"]["id"]
    for path in (bare.root / "state" / "restores").glob("*.json"):
        path.unlink()  # as tidied does, when its time is over
    assert bare.recover().data["recover"]["restore"] == "done"


def test_what_came_there_between_begin_and_restore_is_not_overwritten(bare: Bare) -> None:
    bare.recover()
    (bare.app / "config").mkdir(parents=True)
    (bare.app / "config" / "by-hand.yml").write_text("a: 1\n")
    with pytest.raises(RecoveryRefused, match="an installation lives on this host"):
        bare.recover()


def test_a_restore_that_is_half_done_goes_on_where_it_is_of_this_recovery_and_else_is_refused(bare: Bare) -> None:
    set_id = bare.recover().data["recover"]["set"]
    folder = bare.root / "state" / "restores"
    folder.mkdir(mode=0o700)
    left = {"id": "r1", "set_id": set_id, "begun": bare.record["begun"] + 1, "steps": [["swap", "a"]]}
    journal.write(str(bare.root / "state"), Journal(**left))
    assert bare.recover().data["recover"]["restore"] == "resumed"
    journal.write(str(bare.root / "state"), Journal(**{**left, "begun": bare.record["begun"] - 1}))
    with pytest.raises(RecoveryRefused, match="is half done, and is none of this recovery"):
        bare.recover()


def test_a_record_that_cannot_be_read_is_not_taken_for_none(bare: Bare) -> None:
    bare.recover()
    (bare.root / "state" / "recover.json").write_text("{")
    with pytest.raises(CoreError, match="cannot be used"):
        bare.recover()


FINE = {"check": "services.up", "subject": "auth", "status": "ok", "message": "it runs"}


def test_it_is_closed_only_when_it_is_ready(bare: Bare) -> None:
    bare.recover()
    bad = {**FINE, "status": "critical", "message": "it does not run"}
    assert status_of(bare.recover(state="judged", findings=[FINE, bad]), "recover.ready") == "critical"
    assert bare.record["state"] == "under way"
    assert status_of(bare.recover(state="judged", findings=[FINE]), "recover.ready") == "ok"
    assert bare.record["state"] == "ready"


def test_the_step_that_failed_and_those_after_it_are_told_apart(bare: Bare) -> None:
    bare.recover()
    result = bare.recover(state="judged", failed_step="restore", failure="no room")
    assert [action.state for action in result.actions] == ["done", "failed", NOT_DONE]
    assert status_of(result, "recover.ready") == "critical"
    assert bare.record["state"] == "under way"


@pytest.mark.parametrize("platform", ["darwin", "windows"])
def test_other_systems_are_refused_in_one_sentence(bare: Bare, platform: str) -> None:
    host = choose_host(60)
    host.platform = platform
    params = filled(SPEC, {"dir": "/b", "sources": [], "state_dir": str(bare.root / "state")})
    with pytest.raises(RecoveryRefused, match=f"on Linux alone by this release, and this is {platform}"):
        run(params, host)


ROWS = (StepRow("packages"), StepRow("restore"), StepRow("ready"))
ORDERS = [
    ((StepRow("certificates", after="packages"),), ["packages", "certificates", "restore", "ready"]),
    ((StepRow("a", after="packages"), StepRow("b", after="packages")), ["packages", "b", "a", "restore", "ready"]),
    ((StepRow("last"),), ["packages", "restore", "ready", "last"]),
    ((StepRow("packages", "ours"),), ["packages", "restore", "ready"]),
    ((StepRow("packages", after="ready"),), ["restore", "ready", "packages"]),
]


@pytest.mark.parametrize(("more", "names"), ORDERS)
def test_the_steps_of_a_site_come_where_they_say(more: tuple[StepRow, ...], names: list[str]) -> None:
    found = ordered([*ROWS, *more])
    assert [row.name for row in found] == names
    assert found[0].title == ("ours" if more[0].title else "")


def test_a_step_after_one_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"steps\[1\].after is 'never', expected one of packages"):
        ordered([StepRow("packages"), StepRow("x", after="never")])


SOURCES = [{"name": "pg", "type": "postgresql", "database": "a"}, {"name": "f", "type": "files", "path": "/opt/app"}]


class Recording:
    """A system source of some texts, and what reads it."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        names = [f"host/{name}" for name in texts]
        files = {name: {"from": "/etc/os-release" if "os-release" in name else name} for name in names}
        payloads = tuple(Payload(name, "part", 1, "") for name in names)
        self.entry = SourceCopy("host", "system", "none", payloads, 1, 1, 1, {"files": files})

    @contextmanager
    def payload(self, name: str) -> Iterator[Path]:
        with TemporaryDirectory() as folder:
            path = Path(folder, "text")
            path.write_text(self.texts[name.partition("/")[2]], "utf-8")
            yield path


def asked(**options: Any) -> Recovery:
    return read_recovery(filled(SPEC, {"dir": "/b", "sources": SOURCES, **options}), "linux")


def entry(name: str, kind: str, compression: str = "none", **facts: Any) -> SourceCopy:
    return SourceCopy(name, kind, compression, (), 1, 1, 1, facts)


HERE = Here(packages=frozenset({"zstd", "acl"}), release="debian 12")
RECORDED = Recorded(("acl", "postgresql", "linux-image-amd64", "redis"), "debian 12")


def test_packages_are_the_declared_and_the_recorded_ones_that_are_missing() -> None:
    request = asked(packages=["nginx", "acl"], packages_left_out=["linux-*"])
    needs = needs_of(request, RECORDED, HERE, [entry("f", "files", "zstd", owners={})])
    assert (needs.packages, needs.doubts) == (("nginx", "postgresql", "redis"), ())
    without = HERE._replace(packages=frozenset())
    assert needs_of(request, Recorded(), without, [entry("f", "files", "zstd", owners={})]).packages == (
        "zstd",
        "nginx",
        "acl",
    )


@pytest.mark.parametrize("here", [HERE._replace(release="debian 13"), HERE._replace(packages=None)])
def test_recorded_packages_of_another_release_are_left_out_and_that_is_said(here: Here) -> None:
    needs = needs_of(asked(packages=["nginx"]), RECORDED, here, [])
    assert needs.packages == ("nginx",)
    assert "the set's 4 packages are of debian 12 and this is debian 1" in needs.doubts[0]
    assert needs_of(asked(recorded_packages=False), RECORDED, here, []).doubts == ()


def test_an_account_keeps_its_number_where_that_is_free() -> None:
    accounts = {"nobody-here": Account("nobody-here", 64123, "nobody-here"), "root": Account("root", 0, "root")}
    needs = needs_of(asked(), Recorded(accounts=accounts, groups={"nobody-here": 64123, "root": 0}), HERE, [])
    assert needs.accounts == (accounts["nobody-here"],)
    assert needs.groups == {"nobody-here": 64123}
    taken = {"second-root": Account("second-root", 0, "second-root", groups=("also-not-here",))}
    needs = needs_of(asked(), Recorded(accounts=taken), HERE, [])
    assert needs.accounts[0].uid is None
    assert needs.groups == {"second-root": None, "also-not-here": None}


def test_a_server_that_nothing_would_install_is_told_before_anything_is_done() -> None:
    entries, here = [entry("pg", "postgresql")], HERE._replace(waiting={"pg": "no psql"})
    text = unmet(asked(), needs_of(asked(), Recorded(), here, entries), here, entries)
    assert text.startswith("the source pg needs a postgresql server, which is not here")
    assert unmet(asked(), needs_of(asked(), RECORDED, here, entries), here, entries) == ""
    declared = asked(packages=["postgresql-15"])
    assert unmet(declared, needs_of(declared, Recorded(), here, entries), here, entries) == ""
    there = here._replace(servers=("postgresql.service",))
    assert unmet(asked(), needs_of(asked(), Recorded(), there, entries), there, entries) == ""
    elsewhere = asked(sources=[{**SOURCES[0], "login_host": "db.example.org"}])
    assert unmet(elsewhere, needs_of(elsewhere, Recorded(), here, entries), here, entries) == ""


def test_owners_are_read_from_each_kind_of_source_and_names_that_are_none_are_refused() -> None:
    owners = {"accounts": {"997": "cryptobot", "9": "-rf /"}, "groups": {"997": "cryptobot"}}
    entries = (entry("f", "files", owners=owners), entry("d", "sqlite", owner="bot", uid=7, group="bots", gid=8))
    assert owners_of(entries)["groups"] == {"cryptobot": 997, "bots": 8}
    found = read_recorded(entries, None)  # type: ignore[arg-type]
    assert sorted(found.accounts) == ["bot", "cryptobot"]
    assert found.refused == ("-rf /",)


ODD = [Account("bot", group="-x"), Account("bot", groups=("adm", "a b")), Account("bot", home="x"), Account("b:t")]


@pytest.mark.parametrize("account", ODD)
def test_an_account_of_a_set_that_can_be_none_is_not_made(account: Account) -> None:
    row = f"{account.name}:x:64123:64124:who:{account.home or '/'}:/bin/sh\n"
    groups = [f"{account.group or 'bot'}:x:64124:", *(f"{name}:x:1:bot" for name in account.groups)]
    with_row = Recording({"accounts.passwd.txt": row, "accounts.group.txt": "\n".join(groups)})
    found = read_recorded((with_row.entry,), with_row)
    assert (found.accounts, len(found.refused) > 0 or account.name == "b:t") == ({}, True)


def test_an_account_of_a_set_has_its_groups_home_and_shell() -> None:
    texts = {
        "accounts.passwd.txt": "bot:x:64123:64124::/opt/bot:/bin/sh\n",
        "accounts.group.txt": "bots:x:64124:\nadm:x:4:syslog,bot\n",
        "packages.apt-manual.txt": "redis-server\nzstd\n--force\n",
        "release~etc~os-release": "ID=debian\nVERSION_ID=12\n",
    }
    recording = Recording(texts)
    found = read_recorded((recording.entry,), recording)
    assert found.accounts == {"bot": Account("bot", 64123, "bots", "/opt/bot", "/bin/sh", ("adm",))}
    assert (found.packages, found.release, found.refused) == (("redis-server", "zstd"), "debian 12", ("--force",))


def test_a_set_that_does_not_say_whose_its_files_are_is_named() -> None:
    entries = [entry("f", "files")]
    assert "whose the files of f are" in needs_of(asked(), Recorded(), HERE, entries).doubts[0]
    assert needs_of(asked(accounts=[{"name": "bot"}]), Recorded(), HERE, entries).doubts == ()
    assert needs_of(asked(), Recorded(), HERE, [entry("f", "files", owners={})]).doubts == ()


def test_the_release_is_told_by_name_and_number() -> None:
    assert release_of('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\n') == "debian 12"
    assert release_of("ID=arch\n") == "arch"
    assert release_of("VERSION_ID=1\n") == ""


def judged(*looks: dict[str, Any], **more: Any) -> dict[str, tuple[str, str]]:
    context = Context("app1", "s1", "app1", findings=looks, **more)
    return {one.check: (one.status, one.message) for one in RULES.judge(context)}


UNKNOWN = {**FINE, "status": "unknown", "message": "nobody was reached"}
VERDICTS = [
    ((FINE,), "ok", "1 findings, none critical"),
    ((FINE, {**FINE, "status": "warning"}), "ok", "1 warnings"),
    ((FINE, UNKNOWN), "unknown", "services.up of auth: nobody was reached"),
    ((UNKNOWN, {**FINE, "status": "critical", "message": "it is down"}), "critical", "services.up of auth: it is down"),
    (({**FINE, "status": "splendid"},), "unknown", "nobody can tell"),
    ((), "unknown", "nothing was looked at"),
]


@pytest.mark.parametrize(("looks", "status", "words"), VERDICTS)
def test_unknown_is_never_ready(looks: tuple[dict[str, Any], ...], status: str, words: str) -> None:
    found = judged(*looks)["recover.ready"]
    assert (found[0], words in found[1]) == (status, True), found


DRY = {"check": "trading.dry_run", "subject": "trade", "status": "warning", "message": "trade pretends to trade"}
FLAGS = [
    ((DRY,), True, "ok"),
    (({**DRY, "status": "critical"},), True, "critical"),
    (({**DRY, "status": "unknown"},), True, "unknown"),
    ((FINE,), True, "unknown"),
    ((FINE,), False, "skipped"),
]


@pytest.mark.parametrize(("looks", "trades", "status"), FLAGS)
def test_whether_it_pretends_to_trade_is_said(looks: tuple[dict[str, Any], ...], trades: bool, status: str) -> None:
    assert judged(*looks, trades=trades)["recover.dry_run"][0] == status


def test_of_many_findings_five_are_named_and_the_others_counted() -> None:
    bad = [{**FINE, "subject": f"s{at}", "status": "critical"} for at in range(6)]
    five, six = (judged(*bad[:count])["recover.ready"][1] for count in (5, 6))
    assert "of s4" in five
    assert "more" not in five
    assert "and 1 more" in six
    assert "of s5" not in six


def test_of_several_answers_about_trading_the_first_is_told() -> None:
    second = {**DRY, "status": "critical", "message": "another", "actual": "second"}
    context = Context("app1", "s1", "app1", findings=({**DRY, "actual": "first"}, second))
    (found,) = [one for one in RULES.judge(context) if one.check == "recover.dry_run"]
    assert (found.status, found.actual) == ("ok", "first")
    assert found.message == "trade pretends to trade (nothing was switched)"


@pytest.mark.parametrize(("uid", "system"), [(None, True), (999, True), (1000, False)])
def test_an_account_is_one_of_the_system_by_its_number(uid: Optional[int], system: bool) -> None:
    assert is_system(Account("bot", uid)) is system
