"""What each role may see and do (C12): one table, from the types of entries and from who can open the secret.

```
right             責任者 作業者 立会人 保管者 受領者 閲覧者
reveal numbers       ○     ○
```
A role is enforced by the tool and shown by verification. What is encrypted, a person without key cannot read whatever
program they use: `clear` below says which rights rest on encryption.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_of_custody import entries

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Right:
    """One row: what may be done, the type of entry that stands for it, and whether encryption prevents it too."""

    name: str
    ja: str
    en: str
    entry_type: str
    encrypted: bool = False

    @property
    def roles(self) -> frozenset[str]:
        """The roles that have it."""
        return entries.TYPES[self.entry_type].roles


RIGHTS: tuple[Right, ...] = (
    Right("image", "証拠を複製する", "take images", "image.begin"),
    Right("extract", "ファイルを取り出す", "take files out of images", "extract.begin"),
    Right("scan", "番号を探す(秘密値を使う)", "scan for numbers (uses the secret)", "scan.begin", encrypted=True),
    Right("reveal", "番号を平文で見る", "see numbers in the clear", "reveal.begin"),
    Right("export", "検出の元ファイルを見る", "see the files behind findings", "export.begin"),
    Right("about", "ある番号への操作を調べる", "ask what was done with a number", "about.begin", encrypted=True),
    Right("anonymise", "仮名化した写しを作る", "make pseudonymised copies", "anonymise.begin"),
    Right("decrypt", "暗号化したイメージを復号する", "decrypt images", "decrypt.begin", encrypted=True),
    Right("encrypt", "暗号化する", "encrypt", "encrypt.begin"),
    Right("split", "秘密分散する", "split into shares", "split.begin"),
    Right("join", "分散片から復元する", "join shares", "join.begin"),
    Right("backup", "予備を作る・戻す", "back up and restore", "backup.begin"),
    Right("restore", "予備から復旧する", "restore from a backup", "restore.begin"),
    Right("collect", "ファイル単位で収集する", "collect files", "collect.begin"),
    Right("live", "稼働中の機器から集める", "collect from a running machine", "live.begin"),
    Right("wipe", "媒体の消去・無データ化を確かめる", "wipe media, check that they are blank", "wipe_check.begin"),
    Right("search", "語句・規則・画像の文字を探す", "search for words, by rules, in pictures", "search.begin"),
    Right(
        "timeline", "時系列・時計・持ち出しを調べる", "build timelines, analyse clocks, judge copies", "timeline.begin"
    ),
    Right("breach", "漏えい等報告を下書きする", "draft a breach report", "breach_report.begin"),
    Right("clone", "媒体へ複製する", "clone onto a medium", "clone.begin"),
    Right("dispose", "廃棄を記録する", "record a disposal", "record.dispose"),
    Right("redact", "墨消しする", "redact", "redacted"),
    Right("record", "取扱いを記録する", "record what was done", "record.storage"),
    Right("witness", "立会いを記録する", "record a witness", "record.witness"),
    Right("request", "承認を申請する", "ask for approval", "approval.request"),
    Right("grant", "承認する", "approve", "approval.grant"),
    Right("revoke", "他の人の鍵を失効させる", "revoke another's key", "key.revoke"),
    Right("people", "人と鍵を登録する", "list people and keys", "key.add"),
    Right("transfer", "証拠を渡す", "hand over evidence", "transfer.offer"),
    Right("receive", "証拠を受け取る", "receive evidence", "transfer.accept"),
    Right("pack", "検証用一式を作る", "make a bundle for the other side", "pack.begin"),
    Right("report", "報告書を作る", "make reports", "report.begin"),
    Right("verify", "検証する", "verify", "verify.begin"),
    Right("selftest", "動作を確認する", "run the self-test", "selftest.begin"),
    Right("checkpoint", "台帳を固定する・タイムスタンプを受ける", "fix the ledger, take time stamps", "checkpoint"),
    Right("cosign", "チェックポイントに署名する", "sign a checkpoint", "cosigned"),
    Right("rotate", "自分の鍵を交換する", "replace one's own key", "key.rotate"),
    Right("merge", "分岐した台帳を取り込む", "take in a diverged copy", "merged"),
    Right("correct", "訂正を書く", "write a correction", "correct"),
    Right("note", "メモを残す", "write a note", "note"),
)
"""In the order in which they are shown."""


ROW_OF: Mapping[str, str] = {
    "case.open": "people",
    "wipe.begin": "wipe",
    "yara.begin": "search",
    "ocr.begin": "search",
    "clock.begin": "timeline",
    "verdict.begin": "timeline",
    "redact.begin": "redact",
    "approval.refuse": "grant",
    "transfer.refuse": "receive",
    "stamp": "checkpoint",
    "record.photo": "witness",
    "record.anomaly": "witness",
    "record.scene": "witness",
    **dict.fromkeys(("session.open", "session.close", "ledger.recovered", "clock.changed", "refused"), "note"),
}
"""Types that have no row of their own, with the row that stands for them; other records: `record`."""


def row_of(type_name: str) -> Right:
    """The row that says who may write entries of this type."""
    name = type_name.removesuffix(".end") + ".begin" if type_name.endswith(".end") else type_name
    by_type = {one.entry_type: one for one in RIGHTS}
    if name in by_type:
        return by_type[name]
    wanted = ROW_OF.get(name, "record")
    return next(one for one in RIGHTS if one.name == wanted)


def secret_roles() -> frozenset[str]:
    """The roles to which the case's secret is encrypted (`People.secret_recipients`)."""
    return entries.TYPES["scan.begin"].roles
