"""Anchors that the machine finds in a timeline of several machines: each with its records, each bounding the clock.

The computer is 660 s fast. A proxy and a mail server are right; an authority signs a revocation list.
"""

import json
import subprocess
from datetime import timedelta
from email.utils import format_datetime

import pytest

from tests.conftest import needs
from tests.timeline.builds import asked, built, own_configuration, run
from tests.timeline.clocks.small_case import JST, PC_FAST_S, iso, true
from tests.timeline.parsers.test_certificate_cache import NAME, metadata
from timeline.clocks.statements import Statements
from timeline.clocks.store_case import case_of_store
from timeline.clocks.ties import ties
from timeline.store import open_store


def pages(count):
    """(address, true moment) of pages."""
    return [(f"http://intranet.example.jp/report/{n}?session=8f3a{n}", true(60 * n)) for n in range(count)]


TWICE = ("http://intranet.example.jp/menu?of=everybody", true(30))


def computer(folder):
    """What lies on the computer: requests without a server's Date, a mail sent, a fetched revocation list."""
    cache = folder / "Users" / "a" / "AppData" / "LocalLow" / "Microsoft" / "CryptnetUrlCache"
    (cache / "MetaData").mkdir(parents=True)
    (cache / "Content").mkdir()
    requests = [
        {"url": url, "request_time": iso(at, PC_FAST_S), "response_time": iso(at, PC_FAST_S + 0.3), "status": 200,
         "headers": {}}
        for url, at in [*pages(10), TWICE]
    ]  # fmt: skip
    (folder / "requests.jsonl").write_text("".join(json.dumps(one) + "\n" for one in requests))
    sent = true(333) + timedelta(seconds=PC_FAST_S)
    (folder / "sent.eml").write_text(
        f"From: a@example.jp\r\nDate: {format_datetime(sent.astimezone(JST))}\r\nMessage-ID: <m1@pc01>\r\n"
        "To: b@example.jp\r\nSubject: x\r\n\r\nbody\r\n"
    )
    fetched = int((true(500) + timedelta(seconds=PC_FAST_S)).timestamp())
    (cache / "MetaData" / NAME).write_bytes(metadata("http://crl.example.jp/ca.crl", fetched, 300))
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
               "k", "-out", "c", "-subj", "/CN=Example CA"]  # fmt: skip
    work = folder.parent / "ca"
    work.mkdir()
    subprocess.run(openssl, cwd=work, check=True, capture_output=True, timeout=60)
    (work / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=i\ncrlnumber=n\ndefault_md=sha256\ndefault_crl_days=30\ncertificate=c\n"
        "private_key=k\n"
    )
    (work / "i").touch()
    (work / "n").write_text("01\n")
    made = true(499).strftime("%Y%m%d%H%M%SZ")
    subprocess.run(["openssl", "ca", "-config", "ca.cnf", "-gencrl", "-out", "l", "-crl_lastupdate", made,
                    "-crl_nextupdate", "20260410010203Z"], cwd=work, check=True, capture_output=True, timeout=60)  # fmt: skip
    (cache / "Content" / NAME).write_bytes((work / "l").read_bytes())
    return folder


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A case with three timelines: the computer, the proxy, the mail server."""
    folder = tmp_path_factory.mktemp("ties")
    with own_configuration(folder):
        built(folder / "c.case", computer(folder / "PC"), host="PC01", zone="Asia/Tokyo")
        proxy = folder / "proxy"
        proxy.mkdir()
        (proxy / "access.log").write_text(
            "".join(f"{at.timestamp() + 0.2:.3f}     87 10.0.0.5 TCP_MISS/200 512 GET {url} - DIRECT/10.0.0.9 text/html\n"
                    for url, at in [*pages(10), TWICE, (TWICE[0], true(45))])
        )  # fmt: skip
        built(folder / "c.case", proxy, host="PROXY")
        mail = folder / "mx"
        mail.mkdir()
        handled = (true(333) + timedelta(seconds=4)).astimezone(JST)
        (mail / "maillog").write_text(
            f"{handled:%Y-%m-%dT%H:%M:%S+09:00} mx postfix/cleanup[9]: 4A1: message-id=<m1@pc01>\n"
            f"{handled:%Y-%m-%dT%H:%M:%S+09:00} mx postfix/qmgr[9]: 4A1: removed\n"
        )
        built(folder / "c.case", mail, host="MX")
        yield folder / "c.case"


@needs("openssl")
def test_what_is_found_and_from_which_records(case):
    with open_store(case) as store:
        found = list(ties(store))
        names = {one[0]: (one[1], one[2]) for one in store.rows("SELECT id, kind, clock FROM events")}
    by_basis = {}
    for tie in found:
        first, second = (names[f"S{source}:{row}"] for source, row in (tie.first, tie.second))
        by_basis.setdefault(tie.basis, []).append((first, second, tie.same, tie.slack_s))
    assert set(by_basis) == {"certificate", "page", "mail"}
    assert [(a[0], b[0], same) for a, b, same, _ in by_basis["certificate"]] == [
        ("web.crl", "web.certificate_fetch", False),
    ]  # fmt: skip
    assert len(by_basis["page"]) == 10
    assert all(same and slack == 60.0 for _a, _b, same, slack in by_basis["page"])
    assert [(a[1], same) for a, _b, same, _ in by_basis["mail"]] == [("host:PC01", False)]


@needs("openssl")
def test_each_tie_bounds_the_clock(case, tmp_path, monkeypatch):
    monkeypatch.setenv("HOZEN_CONFIG_HOME", str(case.parent))
    for name in ("host:PROXY", "host:MX"):
        assert run("clock", "set-zone", name, "--declared", "synchronised", "--by", "IT", "--case", case).exit_code == 0
    shown = asked("clock", "explain", "host:PC01", "--case", case)
    low, high = shown["offset_s"]
    assert low <= PC_FAST_S <= high
    assert high - low < 130
    kinds = {one["kind"] for one in shown["anchors"] if one["used"]}
    assert kinds == {"same_event", "link"}
    # θ ≤ L - thisUpdate: fetched a minute after it was signed.
    bounds = [one["high_s"] for one in shown["anchors"] if one["kind"] == "link" and "CA" in one["reference"]]
    assert bounds == [pytest.approx(PC_FAST_S + 60, abs=2)]
    # Another expert gets the same from the exported folder.
    assert run("clock", "export", tmp_path / "x", "--case", case).exit_code == 0
    outside = asked("clock", "explain", "host:PC01", "--clock-case", tmp_path / "x")["offset_s"]
    # Lines of other formats are written with whole seconds: a second wider, never narrower.
    assert low - 1.1 <= outside[0] <= low + 0.01
    assert high - 0.01 <= outside[1] <= high + 1.1


@needs("openssl")
def test_an_address_that_comes_twice_ties_nothing(case):
    with open_store(case) as store:
        made = case_of_store(store, Statements()).case
    assert sum(link.basis == "page" for link in made.links) == 10
    address = "length(path) >= 20"
    with open_store(case) as store:
        assert next(store.rows(f"SELECT count(*) FROM events WHERE {address} AND kind = 'web.request'"))[0] == 23
