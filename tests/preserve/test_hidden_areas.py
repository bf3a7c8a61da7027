from __future__ import annotations

import os
import struct

import pytest

from preserve.hidden_areas import command_block, hidden_areas, registers
from tests.preserve.media import loop, needs_loop

# Sectors of a disk of 500 GB as it was made.
MADE = 976_773_168


def identity(visible, *, hpa=True, dco=True, accessible=False, long=True):
    words = [0] * 256
    words[82] = hpa << 10
    words[83] = 1 << 14 | long << 10 | dco << 11
    words[119] = 1 << 14 | accessible << 8
    words[60:62] = [visible & 0xFFFF, visible >> 16 & 0xFFFF]
    if long:
        words[100:104] = struct.unpack("<4H", struct.pack("<Q", visible))
    return struct.pack("<256H", *words)


def configuration(sectors):
    data = bytearray(512)
    data[0] = 2
    data[6:14] = (sectors - 1).to_bytes(8, "little")
    data[510] = 0xA5
    data[511] = -sum(data) & 0xFF
    return bytes(data)


def status(lba=0, error=0):
    low = lba.to_bytes(6, "little")
    # SAT-3: response code, then the ATA Status Return descriptor with the high byte of each register before the low.
    head = bytes((0x72, 1, 0, 0x1D, 0, 0, 0, 14))
    return head + bytes((9, 12, 1, 4 * error, 0, 0, low[3], low[0], low[4], low[1], low[5], low[2], 0x40, 0x50 | error))


class Disk:
    """Answers like a disk; `native` and `made` None: aborts the command."""

    def __init__(self, visible, native, made, **features):
        self.answers = {0xEC: identity(visible, **features), 0xB1: made and configuration(made)}
        self.native = native
        self.asked = []

    def send(self, _fd, block, size):
        command = block[14]
        self.asked.append(command)
        assert block[0] == 0x85
        assert block[1] == (8 if size else 7)
        if size:
            assert (block[4], block[6]) == (0xC2 if command == 0xB1 else 0, 1)
            data = self.answers[command]
            return (data, status()) if data else (bytes(512), status(error=1))
        return b"", status(error=1) if self.native is None else status(self.native - 1)


@pytest.mark.parametrize(
    ("visible", "native", "made", "said"),
    [
        (MADE, MADE, MADE, "none"),
        (MADE - 2048, MADE, MADE, f"HPA: 2048 sectors hidden ({MADE - 2048} of {MADE} visible); DCO: none"),
        (MADE - 4096, MADE - 4096, MADE, f"HPA: none; DCO: 4096 sectors hidden ({MADE - 4096} of {MADE} visible)"),
        (1000, 2000, 5000, "HPA: 1000 sectors hidden (1000 of 2000 visible); DCO: 3000 sectors hidden"),
        (MADE, None, MADE, "HPA: not known; DCO: none"),
        (MADE, MADE, None, "HPA: none; DCO: not known"),
        (1 << 40, (1 << 40) + 7, (1 << 40) + 7, "HPA: 7 sectors hidden"),
    ],
)
def test_what_a_disk_hides(visible, native, made, said):
    disk = Disk(visible, native, made)
    assert hidden_areas(-1, send=disk.send).startswith(said)
    assert disk.asked == [0xEC, 0x27, 0xB1]


def test_only_what_the_disk_has_is_asked():
    disk = Disk(MADE, MADE, MADE, hpa=False, dco=False)
    assert hidden_areas(-1, send=disk.send) == "none"
    assert disk.asked == [0xEC]
    disk = Disk(MADE - 8, MADE, None, hpa=False, dco=False, accessible=True)
    assert hidden_areas(-1, send=disk.send).startswith("HPA: 8 sectors hidden")
    assert disk.asked == [0xEC, 0x78]
    assert hidden_areas(-1, send=Disk(1000, 1000, 1000, long=False).send) == "none"


def test_damaged_configuration_data_is_not_believed():
    disk = Disk(MADE, MADE, MADE)
    disk.answers[0xB1] = disk.answers[0xB1][:6] + b"\xff" + disk.answers[0xB1][7:]
    assert hidden_areas(-1, send=disk.send) == "HPA: none; DCO: not known"


def test_devices_that_do_not_answer(tmp_path):
    def refuses(_fd, _block, _size):
        raise OSError(25, "Inappropriate ioctl for device")

    assert hidden_areas(-1, send=refuses) == "not known"
    # A USB stick: the command is illegal there, fixed sense.
    fixed = bytes((0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0))
    assert registers(fixed) is None
    assert hidden_areas(-1, send=lambda *_: (bytes(512), fixed)) == "not known"
    with (tmp_path / "file").open("wb") as file:
        assert hidden_areas(file.fileno()) == "not known"


@needs_loop
def test_a_loop_device_cannot_be_asked(tmp_path):
    (tmp_path / "image").write_bytes(bytes(1 << 20))
    with loop(tmp_path / "image", direct=False) as device:
        fd = os.open(device, os.O_RDONLY)
        assert hidden_areas(fd) == "not known"
        os.close(fd)


def test_no_command_that_sets_anything():
    blocks = [command_block(code, reads=reads) for code, reads in ((0xEC, True), (0x27, False), (0xB1, True))]
    assert {block[14] for block in blocks} == {0xEC, 0x27, 0xB1}
    # B1h with C0h restores and with C3h sets a configuration; C2h identifies it.
    assert command_block(0xB1, features=0xC2, reads=True)[4] == 0xC2
