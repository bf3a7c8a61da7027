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
}
