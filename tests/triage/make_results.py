"""Makes result folders as `triage scan` writes them, of any size, from a seed: the fixtures of the report's tests.

```python
make_results(tmp_path, findings=5_000)
```
Names and numbers are invented. The masked numbers are what a scan gives; the HMACs are random bytes.
"""

from __future__ import annotations

import json
import random
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
LABEL_REASON = "見出し「個人番号」の列にある / stands in a column headed 個人番号"
COLUMN_REASON = (
    "同じ列の 12 桁 240 個のうち 240 個が検査用数字に合う / 240 of 240 twelve-digit values of the column pass"
)
CHANCE_REASON = "検査用数字は合うが見出しがない / check digit passes, but no label is near"
HOSTILE_NAMES = (
    '</script><script>document.title="owned"</script>.txt',
    "<img src=x onerror=\"document.title='owned'\">.csv",
    "給与\u202egpj.exe",
    "a\x00b\x1b[31mc\nd.txt",
    "half\ud800surrogate.doc",
    "\"quote' & <b>bold</b>.html",
    "番号 123456789018 控え.txt",
    "６２１４－９８３２－０２５７.pdf",
)
_FOLDERS = (
    "/Users/suzuki/Documents/人事/給与計算",
    "/Users/suzuki/Documents/年末調整/令和7年分",
    "/Users/suzuki/Downloads",
    "/Users/suzuki/AppData/Local/Temp",
    "/共有/総務部/源泉徴収票",
    "/$Recycle.Bin/S-1-5-21-1004336348-1177238915-682003330-1001",
    "/Backup/2026-03/経理サーバー/顧客対応",
)
_FILES = (
    "給与台帳_2026年3月.xlsx", "扶養控除等申告書.pdf", "従業員一覧.csv", "法定調書.zip", "報酬支払調書.docx", "mail.mbox", "memo.txt", "社保.db",
)  # fmt: skip


def make_results(
    folder: Path,
    *,
    findings: int,
    yara: int = 0,
    coverage: int = 0,
    hostile: bool = False,
    seed: int = 1,
    size: int = 64 << 30,
    summary: dict[str, Any] | None = None,
) -> Path:
    """Write the three files into `folder` (made if missing) and return it."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    people = [(f"{chance.randrange(10**4):04d}", chance.randbytes(32).hex()) for _ in range(max(1, findings // 3))]
    counts = {"high": 0, "medium": 0, "low": 0}
    hmacs: dict[str, set[str]] = {"high": set(), "medium": set(), "low": set()}
    names = list(HOSTILE_NAMES) if hostile else []
    with (folder / "findings.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for number in range(1, findings + 1):
            line = _finding(number, chance, people, names, size)
            counts[line["confidence"]] += 1
            hmacs[line["confidence"]].add(line["hmac"])
            file.write(_json(line))
        for number in range(findings + 1, findings + yara + 1):
            file.write(_json(_yara(number, chance, size)))
    with (folder / "coverage.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for number in range(coverage):
            file.write(_json(_coverage(number, chance, size)))
    (folder / "summary.json").write_text(
        json.dumps(_summary(counts, hmacs, size) | (summary or {}), ensure_ascii=False), encoding="utf-8"
    )
    return folder


def _json(line: dict[str, Any]) -> str:
    # Lone surrogates are written as escapes: JSON in UTF-8 cannot hold them otherwise.
    text = json.dumps(line, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = json.dumps(line)
    return text + "\n"


def _place(chance: random.Random, names: list[str], size: int) -> dict[str, Any]:
    folder, name = chance.choice(_FOLDERS), chance.choice(_FILES)
    if chance.random() < 0.6:
        name = f"{chance.randrange(200):03d}_{name}"
    if names:
        name = names.pop(0)
    path = f"{folder}/{name}"
    state = chance.choices(
        ("allocated", "deleted", "unallocated", "slack", "metadata", "outside"), (70, 14, 9, 4, 2, 1)
    )[0]
    if state in ("unallocated", "outside"):
        path = ""
    container, location = "", ""
    if name.endswith(".xlsx"):
        location = f"給与!C{chance.randrange(2, 400)}"
    elif name.endswith(".zip"):
        container, location = f"{name}!/法定調書/支払調書.csv", f"D{chance.randrange(2, 900)}"
    elif name.endswith(".pdf"):
        location = f"p.{chance.randrange(1, 12)}"
    cluster = size // 4096
    position = int(chance.betavariate(2, 5) * cluster) if state == "allocated" else chance.randrange(cluster)
    offset = None if container or name.endswith(".xlsx") else position * 4096 + chance.randrange(4096)
    begin = 1_774_000_000_000_000_000
    modified = begin + zlib.crc32(path.encode("utf-8", "replace")) * 10**6
    return {
        "layers": f"e01:disk.E01|gpt:2|ntfs:{path}" if path else "e01:disk.E01|gpt:2",
        "path": path,
        "state": state,
        "offset": offset,
        "file_offset": chance.randrange(1 << 20) if path else None,
        "container": container,
        "location": location,
        "times": {
            "modified": {"ns": modified, "raw": "0x01dcbb1f7a3c5e80", "precision_ns": 100, "zone_known": True},
            "created": {"ns": modified - 10**14, "raw": "2026-03-20 09:11:12", "precision_ns": 2 * 10**9, "zone_known": False},
        }
        if path
        else {},
    }  # fmt: skip


def _finding(
    number: int, chance: random.Random, people: list[tuple[str, str]], names: list[str], size: int
) -> dict[str, Any]:
    tail, hmac = chance.choice(people)
    confidence = chance.choices(("high", "medium", "low"), (72, 9, 19))[0]
    place = _place(chance, names, size)
    copies = [chance.randrange(size) for _ in range(chance.choice((0, 0, 0, 1, 3)))]
    reasons = {"high": [LABEL_REASON, COLUMN_REASON], "medium": [LABEL_REASON], "low": [CHANCE_REASON]}[confidence]
    return {
        "v": 1,
        "id": f"F{number:06d}",
        "kind": "my_number",
        "masked": "********" + tail,
        "hmac": hmac,
        "confidence": confidence,
        "reasons": reasons,
        "reason_codes": ["label"],
        "rivals": ["driving_licence"] if chance.random() < 0.05 else [],
        "encoding": chance.choice(("cp932", "utf-8", "utf-16le", "ascii")),
        "copies": copies,
        **place,
    }


def _yara(number: int, chance: random.Random, size: int) -> dict[str, Any]:
    return {
        "v": 1,
        "id": f"F{number:06d}",
        "kind": "yara",
        "rule": chance.choice(("Exfil_Rclone_Config", "Webshell_Generic", "Archive_Tool_7z")),
        "tags": ["exfil", "tool"],
        "meta": {"author": "responder", "description": "転送ツールの設定ファイル"},
        "strings": [{"id": "$a", "offset": chance.randrange(size)} for _ in range(3)],
        **_place(chance, [], size),
    }


def _coverage(number: int, chance: random.Random, size: int) -> dict[str, Any]:
    reason = chance.choice(("encrypted", "encrypted", "damaged", "unsupported", "limit"))
    detail = {
        "encrypted": "パスワード付き zip / zip with a password",
        "damaged": "目次が壊れている / its directory is damaged",
        "unsupported": "形式に未対応: lzh / format not supported: lzh",
        "limit": "展開後 512 MiB を超える / more than 512 MiB after decompression",
    }[reason]
    path = f"{chance.choice(_FOLDERS)}/{number:05d}_控え.zip"
    return {
        "v": 1,
        "path": path,
        "kind": "unreadable",
        "reason": reason,
        "detail": detail,
        "layers": f"e01:disk.E01|gpt:2|ntfs:{path}",
        "container": chance.choice(("", "", "inner.zip!/名簿.xlsx")),
        "offset": None,
        "size": chance.randrange(1 << 24),
    }


def _summary(counts: dict[str, int], hmacs: dict[str, set[str]], size: int) -> dict[str, Any]:
    return {
        "v": 1,
        "image": {"path": "/evidence/disk.E01", "name": "disk.E01", "size": size, "format": "E01", "segments": 12},
        "hashes": {
            "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "md5": "098f6bcd4621d373cade4e832627b4f6",
            "stored": {"md5": "098f6bcd4621d373cade4e832627b4f6"},
            "verdict": "match",
        },
        "case": {"id": "2026-HZ-0142", "fingerprint": "4f2c9a7be01d5c3388a1f06be27d94c05a6613f0d8c2b7e94a510c3d7e8f9012"},
        "operator": "佐藤 花子",
        "tool": {"version": "0.1.0"},
        "started": "2026-11-24T13:02:11+09:00",
        "finished": "2026-11-24T13:09:48+09:00",
        "counts": {"by_confidence": counts},
        "persons": {
            "lower": len(hmacs["high"]),
            "upper": len(hmacs["high"] | hmacs["medium"] | hmacs["low"]),
        },
        "chance_candidates": 3381,
        "rejected": {"other_label": 812, "decimal": 1204, "longer_run": 377},
        "labelled_wrong": 6,
        "volumes": [
            {"layer": "e01:disk.E01|gpt:1", "offset": 1 * MIB, "size": 512 * MIB, "filesystem": "fat32"},
            {"layer": "e01:disk.E01|gpt:2", "offset": 513 * MIB, "size": size - 2048 * MIB, "filesystem": "ntfs"},
        ]
        if size > 1 << 32
        else [],
        "read": {"bytes": size - 1536, "unreadable_bytes": 1536, "files": 48_211, "files_partial": 17},
        "unreadable": [{"offset": size // 3 // 512 * 512, "size": 1536, "reason": "checksum"}] if size > 4096 else [],
        "exit_code": 3,
        "notes": [{"ja": "署名鍵: 合言葉で守られた鍵", "en": "signing key: protected by a passphrase"}],
    }  # fmt: skip
