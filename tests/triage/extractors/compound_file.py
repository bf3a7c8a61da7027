"""A writer of small compound files (MS-CFB version 3), for formats that no free writer makes."""

from __future__ import annotations

import struct

FREE, END, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF
FAT = 0xFFFFFFFD


def compound_file(streams: dict[str, bytes]) -> bytes:
    """A compound file with `streams` by path ("folder/name"); short ones go to the mini stream."""
    # Directory: the root, then every folder and stream; siblings hang together as a list to the right.
    entries: list[dict] = [{"name": "Root Entry", "kind": 5, "children": []}]
    folders = {"": 0}
    for path, content in streams.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders[folder] = len(entries)
                entries[folders["/".join(parts[: depth - 1])]]["children"].append(len(entries))
                entries.append({"name": parts[depth - 1], "kind": 1, "children": []})
        entries[folders["/".join(parts[:-1])]]["children"].append(len(entries))
        entries.append({"name": parts[-1], "kind": 2, "children": [], "data": content})
    sectors: list[bytes] = []
    chain: list[int] = []

    def put(data: bytes) -> int:
        start = len(sectors)
        count = max(-(-len(data) // 512), 1)
        for index in range(count):
            sectors.append(data[512 * index : 512 * index + 512].ljust(512, b"\0"))
            chain.append(start + index + 1 if index + 1 < count else END)
        return start

    mini = b""
    mini_chain: list[int] = []
    for entry in entries:
        data = entry.get("data", b"")
        entry["size"] = len(data)
        entry["start"] = END
        if not data:
            continue
        if len(data) >= 4096:
            entry["start"] = put(data)
            continue
        start, count = len(mini_chain), -(-len(data) // 64)
        mini += data.ljust(64 * count, b"\0")
        mini_chain += [start + index + 1 for index in range(count - 1)] + [END]
        entry["start"] = start
    entries[0]["start"] = put(mini) if mini else END
    entries[0]["size"] = len(mini)
    mini_fat = b"".join(struct.pack("<I", value) for value in mini_chain)
    mini_start = put(mini_fat + b"\xff" * (-len(mini_fat) % 512)) if mini else END
    directory = b""
    for index, entry in enumerate(entries):
        siblings = next((other["children"] for other in entries if index in other["children"]), [])
        at = siblings.index(index) if index in siblings else -1
        right = siblings[at + 1] if 0 <= at < len(siblings) - 1 else NONE
        child = entry["children"][0] if entry["children"] else NONE
        name = entry["name"].encode("utf-16-le") + b"\0\0"
        directory += name.ljust(64, b"\0") + struct.pack("<HBB3I", len(name), entry["kind"], 1, NONE, right, child)
        directory += bytes(16 + 4 + 16) + struct.pack("<IQ", entry["start"], entry["size"])
    while len(directory) % 512:
        directory += bytes(64) + struct.pack("<HBB3I", 0, 0, 0, NONE, NONE, NONE) + bytes(48)
    directory_start = put(directory)
    fat_count = -(-(len(chain) + 8) // 128)
    fat_start = len(sectors)
    chain += [FAT] * fat_count
    table = b"".join(struct.pack("<I", value) for value in chain)
    table += b"\xff" * (512 * fat_count - len(table))
    sectors += [table[512 * index : 512 * index + 512] for index in range(fat_count)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIII", 0, fat_count, directory_start, 0, 4096)
    header += struct.pack("<IIII", mini_start, -(-len(mini_fat) // 512), END, 0)
    header += b"".join(struct.pack("<I", fat_start + index) for index in range(fat_count))
    return header.ljust(512, b"\xff") + b"".join(sectors)
