"""The processor time of another process, in nanoseconds' precision and without a package.

`/proc/<pid>/stat` counts in hundredths of a second: too coarse for one stream, whose events cost a fraction of a
millisecond each.
"""

from __future__ import annotations

import os
import sys
import time


def processor_seconds(pid: int) -> float:
    """Seconds that all threads of `pid`, also those that have ended, have computed so far. Linux only.

    The number of the clock is what glibc's `clock_getcpuclockid` returns (include/linux/posix-timers.h: the inverted
    pid above three bits, of which 2 means "time on the processor"). Raises `OSError` when there is no such process.
    """
    return time.clock_gettime((~pid << 3) | 2)


def machine() -> str:
    """What the numbers were taken on, in words that name nobody."""
    from mitmproxy import version

    cores = len(os.sched_getaffinity(0))
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{cores} core{'s' * (cores > 1)}, Linux, Python {python}, mitmproxy {version.VERSION}"
