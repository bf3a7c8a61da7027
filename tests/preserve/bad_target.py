"""A folder for tests whose files cannot be written past a limit: a FUSE file system in a process of its own.

`python bad_target.py FOLDER MOUNTPOINT LIMIT` serves FOLDER as MOUNTPOINT. Once LIMIT bytes were written in all, each
write raises EIO for as long as FOLDER/broken exists.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path


def serve(folder: str, mountpoint: str, limit: str) -> None:
    import mfusepy as fuse

    left = int(limit)

    class Folder(fuse.Operations):
        use_ns = True

        def _real(self, path):
            return Path(folder) / path.lstrip("/")

        def getattr(self, path, fh=None):
            try:
                status = self._real(path).lstat()
            except FileNotFoundError:
                raise fuse.FuseOSError(errno.ENOENT) from None
            names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_mtime_ns")
            return {name.removesuffix("_ns"): getattr(status, name) for name in names}

        def readdir(self, path, fh):
            return [".", "..", *(one.name for one in self._real(path).iterdir())]

        def create(self, path, mode, fi=None):
            return os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

        def open(self, path, flags):
            return os.open(self._real(path), flags & (os.O_RDONLY | os.O_RDWR | os.O_WRONLY))

        def read(self, path, count, offset, fh):
            return os.pread(fh, count, offset)

        def write(self, path, data, offset, fh):
            nonlocal left
            if left <= 0 and (Path(folder) / "broken").exists():
                raise fuse.FuseOSError(errno.EIO)
            left -= len(data)
            return os.pwrite(fh, data, offset)

        def truncate(self, path, length, fh=None):
            os.truncate(self._real(path), length)

        def unlink(self, path):
            self._real(path).unlink()

        def fsync(self, path, datasync, fh):
            os.fsync(fh)

        def release(self, path, fh):
            os.close(fh)

        def statfs(self, path):
            status = os.statvfs(folder)
            return {name: getattr(status, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail")}

    fuse.FUSE(Folder(), mountpoint, foreground=True, nothreads=True)


if __name__ == "__main__":
    serve(*sys.argv[1:4])
