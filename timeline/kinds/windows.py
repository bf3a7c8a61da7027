"""Sentences for what Windows, its browsers and its programs keep."""

from __future__ import annotations

SENTENCES: dict[str, tuple[str, str]] = {
    # -- devices
    "usb.install": (
        "機器のドライバー導入日: {path} {friendly_name}",
        "driver of a device installed: {path} {friendly_name}",
    ),
    "usb.first_install": (
        "機器の初回接続 (初回導入日): {path} {friendly_name}",
        "device first connected (first install): {path} {friendly_name}",
    ),
    "usb.last_arrival": ("機器の最終接続: {path} {friendly_name}", "device last connected: {path} {friendly_name}"),
    "usb.last_removal": ("機器の最終取り外し: {path} {friendly_name}", "device last removed: {path} {friendly_name}"),
    "usb.key_written": ("機器のレジストリキーの最終書き込み: {path}", "registry key of a device last written: {path}"),
    "usb.class_written": (
        "機器クラスのキーの最終書き込み (接続時に更新): {path}",
        "interface key of a device last written (set at connection): {path}",
    ),
    "usb.readyboost": (
        "ボリュームの検査 (ReadyBoost): {volume_label} シリアル {volume_serial}",
        "volume tested (ReadyBoost): {volume_label} serial {volume_serial}",
    ),
    "usb.portable_name": ("携帯機器の表示名: {label} ({path})", "name of a portable device: {label} ({path})"),
    "usb.volume_label": ("ボリュームの名前: {drive} {label}", "label of a volume: {drive} {label}"),
    "device.setup": (
        "機器の導入処理: {path} {description} {exit_status}",
        "device setup: {path} {description} {exit_status}",
    ),
    "device.deleted": ("機器の登録削除: {path} {exit_status}", "device registration deleted: {path} {exit_status}"),
    "setupapi.section": ("導入処理の記録: {title} {exit_status}", "setup section: {title} {exit_status}"),
    "registry.mounted_device": (
        "ドライブ文字・ボリュームの割り当て: {path} ← {device_id}{target} {disk_signature}",
        "drive letter or volume: {path} is {device_id}{target} {disk_signature}",
    ),
    "registry.mount_point": (
        "利用者によるボリューム・共有の使用: {path} ({actor})",
        "volume or share used by a user: {path} ({actor})",
    ),
    "registry.network_drive": (
        "ネットワークドライブ {drive}: {path} ({actor})",
        "network drive {drive}: {path} ({actor})",
    ),
    # -- system
    "system.shutdown": ("Windows の終了 (レジストリ)", "Windows shut down (registry)"),
    "system.time_zone": ("タイムゾーン設定: {windows_zone} ({zone})", "time zone setting: {windows_zone} ({zone})"),
    "system.computer_name": ("コンピューター名: {path}", "computer name: {path}"),
    "system.installed": ("Windows の導入: {product} {build}", "Windows installed: {product} {build}"),
    "system.boot_session": ("Windows の起動 (導入ログ)", "Windows started (setup log)"),
    "registry.replayed": ("ハイブに取引ログ {entries} 件を適用", "hive completed by {entries} log entries"),
    "registry.key": ("レジストリキーの最終書き込み: {path}", "registry key last written: {path}"),
    "registry.service": ("サービスの登録: {service} ({path})", "service registered: {service} ({path})"),
    "registry.run_key": ("自動起動の登録: {name} → {path}", "starts by itself: {name} is {path}"),
    "registry.program": ("プログラムの登録: {path} {version}", "program registered: {path} {version}"),
    "network.first_connected": (
        "ネットワークへの初回接続: {path} ({type}、ゲートウェイ {gateway_mac})",
        "network first connected: {path} ({type}, gateway {gateway_mac})",
    ),
    "network.last_connected": (
        "ネットワークへの最終接続: {path} ({type}、ゲートウェイ {gateway_mac})",
        "network last connected: {path} ({type}, gateway {gateway_mac})",
    ),
    "account.last_logon": (
        "アカウントの最終ログオン: {path} ({logons} 回)",
        "last logon of an account: {path} ({logons} logons)",
    ),
    "account.password_set": ("アカウントのパスワード設定: {path}", "password of an account set: {path}"),
    "account.expires": ("アカウントの期限: {path}", "account expires: {path}"),
    "account.failed_logon": (
        "アカウントの最終ログオン失敗: {path} ({failed_logons} 回)",
        "last failed logon of an account: {path} ({failed_logons} failures)",
    ),
    "account.name_written": ("アカウント名の登録: {path}", "account name written: {path}"),
    # -- execution
    "execution.userassist": (
        "プログラムの実行 (UserAssist): {path} ({actor}、{runs} 回)",
        "program run (UserAssist): {path} ({actor}, {runs} runs)",
    ),
    "execution.bam": ("プログラムの最終実行 (BAM): {path} ({actor})", "program last run (BAM): {path} ({actor})"),
    "execution.shimcache": (
        "ShimCache にあるファイルの更新時刻 (実行時刻ではない): {path}",
        "modification time of a file known to ShimCache (not a run): {path}",
    ),
    "execution.prefetch": (
        "プログラムの実行 (Prefetch): {path} (計 {runs} 回)",
        "program run (Prefetch): {path} ({runs} runs in all)",
    ),
    "prefetch.volume_created": (
        "プログラムが使ったボリュームの作成: {path} シリアル {volume_serial} ({program})",
        "creation of a volume that a program used: {path} serial {volume_serial} ({program})",
    ),
    "amcache.file": ("Amcache へのファイル登録: {path} SHA-1 {sha1}", "file known to Amcache: {path} SHA-1 {sha1}"),
    "amcache.file_modified": (
        "Amcache にあるファイルの更新時刻: {path}",
        "modification time of a file in Amcache: {path}",
    ),
    "amcache.file_created": ("Amcache にあるファイルの作成時刻: {path}", "creation time of a file in Amcache: {path}"),
    "amcache.linked": ("プログラムのリンク時刻: {path}", "link time of a program: {path}"),
    "amcache.program": ("Amcache へのプログラム登録: {path} {version}", "program known to Amcache: {path} {version}"),
    "amcache.program_installed": ("プログラムの導入日: {path} {version}", "program installed: {path} {version}"),
    "amcache.program_removed": ("プログラムの削除日: {path} {version}", "program removed: {path} {version}"),
    "amcache.device": (
        "Amcache への機器登録: {path} {manufacturer} {model}",
        "device known to Amcache: {path} {manufacturer} {model}",
    ),
    # -- files and folders
    "file.recycled": ("ごみ箱への移動: {path} ({bytes} バイト)", "moved to the recycle bin: {path} ({bytes} bytes)"),
    "shellbag.key": (
        "フォルダーの閲覧記録の更新: {path} ({actor})",
        "record of a shown folder written: {path} ({actor})",
    ),
    "shellbag.last": (
        "その階層で最後に開いたフォルダー: {path} ({actor})",
        "folder opened last at its level: {path} ({actor})",
    ),
    "shellbag.target_created": ("閲覧したフォルダーの作成時刻: {path}", "creation time of a shown folder: {path}"),
    "shellbag.target_modified": ("閲覧したフォルダーの更新時刻: {path}", "modification time of a shown folder: {path}"),
    "shellbag.target_accessed": ("閲覧したフォルダーのアクセス時刻: {path}", "access time of a shown folder: {path}"),
    "registry.recent_docs": ("最近使ったファイル: {path} ({actor})", "recent document: {path} ({actor})"),
    "registry.open_save": ("ダイアログで選んだファイル: {path} ({actor})", "file chosen in a dialog: {path} ({actor})"),
    "registry.last_visited": (
        "ダイアログを使ったプログラムとフォルダー: {path} ({actor})",
        "program and folder of a dialog: {path} ({actor})",
    ),
    "registry.run_mru": ("「ファイル名を指定して実行」: {path} ({actor})", "typed into Run: {path} ({actor})"),
    "registry.typed_path": (
        "エクスプローラーに入力したパス: {path} ({actor})",
        "path typed into Explorer: {path} ({actor})",
    ),
    "registry.open_with": (
        "「プログラムから開く」の一覧 {extension}: {path} ({actor})",
        "open-with list of {extension}: {path} ({actor})",
    ),
    "registry.archive": (
        "{program} が扱った書庫・フォルダー: {path} ({actor})",
        "archive or folder handled by {program}: {path} ({actor})",
    ),
    "registry.boot_execute": ("起動時に実行: {path}", "runs at boot: {path}"),
    "registry.search": ("エクスプローラーでの検索語: {path} ({actor})", "searched in Explorer: {path} ({actor})"),
    "registry.rdp_server": (
        "リモート デスクトップの接続先: {path} {user_name} ({actor})",
        "remote desktop server: {path} {user_name} ({actor})",
    ),
    "office.mru": ("{program} で開いた文書: {path} ({actor})", "document opened in {program}: {path} ({actor})"),
    "office.place": ("{program} で使った場所: {path} ({actor})", "place used in {program}: {path} ({actor})"),
    "office.trusted": (
        "{program} で信頼した文書: {path} (マクロ有効 {macros_enabled}、{actor})",
        "document trusted in {program}: {path} (macros enabled {macros_enabled}, {actor})",
    ),
    "shellitem.created": ("記録されたパスの作成時刻: {path}", "creation time kept with a path: {path}"),
    "shellitem.modified": ("記録されたパスの更新時刻: {path}", "modification time kept with a path: {path}"),
    "shellitem.accessed": ("記録されたパスのアクセス時刻: {path}", "access time kept with a path: {path}"),
    "lnk.target": ("ショートカット (時刻なし): {path}", "shortcut without times: {path}"),
    "lnk.target_created": (
        "ショートカットの対象の作成時刻: {path} ({drive_type}、{volume_label} {volume_serial})",
        "creation time of a shortcut's target: {path} ({drive_type}, {volume_label} {volume_serial})",
    ),
    "lnk.target_modified": (
        "ショートカットの対象の更新時刻: {path} ({drive_type}、{volume_label} {volume_serial})",
        "modification time of a shortcut's target: {path} ({drive_type}, {volume_label} {volume_serial})",
    ),
    "lnk.target_accessed": (
        "ショートカットの対象のアクセス時刻: {path} ({drive_type}、{volume_label} {volume_serial})",
        "access time of a shortcut's target: {path} ({drive_type}, {volume_label} {volume_serial})",
    ),
    "lnk.object_id": (
        "対象のオブジェクト ID の生成 (端末 {machine}、MAC {mac}): {path}",
        "object id of a target made (machine {machine}, MAC {mac}): {path}",
    ),
    "jumplist.used": (
        "{program} のジャンプリストのファイル使用: {path} ({actor})",
        "file used, jump list of {program}: {path} ({actor})",
    ),
    "jumplist.target": ("ジャンプリストの項目 (時刻なし): {path}", "jump list entry without times: {path}"),
    "jumplist.target_created": (
        "ジャンプリストの対象の作成時刻: {path}",
        "creation time of a jump list's target: {path}",
    ),
    "jumplist.target_modified": (
        "ジャンプリストの対象の更新時刻: {path}",
        "modification time of a jump list's target: {path}",
    ),
    "jumplist.target_accessed": (
        "ジャンプリストの対象のアクセス時刻: {path}",
        "access time of a jump list's target: {path}",
    ),
    "jumplist.object_id": (
        "ジャンプリストの対象のオブジェクト ID の生成 (端末 {machine}): {path}",
        "object id of a jump list's target made (machine {machine}): {path}",
    ),
    # -- web
    "web.visit": ("Web ページの閲覧: {title} {path} ({actor})", "page visited: {title} {path} ({actor})"),
    "web.last_visit": ("Web ページの最終閲覧: {title} {path} ({actor})", "page last visited: {title} {path} ({actor})"),
    "web.visit_changed": ("閲覧記録の変更: {path}", "visit record changed: {path}"),
    "web.typed_url": ("アドレス欄に入力した URL: {path} ({actor})", "URL typed: {path} ({actor})"),
    "web.download": (
        "ダウンロード開始: {url} → {path} ({bytes} バイト)",
        "download started: {url} to {path} ({bytes} bytes)",
    ),
    "web.download_end": (
        "ダウンロード終了: {url} → {path} ({bytes} バイト、{state})",
        "download ended: {url} to {path} ({bytes} bytes, {state})",
    ),
    "web.download_opened": ("ダウンロードしたファイルを開いた: {path}", "downloaded file opened: {path}"),
    "web.cookie_created": ("Cookie の作成: {path} {name}", "cookie created: {path} {name}"),
    "web.cookie_used": ("Cookie の最終使用: {path} {name}", "cookie last used: {path} {name}"),
    "web.cookie_changed": ("Cookie の変更: {path} {name}", "cookie changed: {path} {name}"),
    "web.cookie_modified": ("Cookie の変更: {path} {name}", "cookie changed: {path} {name}"),
    "web.cookie_expires": ("Cookie の期限: {path} {name}", "cookie expires: {path} {name}"),
    "web.cache_entry": ("キャッシュの作成: {path}", "cache entry created: {path}"),
    "web.cache_used": ("キャッシュの最終使用: {path}", "cache entry last used: {path}"),
    "web.cache_changed": ("キャッシュの変更: {path}", "cache entry changed: {path}"),
    "web.cache_modified": (
        "キャッシュした内容の更新時刻 (サーバー): {path}",
        "modification time of cached content (server): {path}",
    ),
    "web.cache_created": ("キャッシュの作成: {path}", "cache entry created: {path}"),
    "web.cache_checked": ("キャッシュの確認: {path}", "cache entry checked: {path}"),
    "web.cache_expires": ("キャッシュの期限: {path}", "cache entry expires: {path}"),
    "web.cache_synchronised": ("キャッシュの同期: {path}", "cache entry synchronised: {path}"),
    "web.cache_reply": (
        "サーバーからの応答: {path} ({status}、サーバーの日時 {date})",
        "reply of a server: {path} ({status}, server's date {date})",
    ),
    "web.certificate_fetch": (
        "失効情報・証明書の取得: {path}",
        "revocation data or a certificate fetched: {path}",
    ),
    "web.crl": ("失効リストの発行 (認証局): {issuer}", "revocation list issued by {issuer}"),
    "web.ocsp": ("失効の照会への応答 (認証局): {issuer}", "answer about revocation by {issuer}"),
    "web.history_created": ("閲覧記録の作成: {path}", "history entry created: {path}"),
    "web.history_modified": ("閲覧記録の変更: {path}", "history entry changed: {path}"),
    "web.history_synchronised": ("閲覧記録の同期: {path}", "history entry synchronised: {path}"),
    "web.history_expires": ("閲覧記録の期限: {path}", "history entry expires: {path}"),
    "web.redirect": ("転送の記録 (時刻なし): {path}", "redirection without time: {path}"),
    "web.bookmark_added": ("ブックマークの追加: {title} {path}", "bookmark added: {title} {path}"),
    "web.bookmark_changed": ("ブックマークの変更: {title} {path}", "bookmark changed: {title} {path}"),
    "web.annotation": ("ページの注記: {path} {name}", "annotation of a page: {path} {name}"),
    "web.form": ("入力欄の使用: {field} = {path}", "form field used: {field} = {path}"),
    # -- activities, tasks, logs
    "activity.start": (
        "操作の開始: {application} {title} ({type})",
        "activity started: {application} {title} ({type})",
    ),
    "activity.end": ("操作の終了: {application} {title} ({type})", "activity ended: {application} {title} ({type})"),
    "activity.changed": ("操作記録の変更: {application} {title}", "activity record changed: {application} {title}"),
    "activity.cloud": (
        "操作記録のクラウドでの作成: {application} {title}",
        "activity record made in the cloud: {application} {title}",
    ),
    "notification.arrived": ("通知: {program} {text}", "notification: {program} {text}"),
    "notification.expires": ("通知の期限: {program} {text}", "notification expires: {program} {text}"),
    "notification.handler": ("通知元の登録: {path}", "sender of notifications registered: {path}"),
    "task.registered": (
        "タスクの登録: {path} → {command} ({author})",
        "task registered: {path} runs {command} ({author})",
    ),
    "task.begins": ("タスクの開始予定: {path} → {command}", "task begins: {path} runs {command}"),
    "task.ends": ("タスクの終了予定: {path}", "task ends: {path}"),
    "task.ran": ("タスクの最終実行: {path} → {command}", "task last ran: {path} runs {command}"),
    "task.defined": ("タスクの定義 (時刻なし): {path} → {command}", "task without time: {path} runs {command}"),
    "cloud.onedrive": ("OneDrive: {message}", "OneDrive: {message}"),
    "cloud.google_drive": ("Google ドライブ: {message}", "Google Drive: {message}"),
    "firewall.packet": (
        "ファイアウォール {action}: {protocol} {src_ip}:{src_port} → {dst_ip}:{dst_port}",
        "firewall {action}: {protocol} {src_ip}:{src_port} to {dst_ip}:{dst_port}",
    ),
    "antivirus.access": (
        "ウイルス対策の遮断: {process} → {target} ({rule}、{action})",
        "antivirus: {process} to {target} ({rule}, {action})",
    ),
    "srum.application": (
        "プログラムの資源使用 (1 時間分): {path} ({actor})",
        "use of resources by a program (one hour): {path} ({actor})",
    ),
    "srum.network": (
        "プログラムの通信量 (1 時間分): {path} 送信 {bytes_sent} 受信 {bytes_recvd} バイト ({actor})",
        "traffic of a program (one hour): {path} sent {bytes_sent} received {bytes_recvd} bytes ({actor})",
    ),
    "srum.connected": (
        "ネットワーク接続時間: {connected_time} 秒 ({path})",
        "time connected: {connected_time} s ({path})",
    ),
    "srum.connect_start": ("ネットワーク接続の開始 ({path})", "network connection started ({path})"),
    "srum.notification": ("通知の資源使用: {path}", "notifications of a program: {path}"),
    "srum.vfu": ("プログラムの使用 (VFU): {path}", "program in use (VFU): {path}"),
    "srum.timeline": (
        "プログラムの活動 (1 時間分): {path} ({actor})",
        "activity of a program (one hour): {path} ({actor})",
    ),
}
