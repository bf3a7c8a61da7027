"""A medium with bad sectors for tests: a FUSE file under a read-only loop device, in a process of its own.

`python bad_medium.py IMAGE MOUNTPOINT SPEC` serves IMAGE as MOUNTPOINT/disk. SPEC is JSON:
{"bad": [sectors that always fail], "heals": {"sector": failures before it reads}}. Reads that touch a failing sector of
512 bytes raise EIO. Both direct settings (FUSE direct_io, loop --direct-io) matter: else the kernel's cache reads pages.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from bisect import bisect_left
from pathlib import Path


def serve(image: str, mountpoint: str, spec_path: str) -> None:
    import mfusepy as fuse

    spec = json.loads(Path(spec_path).read_text())
    bad = sorted(spec.get("bad", []))
    heals = {int(sector): count for sector, count in spec.get("heals", {}).items()}
    fd = os.open(image, os.O_RDONLY)
    size = os.fstat(fd).st_size

    class Disk(fuse.Operations):
        use_ns = True

        def getattr(self, path, fh=None):
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            if path == "/disk":
                return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": size}
            raise fuse.FuseOSError(errno.ENOENT)

        def readdir(self, path, fh):
            return [".", "..", "disk"]

        def open(self, path, flags):
            return 0

        def read(self, path, count, offset, fh):
            first, last = offset // 512, (offset + count - 1) // 512
            place = bisect_left(bad, first)
            if place < len(bad) and bad[place] <= last:
                raise fuse.FuseOSError(errno.EIO)
            for sector, left in heals.items():
                if first <= sector <= last and left > 0:
                    heals[sector] = left - 1
                    raise fuse.FuseOSError(errno.EIO)
            return os.pread(fd, count, offset)

    fuse.FUSE(Disk(), mountpoint, foreground=True, nothreads=True, direct_io=True, ro=True, max_read=131072)


if __name__ == "__main__":
    serve(*sys.argv[1:4])
