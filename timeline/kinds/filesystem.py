"""Sentences for what file systems record."""

from __future__ import annotations

SENTENCES = {
    "file.created": ("ファイルの作成: {path}", "file created: {path}"),
    "file.modified": ("内容の変更: {path}", "content modified: {path}"),
    "file.changed": ("属性・管理情報の変更: {path}", "metadata changed: {path}"),
    "file.accessed": ("アクセス: {path}", "accessed: {path}"),
    "file.deleted": ("削除: {path}", "deleted: {path}"),
    "file.name_created": ("ファイル名の記録の作成時刻: {path}", "creation time kept with the name: {path}"),
    "file.name_modified": ("ファイル名の記録の変更時刻: {path}", "modification time kept with the name: {path}"),
    "file.name_changed": ("ファイル名の記録の管理情報変更時刻: {path}", "change time kept with the name: {path}"),
    "file.name_accessed": ("ファイル名の記録のアクセス時刻: {path}", "access time kept with the name: {path}"),
    "usn.created": ("ファイルの作成(変更ジャーナル): {path}", "created (change journal): {path}"),
    "usn.deleted": ("ファイルの削除(変更ジャーナル): {path}", "deleted (change journal): {path}"),
    "usn.renamed_from": ("改名前の名前(変更ジャーナル): {path}", "old name before a renaming (change journal): {path}"),
    "usn.renamed_to": ("改名後の名前(変更ジャーナル): {path}", "new name after a renaming (change journal): {path}"),
    "usn.written": ("内容の書き込み(変更ジャーナル): {path}", "content written (change journal): {path}"),
    "usn.changed": ("変更(変更ジャーナル): {path} [{reasons}]", "changed (change journal): {path} [{reasons}]"),
    "usn.range": (
        "変更範囲の記録(変更ジャーナル、時刻なし): {path}",
        "changed ranges (change journal, no time): {path}",
    ),
    "file.stale_created": (
        "索引の残りにある名前の作成時刻: {path}",
        "creation time of a name left in an index: {path}",
    ),
    "file.stale_modified": (
        "索引の残りにある名前の変更時刻: {path}",
        "modification time of a name left in an index: {path}",
    ),
    "file.stale_changed": (
        "索引の残りにある名前の管理情報変更時刻: {path}",
        "change time of a name left in an index: {path}",
    ),
    "file.stale_accessed": (
        "索引の残りにある名前のアクセス時刻: {path}",
        "access time of a name left in an index: {path}",
    ),
}
