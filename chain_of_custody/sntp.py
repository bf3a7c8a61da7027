"""How far this machine's clock is from standard time: a small SNTP client (RFC 4330, RFC 5905).

```python
reading = sntp.ask("ntp.nict.jp")
reading.offset_ns            # this machine's clock minus the server's: positive = this machine is ahead
reading.uncertainty_ns       # half the way there and back, and what the server says of its own distance
```
Nothing is set; the clock is only read. Of several exchanges the one with the shortest way counts.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from dataclasses import dataclass

from chain_of_custody import clock
from chain_of_custody.errors import UsageError

PORT = 123
_PACKET = struct.Struct(">BBbbII4sQQQQ")
_ERA_NS = (1 << 32) * 1_000_000_000
_EPOCH_NS = 2_208_988_800 * 1_000_000_000
"""From 1900, where NTP counts from, to 1970."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One comparison with a server; times in ns since 1970 UTC."""

    server: str
    address: str
    stratum: int
    local_ns: int
    """This machine's clock in the middle of the exchange."""
    offset_ns: int
    """This machine's clock minus the server's."""
    delay_ns: int
    uncertainty_ns: int
    samples: int = 1

    @property
    def reference_ns(self) -> int:
        """The server's time at `local_ns`."""
        return self.local_ns - self.offset_ns


class _RefusedError(ValueError):
    """An answer that does not count; the words say why."""


def _to_ns(stamp: int, near_ns: int) -> int:
    """An NTP time stamp in ns since 1970, in the era (of 136 years) that is nearest to `near_ns`."""
    in_era = (stamp >> 32) * 1_000_000_000 + ((stamp & 0xFFFFFFFF) * 1_000_000_000 >> 32) - _EPOCH_NS
    return in_era + round((near_ns - in_era) / _ERA_NS) * _ERA_NS


def _short_ns(value: int) -> int:
    """A span of 16.16 bits seconds in ns."""
    return value * 1_000_000_000 >> 16


def _compare(packet: bytes, nonce: int, sent_ns: int, received_ns: int) -> tuple[int, int, int, int]:
    """(stratum, offset, delay, uncertainty) of one answer; raises _RefusedError."""
    if len(packet) < _PACKET.size:
        raise _RefusedError("a short packet")
    flags, stratum, _poll, _precision, root_delay, dispersion, _ref, _set, origin, there, back = _PACKET.unpack(
        packet[: _PACKET.size],
    )
    if flags & 7 != 4 or origin != nonce:
        raise _RefusedError("no answer to this question")
    if stratum == 0:
        raise _RefusedError(f"the server refuses ({packet[12:16].decode('ascii', 'replace')})")
    if stratum > 15 or flags >> 6 == 3 or not there or not back:
        raise _RefusedError("the server is not synchronised")
    t2, t3 = _to_ns(there, sent_ns), _to_ns(back, sent_ns)
    delay = (received_ns - sent_ns) - (t3 - t2)
    if t3 < t2 or delay < 0:
        raise _RefusedError("impossible times")
    offset = ((sent_ns - t2) + (received_ns - t3)) // 2
    return stratum, offset, delay, delay // 2 + _short_ns(root_delay) // 2 + _short_ns(dispersion)


def _exchange(connection: socket.socket, address: tuple[str, int], server: str, seconds: float) -> Answer:
    nonce = secrets.randbits(64) | 1
    started, sent_ns = time.monotonic_ns(), clock.wall_ns()
    connection.sendto(_PACKET.pack(0x23, 0, 0, 0, 0, 0, b"", 0, 0, 0, nonce), address)
    deadline = time.monotonic() + seconds
    refused: _RefusedError | None = None
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            packet, sender = connection.recvfrom(1024)
        except TimeoutError:
            break
        # The wall clock may be set meanwhile; the forward clock measures the way.
        received_ns = sent_ns + time.monotonic_ns() - started
        if sender[:2] != address[:2]:
            continue
        try:
            stratum, offset, delay, uncertainty = _compare(packet, nonce, sent_ns, received_ns)
        except _RefusedError as error:
            refused = error
            continue
        middle = (sent_ns + received_ns) // 2
        return Answer(server, address[0], stratum, middle, offset, delay, uncertainty)
    raise refused or TimeoutError("no answer")


def ask(server: str, *, samples: int = 4, seconds: float = 3.0) -> Answer:
    """Compare this machine's clock with `server` (`NAME`, `NAME:PORT` or `[ADDRESS]:PORT`). Raises UsageError."""
    host, port = _split(server)
    problem: Exception = TimeoutError("no answer")
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        places, problem = [], error
    for family, kind, protocol, _name, address in places[:4]:
        found: list[Answer] = []
        with socket.socket(family, kind, protocol) as connection:
            for _ in range(samples):
                try:
                    found.append(_exchange(connection, (str(address[0]), int(address[1])), server, seconds))
                except (OSError, _RefusedError) as error:
                    problem = error
                    break
        if found:
            best = min(found, key=lambda one: one.delay_ns)
            return Answer(
                best.server,
                best.address,
                best.stratum,
                best.local_ns,
                best.offset_ns,
                best.delay_ns,
                best.uncertainty_ns,
                len(found),
            )
    raise UsageError(
        f"時刻サーバー {server} から使える応答がありません: {problem}",
        f"no usable answer from the time server {server}: {problem}",
        hint_ja="つながらない場合は、基準時計を見て --field shown=… --field reference=… --field source=… で記録します",
        hint_en="offline, read a reference clock and give --field shown=… --field reference=… --field source=…",
    )


def _split(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        colon, port = (":", rest[1:]) if rest.startswith(":") else ("", "")
    elif not colon or ":" in host:
        host, colon, port = server, "", ""
    if not host or (colon and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536)):
        raise UsageError(f"時刻サーバーの形が不正です: {server}", f"malformed time server: {server}")
    return host, int(port) if colon else PORT
