# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts from the journal: who wrote an entry, what counts as one, and how far back the journal goes."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run

from .builders import FIXTURES
from .journal_host import BOOT, UP, JournalHost, entry, scheduled, started
from .parameters import check_params
from .test_run import AUTH, linux_host

NOW, HOUR = 1795366440.0, 3600.0
UNIT = "cryptobot-auth.service"
OLD = entry(NOW - 2 * HOUR)  # anything of systemd from before the window
USER_UNIT = json.loads((FIXTURES / "cases" / "05-journal-user-unit.json").read_text())
FORGED = json.loads((FIXTURES / "cases" / "06-journal-forged-by-a-user.json").read_text())
# auth has been changed 80 s ago, and the host was booted two days ago
SINCE_BOOT = 172_800.0
SHOW = (FIXTURES / "systemctl" / "debian-12" / "show.txt").read_text()
FRESH = SHOW.replace("TimestampMonotonic=2030896821", f"TimestampMonotonic={int((SINCE_BOOT - 80) * 1e6)}")
TICKS = int((SINCE_BOOT - 80) * 100)


def journal_host(*entries, hint="", show=FRESH, since_boot=SINCE_BOOT, **changes):
    """Return a host on which auth was started 80 s ago, and whose journal has kept these entries."""
    host = linux_host("debian-12", commands={"systemctl show": show}, since_boot=since_boot, boot_id=BOOT, **changes)
    host.files = {path: _younger(path, text) for path, text in host.files.items()}
    host.__class__ = JournalHost
    host.kept = sorted(entries, key=lambda each: each if isinstance(each, str) else each["__REALTIME_TIMESTAMP"])
    host.hint = hint
    return host


def _younger(path, text):
    return text.replace("203000", str(TICKS)) if path.endswith("/stat") and "/1/" not in path else text


def found(tmp_path, host, service=None, **options):
    """Return the finding about the restarts of a service."""
    result = run(check_params(tmp_path, [service or AUTH], **options), host)
    (finding,) = [each for each in result.findings if each.check == "services.restarts"]
    return finding


def seen(finding):
    return finding.status, finding.actual


def at(entry_, age):
    return {**entry_, "__REALTIME_TIMESTAMP": str(round((NOW - age) * 1e6))}


ENTRIES = [
    ("none", [OLD], ("ok", 0)),
    ("one automatic restart with its start", [OLD, scheduled(NOW - 100), started(NOW - 99.9)], ("warning", 1)),
    (
        "three of them",
        [OLD] + [e for n in (90, 80, 70) for e in (scheduled(NOW - n), started(NOW - n + 1))],
        ("critical", 3),
    ),
    ("a start by somebody", [OLD, started(NOW - 100)], ("warning", 1)),
    (
        "an automatic restart and a start by somebody",
        [OLD, scheduled(NOW - 90), started(NOW - 89), started(NOW - 50)],
        ("warning", 2),
    ),
    (
        "an automatic restart that did not come up",
        [OLD, scheduled(NOW - 90), scheduled(NOW - 50), started(NOW - 49)],
        ("warning", 2),
    ),
    ("before the window", [OLD, scheduled(NOW - HOUR - 1), started(NOW - HOUR - 0.9)], ("ok", 0)),
    ("at its begin", [OLD, scheduled(NOW - HOUR)], ("warning", 1)),
    ("of another unit", [OLD, scheduled(NOW - 90, "cryptobot-data.service")], ("ok", 0)),
]


@pytest.mark.case("SV10")
@pytest.mark.parametrize(("entries", "expected"), [row[1:] for row in ENTRIES], ids=[row[0] for row in ENTRIES])
def test_starts_are_counted_whoever_asked_for_them(entries, expected, tmp_path):
    assert seen(found(tmp_path, journal_host(*entries))) == expected


@pytest.mark.case("SV10")
def test_a_unit_that_is_restarted_along_with_another_is_counted_too(tmp_path):
    """trade requires auth, which crashed four times: systemd's entries about trade are plain starts."""
    entries = [
        e for n in (90, 70, 50, 30) for e in (scheduled(NOW - n, "cryptobot-data.service"), started(NOW - n + 1))
    ]
    assert seen(found(tmp_path, journal_host(OLD, *entries))) == ("critical", 4)


@pytest.mark.case("SV10")
def test_a_start_that_maintenance_asked_for_is_none(tmp_path):
    (tmp_path / "restart.json").write_text(json.dumps({"begins": {"auth": [SINCE_BOOT - 100, SINCE_BOOT - 50]}}))
    host = journal_host(OLD, started(NOW - 99.5), started(NOW - 75), started(NOW - 49))
    assert seen(found(tmp_path, host)) == ("warning", 1)


@pytest.mark.case("SV10")
def test_the_first_start_of_a_boot_is_none(tmp_path):
    boot = entry(NOW - 1500, MESSAGE_ID=UP, KERNEL_USEC="5000000", USERSPACE_USEC="95000000", _BOOT_ID="before")
    earlier = [started(NOW - 1590, _BOOT_ID="before"), boot, started(NOW - 1000, _BOOT_ID="before")]
    host = journal_host(OLD, *earlier, started(NOW - 80), since_boot=90.0, show=SHOW)
    assert seen(found(tmp_path, host)) == ("warning", 1)


JOB = SHOW.replace("Type=simple", "Type=oneshot")


@pytest.mark.case("SV10")
def test_a_job_that_a_timer_starts_every_few_minutes_is_not_restarted_each_time(tmp_path):
    show = JOB.replace("TimestampMonotonic=2030896821", f"TimestampMonotonic={int((SINCE_BOOT - 80) * 1e6)}")
    entries = [OLD, *(started(NOW - n) for n in (900, 600, 300, 10))]
    assert seen(found(tmp_path, journal_host(*entries, show=show))) == ("ok", 0)


@pytest.mark.case("SV7")
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_an_entry_of_a_users_manager_costs_nobody_else_its_count(place, tmp_path):
    entries = [scheduled(NOW - 90), scheduled(NOW - 80), scheduled(NOW - 70)]
    entries.insert(place, at(USER_UNIT, 100 - 10 * place))
    assert seen(found(tmp_path, journal_host(OLD, *entries))) == ("critical", 3)


@pytest.mark.case("SV7")
@pytest.mark.parametrize("odd", ["{not json", '{"__REALTIME_TIMESTAMP":"x","MESSAGE_ID":"a"}', "{}"])
def test_an_entry_that_cannot_be_read_costs_itself_and_the_claim_that_all_were_seen(odd, tmp_path):
    three = [scheduled(NOW - 90), scheduled(NOW - 80), scheduled(NOW - 70)]
    assert seen(found(tmp_path / "1", journal_host(OLD, *three, odd))) == ("critical", 3)
    finding = found(tmp_path / "2", journal_host(OLD, odd))
    assert (seen(finding), "1 entries could not be read" in finding.message) == (("unknown", 0), True)


FORGERS = [
    ("input 06", FORGED),
    ("with a pid of its own", {**FORGED, "_PID": "4711", "_SYSTEMD_UNIT": "user@1000.service"}),
    ("of an account, by its user manager", {**FORGED, "_PID": "812", "_COMM": "systemd"}),
    ("by root, from a service", {**FORGED, "_UID": "0", "_PID": "4711", "_SYSTEMD_UNIT": "cron.service"}),
    ("process 1 of a container's namespace", {**FORGED, "_PID": "1", "_UID": "100000"}),
]


@pytest.mark.case("SV8")
@pytest.mark.parametrize("forged", [row[1] for row in FORGERS], ids=[row[0] for row in FORGERS])
@pytest.mark.parametrize("unit", [UNIT, "cryptobot-trade.service"])
def test_an_entry_that_systemd_did_not_write_is_no_restart(forged, unit, tmp_path):
    entries = [at({**forged, "UNIT": unit, "PRIORITY": "6"}, age) for age in (90, 70, 50, 30)]
    assert seen(found(tmp_path, journal_host(OLD, *entries))) == ("ok", 0)


@pytest.mark.case("SV9")
def test_a_forged_old_entry_is_no_proof_that_the_journal_goes_back(tmp_path):
    old = at({**FORGED, "_PID": "4711", "PRIORITY": "6"}, 2 * HOUR)
    assert seen(found(tmp_path, journal_host(old, entry(NOW - 60)))) == ("unknown", 0)


# The oldest entry of systemd (seconds ago), the restarts; the verdict and what the message must hold.
REACHES = [
    ("as long as the window", HOUR, (), ("ok", 0), "0 times in the last 1.0 h"),
    ("a little less", HOUR - 60, (), ("unknown", 0), "at least 0 times"),
    ("two minutes", 120, (), ("unknown", 0), "the source begins 5"),
    ("two minutes, with one restart in them", 120, (90,), ("warning", 1), "at least 1 time"),
    ("two minutes, with three", 120, (90, 60, 30), ("critical", 3), "at least 3 times"),
]


@pytest.mark.case("SV9")
@pytest.mark.parametrize(
    ("oldest", "restarts", "verdict", "words"), [row[1:] for row in REACHES], ids=[row[0] for row in REACHES]
)
def test_none_is_ok_only_where_the_journal_covers_the_window(oldest, restarts, verdict, words, tmp_path):
    host = journal_host(entry(NOW - oldest), *(scheduled(NOW - age) for age in restarts))
    finding = found(tmp_path, host)
    assert (seen(finding), words in finding.message) == (verdict, True)


@pytest.mark.case("SV9")
@pytest.mark.parametrize("entries", [[], [entry(NOW - 2 * HOUR, PRIORITY="4")]], ids=["empty", "warnings only"])
def test_a_journal_without_systemds_informational_entries_tells_nothing(entries, tmp_path):
    finding = found(tmp_path, journal_host(*entries))
    assert (seen(finding), "how far back" in finding.message) == (("unknown", 0), True)


HINTS = [
    "Hint: You are currently not seeing messages from other users and the system.\n",
    "Journal file /var/log/journal/x/system@1.journal is truncated, ignoring file.\n",
]


@pytest.mark.case("SV9")
@pytest.mark.parametrize("hint", HINTS)
def test_what_journalctl_says_that_it_left_out_is_no_quiet_hour(hint, tmp_path):
    finding = found(tmp_path, journal_host(OLD, hint=hint))
    assert (seen(finding), hint.strip().replace("Hint: ", "") in finding.message) == (("unknown", 0), True)


@pytest.mark.case("SV9")
def test_an_answer_that_was_cut_is_not_whole(tmp_path):
    many = [scheduled(NOW - 3000 + n / 10, "cryptobot-data.service") for n in range(5001)]
    finding = found(tmp_path, journal_host(OLD, *many))
    assert (seen(finding), "cut after 5,000" in finding.message) == (("unknown", 0), True)


@pytest.mark.case("SV9")
def test_a_unit_whose_starts_are_kept_out_of_the_log_is_unknown(tmp_path):
    show = FRESH.replace("LogLevelMax=-1", "LogLevelMax=5")
    finding = found(tmp_path, journal_host(OLD, show=show))
    assert (seen(finding), "LogLevelMax" in finding.message) == (("unknown", 0), True)


@pytest.mark.case("SV9")
def test_a_unit_that_has_run_since_before_the_window_was_not_started_in_it(tmp_path):
    host = journal_host(entry(NOW - 120), show=SHOW)  # active since 2030 s after a boot two days ago
    host.files = linux_host("debian-12").files
    assert seen(found(tmp_path, host)) == ("ok", 0)


@pytest.mark.case("SV9")
def test_after_a_boot_all_since_the_boot_is_known_and_said(tmp_path):
    host = journal_host(entry(NOW - 595), started(NOW - 590), started(NOW - 200), since_boot=600.0, show=SHOW)
    finding = found(tmp_path, host, restarts_warn=2)
    assert (seen(finding), "1 time in the 10.0 min since the boot" in finding.message) == (("ok", 1), True)


@pytest.mark.case("SV9")
def test_restarts_that_an_earlier_run_has_seen_still_count_when_the_journal_has_lost_them(tmp_path):
    found(tmp_path, journal_host(OLD, *(scheduled(NOW - age) for age in (300, 250, 200))))
    finding = found(tmp_path, journal_host(entry(NOW + 480), now=NOW + 600))
    assert (seen(finding), "at least 3 times" in finding.message) == (("critical", 3), True)


@pytest.mark.case("SV9")
def test_a_journal_of_ten_minutes_that_is_read_every_five_covers_the_window(tmp_path):
    found(tmp_path, journal_host(OLD))
    for minutes in range(5, 60, 5):
        moment = NOW + 60 * minutes
        finding = found(tmp_path, journal_host(entry(moment - 590), now=moment, since_boot=SINCE_BOOT + 60 * minutes))
        assert seen(finding) == ("ok", 0)


@pytest.mark.case("SV9")
def test_a_gap_between_two_runs_is_a_gap(tmp_path):
    found(tmp_path, journal_host(OLD))
    assert seen(found(tmp_path, journal_host(entry(NOW + 700), now=NOW + 1200))) == ("unknown", 0)


@pytest.mark.case("SV9")
def test_the_begin_of_the_journal_is_found_in_a_few_questions(tmp_path):
    host = journal_host(entry(NOW - 1200))
    assert "begins 40 min after the window" in found(tmp_path, host).message
    assert sum(line.startswith("journalctl") for line in host.ran) < 12
