"""A real disk that gets full and breaks: a small ext4 file system of its own, which needs the rights of root.

A disk on which the kernel meets errors is made read-only at once, whoever is writing to it. That very thing is done
here (`mount -o remount,abort`): files that are open cannot be written any more, and only a new mount mends it.

Source: mount(8) and ext4(5) of Linux, options ``abort`` and ``errors=remount-ro``.
"""

import errno
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_BYTES = 24 << 20
_BLOCK = 1_024
_NEEDED = ("mkfs.ext4", "mount", "umount", "unshare")
IN_A_NAMESPACE = ("unshare", "--mount", "--propagation", "private")
"""What a command is begun with whose mounts vanish with it."""


class Disk:
    """A file system in a file.

    Args:
        image: the file.
        at: folder where it is mounted.
    """

    def __init__(self, image: Path, at: Path) -> None:
        self._image = image
        self._at = at
        self._ballast = at / "ballast"
        with image.open("wb") as file:
            file.truncate(_BYTES)
        _do("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        self._mount()

    def fill(self, leaving: int) -> None:
        """Leave at most so many bytes free, while others write."""
        taken = self._free_bytes() - leaving
        with self._ballast.open("wb") as file:
            while taken > 0 and self._free_bytes() > leaving:
                try:
                    os.posix_fallocate(file.fileno(), 0, taken)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    # Somebody was faster, or the file system keeps some for itself.
                    taken -= _BLOCK

    def clear(self) -> None:
        """Leave it as empty as it can be."""
        self._ballast.unlink(missing_ok=True)

    def turn_read_only(self) -> None:
        """Let nothing be written any more."""
        _do("mount", "-o", "remount,abort", str(self._at))

    def repair(self) -> None:
        """Make it whole and leave it as empty as it can be; nobody may have a file of it open."""
        self.take_away()
        self._mount()
        self.clear()

    def take_away(self) -> None:
        """Unmount it."""
        _do("umount", str(self._at))

    def _free_bytes(self) -> int:
        space = os.statvfs(self._at)
        return space.f_bavail * space.f_frsize

    def _mount(self) -> None:
        _do("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self._at))


@functools.cache
def why_no_disk() -> str | None:
    """Return why there can be no such disk here, None if there can."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        return f"a disk of its own needs {', '.join(missing)}"
    with tempfile.TemporaryDirectory() as folder:
        image, at = Path(folder, "image"), Path(folder, "disk")
        at.mkdir()
        with image.open("wb") as file:
            file.truncate(_BYTES)
        trial = f"mkfs.ext4 -q -F '{image}' && mount -o loop '{image}' '{at}' && umount '{at}'"
        done = subprocess.run([*IN_A_NAMESPACE, "sh", "-c", trial], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[0] if said else "no reason was given"
        return f"a disk of its own cannot be mounted, which needs root and loop devices ({reason})"
    return None


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
