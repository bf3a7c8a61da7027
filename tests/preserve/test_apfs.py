"""APFS through libfsapfs, on a container that macOS made."""

from __future__ import annotations

import random

from preserve.evidence import open_evidence, open_inside
from preserve.image import open_image


def test_files_of_a_real_container(shared_data):
    with open_inside(shared_data / "dfvfs/test_data/apfs.raw", ()) as evidence:
        assert evidence.problems == []
        found = {entry.path: (entry.kind, entry.size) for entry in evidence.entries}
        # As fsapfsinfo lists them.
        assert found["/passwords.txt"] == ("file", 116)
        assert found["/a_directory/a_file"] == ("file", 53)
        assert found["/a_directory/a_file:myxattr"] == ("stream", 21)
        assert found["/a_directory/a_resourcefork:rsrc"] == ("stream", 17)
        assert found["/a_link"] == ("symlink", 0)
        fs = evidence.filesystems[0]
        entry = next(one for one in evidence.entries if one.path == "/passwords.txt")
        content = fs.open(entry.id).read_at(0, 1000)
        assert content.startswith(b"place,user,password")
        # The runs are the bytes of the medium.
        assert evidence.image.read_at(entry.runs[0].offset, entry.size) == content
        assert entry.times["modified"].ns == 1642144781213333494


def test_damaged_containers_end_as_problems(shared_data, tmp_path):
    good = (shared_data / "dfvfs/test_data/apfs.raw").read_bytes()[: 1 << 20]
    rng = random.Random(9)
    for number in range(4):
        bad = bytearray(good)
        for _ in range(30):
            bad[rng.randrange(4096, len(bad))] = rng.randrange(256)
        path = tmp_path / f"{number}.raw"
        path.write_bytes(bad)
        with open_image(path) as image:
            open_evidence(image, isolate=True)
