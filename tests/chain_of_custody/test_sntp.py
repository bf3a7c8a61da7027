"""The examiner's own clock against a time server that this test runs over UDP."""

import json
import socket
import struct
import threading
import time

import pytest

from chain_of_custody import clock, init_case, sntp
from chain_of_custody.errors import UsageError
from chain_of_custody.reading import read_entries
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody

ERA = 1 << 32


def stamp(time_ns):
    seconds, rest = divmod(time_ns + 2_208_988_800 * 10**9, 10**9)
    return (seconds % ERA) << 32 | (rest << 32) // 10**9


class Server:
    """Answers each question with `change(packet)`; its clock is `ahead` nanoseconds ahead of this machine's."""

    def __init__(self):
        self.ahead = 0
        self.questions = []
        self.flags, self.stratum, self.reference = 0x24, 2, b"GPS\0"
        self.change = lambda packet: [packet]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)
        self.name = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.stop.is_set():
            try:
                question, sender = self.socket.recvfrom(1024)
            except TimeoutError:
                continue
            self.questions.append(question)
            now = stamp(time.time_ns() + self.ahead)
            # Root delay 1/64 s, dispersion 1/128 s.
            head = struct.pack(">BBbbII4s", self.flags, self.stratum, 6, -20, 1024, 512, self.reference)
            for packet in self.change(head + struct.pack(">Q8sQQ", now, question[40:48], now, now)):
                self.socket.sendto(packet, sender)

    def close(self):
        self.stop.set()
        self.thread.join()
        self.socket.close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize("seconds", [0, 3.25, -86400 * 400])
def test_the_offset_of_this_machine(server, seconds):
    server.ahead = int(seconds * 10**9)
    found = sntp.ask(server.name)
    assert abs(found.offset_ns + server.ahead) < 50_000_000
    assert (found.stratum, found.address, found.samples, len(server.questions)) == (2, "127.0.0.1", 4, 4)
    assert found.uncertainty_ns - found.delay_ns // 2 == pytest.approx(10**9 / 64, rel=0.01)
    assert found.reference_ns == found.local_ns - found.offset_ns
    assert [question[0] for question in server.questions] == [0x23] * 4
    assert len({question[40:] for question in server.questions}) == 4


def test_times_beyond_2036_belong_to_the_next_era(server, monkeypatch):
    real = time.time_ns
    later = 20 * 365 * 86400 * 10**9
    monkeypatch.setattr(clock, "wall_ns", lambda: real() + later)
    server.ahead = later
    assert abs(sntp.ask(server.name).offset_ns) < 50_000_000


def test_answers_to_other_questions_are_passed_over(server):
    server.change = lambda packet: [packet[:24] + b"\0" * 8 + packet[32:], b"short", packet]
    assert sntp.ask(server.name).samples == 4


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"stratum": 0, "reference": b"RATE"}, r"refuses \(RATE\)"),
        ({"stratum": 16}, "not synchronised"),
        ({"flags": 0xE4}, "not synchronised"),
        ({"flags": 0x23}, "no answer to this question"),
        ({"change": lambda packet: [packet[:32] + b"\0" * 16]}, "not synchronised"),
        ({"change": lambda packet: [packet[:40] + b"\0" * 7 + b"\1"]}, "impossible times"),
        ({"change": lambda packet: [packet[:47]]}, "short packet"),
        ({"change": lambda packet: []}, "no usable answer"),
    ],
)
def test_answers_that_do_not_count(server, members, words):
    for name, value in members.items():
        setattr(server, name, value)
    with pytest.raises(UsageError, match=words):
        sntp.ask(server.name, seconds=0.3)


@pytest.mark.parametrize("name", ["", ":123", "host:0", "host:x", "host:70000", "[::1]:", "no-such-host.invalid"])
def test_names_of_servers(name):
    with pytest.raises(UsageError):
        sntp.ask(name, seconds=0.1)


def test_ports_and_addresses():
    assert sntp._split("ntp.nict.jp") == ("ntp.nict.jp", 123)
    assert sntp._split("host:1123") == ("host", 1123)
    assert sntp._split("::1") == ("::1", 123)
    assert sntp._split("[::1]:1123") == ("::1", 1123)
    assert sntp._split("[::1]") == ("::1", 123)


def test_the_reading_is_recorded_as_read_by_the_machine(tmp_path, server):
    server.ahead = -5 * 10**9
    init_case(tmp_path / "case", actor="yamada").close()
    code, out, err = custody("record", "examiner_clock", "--ntp", server.name, "--case", tmp_path / "case", "--json")
    assert code == 0, err
    body = json.loads(out)["body"]
    assert abs(int(body["offset_ns"]) - 5 * 10**9) < 50_000_000
    assert "+5.0" in err or "+4.9" in err
    (entry,) = [one for one in read_entries(tmp_path / "case") if one.type == "record.examiner_clock"]
    assert (entry.src, entry.body["stratum"]) == ("auto", "2")
    assert verify_case(tmp_path / "case").verdict == "ok"
    next_ = custody("next", "--all", "--case", tmp_path / "case")[1]
    assert "[P5]" in next_
    assert custody("record", "power", "--ntp", server.name, "--case", tmp_path / "case")[0] == 2
    assert custody("record", "examiner_clock", "--ntp", "x:y", "--case", tmp_path / "case")[0] == 2
