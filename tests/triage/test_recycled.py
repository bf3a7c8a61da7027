"""`$I…` files of the recycle bin: real ones of both versions, and what is none."""

from __future__ import annotations

from triage.recycled import parse


def test_real_files_of_both_versions(shared_data):
    # Times as plaso shows them: 2012-03-12T20:49:58.633 and 2016-06-29T21:37:45.618.
    folder = next(shared_data.glob("**/recycler"))
    old = parse((folder / "$II3DF3L.zip").read_bytes())
    new = parse((folder / "$I103S5F.jpg").read_bytes())
    assert old is not None
    assert new is not None
    assert old.path == "C:\\Users\\nfury\\Documents\\Alloy Research\\StarFury.zip"
    assert new.path == "C:\\Users\\random\\Downloads\\bunnies.jpg"
    assert (old.deleted_ns, new.deleted_ns) == (1331585398633000000, 1467236265618000000)


def test_what_is_no_such_file():
    assert parse(b"") is None
    assert parse(b"\x03" + bytes(600)) is None
    assert parse((2).to_bytes(8, "little") + bytes(50)) is None
    assert parse((1).to_bytes(8, "little") + b"\xff" * 600) is None
