"""The timeline as a local page: answers of a small server on 127.0.0.1, which reads the store and nothing else.

```python
with Viewer(store, title="2026-014", zone="Asia/Tokyo", notebook=notebook) as viewer:
    print(viewer.url)                    # http://127.0.0.1:49152/<token>/
    viewer.serve()                       # until interrupt
```
Guarantees: it listens on 127.0.0.1 alone; every address begins with a random token of 256 bits; a request whose Host
header is another, or which comes from another origin, is refused; the page loads nothing from outside
(Content-Security-Policy `default-src 'none'`); the only request that writes is a mark or note, which becomes a signed
entry of the ledger through `notebook`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np

from chain_of_custody.errors import HozenError, UsageError
from chain_of_custody.masking import mask_text
from timeline import incident_marks, questions, times
from timeline.filters import checked_zone, event_of, moment
from timeline.kinds import sentence, sentences
from timeline.store import EVENT_COLUMNS
from timeline.view_index import FACETS, ViewIndex, build_index

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from chain_of_custody.errors import Language
    from timeline.corrected_times import CorrectedTime
    from timeline.marks import Notebook
    from timeline.store import Store

MOST_BINS = 2000
MOST_ROWS = 500
MOST_FAMILIES = 10
"""Families of kinds that the chart tells apart; the others are shown together as `other`."""
MOST_VALUES = 500
"""Values of a facet that are sent to the page, the most frequent ones."""
_MOST_NOTE = 4000
_MOST_BODY = 64 << 10
_ZONES = ("Asia/Tokyo", "UTC")
_TIME_OF = "SELECT time_ns FROM event_rows WHERE source_id = ? AND row = ?"


class _RefusedError(Exception):
    """A request that gets an error status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True, slots=True)
class _Asked:
    """What part of the timeline the page asks for."""

    first_ns: int
    last_ns: int
    chosen: Mapping[str, frozenset[str]]
    words: str
    zone: str
    language: Language


@dataclass(slots=True)
class Viewer:
    """A server for one store. `notebook` None: marks and notes are off."""

    store: Store
    title: str
    zone: str = "Asia/Tokyo"
    language: Language = "ja"
    notebook: Notebook | None = None
    port: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    index: ViewIndex | None = None
    _server: ThreadingHTTPServer | None = None
    _families: Sequence[str] = ()
    _family_of: Mapping[str, int] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.index = self.index or build_index(self.store)
        self._families, self._family_of = _families(self.index)
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.server_close()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def serve(self) -> None:
        """Answer until `stop` or an interrupt."""
        assert self._server is not None
        self._server.serve_forever(poll_interval=0.2)

    def start(self) -> threading.Thread:
        """Answer in a thread of its own."""
        thread = threading.Thread(target=self.serve, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """Stop answering."""
        if self._server is not None:
            self._server.shutdown()

    # ---- answers ----

    def answer(self, name: str, given: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON
        """The answer to a question of the page, as JSON will have it. Raises UsageError."""
        questions_known = {
            "meta": self._meta, "view": self._view, "rows": self._rows, "event": self._event, "place": self._place,
        }  # fmt: skip
        asked = questions_known.get(name)
        if asked is None:
            raise _RefusedError(404, "no such question")
        return asked(given)

    def _index(self) -> ViewIndex:
        assert self.index is not None
        return self.index

    def _meta(self, given: Mapping[str, str]) -> dict[str, Any]:
        del given
        index = self._index()
        kinds = sorted(set(index.values("kind")))
        return {
            "title": mask_text(self.title),
            "events": len(index),
            "without_time": index.without_time,
            "first": str(index.all.times[0]) if len(index) else "0",
            "last": str(int(index.all.times[-1]) + 1) if len(index) else "1",
            "quantiles": _quantiles(index),
            "families": list(self._families),
            "family_names": {
                one: dict(zip(("ja", "en"), FAMILIES.get(one, (one, one)), strict=True)) for one in self._families
            },
            "kinds": {kind: {"ja": kind_label(kind, "ja"), "en": kind_label(kind, "en")} for kind in kinds},
            "zone": self.zone,
            "zones": list(dict.fromkeys((self.zone, *_ZONES))),
            "language": self.language,
            "notes": self.notebook is not None,
            "corrected": questions.has_corrections(self.store),
            "marks": self._marks(),
            "incident": [one.to_json() for one in incident_marks.of_case(self.store.home.parent)],
            "damaged": [mask_text(one) for one in self.store.damaged],
        }

    def _marks(self) -> dict[str, Any]:
        if self.notebook is None:
            return {}
        found = {}
        for name, mark in self.notebook.marks().items():
            where = event_of(name)
            row = next(self.store.rows(_TIME_OF, where), None) if where is not None else None
            time = str(row[0]) if row is not None and row[0] is not None else ""
            found[name] = {"note": mark.text, "time": time, "seq": mark.seq, "actor": mark.actor, "at": mark.at}
        return found

    def _asked(self, given: Mapping[str, str]) -> _Asked:
        index = self._index()
        zone = checked_zone(given.get("zone") or self.zone)
        first = _whole(given.get("from"), int(index.all.times[0]) if len(index) else 0)
        last = _whole(given.get("to"), int(index.all.times[-1]) + 1 if len(index) else 1)
        chosen = {}
        for facet in FACETS:
            raw = given.get(facet)
            if raw:
                values = json.loads(raw)
                if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
                    raise _RefusedError(400, "a facet is a list of texts")
                chosen[facet] = frozenset(values)
        return _Asked(
            first, max(last, first + 1), chosen, given.get("q", "").strip()[:200], zone,
            "en" if given.get("lang") == "en" else "ja",
        )  # fmt: skip

    def _view(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Counts for the chart and the facets."""
        index, asked = self._index(), self._asked(given)
        bins = min(max(_whole(given.get("bins"), 300), 1), MOST_BINS)
        series, done = index.series(asked.words)
        fits = index.selected(asked.chosen)
        edges = _edges(asked.first_ns, asked.last_ns, bins)
        families = np.array([self._family_of[kind] for kind in index.values("kind")], np.int64)
        counts = series.binned(edges, np.where(fits, families, -1), len(self._families))
        low, high = series.span(asked.first_ns, asked.last_ns)
        cells = series.counts_before(high) - series.counts_before(low)
        return {
            "from": str(asked.first_ns),
            "to": str(asked.last_ns),
            "from_text": _when(asked.first_ns, asked.zone),
            "to_text": _when(asked.last_ns, asked.zone),
            "bins": [[int(one) for one in row] for row in counts.T],
            "total": int(cells[fits].sum()),
            "facets": {facet: _facet(index, cells, facet, index.selected(asked.chosen, but=facet)) for facet in FACETS},
            "ticks": _ticks(asked.first_ns, asked.last_ns, asked.zone),
            "searched": done,
        }

    def _rows(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Events of the table from a place on."""
        index, asked = self._index(), self._asked(given)
        skip, limit = max(0, _whole(given.get("at"), 0)), min(max(1, _whole(given.get("n"), 100)), MOST_ROWS)
        series, done = index.series(asked.words)
        low, high = series.span(asked.first_ns, asked.last_ns)
        positions = series.chosen_at(index.selected(asked.chosen), low, high, skip, limit)
        places = [index.place(asked.words, one) for one in positions]
        rows = index.read(places)
        corrected = questions.corrected_times(self.store, rows, asked.zone, asked.language)
        shown = [self._row(row, asked) | self._beside(corrected.get(row["id"])) for row in rows]
        return {"at": skip, "rows": shown, "searched": done}

    def _beside(self, corrected: CorrectedTime | None) -> dict[str, str]:
        """The corrected time of a row of the table: the range, and what was added ± half its width."""
        if corrected is None or not corrected.earliest:
            return {"corrected": "", "amount": ""}
        first, last = (one.replace("T", " ") for one in (corrected.earliest, corrected.latest))
        same_day = first[:10] == last[:10]
        return {"corrected": f"{first[:23]} – {last[11 if same_day else 0 : 23]}", "amount": corrected.amount}

    def _row(self, row: Mapping[str, Any], asked: _Asked) -> dict[str, Any]:
        return {
            "id": row["id"],
            "ns": str(row["time_ns"]) if row["time_ns"] is not None else "",
            "time": _moment(row, asked.zone),
            "known": row["zone"] is not None,
            "kind": row["kind"],
            "family": self._families[self._family_of[row["kind"]]] if row["kind"] in self._family_of else "other",
            "text": sentence(row["kind"], row, row["data"], asked.language),
            "source": row["source"],
            "host": row["host"],
            "actor": row["actor"],
            "state": row["state"],
        }

    def _event(self, given: Mapping[str, str]) -> dict[str, Any]:
        """One event with everything that is known of it."""
        asked = self._asked(given)
        row = questions.event(self.store, given.get("id", ""))
        try:
            data = json.loads(row["data"])
        except ValueError:
            data = {"text": row["data"]}
        shown = self._row(row, asked)
        utc = _moment(row, "UTC")
        shown |= {name: row[name] for name in EVENT_COLUMNS if name not in ("data", "id", "time_ns")}
        shown |= {"data": data, "utc": utc, "corrected": self._corrected(row, asked.zone)}
        return shown

    def _corrected(self, row: Mapping[str, Any], zone: str) -> dict[str, str] | None:
        found = questions.correction_of(self.store, row)
        if found["corrected_status"] == "unknown":
            return None
        return {
            "earliest": times.shown(found["earliest_ns"], zone),
            "latest": times.shown(found["latest_ns"], zone),
            "status": str(found["corrected_status"]),
            "ground": str(found["corrected_ground"] or ""),
        }

    def _place(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Where in the table a moment stands, given in ns or as a person types it."""
        index, asked = self._index(), self._asked(given)
        series, _ = index.series(asked.words)
        at = moment(given["time"], asked.zone) if "time" in given else _whole(given.get("ns"), asked.first_ns)
        fits = index.selected(asked.chosen)
        low, _ = series.span(asked.first_ns, asked.last_ns)
        place, _ = series.span(at, None)
        before = series.counts_before(max(low, place)) - series.counts_before(low)
        return {"at": int(before[fits].sum()), "ns": str(at)}

    def note(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A mark or note on an event, as an entry of the ledger. Raises UsageError, LedgerError."""
        if self.notebook is None:
            raise _RefusedError(403, "notes are off")
        name, text = given.get("id"), given.get("text", "")
        if not isinstance(name, str) or not isinstance(text, str) or len(text) > _MOST_NOTE:
            raise _RefusedError(400, "id and text")
        row = questions.event(self.store, name)
        said = sentence(row["kind"], row, row["data"], "ja")
        self.notebook.write(name, text, marked=given.get("marked") is not False, time_text=row["time_text"], said=said)
        return {"marks": self._marks()}


def _families(index: ViewIndex) -> tuple[list[str], dict[str, int]]:
    """Families of kinds (what stands before the point), the most frequent first, and that of each kind."""
    counts: dict[str, int] = {}
    totals = index.all.counts_before(len(index))
    for kind, count in zip(index.values("kind"), totals, strict=True):
        family = str(kind).partition(".")[0]
        counts[family] = counts.get(family, 0) + int(count)
    ordered = sorted(counts, key=lambda one: (-counts[one], one))
    kept = ordered[:MOST_FAMILIES] if len(ordered) <= MOST_FAMILIES else [*ordered[: MOST_FAMILIES - 1], "other"]
    places = {family: at for at, family in enumerate(kept)}
    return kept, {str(kind): places.get(str(kind).partition(".")[0], len(kept) - 1) for kind in index.values("kind")}


def _quantiles(index: ViewIndex) -> list[str]:
    """Times before which 0.5 % and 99.5 % of the events lie: a first view that stray clocks do not stretch."""
    if not len(index):
        return ["0", "1"]
    last = len(index) - 1
    return [str(int(index.all.times[last * part // 1000])) for part in (5, 995)]


def kind_label(kind: str, language: Language) -> str:
    """What a kind is called where it has no event at hand: the words of its sentence before what varies."""
    template = sentences().get(kind, ("", ""))[language != "ja"]
    words = template.partition("{")[0]
    for prefix in ("端末操作ログ: ", "endpoint log: "):
        words = words.removeprefix(prefix) if len(words) > len(prefix) else words
    return words.strip(' :、,(「[“"') or kind


FAMILIES: Mapping[str, tuple[str, str]] = {
    "account": ("アカウント", "accounts"),
    "activity": ("操作履歴", "activities"),
    "alert": ("警報", "alerts"),
    "amcache": ("Amcache", "Amcache"),
    "antivirus": ("ウイルス対策", "antivirus"),
    "auth": ("認証", "authentication"),
    "browser": ("ブラウザー", "browsers"),
    "camera": ("カメラ", "cameras"),
    "clock": ("時計", "clock"),
    "cloud": ("クラウド", "cloud"),
    "device": ("機器", "devices"),
    "dhcp": ("DHCP", "DHCP"),
    "evt": ("イベントログ(旧)", "event logs (old)"),
    "evtx": ("イベントログ", "event logs"),
    "execution": ("プログラムの実行", "program execution"),
    "file": ("ファイル", "files"),
    "firewall": ("ファイアウォール", "firewall"),
    "fsevents": ("macOS のファイル変化", "macOS file events"),
    "hayabusa": ("Hayabusa", "Hayabusa"),
    "jumplist": ("ジャンプリスト", "jump lists"),
    "lnk": ("ショートカット", "shortcuts"),
    "log": ("ログ", "logs"),
    "login": ("ログイン", "logins"),
    "maclog": ("macOS のログ", "macOS log"),
    "mail": ("メール", "mail"),
    "network": ("ネットワーク", "network"),
    "notification": ("通知", "notifications"),
    "office": ("Office", "Office"),
    "op": ("端末操作ログ", "endpoint log"),
    "other": ("その他", "other"),
    "package": ("パッケージ", "packages"),
    "plaso": ("plaso", "plaso"),
    "power": ("電源", "power"),
    "prefetch": ("プリフェッチ", "prefetch"),
    "process": ("プロセス", "processes"),
    "registry": ("レジストリー", "registry"),
    "setupapi": ("機器の導入", "device set-up"),
    "shell": ("シェル", "shell"),
    "shellbag": ("フォルダーの閲覧", "folders browsed"),
    "shellitem": ("シェル項目", "shell items"),
    "srum": ("SRUM", "SRUM"),
    "sysmon": ("Sysmon", "Sysmon"),
    "system": ("システム", "system"),
    "task": ("定期実行", "tasks"),
    "timesketch": ("Timesketch", "Timesketch"),
    "usb": ("USB", "USB"),
    "usn": ("変更ジャーナル", "change journal"),
    "web": ("ウェブ", "web"),
}
"""Names of families of kinds; others are shown by their id."""


def _facet(index: ViewIndex, cells: Any, facet: str, fits: Any) -> list[list[Any]]:  # noqa: ANN401 - arrays
    counts: dict[str, int] = {}
    values = index.values(facet)
    for at in np.flatnonzero(fits):
        counts[values[at]] = counts.get(values[at], 0) + int(cells[at])
    return [[value, count] for value, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))][:MOST_VALUES]


def _edges(first: int, last: int, bins: int) -> Any:  # noqa: ANN401 - an array
    """`bins` + 1 moments from `first` to `last`, without a sum that leaves 64 bits."""
    return np.array([first + (last - first) * at // bins for at in range(bins + 1)], np.int64)


def _when(ns: int, zone: str) -> str:
    text = times.shown(ns, zone, digits=0)
    return f"{text[:10]} {text[11:19]}"


def _moment(row: Mapping[str, Any], zone: str) -> str:
    """`2026-11-24 09:00:00.123 +09:00`, with as many decimals as the record has; -00:00 where no zone is known."""
    if row["time_ns"] is None:
        return ""
    digits = max(0, 9 - (len(str(row["precision_ns"] or 1)) - 1))
    text = times.shown(row["time_ns"], zone, known=row["zone"] is not None, digits=min(9, digits))
    return f"{text[:10]} {text[11:-6]} {text[-6:]}"


def _whole(text: str | None, otherwise: int) -> int:
    if text is None or text == "":
        return otherwise
    if len(text) > 20 or not text.lstrip("-").isdecimal():
        raise _RefusedError(400, "a whole number")
    return max(-(1 << 63), min((1 << 63) - 1, int(text)))


_STEPS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip


def _ticks(first: int, last: int, zone: str) -> list[list[str]]:
    """Moments for the axis of the chart with their labels: [ns, label, whether a larger unit begins]."""
    length = last - first
    if length < 8 * times.NS:
        step = 10 ** max(0, len(str(length // 6)) - 1)
        start = -(-first // step) * step
        return [[str(at), times.shown(at, zone)[11:29].rstrip("0").rstrip("."), ""] for at in range(start, last, step)][
            :12
        ]
    step_s = next((one for one in _STEPS_S if length // (one * times.NS) <= 9), 0)
    if step_s:
        step = step_s * times.NS
        offset = times.utc_offset_minutes(first, zone) * 60 * times.NS
        start = -(-(first + offset) // step) * step - offset
        found: list[list[str]] = []
        for at in range(start, last, step):
            text = times.shown(at, zone, digits=0)
            day = text[11:19] == "00:00:00"
            label = text[5:10] if day or step_s >= 86_400 else text[11:19] if step_s < 60 else text[11:16]
            found.append([str(at), label, text[:10] if day or len(found) == 0 else ""])
        return found
    return _calendar_ticks(first, last, zone)


def _calendar_ticks(first: int, last: int, zone: str) -> list[list[str]]:
    months = (last - first) // (30 * times.DAY) + 1
    step = next((one for one in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400) if months // one <= 9), 2400)
    year, month = int(times.shown(first, zone)[:4]), int(times.shown(first, zone)[5:7])
    number = -(-(year * 12 + month - 1) // step) * step
    found: list[list[str]] = []
    while len(found) < 20:
        wall = times.civil(number // 12, number % 12 + 1, 1)
        at = times.localize(wall, zone) if wall is not None else None
        if at is None or at >= last:
            break
        if at >= first:
            whole = number % 12 == 0
            found.append(
                [
                    str(at),
                    f"{number // 12}" if step >= 12 else f"{number // 12}-{number % 12 + 1:02d}",
                    "1" if whole else "",
                ]
            )
        number += step
    return found


# ---- HTTP ----


class _Server(ThreadingHTTPServer):
    """Answers each request in a thread; a reader who goes away is no error."""

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _template(name: str) -> str:
    text = resources.files("timeline").joinpath("templates", name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def page(language: Language) -> tuple[str, str]:
    """The page and its policy: its one script and one style are named by hash, and it may ask this server alone."""
    style, script = _template("viewer.css"), _template("viewer.js")
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    text = _template("viewer.html").replace("{{language}}", language)
    return text.replace("{{style}}", style).replace("{{script}}", script), policy


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    owner: ClassVar[Viewer]
    protocol_version = "HTTP/1.1"
    server_version = "hozen"
    sys_version = ""
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Requests are not logged: addresses hold the token."""

    def do_GET(self) -> None:
        """The page and its questions."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """Marks and notes."""
        self._answered(self._post)

    def _answered(self, action: Any) -> None:  # noqa: ANN401 - a bound method
        try:
            self._check()
            action()
        except _RefusedError as refused:
            self._send(refused.status, {"error": refused.words})
        except UsageError as error:
            self._send(400, {"error": error.en, "ja": error.ja, "en": error.en})
        except HozenError as error:
            self._send(409, {"error": error.en, "ja": error.ja, "en": error.en})
        except (ValueError, KeyError) as error:
            self._send(400, {"error": type(error).__name__})

    def _check(self) -> None:
        host = self.headers.get("Host", "")
        if host not in (f"127.0.0.1:{self.owner.port}", f"localhost:{self.owner.port}"):
            raise _RefusedError(403, "another host")
        origin = self.headers.get("Origin")
        if origin is not None and origin not in (
            f"http://127.0.0.1:{self.owner.port}",
            f"http://localhost:{self.owner.port}",
        ):
            raise _RefusedError(403, "another origin")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise _RefusedError(403, "another site")

    def _name(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        _, token, *rest = [*parts.path.split("/"), ""]
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.owner.token.encode()):
            raise _RefusedError(404, "not found")
        given = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return "/".join(rest).strip("/"), given

    def _get(self) -> None:
        name, given = self._name()
        if name == "":
            text, policy = page(self.owner.language)
            self._send(200, text, kind="text/html; charset=utf-8", policy=policy)
        elif name.startswith("api/"):
            self._send(200, self.owner.answer(name.removeprefix("api/"), given))
        else:
            raise _RefusedError(404, "not found")

    def _post(self) -> None:
        name, _ = self._name()
        length = self.headers.get("Content-Length", "")
        if name != "api/note":
            raise _RefusedError(404, "not found")
        if not length.isdecimal() or int(length) > _MOST_BODY:
            raise _RefusedError(413, "too long")
        if self.headers.get("Content-Type", "").partition(";")[0] != "application/json":
            raise _RefusedError(415, "JSON alone")
        given = json.loads(self.rfile.read(int(length)))
        if not isinstance(given, dict):
            raise _RefusedError(400, "an object")
        self._send(200, self.owner.note(given))

    def _send(
        self,
        status: int,
        body: Any,  # noqa: ANN401 - text, or what JSON can hold
        *,
        kind: str = "application/json",
        policy: str = "default-src 'none'",
    ) -> None:
        raw = (
            body.encode("utf-8")
            if isinstance(body, str)
            else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        )
        if status >= 400:
            self.close_connection = True
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(raw))),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)
