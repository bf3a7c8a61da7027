"""Time stamps, against an authority that this test runs itself with `openssl ts` over HTTP."""

import contextlib
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chain_of_custody import checkpoints, clock, entries, init_case, open_case, operator_key, timestamps
from chain_of_custody.people import Person
from chain_of_custody.verify import verify_case
from tests.chain_of_custody.test_cli import custody
from tests.chain_of_custody.test_people import public, write_key
from tests.conftest import needs

pytestmark = needs("openssl")

CONFIG = """
[tsa]
default_tsa = t
[t]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
[ts]
basicConstraints = CA:false
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = critical,timeStamping
[req]
distinguished_name = dn
[dn]
"""


def run(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "serial").write_text("01")
        self.config = folder / "config"
        self.config.write_text(CONFIG.format(folder=folder))
        self.root = folder / "root.pem"
        run(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            folder / "root.key",
            "-out",
            self.root,
            "-subj",
            f"/CN=Root {folder.name}",
            "-days",
            "2",
            "-config",
            self.config,
            "-extensions",
            "ca",
        )
        run(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            folder / "tsa.key",
            "-out",
            folder / "tsa.csr",
            "-subj",
            f"/CN=TSA {folder.name}",
            "-config",
            self.config,
        )
        run(
            "x509",
            "-req",
            "-in",
            folder / "tsa.csr",
            "-CA",
            self.root,
            "-CAkey",
            folder / "root.key",
            "-CAcreateserial",
            "-out",
            folder / "tsa.pem",
            "-days",
            "2",
            "-extfile",
            self.config,
            "-extensions",
            "ts",
        )

    def reply(self, query):
        (self.folder / "q").write_bytes(query)
        run("ts", "-reply", "-config", self.config, "-queryfile", self.folder / "q", "-out", self.folder / "r")
        return (self.folder / "r").read_bytes()


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tsa")
    return Authority(folder / "one"), Authority(folder / "two")


@pytest.fixture
def authority(authorities):
    return authorities[0]


@contextlib.contextmanager
def serving(authority):
    """The address at which this authority answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            data = authority.reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def url(authority):
    with serving(authority) as address:
        yield address


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    with init_case(path, actor="yamada") as case:
        checkpoints.make(case)
    return path


def codes(path, **arguments):
    return {(finding.severity, finding.code) for finding in verify_case(path, **arguments).findings}


def test_online(case_dir, authority, url):
    code, out, err = custody(
        "stamp",
        "--tsa",
        url,
        "--tsa-root",
        authority.root,
        "--case",
        case_dir,
        "--json",
        "--accredited",
        "認定なし(試験用)",
    )
    assert code == 0, err
    body = json.loads(out)["body"]
    assert (body["verified"], body["policy"], body["authority"]) == ("yes", "1.2.3.4", "CN=TSA one")
    assert body["accredited_typed"] == "認定なし(試験用)"
    result = verify_case(case_dir, tsa_roots=[authority.root])
    assert (result.verdict, result.findings) == ("ok", [])
    assert result.checkpoints[0].stamped == body["gen_time"]
    assert abs(entries.time_ns_of(body["gen_time"]) - clock.now().time_ns) < 60 * 10**9


def test_openssl_verifies_the_kept_token(case_dir, authority, url):
    assert custody("stamp", "--tsa", url, "--case", case_dir)[0] == 0
    (token,) = (case_dir / "checkpoints").glob("*.tsr")
    (text,) = (case_dir / "checkpoints").glob("*.txt")
    run("ts", "-verify", "-data", text, "-in", token, "-CAfile", authority.root)


def test_roots_of_the_settings_and_none(case_dir, authority, url):
    code, out, _err = custody("stamp", "--tsa", url, "--case", case_dir)
    assert code == 0
    assert "not verified" in out
    assert codes(case_dir) == {("unknown", "no_tsa_root")}
    folder = operator_key.config_folder() / "tsa-roots"
    folder.mkdir(parents=True)
    (folder / "one.pem").write_bytes(authority.root.read_bytes())
    assert codes(case_dir) == set()
    assert custody("verify", case_dir, "--tsa-root", authority.root)[0] == 0


def test_carried_by_hand(case_dir, authority, tmp_path):
    query, response = tmp_path / "q.tsq", tmp_path / "r.tsr"
    code, _out, err = custody("stamp", "--query", query, "--case", case_dir)
    assert code == 0
    assert "curl" in err
    response.write_bytes(authority.reply(query.read_bytes()))
    assert custody("stamp", "--response", response, "--tsa-root", authority.root, "--case", case_dir)[0] == 0
    assert codes(case_dir, tsa_roots=[authority.root]) == set()
    assert custody("stamp", "--response", tmp_path / "none", "--case", case_dir)[0] == 2
    assert custody("stamp", "--query", query, "--case", case_dir)[0] == 5


def test_an_authority_outside_the_roots_is_ng(case_dir, authorities, url):
    one, two = authorities
    assert custody("stamp", "--tsa", url, "--tsa-root", two.root, "--case", case_dir)[0] == 1
    assert custody("stamp", "--tsa", url, "--tsa-root", one.root, "--case", case_dir)[0] == 0
    assert ("ng", "stamp") in codes(case_dir, tsa_roots=[two.root])


def test_a_token_for_other_data_or_no_token_is_refused(case_dir, authority, tmp_path):
    response = tmp_path / "r.tsr"
    response.write_bytes(authority.reply(timestamps.query(b"other data")))
    for roots in ([], ["--tsa-root", authority.root]):
        assert custody("stamp", "--response", response, *roots, "--case", case_dir)[0] == 1
    response.write_bytes(b"rubbish")
    assert custody("stamp", "--response", response, "--case", case_dir)[0] == 1
    assert verify_case(case_dir).verdict == "ok"


def test_altered_forged_and_missing_tokens_are_ng(case_dir, authority, url):
    assert custody("stamp", "--tsa", url, "--case", case_dir)[0] == 0
    (token,) = (case_dir / "checkpoints").glob("*.tsr")
    good = token.read_bytes()
    for position in range(0, len(good), 37):
        token.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        assert ("ng", "stamp") in codes(case_dir, tsa_roots=[authority.root])
    token.unlink()
    assert ("ng", "stamp") in codes(case_dir, tsa_roots=[authority.root])


def test_every_byte_of_a_token_is_verified(case_dir, authority):
    message = b"message"
    good = authority.reply(timestamps.query(message))
    assert timestamps.verify_token(good, message, timestamps.load_roots([authority.root])).policy == "1.2.3.4"
    passed = []
    for position in range(0, len(good), 11):
        changed = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        try:
            timestamps.verify_token(changed, message, timestamps.load_roots([authority.root]))
        except timestamps.TokenError:
            continue
        passed.append(position)
    # What a signature does not cover (unsigned parts of the wrapping) is covered by the hash in the ledger.
    assert len(passed) <= len(good) // 11 // 8


def test_a_token_older_than_the_theft_keeps_a_signature(tmp_path, authority, url):
    key = write_key(tmp_path / "sato")
    path = tmp_path / "stolen"
    with init_case(path, actor="yamada") as case:
        case.add_person(Person("sato", entries.OPERATOR, public(key)))
    with open_case(path, key=key) as case:
        checkpoints.make(case)
    assert custody("stamp", "--tsa", url, "--tsa-root", authority.root, "--case", path)[0] == 0
    stamped = verify_case(path, tsa_roots=[authority.root]).checkpoints[0].stamped
    with open_case(path) as case:
        # Not trusted since just after the token was made (tokens have whole seconds).
        since = entries.moment_of(stamped).isoformat(timespec="microseconds")
        case.revoke_key("sato", since, "stolen")
    signatures = [
        finding
        for finding in verify_case(path, tsa_roots=[authority.root]).findings
        if finding.seq and finding.code == "doubtful"
    ]
    assert all(finding.seq < 6 for finding in signatures)


def test_the_stamp_policy(tmp_path, authority, url):
    path = tmp_path / "strict"
    with init_case(path, actor="yamada", policy={"stamp": "required"}) as case:
        checkpoints.make(case)
    assert codes(path) == {("unknown", "waiting")}
    assert custody("stamp", "--tsa", url, "--tsa-root", authority.root, "--case", path)[0] == 0
    assert codes(path, tsa_roots=[authority.root]) == set()


def test_no_answer_and_wrong_addresses(case_dir, tmp_path):
    assert custody("stamp", "--tsa", "http://127.0.0.1:9/", "--case", case_dir)[0] == 2
    assert custody("stamp", "--tsa", "file:///etc/passwd", "--case", case_dir)[0] == 2
    assert custody("stamp", "--case", case_dir)[0] == 2
    (operator_key.config_folder() / "tsa.json").write_text("[]")
    assert custody("stamp", "--case", case_dir)[0] == 2
    (operator_key.config_folder() / "tsa.json").write_text('{"url": "http://127.0.0.1:9/"}')
    code, _out, err = custody("stamp", "--case", case_dir)
    assert code == 2
    assert "--query" in err
    init_case(tmp_path / "bare").close()
    assert custody("stamp", "--case", tmp_path / "bare")[0] == 2


@pytest.mark.parametrize(("seconds", "code"), [(-7200, "back_dated"), (7200, "post_dated"), (-50, None), (50, None)])
def test_false_dates_around_a_token_are_ng(tmp_path, authority, monkeypatch, seconds, code):
    """The operator's own key, own clock: only the third party's time tells."""
    real = clock.time.time_ns
    path = tmp_path / "case"
    set_back = {"ns": seconds * 10**9 if code == "post_dated" else 0}
    monkeypatch.setattr(clock.time, "time_ns", lambda: real() + set_back["ns"])
    with init_case(path, actor="yamada") as case:
        made, _entry = checkpoints.make(case)
        response = authority.reply(timestamps.query(made.to_bytes()))
        timestamps.attach(case, path / "checkpoints" / f"{made.stem}.txt", response, [authority.root], {})
    set_back["ns"] = seconds * 10**9
    with open_case(path) as case:
        case.append("note", {"text": "x"})
    found = codes(path, tsa_roots=[authority.root])
    assert found == ({("ng", code)} if code else set())


def test_a_wrong_clock_that_was_compared_is_no_false_date(tmp_path, authority, monkeypatch):
    real = clock.time.time_ns
    path = tmp_path / "case"
    monkeypatch.setattr(clock.time, "time_ns", lambda: real() - 7200 * 10**9)
    with init_case(path, actor="yamada") as case:
        case.append("record.examiner_clock", {"offset_ns": str(-7200 * 10**9)})
        made, _entry = checkpoints.make(case)
        response = authority.reply(timestamps.query(made.to_bytes()))
        timestamps.attach(case, path / "checkpoints" / f"{made.stem}.txt", response, [authority.root], {})
    assert codes(path, tsa_roots=[authority.root]) == set()
