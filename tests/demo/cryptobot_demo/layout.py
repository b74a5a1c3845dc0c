# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an installation: config/, data/, logs/, database/, .env and version.txt, with something to clean."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import string
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from .catalog import SERVICES
from .database import FILES, create_database

DAY = 86400
VERSION = "1.0.0"
# Modes of the application's own permission policy; the folders that it names, then everything else.
DIRECTORY_MODES = {
    ".": 0o750,
    "config": 0o750,
    "data": 0o770,
    "data/ohlcv": 0o770,
    "data/tmp": 0o770,
    "logs": 0o770,
    "database": 0o700,
    "run": 0o770,
}
PRIVATE = ("config/security_config.json", "database/cryptobot.db")
OPEN = (".env",)  # with all its secrets: the real installer leaves it so


def install(install_dir: Path, *, seed: int = 1, size: str = "normal", now: Optional[float] = None) -> bool:
    """Given where, write an installation there and return True; where one is already, touch nothing: False.

    The same seed and ``now`` (epoch seconds) give the same files.  ``version.txt`` is written last, so an
    installation that was interrupted is made anew.
    """
    if (install_dir / "version.txt").exists():
        return False
    moment = time.time() if now is None else now
    rng = random.Random(seed)
    _make_directories(install_dir)
    shutil.copytree(FILES / "config", install_dir / "config", dirs_exist_ok=True, copy_function=shutil.copy)
    _write_environment(install_dir / ".env", rng)
    _write_market_data(install_dir / "data" / "ohlcv", rng, moment)
    _write_stale_files(install_dir, rng, moment)
    create_database(install_dir / "database" / "cryptobot.db", seed=seed, now=_utc(moment), size=size)
    (install_dir / "version.txt").write_text(VERSION + "\n", encoding="ascii")
    _set_modes(install_dir)
    return True


def _utc(moment: float) -> datetime:
    """Given epoch seconds, return naive UTC, as the application stores it."""
    return datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=None)


def _make_directories(install_dir: Path) -> None:
    for name in DIRECTORY_MODES:
        (install_dir / name).mkdir(parents=True, exist_ok=True)


def _set_modes(install_dir: Path) -> None:
    for path in install_dir.rglob("*"):
        path.chmod(0o750 if path.is_dir() else 0o640)
    for name, mode in DIRECTORY_MODES.items():
        (install_dir / name).chmod(mode)
    for name in PRIVATE:
        (install_dir / name).chmod(0o600)
    for name in OPEN:
        (install_dir / name).chmod(0o755)


def _write_environment(path: Path, rng: random.Random) -> None:
    """Write ``.env``, with its mode before its content."""
    template = string.Template((FILES / "env.template").read_text(encoding="utf-8"))
    path.touch(mode=0o600)
    path.write_text(template.substitute(secret=f"{rng.getrandbits(96):024x}"), encoding="utf-8")


def _write_market_data(folder: Path, rng: random.Random, moment: float) -> None:
    for market in ("binance_BTC-USDT", "kraken_BTC-USD", "kraken_ETH-USD"):
        lines = ["timestamp,open,high,low,close,volume", *_candles(rng, moment)]
        (folder / f"{market}_1h.csv").write_text("\n".join(lines) + "\n", encoding="ascii")


def _candles(rng: random.Random, moment: float) -> list[str]:
    newest = int(moment) // 3600 * 3600
    price = 100.0
    lines = []
    for age in range(719, -1, -1):
        price = max(1.0, price + rng.uniform(-1, 1))
        lines.append(
            f"{newest - age * 3600},{price:.2f},{price + 1:.2f},{price - 1:.2f},{price:.2f},{rng.random():.4f}"
        )
    return lines


def _write_stale_files(install_dir: Path, rng: random.Random, moment: float) -> None:
    """Write temporary files and rotated logs, some old enough to be cleaned and some that must stay."""
    for age_days in (0.1, 1, 9, 10, 20, 40):
        path = install_dir / "data" / "tmp" / f"ohlcv_{age_days:g}d.tmp"
        _write_aged(path, bytes(rng.getrandbits(8) for _unused in range(4096)) * 8, moment - age_days * DAY)
    for service in SERVICES:
        rotated = install_dir / "logs" / f"{service}_service.log"
        lines = f"INFO:{service}:rotated line\n".encode() * 2000
        _write_aged(rotated.with_name(rotated.name + ".1"), lines, moment - 3 * DAY)
        _write_aged(rotated.with_name(rotated.name + ".2"), lines, moment - 37 * DAY)
        _write_aged(rotated.with_name(rotated.name + ".3.gz"), gzip.compress(lines, mtime=0), moment - 70 * DAY)


def _write_aged(path: Path, content: bytes, modified: float) -> None:
    path.write_bytes(content)
    os.utime(path, (modified, modified))
