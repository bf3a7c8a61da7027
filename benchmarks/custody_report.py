"""Speed of the reports: HTML verified in a browser, PDF set, signed and checked.

python benchmarks/custody_report.py [--entries 5000] [--rows 400] [--runs 3]

The browser is headless Chromium, asked over its debugging port; times are its own, from the start of the navigation to
the verdict and to the finished page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from unittest import mock

from chain_of_custody import FileHash, init_case, ledger, open_case, report, report_check, report_pdf, report_signature
from chain_of_custody.reading import read_entries


def grow(path: Path, entries: int) -> None:
    """A case of `entries` entries: records and files with hashes, made without waiting for the disk."""
    with mock.patch.object(ledger, "_sync"), init_case(path, name="2026-017 ノートPC 紛失") as case:
        for number in range(entries - 2):
            case.append(
                "note",
                {"text": f"作業メモ {number}: 証拠保管庫の温度と湿度を確認した"},
                item=f"PC-{number % 3}",
                outputs=[FileHash(f"{number:064x}", 1024)],
                src="typed",
            )


def _processor_seconds(browser: int) -> float:
    """Processor time of all processes below this one (Linux; 0 elsewhere)."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
        spent[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    family = {browser}
    while more := {process for process, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(spent[process] for process in family - {browser} if process in spent)


async def _in_browser(page: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds to the verdict and to the finished page; processor seconds of the browser's processes for it."""
    import aiohttp  # noqa: PLC0415 - a dependency of pyHanko

    browser = subprocess.Popen(  # noqa: ASYNC220 - one process, started before anything is awaited
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
         "--remote-debugging-port=0", "about:blank"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port_file = folder / "DevToolsActivePort"
        while not port_file.exists() or "\n" not in port_file.read_text():
            time.sleep(0.05)  # noqa: ASYNC251 - nothing else runs yet
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                before = _processor_seconds(browser.pid)
                await socket.send_json({"id": 1, "method": "Page.navigate", "params": {"url": page.as_uri()}})
                for number in range(2, 2000):
                    expression = "JSON.stringify(document.documentElement.dataset)"
                    await socket.send_json(
                        {"id": number, "method": "Runtime.evaluate", "params": {"expression": expression}}
                    )
                    while (message := await socket.receive_json()).get("id") != number:
                        pass
                    shown = json.loads(message["result"]["result"].get("value") or "{}")
                    if shown.get("ready"):
                        assert shown["ready"] == "yes", shown
                        spent = _processor_seconds(browser.pid) - before
                        return float(shown["verified"]) / 1000, float(shown["milliseconds"]) / 1000, spent
                    await asyncio.sleep(0.05)
    finally:
        browser.terminate()
        browser.wait()
    raise TimeoutError(page)


def html(folder: Path, entries: int, runs: int) -> None:
    """Times of the HTML report."""
    case = folder / "long"
    grow(case, entries)
    page = folder / "report.html"
    start = time.perf_counter()
    with open_case(case) as opened:
        report.write_html(opened, page, "ja")
    size = page.stat().st_size / 1e6
    print(f"HTML written          {time.perf_counter() - start:6.2f} s   {entries} entries, {size:.1f} MB")
    if shutil.which("chromium") is None:
        print("browser               not measured: no chromium")
        return
    times = [asyncio.run(_in_browser(page, folder / f"profile{run}")) for run in range(runs)]
    print(f"  verified in browser {statistics.median(one for one, _, _ in times):6.2f} s   (median of {runs})")
    print(f"  page finished       {statistics.median(two for _, two, _ in times):6.2f} s")
    print(f"  processor time      {statistics.median(spent for _, _, spent in times):6.2f} s   (all its processes)")


def pdf(folder: Path, rows: int, runs: int) -> None:
    """Times of the PDF report."""
    case = folder / "short"
    grow(case, rows)
    assert sum(1 for _ in read_entries(case)) >= rows - 1
    written, checked, spent = [], [], []
    for run in range(runs):
        target = folder / f"{run}.pdf"
        start, processor = time.perf_counter(), time.process_time()
        with open_case(case) as opened:
            report_pdf.write(opened, target, "ja", signers=[report_signature.for_operator(opened)])
        written.append(time.perf_counter() - start)
        spent.append(time.process_time() - processor)
        start = time.perf_counter()
        result = report_check.check(target, case)
        checked.append(time.perf_counter() - start)
        assert result.verdict == "ok", result.findings
    size = target.stat().st_size / 1e6
    print(f"PDF/A-3, signed       {statistics.median(written):6.2f} s   {rows} rows, {size:.1f} MB (median of {runs})")
    print(f"  processor time      {statistics.median(spent):6.2f} s")
    print(f"  first, with imports {written[0]:6.2f} s")
    print(f"  checked             {statistics.median(checked):6.2f} s   signature, ledger, pages printed again")


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--entries", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    os.environ["HOZEN_CONFIG_HOME"] = str(folder / "config")
    try:
        pdf(folder, arguments.rows, arguments.runs)
        html(folder, arguments.entries, arguments.runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
