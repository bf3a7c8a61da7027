"""What a message of a Unix log says: logons, sudo, sessions, time changes, devices, as kinds with their fields.

```python
classify("sshd", "Failed password for root from 188.124.3.41 port 32889 ssh2")
# ('auth.logon_failed', {'user': 'root', 'address': '188.124.3.41', 'port': '32889', 'method': 'password', …})
```
The wordings are those of OpenSSH, sudo, su, shadow, cron, systemd, chrony, ntpd, systemd-timesyncd and the kernel.
"""

from __future__ import annotations

import re

OTHER = "log.message"
_MOST_LOOKED_AT = 8192  # characters: what is longer is no message of these programs, and patterns must not take long

_Rule = tuple[re.Pattern[str], re.Pattern[str], str]


def _rule(program: str, message: str, kind: str) -> _Rule:
    return re.compile(program), re.compile(message), kind


# (program, message, kind), the first that fits.
_RULES: tuple[_Rule, ...] = (
    _rule(
        r"sshd", r"Accepted (?P<method>\S+) for (?P<user>\S+) from (?P<address>\S+) port (?P<port>\d+)", "auth.logon"
    ),
    _rule(
        r"sshd",
        r"Failed (?P<method>\S+) for (?:invalid user )?(?P<user>\S*) from (?P<address>\S+) port (?P<port>\d+)",
        "auth.logon_failed",
    ),
    _rule(r"sshd", r"(?:Invalid|Illegal) user (?P<user>\S*) from (?P<address>\S+)", "auth.logon_failed"),
    _rule(r"sshd", r"Connection from (?P<address>\S+) port (?P<port>\d+)", "auth.connect"),
    _rule(
        r"sshd",
        r"(?:Disconnected from|Received disconnect from|Connection closed by)(?: (?:authenticating |invalid )?user "
        r"(?P<user>\S+))? (?P<address>[\da-fA-F.:]+) port (?P<port>\d+)",
        "auth.disconnect",
    ),
    _rule(
        r"sudo",
        r"\s*(?P<user>\S+) : (?:(?P<why>(?!TTY=)[^;]+) ; )?TTY=(?P<tty>\S+) ; PWD=(?P<folder>.*?) ; USER=(?P<as>\S+)"
        r"(?: ; GROUP=\S+)?(?: ; ENV=.*?)? ; COMMAND=(?P<command>.*)",
        "auth.sudo",
    ),
    _rule(r"su(?:\b|do)?", r"(?:Successful su for (?P<as>\S+) by (?P<user>\S+))", "auth.su"),
    _rule(r"su\b", r"\(to (?P<as>\S+)\) (?P<user>\S+) on (?P<tty>\S+)", "auth.su"),
    _rule(r"su\b", r"FAILED (?:su|SU) (?:for|\(to) (?P<as>[^\s)]+)\)? (?:by )?(?P<user>\S+)", "auth.su_failed"),
    _rule(
        r".*",
        r"pam_unix\((?P<service>[^:)]+):session\): session opened for user (?P<user>[^\s(]+)",
        "auth.session_opened",
    ),
    _rule(
        r".*",
        r"pam_unix\((?P<service>[^:)]+):session\): session closed for user (?P<user>[^\s(]+)",
        "auth.session_closed",
    ),
    _rule(r".*", r"pam_unix\((?P<service>[^:)]+):auth\): authentication failure;.*?user=(?P<user>\S*)", "auth.failed"),
    _rule(r"systemd-logind", r"New session (?P<session>\S+) of user (?P<user>[^\s.]+)", "auth.session_opened"),
    _rule(r"systemd-logind", r"(?:Removed session|Session) (?P<session>[^\s.]+)", "auth.session_closed"),
    _rule(r"useradd", r"new user: name=(?P<user>[^,]+)", "account.created"),
    _rule(r"userdel", r"delete user '?(?P<user>[^']+)'?", "account.deleted"),
    _rule(r"passwd|chpasswd", r".*password changed for (?P<user>\S+)", "account.password"),
    _rule(r"usermod|gpasswd|groupadd|groupmod", r"(?P<change>.*)", "account.changed"),
    _rule(r"(?:/usr/sbin/)?(?:CRON|cron|crond)", r"\((?P<user>[^)]+)\) CMD \(\s*(?P<command>.*?)\)?$", "task.cron"),
    _rule(r"chronyd", r"System clock was stepped by (?P<seconds>-?[\d.]+) seconds", "clock.stepped"),
    _rule(
        r"ntpd.*|sntp|ntpdate",
        r".*?(?:time reset|step time server \S+ offset) (?P<seconds>[+-]?[\d.]+)",
        "clock.stepped",
    ),
    _rule(r"systemd", r"Time has been changed", "clock.changed"),
    _rule(
        r"systemd-timesyncd",
        r"(?:Initial clock|Contacted|Synchronized).*?(?P<server>\d+\.\d+\.\d+\.\d+\S*)?",
        "clock.synchronised",
    ),
    _rule(r"systemd-sleep|systemd", r"(?:Entering sleep state|Suspending system|Reached target Sleep)", "power.sleep"),
    _rule(r"systemd-sleep|systemd", r"System resumed|System returned from sleep", "power.wake"),
    _rule(r"kernel", r"(?:\[[\d .]+\] )?PM: suspend entry", "power.sleep"),
    _rule(r"kernel", r"(?:\[[\d .]+\] )?PM: suspend exit", "power.wake"),
    _rule(r"kernel", r"(?:\[[\d .]+\] )?Linux version (?P<version>\S+)", "power.boot"),
    _rule(
        r"systemd-shutdown|systemd",
        r"(?:Shutting down\.|Reached target (?:Shutdown|Power-Off|Reboot))",
        "power.shutdown",
    ),
    _rule(
        r"kernel",
        r"(?:\[[\d .]+\] )?usb (?P<port>[\d.\-]+): New USB device found, idVendor=(?P<vendor>\w+), "
        r"idProduct=(?P<product>\w+)",
        "usb.connect",
    ),
    _rule(r"kernel", r"(?:\[[\d .]+\] )?usb (?P<port>[\d.\-]+): SerialNumber: (?P<serial>\S+)", "usb.serial"),
    _rule(
        r"kernel",
        r"(?:\[[\d .]+\] )?usb (?P<port>[\d.\-]+): USB disconnect, device number (?P<number>\d+)",
        "usb.disconnect",
    ),
    _rule(
        r"dhcpd",
        r"DHCPACK on (?P<ip>\S+) to (?P<mac>[\da-f:]+)(?: \((?P<client>[^)]*)\))?",
        "dhcp.lease",
    ),
    _rule(r"dhcpd", r"DHCP(?P<message>[A-Z]+) .*", "dhcp.message"),
    _rule(r"dhclient", r"bound to (?P<ip>[\d.]+)", "dhcp.bound"),
)


def classify(program: str, message: str) -> tuple[str, dict[str, object]]:
    """(kind, fields) of a message; (`log.message`, {}) where its wording is not known."""
    looked_at = message[:_MOST_LOOKED_AT]
    for names, wording, kind in _RULES:
        if names.fullmatch(program[:64]) and (found := wording.match(looked_at)):
            return kind, {name: value for name, value in found.groupdict().items() if value}
    return OTHER, {}
