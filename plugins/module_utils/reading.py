# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading from the system: what it says where it refuses, in the words of the core."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import SourceDenied, SourceMissing


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what the system says about a path that cannot be read into an error of the core."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        raise SourceMissing(path) from None
    except OSError as error:
        raise SourceDenied(path, error.strerror or str(error)) from error
    except ValueError as error:  # a NUL in the path
        raise SourceMissing(repr(path)) from error
