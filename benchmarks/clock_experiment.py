"""Clocks that are really wrong: real programs whose wall clock is shifted, read and corrected by the product.

    python benchmarks/clock_experiment.py

Needs chromium and a C compiler: a small library, loaded before libc, moves what programs read of the wall clock (with
libfaketime, which also moves waiting times, chromium hangs). A web server and a mail server keep true time. A browser,
a mail client and a logger run with a clock that is 37 minutes fast, is then set back by 3 hours with no record of it,
and is read once at the end. The browser's cache, the mails and the log go through `timeline build` and
`timeline clock solve`; what was really true is known from the servers and from this process.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[1]
FAST_S, BACK_S = 37 * 60, 3 * 3600
ROUNDS, PAUSE_S = 10, 4
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long offset(void) {
  static long value; static int known;
  if (!known) { const char *text = getenv("CLOCK_OFFSET_S"); value = text ? atol(text) : 0; known = 1; }
  return value;
}
int clock_gettime(clockid_t clock, struct timespec *at) {
  static int (*next)(clockid_t, struct timespec *);
  if (!next) next = dlsym(RTLD_NEXT, "clock_gettime");
  int result = next(clock, at);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += offset();
  return result;
}
int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
  if (at) { at->tv_sec = now.tv_sec; at->tv_usec = now.tv_nsec / 1000; }
  return 0;
}
time_t time(time_t *at) {
  struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
"""
LOGGER = (
    "import sys,time;open(sys.argv[1],'a').write(time.strftime('%b %e %H:%M:%S')+"
    "' PC01 app[7]: line '+sys.argv[2]+chr(10))"
)
MAILER = (
    "import smtplib,sys;from email.utils import formatdate;s=smtplib.SMTP('127.0.0.1',int(sys.argv[1]),"
    "local_hostname='PC01');s.sendmail('a@example.jp',['b@example.jp'],'From: a@example.jp\\r\\nDate: '+"
    "formatdate(localtime=False)+'\\r\\nSubject: m'+sys.argv[2]+'\\r\\n\\r\\nbody\\r\\n');s.quit()"
)
SHOW = "import time;print(repr(time.time()))"


class Pages(http.server.BaseHTTPRequestHandler):
    """Pages that a browser may keep; when each was asked for is the truth."""

    asked: ClassVar[dict[str, float]] = {}

    def do_GET(self) -> None:
        """One page."""
        self.asked.setdefault(self.path, time.time())
        body = b"<!doctype html><title>page</title><p>page"
        self.send_response(200)  # writes the Date header
        self.send_header("Content-Type", "text/html")
        self.send_header("Cache-Control", "max-age=864000")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


class Mails(socketserver.StreamRequestHandler):
    """As much of a mail server as one client needs; it stamps Received with true time."""

    folder = Path()
    got: ClassVar[list[float]] = []

    def handle(self) -> None:
        """One session."""
        self.wfile.write(b"220 mail.example.jp\r\n")
        greeted = "?"
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word in (b"EHLO", b"HELO"):
                greeted = line[5:].decode().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (one := self.rfile.readline()) != b".\r\n":
                    lines.append(one)
                self.got.append(time.time())
                head = f"Received: from {greeted} by mail.example.jp with ESMTP; {formatdate(localtime=False)}\r\n"
                (self.folder / f"mail{len(self.got)}.eml").write_bytes(head.encode() + b"".join(lines))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


def wrong(arguments: list[str], offset_s: int, library: str) -> subprocess.CompletedProcess[str]:
    """Run a program whose clock is off by `offset_s`."""
    environment = os.environ | {"LD_PRELOAD": library, "CLOCK_OFFSET_S": str(offset_s), "TZ": "UTC"}
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=False)


def main() -> None:
    """Run it and print a table."""
    if shutil.which("cc") is None or shutil.which("chromium") is None:
        sys.exit("needs chromium and a C compiler")
    work = Path(tempfile.mkdtemp())
    library = str(work / "shift.so")
    (work / "shift.c").write_text(SHIM, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, str(work / "shift.c"), "-ldl"], check=True)
    evidence = work / "evidence"
    evidence.mkdir()
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    Mails.folder = evidence
    mails = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mails)
    for server in (pages, mails):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    written: list[float] = []
    sent: list[float] = []
    for number in range(ROUNDS):
        offset_s = FAST_S - (BACK_S if number >= ROUNDS // 2 else 0)
        wrong(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={work / 'profile'}",
             "--disable-background-networking", "--dump-dom", f"http://127.0.0.1:{pages.server_port}/page{number}"],
            offset_s, library,
        )  # fmt: skip
        written.append(time.time())
        wrong([sys.executable, "-c", LOGGER, str(evidence / "messages"), str(number)], offset_s, library)
        sent.append(time.time())
        wrong([sys.executable, "-c", MAILER, str(mails.server_address[1]), str(number)], offset_s, library)
        time.sleep(PAUSE_S)
    before = time.time()
    shown = float(wrong([sys.executable, "-c", SHOW], FAST_S - BACK_S, library).stdout)
    cache = next((work / "profile").rglob("Cache_Data"), None)
    if cache is not None:
        shutil.copytree(cache, evidence / "Cache_Data")
    print(f"cache kept: {cache is not None}, pages asked for: {len(Pages.asked)}, mails: {len(Mails.got)}")
    judge(work, evidence, shown, before, written, sent)
    if not os.environ.get("KEEP_WORK"):
        shutil.rmtree(work, ignore_errors=True)


def judge(work: Path, evidence: Path, shown: float, reference: float, written: list[float], sent: list[float]) -> None:
    """Through the product, and against the truth."""
    environment = os.environ | {"HOZEN_CONFIG_HOME": str(work / "configuration"), "PYTHONPATH": str(ROOT)}
    case = work / "experiment.case"

    def run(module: str, *arguments: str) -> str:
        command = [sys.executable, "-m", f"{module}.cli", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode not in (0, 3):
            sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout

    def utc(moment: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + "+00:00"

    run("chain_of_custody", "init", str(case))
    run("timeline", "build", str(evidence), "--case", str(case), "--host", "PC01", "--tz", "UTC")
    run("timeline", "clock", "read", "--clock", "host:PC01", "--shown", utc(shown), "--reference", utc(reference),
        "--source", "this machine", "--case", str(case))  # fmt: skip
    print(run("timeline", "clock", "solve", "--case", str(case)))
    sql = (
        "SELECT kind, path, record, data, time_ns, precision_ns, earliest_ns, latest_ns FROM events_corrected "
        "WHERE kind IN ('web.cache_reply', 'mail.date') OR parser = 'syslog' ORDER BY kind, sequence, time_ns"
    )
    answer = json.loads(run("timeline", "query", sql, "--case", str(case), "--json"))
    columns = answer["columns"]
    groups: dict[str, list[tuple[float, float, float, float]]] = {}
    counts: dict[str, int] = {}
    for values in answer["rows"]:
        row = values if isinstance(values, dict) else dict(zip(columns, values, strict=True))
        kind = str(row["kind"])
        position = counts.get(kind, 0)
        if kind == "web.cache_reply":
            true = Pages.asked.get("/" + str(row["path"]).rpartition("/")[2])
        elif kind == "mail.date":
            true = sent[int(str(row["path"]).removeprefix("m"))]
        else:
            true = written[position] if position < len(written) else None
        counts[kind] = position + 1
        if true is None:
            continue
        low = row["earliest_ns"] / 1e9 if row["earliest_ns"] is not None else float("nan")
        high = row["latest_ns"] / 1e9 if row["latest_ns"] is not None else float("nan")
        groups.setdefault(kind, []).append((row["time_ns"] / 1e9, true, low, high))
    print("| records | number | raw clock off by (s) | covered | median width (s) | unknown |")
    print("|---|---|---|---|---|---|")
    # A program takes a moment to start: what it wrote is up to 2 s later than the moment it was started.
    for kind, rows in sorted(groups.items()):
        known = [row for row in rows if row[2] == row[2]]
        covered = sum(low - 2 <= true <= high + 0.01 for _raw, true, low, high in known)
        widths = sorted(high - low for _raw, _true, low, high in known)
        raw = sorted(row[0] - row[1] for row in rows)
        width = f"{widths[len(widths) // 2]:.2f}" if widths else "-"
        print(
            f"| {kind} | {len(rows)} | {raw[0]:.0f} … {raw[-1]:.0f} | {covered} of {len(known)} | {width} | "
            f"{len(rows) - len(known)} |"
        )


if __name__ == "__main__":
    main()
