# ruff: noqa: E501 - a row stays on its line
"""Windows events that matter, as data: provider and number -> kind, who, what, and a sentence.

`EVENTS` has one row for each meaning. A record whose provider and number are not here is `evtx.event` and is shown
raw. Fields are the members of EventData or UserData by their own names (`param1` … where they have none). Sources:
Microsoft's "Appendix L: Events to Monitor", the manifests' message texts, and the providers' documented schemas.
"""

from __future__ import annotations

from dataclasses import dataclass

SECURITY = "Microsoft-Windows-Security-Auditing"
KERNEL_GENERAL = "Microsoft-Windows-Kernel-General"
KERNEL_POWER = "Microsoft-Windows-Kernel-Power"
KERNEL_PNP = "Microsoft-Windows-Kernel-PnP"
USER_DRIVERS = "Microsoft-Windows-DriverFrameworks-UserMode"
USER_PNP = "Microsoft-Windows-UserPnp"
PARTITION = "Microsoft-Windows-Partition"
SERVICES = "Service Control Manager"
SESSIONS = "Microsoft-Windows-TerminalServices-LocalSessionManager"
REMOTE = "Microsoft-Windows-TerminalServices-RemoteConnectionManager"
REMOTE_CLIENT = "Microsoft-Windows-TerminalServices-ClientActiveXCore"
TASKS = "Microsoft-Windows-TaskScheduler"
SHELL = "Microsoft-Windows-PowerShell"
SYSMON = "Microsoft-Windows-Sysmon"
DEFENDER = "Microsoft-Windows-Windows Defender"
TIME = "Microsoft-Windows-Time-Service"
NTFS = "Microsoft-Windows-Ntfs"
EVENTLOG = "Microsoft-Windows-Eventlog"

SUBJECT = ("SubjectDomainName|SubjectUserName",)
TARGET = ("TargetDomainName|TargetUserName",)
SYSMON_USER = ("User",)


@dataclass(frozen=True, slots=True)
class EventKind:
    """What a record means: `kind`, and the fields that hold the actor, the object, and a number of bytes."""

    kind: str
    actor: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    bytes: str = ""


Row = tuple[str, tuple[int, ...], str, tuple[str, ...], tuple[str, ...], str, str, str]

EVENTS: tuple[Row, ...] = (
    # provider, numbers, kind, actor, path, bytes, Japanese, English
    # -- logon and logoff
    (SECURITY, (4624,), "evtx.logon", TARGET, (), "",
     "ログオン成功: {actor} (種類 {LogonType}、接続元 {IpAddress} {WorkstationName})",
     "logon: {actor} (type {LogonType}, from {IpAddress} {WorkstationName})"),
    (SECURITY, (4625,), "evtx.logon_failed", TARGET, (), "",
     "ログオン失敗: {actor} (種類 {LogonType}、接続元 {IpAddress} {WorkstationName}、理由 {SubStatus})",
     "logon failed: {actor} (type {LogonType}, from {IpAddress} {WorkstationName}, reason {SubStatus})"),
    (SECURITY, (4634, 4647), "evtx.logoff", TARGET, (), "", "ログオフ: {actor}", "logoff: {actor}"),
    (SECURITY, (4648,), "evtx.logon_explicit", SUBJECT, ("TargetServerName",), "",
     "別の資格情報による接続: {actor} が {TargetDomainName}\\{TargetUserName} として {TargetServerName} へ",
     "explicit credentials: {actor} as {TargetDomainName}\\{TargetUserName} to {TargetServerName}"),
    (SECURITY, (4672,), "evtx.logon_privileged", SUBJECT, (), "",
     "特権のあるログオン: {actor}", "logon with special privileges: {actor}"),
    (SECURITY, (4768,), "evtx.kerberos_ticket", TARGET, (), "",
     "Kerberos 認証チケットの要求: {actor} (接続元 {IpAddress})",
     "Kerberos authentication ticket requested: {actor} (from {IpAddress})"),
    (SECURITY, (4769,), "evtx.kerberos_service", TARGET, ("ServiceName",), "",
     "Kerberos サービスチケットの要求: {actor} → {ServiceName} (接続元 {IpAddress})",
     "Kerberos service ticket requested: {actor} for {ServiceName} (from {IpAddress})"),
    (SECURITY, (4771,), "evtx.kerberos_failed", ("TargetUserName",), (), "",
     "Kerberos 事前認証の失敗: {actor} (接続元 {IpAddress})",
     "Kerberos pre-authentication failed: {actor} (from {IpAddress})"),
    (SECURITY, (4776,), "evtx.ntlm", ("TargetUserName",), (), "",
     "NTLM 認証: {actor} (端末 {Workstation}、結果 {Status})",
     "NTLM authentication: {actor} (workstation {Workstation}, status {Status})"),
    (SECURITY, (4800,), "evtx.locked", TARGET, (), "", "画面ロック: {actor}", "workstation locked: {actor}"),
    (SECURITY, (4801,), "evtx.unlocked", TARGET, (), "",
     "画面ロックの解除: {actor}", "workstation unlocked: {actor}"),
    ("Microsoft-Windows-Winlogon", (7001,), "evtx.winlogon_on", ("UserSid",), (), "",
     "ログオンの通知: {UserSid}", "logon notification: {UserSid}"),
    ("Microsoft-Windows-Winlogon", (7002,), "evtx.winlogon_off", ("UserSid",), (), "",
     "ログオフの通知: {UserSid}", "logoff notification: {UserSid}"),
    # -- accounts and groups
    (SECURITY, (4720,), "evtx.account_created", SUBJECT, ("TargetUserName",), "",
     "アカウント作成: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "account created: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4722,), "evtx.account_enabled", SUBJECT, ("TargetUserName",), "",
     "アカウント有効化: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "account enabled: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4723, 4724), "evtx.password_change", SUBJECT, ("TargetUserName",), "",
     "パスワード変更・再設定の試み: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "attempt to change or reset a password: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4725,), "evtx.account_disabled", SUBJECT, ("TargetUserName",), "",
     "アカウント無効化: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "account disabled: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4726,), "evtx.account_deleted", SUBJECT, ("TargetUserName",), "",
     "アカウント削除: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "account deleted: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4738,), "evtx.account_changed", SUBJECT, ("TargetUserName",), "",
     "アカウント変更: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "account changed: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4740,), "evtx.account_locked", SUBJECT, ("TargetUserName",), "",
     "アカウントのロックアウト: {TargetUserName} (端末 {TargetDomainName})",
     "account locked out: {TargetUserName} (computer {TargetDomainName})"),
    (SECURITY, (4767,), "evtx.account_unlocked", SUBJECT, ("TargetUserName",), "",
     "アカウントのロック解除: {TargetDomainName}\\{TargetUserName} (実行者 {actor})",
     "account unlocked: {TargetDomainName}\\{TargetUserName} (by {actor})"),
    (SECURITY, (4781,), "evtx.account_renamed", SUBJECT, ("NewTargetUserName",), "",
     "アカウント名変更: {OldTargetUserName} → {NewTargetUserName} (実行者 {actor})",
     "account renamed: {OldTargetUserName} to {NewTargetUserName} (by {actor})"),
    (SECURITY, (4728, 4732, 4756), "evtx.group_member_added", SUBJECT, ("TargetUserName",), "",
     "グループ {TargetUserName} にメンバー {MemberSid} {MemberName} を追加 (実行者 {actor})",
     "member {MemberSid} {MemberName} added to group {TargetUserName} (by {actor})"),
    (SECURITY, (4729, 4733, 4757), "evtx.group_member_removed", SUBJECT, ("TargetUserName",), "",
     "グループ {TargetUserName} からメンバー {MemberSid} {MemberName} を削除 (実行者 {actor})",
     "member {MemberSid} {MemberName} removed from group {TargetUserName} (by {actor})"),
    (SECURITY, (4727, 4731, 4754), "evtx.group_created", SUBJECT, ("TargetUserName",), "",
     "グループ作成: {TargetUserName} (実行者 {actor})", "group created: {TargetUserName} (by {actor})"),
    (SECURITY, (4735, 4737, 4755), "evtx.group_changed", SUBJECT, ("TargetUserName",), "",
     "グループ変更: {TargetUserName} (実行者 {actor})", "group changed: {TargetUserName} (by {actor})"),
    # -- clock
    (SECURITY, (4616,), "evtx.time_changed", SUBJECT, ("ProcessName",), "",
     "時計の変更: {PreviousTime} → {NewTime} (実行者 {actor}、{ProcessName})",
     "clock changed: {PreviousTime} to {NewTime} (by {actor}, {ProcessName})"),
    (KERNEL_GENERAL, (1,), "evtx.time_changed_kernel", (), (), "",
     "時計の変更: {OldTime} → {NewTime} (理由 {Reason})", "clock changed: {OldTime} to {NewTime} (reason {Reason})"),
    (KERNEL_GENERAL, (24,), "evtx.zone_changed", (), (), "",
     "タイムゾーン情報の更新: 偏り {NewBias} 分", "time zone information refreshed: bias {NewBias} minutes"),
    (TIME, (35, 37), "evtx.time_source", (), (), "",
     "時刻同期先: {TimeSource}", "time source in use: {TimeSource}"),
    (TIME, (36, 47, 134, 129, 24, 29, 46), "evtx.time_sync_failed", (), (), "",
     "時刻同期の失敗 ({event_id})", "time synchronisation failed ({event_id})"),
    (TIME, (50, 51, 52, 158, 260, 261), "evtx.time_service", (), (), "",
     "時刻サービスの記録 ({event_id})", "record of the time service ({event_id})"),
    # -- logs
    (EVENTLOG, (1102,), "evtx.log_cleared", SUBJECT, (), "",
     "セキュリティログの消去: {actor}", "security log cleared: {actor}"),
    (EVENTLOG, (104,), "evtx.log_cleared_other", SUBJECT, ("Channel",), "",
     "イベントログの消去: {Channel} ({actor})", "event log cleared: {Channel} ({actor})"),
    (EVENTLOG, (1100,), "evtx.log_service_stopped", (), (), "",
     "イベントログ サービスの停止", "event log service shut down"),
    (SECURITY, (4719,), "evtx.audit_policy", SUBJECT, (), "",
     "監査ポリシーの変更 ({actor})", "audit policy changed ({actor})"),
    (SECURITY, (4907,), "evtx.audit_settings", SUBJECT, ("ObjectName",), "",
     "監査設定の変更: {ObjectName} ({actor})", "audit settings changed: {ObjectName} ({actor})"),
    # -- start, stop, sleep
    (KERNEL_GENERAL, (12,), "evtx.boot", (), (), "", "OS の起動 ({StartTime})", "operating system started ({StartTime})"),
    (KERNEL_GENERAL, (13,), "evtx.shutdown", (), (), "",
     "OS の終了 ({StopTime})", "operating system shut down ({StopTime})"),
    (SECURITY, (4608,), "evtx.boot_audit", (), (), "", "Windows の起動 (監査)", "Windows started (audit)"),
    ("EventLog", (6005,), "evtx.log_started", (), (), "",
     "イベントログ開始 (起動)", "event log started (boot)"),
    ("EventLog", (6006,), "evtx.log_stopped", (), (), "",
     "イベントログ終了 (正常な終了)", "event log stopped (clean shutdown)"),
    ("EventLog", (6008,), "evtx.unexpected_shutdown", (), (), "",
     "予期しない終了: 前回の終了 {param2} {param1}", "unexpected shutdown: previous one at {param1} on {param2}"),
    ("EventLog", (6009,), "evtx.os_version", (), (), "",
     "起動時の OS の版: {param1} {param2} {param3}", "version at boot: {param1} {param2} {param3}"),
    ("EventLog", (6011,), "evtx.computer_renamed", (), (), "",
     "コンピューター名の変更: {param1} → {param2}", "computer renamed: {param1} to {param2}"),
    ("EventLog", (6013,), "evtx.uptime", (), (), "", "稼働時間 {param5} 秒", "uptime {param5} s"),
    (KERNEL_POWER, (41,), "evtx.dirty_restart", (), (), "",
     "正常に終了せずに再起動 (BugcheckCode {BugcheckCode})", "restarted without clean shutdown (bugcheck {BugcheckCode})"),
    ("USER32", (1074,), "evtx.shutdown_requested", ("param7",), ("param1",), "",
     "終了・再起動の指示: {param5} (実行者 {param7}、{param1}、理由 {param3})",
     "shutdown or restart requested: {param5} (by {param7}, {param1}, reason {param3})"),
    ("User32", (1074,), "evtx.shutdown_requested", ("param7",), ("param1",), "",
     "終了・再起動の指示: {param5} (実行者 {param7}、{param1}、理由 {param3})",
     "shutdown or restart requested: {param5} (by {param7}, {param1}, reason {param3})"),
    (KERNEL_POWER, (109,), "evtx.power_transition", (), (), "",
     "カーネルの電源遷移", "power transition by the kernel"),
    (KERNEL_POWER, (42,), "evtx.sleep", (), (), "", "スリープに入る (理由 {Reason})", "entering sleep (reason {Reason})"),
    (KERNEL_POWER, (107,), "evtx.wake_kernel", (), (), "", "スリープから復帰 (カーネル)", "resumed from sleep (kernel)"),
    (KERNEL_POWER, (506,), "evtx.standby", (), (), "",
     "モダンスタンバイに入る", "entering connected standby"),
    (KERNEL_POWER, (507,), "evtx.standby_exit", (), (), "",
     "モダンスタンバイから復帰", "leaving connected standby"),
    ("Microsoft-Windows-Power-Troubleshooter", (1,), "evtx.wake", (), (), "",
     "スリープから復帰: {SleepTime} から {WakeTime} まで", "resumed from sleep: from {SleepTime} until {WakeTime}"),
    # -- devices
    (SECURITY, (6416,), "evtx.device_recognized", SUBJECT, ("DeviceId",), "",
     "外部デバイスの認識: {DeviceDescription} {DeviceId}", "external device recognised: {DeviceDescription} {DeviceId}"),
    (SECURITY, (6419, 6420, 6421, 6422, 6423, 6424), "evtx.device_policy", SUBJECT, ("DeviceId",), "",
     "デバイスの有効・無効・禁止 ({event_id}): {DeviceId}", "device enabled, disabled or forbidden ({event_id}): {DeviceId}"),
    (USER_DRIVERS, (2003,), "evtx.device_connected", (), ("InstanceId", "instance", "DeviceInstanceId"), "",
     "デバイスの接続 (ドライバー ホスト): {path}", "device connected (driver host): {path}"),
    (USER_DRIVERS, (2100, 2101), "evtx.device_power", (), ("instance", "InstanceId", "DeviceInstanceId"), "",
     "デバイスへの電源・PnP 要求: {path}", "power or PnP request to a device: {path}"),
    (USER_DRIVERS, (2102,), "evtx.device_removed", (), ("instance", "InstanceId", "DeviceInstanceId"), "",
     "デバイスの取り外し (ドライバー ホスト): {path}", "device removed (driver host): {path}"),
    (USER_DRIVERS, (10000, 10100), "evtx.device_driver_install", (), ("DeviceId", "InstanceId"), "",
     "デバイスのドライバー導入: {path}", "driver of a device installed: {path}"),
    (PARTITION, (1006,), "evtx.disk_partition", (), ("ParentId",), "Capacity",
     "ディスクの接続・取り外し: {Manufacturer} {Model} (シリアル {SerialNumber}、容量 {Capacity})",
     "disk arrived or left: {Manufacturer} {Model} (serial {SerialNumber}, capacity {Capacity})"),
    (KERNEL_PNP, (400,), "evtx.device_configured", (), ("DeviceInstanceId",), "",
     "デバイスの構成: {DeviceInstanceId}", "device configured: {DeviceInstanceId}"),
    (KERNEL_PNP, (410,), "evtx.device_started", (), ("DeviceInstanceId",), "",
     "デバイスの開始: {DeviceInstanceId}", "device started: {DeviceInstanceId}"),
    (KERNEL_PNP, (420,), "evtx.device_deleted", (), ("DeviceInstanceId",), "",
     "デバイスの削除: {DeviceInstanceId}", "device deleted: {DeviceInstanceId}"),
    (KERNEL_PNP, (430,), "evtx.device_pending", (), ("DeviceInstanceId",), "",
     "デバイスの追加設定待ち: {DeviceInstanceId}", "device requires further installation: {DeviceInstanceId}"),
    (USER_PNP, (20001,), "evtx.device_installed", (), ("DeviceInstanceID",), "",
     "デバイスのドライバー導入完了: {DeviceInstanceID}", "driver installation finished: {DeviceInstanceID}"),
    (USER_PNP, (20003,), "evtx.device_service", (), ("DeviceInstanceID",), "",
     "デバイスのサービス追加: {ServiceName} {DeviceInstanceID}", "service added for a device: {ServiceName} {DeviceInstanceID}"),
    (NTFS, (98, 142), "evtx.volume_mounted", (), ("DriveName",), "",
     "ボリュームの状態: {DriveName} {DeviceName}", "state of a volume: {DriveName} {DeviceName}"),
    ("Microsoft-Windows-StorageSpaces-Driver", (207,), "evtx.disk_seen", (), ("DriveManufacturer", "DriveModel"), "",
     "物理ディスクの接続: {DriveManufacturer} {DriveModel} (シリアル {DriveSerial})",
     "physical disk arrived: {DriveManufacturer} {DriveModel} (serial {DriveSerial})"),
    ("Microsoft-Windows-WPD-MTPClassDriver", (1005,), "evtx.portable_device", (), (), "",
     "携帯機器 (MTP) の利用", "portable device (MTP) used"),
    # -- services and processes
    (SERVICES, (7045,), "evtx.service_installed", ("AccountName",), ("ImagePath",), "",
     "サービスの導入: {ServiceName} ({ImagePath})", "service installed: {ServiceName} ({ImagePath})"),
    (SECURITY, (4697,), "evtx.service_installed_audit", SUBJECT, ("ServiceFileName",), "",
     "サービスの導入: {ServiceName} ({ServiceFileName}、実行者 {actor})",
     "service installed: {ServiceName} ({ServiceFileName}, by {actor})"),
    (SERVICES, (7034, 7031), "evtx.service_crashed", (), ("param1",), "",
     "サービスの異常終了: {param1}", "service ended unexpectedly: {param1}"),
    (SERVICES, (7036,), "evtx.service_state", (), ("param1",), "",
     "サービスの状態: {param1} → {param2}", "service state: {param1} is {param2}"),
    (SERVICES, (7040,), "evtx.service_start_type", (), ("param1",), "",
     "サービスの開始種別の変更: {param1} {param2} → {param3}",
     "start type of a service changed: {param1} from {param2} to {param3}"),
    (SECURITY, (4688,), "evtx.process_created", SUBJECT, ("NewProcessName",), "",
     "プロセス開始: {NewProcessName} {CommandLine} ({actor})", "process started: {NewProcessName} {CommandLine} ({actor})"),
    (SECURITY, (4689,), "evtx.process_ended", SUBJECT, ("ProcessName",), "",
     "プロセス終了: {ProcessName} ({actor})", "process ended: {ProcessName} ({actor})"),
    # -- remote desktop
    (SESSIONS, (21,), "evtx.rdp_logon", ("User",), ("Address",), "",
     "リモート デスクトップのログオン: {User} (接続元 {Address})", "remote desktop logon: {User} (from {Address})"),
    (SESSIONS, (22,), "evtx.rdp_shell", ("User",), ("Address",), "",
     "リモート デスクトップのシェル開始: {User} (接続元 {Address})", "remote desktop shell started: {User} (from {Address})"),
    (SESSIONS, (23,), "evtx.rdp_logoff", ("User",), (), "",
     "リモート デスクトップのログオフ: {User}", "remote desktop logoff: {User}"),
    (SESSIONS, (24,), "evtx.rdp_disconnect", ("User",), ("Address",), "",
     "リモート デスクトップの切断: {User} (接続元 {Address})", "remote desktop disconnected: {User} (from {Address})"),
    (SESSIONS, (25,), "evtx.rdp_reconnect", ("User",), ("Address",), "",
     "リモート デスクトップの再接続: {User} (接続元 {Address})", "remote desktop reconnected: {User} (from {Address})"),
    (REMOTE, (1149,), "evtx.rdp_authenticated", ("Param2|Param1",), ("Param3",), "",
     "リモート デスクトップの認証: {Param2}\\{Param1} (接続元 {Param3})",
     "remote desktop user authenticated: {Param2}\\{Param1} (from {Param3})"),
    (REMOTE_CLIENT, (1024, 1102), "evtx.rdp_outgoing", (), ("Value",), "",
     "リモート デスクトップでの接続 (発信): {Value}", "remote desktop connection out: {Value}"),
    (SECURITY, (4778,), "evtx.session_reconnected", ("AccountDomain|AccountName",), (), "",
     "セッション再接続: {actor} (接続元 {ClientName} {ClientAddress})",
     "session reconnected: {actor} (from {ClientName} {ClientAddress})"),
    (SECURITY, (4779,), "evtx.session_disconnected", ("AccountDomain|AccountName",), (), "",
     "セッション切断: {actor} (接続元 {ClientName} {ClientAddress})",
     "session disconnected: {actor} (from {ClientName} {ClientAddress})"),
    # -- files and shares
    (SECURITY, (5140,), "evtx.share_access", SUBJECT, ("ShareName",), "",
     "共有フォルダーへのアクセス: {ShareName} ({actor}、接続元 {IpAddress})",
     "share accessed: {ShareName} ({actor}, from {IpAddress})"),
    (SECURITY, (5145,), "evtx.share_file", SUBJECT, ("RelativeTargetName", "ShareName"), "",
     "共有フォルダー内のファイルへのアクセス: {ShareName} {RelativeTargetName} ({actor}、接続元 {IpAddress})",
     "file on a share accessed: {ShareName} {RelativeTargetName} ({actor}, from {IpAddress})"),
    (SECURITY, (5142, 5143, 5144), "evtx.share_changed", SUBJECT, ("ShareName",), "",
     "共有フォルダーの追加・変更・削除 ({event_id}): {ShareName} ({actor})",
     "share added, changed or deleted ({event_id}): {ShareName} ({actor})"),
    (SECURITY, (4656,), "evtx.object_opened", SUBJECT, ("ObjectName",), "",
     "オブジェクトを開く要求: {ObjectName} ({actor}、{ProcessName})",
     "handle to an object requested: {ObjectName} ({actor}, {ProcessName})"),
    (SECURITY, (4663,), "evtx.object_access", SUBJECT, ("ObjectName",), "",
     "オブジェクトへのアクセス: {ObjectName} (要求 {AccessMask}、{actor}、{ProcessName})",
     "object accessed: {ObjectName} (mask {AccessMask}, {actor}, {ProcessName})"),
    (SECURITY, (4660,), "evtx.object_deleted", SUBJECT, ("ProcessName",), "",
     "オブジェクトの削除 ({actor}、{ProcessName})", "object deleted ({actor}, {ProcessName})"),
    (SECURITY, (4657,), "evtx.registry_value", SUBJECT, ("ObjectName",), "",
     "レジストリ値の変更: {ObjectName} {ObjectValueName} ({actor})",
     "registry value changed: {ObjectName} {ObjectValueName} ({actor})"),
    ("Microsoft-Windows-PrintService", (307,), "evtx.printed", ("Param3",), ("Param2",), "Param7",
     "印刷: {Param2} ({Param3}、プリンター {Param5}、{Param8} ページ、{Param7} バイト)",
     "printed: {Param2} ({Param3}, printer {Param5}, {Param8} pages, {Param7} bytes)"),
    # -- scheduled tasks
    (TASKS, (106,), "evtx.task_registered", ("UserContext",), ("TaskName",), "",
     "タスクの登録: {TaskName} ({UserContext})", "scheduled task registered: {TaskName} ({UserContext})"),
    (TASKS, (140,), "evtx.task_updated", ("UserName",), ("TaskName",), "",
     "タスクの更新: {TaskName} ({UserName})", "scheduled task updated: {TaskName} ({UserName})"),
    (TASKS, (141,), "evtx.task_deleted", ("UserName",), ("TaskName",), "",
     "タスクの削除: {TaskName} ({UserName})", "scheduled task deleted: {TaskName} ({UserName})"),
    (TASKS, (200,), "evtx.task_started", (), ("TaskName",), "",
     "タスクの処理開始: {TaskName} {ActionName}", "scheduled task action started: {TaskName} {ActionName}"),
    (TASKS, (201,), "evtx.task_finished", (), ("TaskName",), "",
     "タスクの処理完了: {TaskName} {ActionName} (結果 {ResultCode})",
     "scheduled task action finished: {TaskName} {ActionName} (result {ResultCode})"),
    (SECURITY, (4698, 4699, 4700, 4701, 4702), "evtx.task_audit", SUBJECT, ("TaskName",), "",
     "タスクの作成・変更・削除 ({event_id}): {TaskName} ({actor})",
     "scheduled task created, changed or deleted ({event_id}): {TaskName} ({actor})"),
    # -- PowerShell
    (SHELL, (4103,), "evtx.powershell_pipeline", (), (), "",
     "PowerShell のコマンド実行: {Payload}", "PowerShell pipeline: {Payload}"),
    (SHELL, (4104,), "evtx.powershell_script", (), ("Path",), "",
     "PowerShell のスクリプト: {Path} {ScriptBlockText}", "PowerShell script block: {Path} {ScriptBlockText}"),
    ("PowerShell", (400, 403), "evtx.powershell_engine", (), (), "",
     "PowerShell の状態: {param2} → {param1}", "PowerShell engine state: {param2} to {param1}"),
    ("PowerShell", (600, 800), "evtx.powershell_provider", (), (), "", "PowerShell の記録: {param1}", "PowerShell: {param1}"),
    # -- Defender
    (DEFENDER, (1116, 1006), "evtx.malware_found", ("Detection User",), ("Path",), "",
     "マルウェア検出: {Threat Name} {Path}", "malware detected: {Threat Name} {Path}"),
    (DEFENDER, (1117, 1007, 1118, 1119), "evtx.malware_action", ("Detection User",), ("Path",), "",
     "マルウェアへの処置: {Threat Name} {Path} ({Action Name})", "action against malware: {Threat Name} {Path} ({Action Name})"),
    (DEFENDER, (5001, 5010, 5012), "evtx.defender_off", (), (), "",
     "Defender の保護が無効化", "protection by Defender turned off"),
    (DEFENDER, (5007,), "evtx.defender_setting", (), (), "",
     "Defender の設定変更: {Old Value} → {New Value}", "setting of Defender changed: {Old Value} to {New Value}"),
    # -- Sysmon
    (SYSMON, (1,), "sysmon.process", SYSMON_USER, ("Image",), "",
     "プロセス開始: {Image} {CommandLine} ({User}、親 {ParentImage})",
     "process started: {Image} {CommandLine} ({User}, parent {ParentImage})"),
    (SYSMON, (2,), "sysmon.file_time", SYSMON_USER, ("TargetFilename",), "",
     "ファイル作成時刻の変更: {TargetFilename} {PreviousCreationUtcTime} → {CreationUtcTime} ({Image})",
     "creation time of a file changed: {TargetFilename} {PreviousCreationUtcTime} to {CreationUtcTime} ({Image})"),
    (SYSMON, (3,), "sysmon.network", SYSMON_USER, ("DestinationIp",), "",
     "通信: {Image} → {DestinationIp}:{DestinationPort} {DestinationHostname} ({User})",
     "connection: {Image} to {DestinationIp}:{DestinationPort} {DestinationHostname} ({User})"),
    (SYSMON, (5,), "sysmon.process_ended", SYSMON_USER, ("Image",), "", "プロセス終了: {Image}", "process ended: {Image}"),
    (SYSMON, (6,), "sysmon.driver", (), ("ImageLoaded",), "", "ドライバーの読み込み: {ImageLoaded}", "driver loaded: {ImageLoaded}"),
    (SYSMON, (7,), "sysmon.image", SYSMON_USER, ("ImageLoaded",), "",
     "モジュールの読み込み: {ImageLoaded} ({Image})", "image loaded: {ImageLoaded} ({Image})"),
    (SYSMON, (8, 10), "sysmon.process_access", ("SourceUser",), ("TargetImage",), "",
     "他プロセスへのアクセス: {SourceImage} → {TargetImage}", "access to another process: {SourceImage} to {TargetImage}"),
    (SYSMON, (11,), "sysmon.file_created", SYSMON_USER, ("TargetFilename",), "",
     "ファイル作成: {TargetFilename} ({Image})", "file created: {TargetFilename} ({Image})"),
    (SYSMON, (12, 13, 14), "sysmon.registry", SYSMON_USER, ("TargetObject",), "",
     "レジストリの変更: {TargetObject} {Details} ({Image})", "registry changed: {TargetObject} {Details} ({Image})"),
    (SYSMON, (15,), "sysmon.stream", SYSMON_USER, ("TargetFilename",), "",
     "代替ストリームの作成: {TargetFilename} ({Image})", "alternate stream created: {TargetFilename} ({Image})"),
    (SYSMON, (22,), "sysmon.dns", SYSMON_USER, ("QueryName",), "",
     "名前解決: {QueryName} ({Image})", "name looked up: {QueryName} ({Image})"),
    (SYSMON, (23, 26), "sysmon.file_deleted", SYSMON_USER, ("TargetFilename",), "",
     "ファイル削除: {TargetFilename} ({Image})", "file deleted: {TargetFilename} ({Image})"),
    (SYSMON, (24,), "sysmon.clipboard", SYSMON_USER, ("Image",), "",
     "クリップボードの変更 ({Image})", "clipboard changed ({Image})"),
    # -- programs, network, remote tools
    ("MsiInstaller", (1033, 11707, 1042, 1034, 11724), "evtx.installer", (), ("param1",), "",
     "インストーラーの記録 ({event_id}): {param1}", "installer record ({event_id}): {param1}"),
    ("Microsoft-Windows-NetworkProfile", (10000,), "evtx.network_connected", (), ("Name",), "",
     "ネットワークへの接続: {Name} {Description}", "network connected: {Name} {Description}"),
    ("Microsoft-Windows-NetworkProfile", (10001,), "evtx.network_disconnected", (), ("Name",), "",
     "ネットワークからの切断: {Name} {Description}", "network disconnected: {Name} {Description}"),
    ("Microsoft-Windows-WLAN-AutoConfig", (8001,), "evtx.wlan_connected", (), ("SSID",), "",
     "無線 LAN への接続: {SSID} ({BSSID})", "wireless network connected: {SSID} ({BSSID})"),
    ("Microsoft-Windows-WLAN-AutoConfig", (8003,), "evtx.wlan_disconnected", (), ("SSID",), "",
     "無線 LAN からの切断: {SSID}", "wireless network disconnected: {SSID}"),
    ("Microsoft-Windows-Bits-Client", (59, 60), "evtx.bits_transfer", (), ("url",), "bytesTransferred",
     "BITS 転送: {url} ({bytesTransferred} バイト)", "BITS transfer: {url} ({bytesTransferred} bytes)"),
    ("Application Error", (1000,), "evtx.program_crashed", (), ("param1", "AppName"), "",
     "プログラムの異常終了: {path}", "program crashed: {path}"),
    (SECURITY, (5156,), "evtx.connection_allowed", (), ("Application",), "",
     "通信の許可: {Application} → {DestAddress}:{DestPort}", "connection allowed: {Application} to {DestAddress}:{DestPort}"),
)  # fmt: skip

BY_EVENT: dict[tuple[str, int], EventKind] = {
    (provider, number): EventKind(kind, actor, path, size)
    for provider, numbers, kind, actor, path, size, _, _ in EVENTS
    for number in numbers
}
SENTENCES: dict[str, tuple[str, str]] = {row[2]: (row[6], row[7]) for row in EVENTS} | {
    "evtx.undecoded": (
        "復号できない記録 ({record}): 番号と時刻のみ",
        "record that could not be decoded ({record}): number and time only",
    ),
}
"""`evtx.event` has none: it is shown with all its fields as they are."""
