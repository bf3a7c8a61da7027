"""What verification checks beside the lines themselves.

That is: checkpoints and their signatures, attached files, transfers, images, and what the reader kept outside.

Each `checkpoint`, `cosigned` and record with files names what must still be there; what was recorded and is gone is NG.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from chain_of_custody import checkpoints, entries, merkle, receipts, revocation, signing, timestamps
from chain_of_custody.copies import Copies
from chain_of_custody.errors import UsageError
from chain_of_custody.records import ATTACHMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.x509 import Certificate

    from chain_of_custody.checkpoints import Checkpoint
    from chain_of_custody.entries import Entry, FileHash
    from chain_of_custody.jcs import Json
    from chain_of_custody.merkle import Tree
    from chain_of_custody.timestamps import Token
    from chain_of_custody.verify import Verification

_GAP_NS = 24 * 3600 * 1_000_000_000
_HEX = set("0123456789abcdef")
_OFFSET = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DATE_TOLERANCE_NS = 60 * 1_000_000_000
"""So much a clock may differ from a time-stamping authority's without a recorded comparison."""
_MILESTONES = frozenset({"image.end", "export.end", "clone.end", "transfer.accept"})
"""What a witness or a time stamp is there for: under such a policy a checkpoint has to follow."""


@dataclass(slots=True)
class CheckpointState:
    """A checkpoint as recorded, and who signed it."""

    size: int
    seq: int
    sha256: str
    root: str
    signers: list[tuple[str, str]] = field(default_factory=list)
    """(id, role) of those whose signature holds."""
    stamped: str = ""
    """Time of the oldest token that verifies; signatures are then judged at that time, else at their entry's."""


@dataclass(frozen=True, slots=True)
class _Signature:
    size: int
    seq: int
    who: str
    sha256: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class _Stamp:
    size: int
    seq: int
    sha256: str
    gen_time: str
    material: tuple[tuple[str, str], ...] = ()
    """(kind, SHA-256) of the chain and the revocation data kept beside the token."""
    is_lacking: bool = False
    """Whether revocation data was asked for in vain."""

    @property
    def names(self) -> list[str]:
        """File names of the token and of what is kept beside it."""
        beside = [timestamps.material_name(self.size, self.sha256, *one) for one in self.material]
        return [timestamps.name_of(self.size, self.sha256), *beside]


def _stamp_of(entry: Entry, size: int) -> _Stamp:
    listed = entry.body.get("material")
    material = tuple(
        (str(one.get("kind")), str(one.get("sha256")))
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    )
    lacking = bool(entry.body.get("revocation_failed"))
    return _Stamp(size, entry.seq, str(entry.body["sha256"]), str(entry.body["gen_time"]), material, lacking)


@dataclass(slots=True)
class _Offer:
    seq: int
    to: str
    files: frozenset[FileHash]
    actor: str


def _texts(value: Json) -> Iterator[str]:
    """All texts inside a body."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _base_name(text: str) -> str:
    return PureWindowsPath(text).name if "\\" in text else PurePosixPath(text).name


class Related:
    """Collects while the ledger is read, judges at the end."""

    def __init__(
        self,
        case: Path,
        against: str | Path | None,
        images: Sequence[Path],
        tsa_roots: Sequence[Path] | None = None,
    ) -> None:
        self.case = case
        self.fingerprint: str | None = None
        self.outside: Checkpoint | None = None
        self.outside_path: Path | None = None
        text = str(against).lower() if against is not None else ""
        if len(text) == 64 and set(text) <= _HEX:
            self.fingerprint = text
        elif against is not None:
            self.outside_path = Path(against)
            self.outside = checkpoints.read(self.outside_path)
        self.images = images
        for folder in images:
            if not folder.exists():
                raise UsageError(f"ありません: {folder}", f"not there: {folder}")
        self.roots: dict[int, bytes] = {}
        self._sizes = {
            int(path.name[:9])
            for path in self._checkpoint_files()
            if path.suffix == ".txt" and path.name[:9].isdecimal()
        }
        if self.outside is not None:
            self._sizes.add(self.outside.size)
        self.checkpoints: dict[int, CheckpointState] = {}
        self._signatures: list[_Signature] = []
        self._tsa_roots = tsa_roots
        self._branches: dict[str, Entry] = {}
        self._stamps: list[_Stamp] = []
        self._proven: dict[int, int] = {}
        self._offers: dict[int, _Offer] = {}
        self._attached: dict[str, int] = {}
        self._removed: set[str] = set()
        self._stated: dict[FileHash, int] = {}
        self._image_files: dict[FileHash, int] = {}
        self._names: set[str] = set()
        self._out_since: dict[str, Entry] = {}
        self._explained: list[tuple[int, int]] = []
        self._gaps: list[tuple[Entry, int]] = []
        self._copies = Copies()
        self._milestone: Entry | None = None
        self._returns: list[Entry] = []
        self._latest: tuple[int, int] | None = None
        self._latest_at: dict[int, tuple[int, int]] = {}
        self._earliest: dict[int, tuple[int, int]] = {}
        self._last_stamp = 0
        self._clock_offset_ns = 0

    def _checkpoint_files(self) -> list[Path]:
        folder = self.case / checkpoints.FOLDER
        return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []

    # --- while reading ------------------------------------------------------------------------------------------------

    def after_line(self, tree: Tree) -> None:
        """Keep the root at each size that somebody signed."""
        if tree.size in self._sizes:
            self.roots[tree.size] = tree.root()

    def entry(self, entry: Entry, result: Verification) -> None:
        """Take one entry into account."""
        self._date(entry)
        if entry.type == "checkpoint":
            self._checkpoint(entry, result)
        elif entry.type == "cosigned":
            who, size = str(entry.body["who"]), self._size(entry)
            self._signatures.append(_Signature(size, entry.seq, who, str(entry.body["sha256"]), entry.time_ns))
        elif entry.type == "stamp":
            self._stamps.append(_stamp_of(entry, self._size(entry)))
        elif entry.type.startswith("transfer."):
            self._transfer(entry, result)
        elif entry.type == "merged":
            self._branches[str(entry.body["theirs"])] = entry
        elif entry.type == "redacted":
            self._removed.add(str(entry.body["sha256"]))
        if entry.type.startswith("record.") or entry.type == "note":
            self._attached.update(dict.fromkeys((file.sha256 for file in entry.outputs), entry.seq))
        if entry.body.get("late"):
            result.add(
                "note",
                "late",
                entry.seq,
                f"事後記録です(行われた時刻 {entry.body.get('at')}、記録 {entry.ts})",
                f"recorded later (happened {entry.body.get('at')}, recorded {entry.ts})",
            )
        self._custody(entry)
        self._copies.add(entry)
        if entry.type in _MILESTONES:
            self._milestone = entry
        if entry.type == "record.return":
            self._returns.append(entry)
        if self.images and (entry.inputs or entry.outputs):
            for file in (*entry.inputs, *entry.outputs):
                self._stated.setdefault(file, entry.seq)
            if entry.type == "image.end":
                self._image_files.update(dict.fromkeys(entry.outputs, entry.seq))
            self._names.update(_base_name(text) for text in _texts(dict(entry.body)) if text)

    def _date(self, entry: Entry) -> None:
        """Keep the latest time before, and the earliest time after, what a token can prove."""
        if entry.type == "record.examiner_clock":
            offset = str(entry.body.get("offset_ns", ""))
            self._clock_offset_ns = int(offset) if _OFFSET.fullmatch(offset) else 0
        dated = (entry.time_ns - self._clock_offset_ns, entry.seq)
        self._latest = max(self._latest, dated) if self._latest is not None else dated
        if entry.seq in self._sizes:
            self._latest_at[entry.seq] = self._latest
        if self._last_stamp:
            self._earliest[self._last_stamp] = min(self._earliest.get(self._last_stamp, dated), dated)
        if entry.type == "stamp":
            self._last_stamp = entry.seq

    @staticmethod
    def _size(entry: Entry) -> int:
        text = str(entry.body["size"])
        return int(text) if text.isdecimal() and len(text) < 10 else 0

    def _checkpoint(self, entry: Entry, result: Verification) -> None:
        size = self._size(entry)
        if not 0 < size < entry.seq:
            result.add(
                "ng", "checkpoint", entry.seq, "チェックポイントの項数が不正です", "impossible size of a checkpoint"
            )
            return
        self.checkpoints[size] = CheckpointState(size, entry.seq, str(entry.body["sha256"]), str(entry.body["root"]))

    def _transfer(self, entry: Entry, result: Verification) -> None:
        if entry.type == "transfer.offer":
            self._offers[entry.seq] = _Offer(entry.seq, str(entry.body["to"]), frozenset(entry.outputs), entry.actor)
            return
        offer = self._offers.pop(int(str(entry.body["offer"])), None)
        if offer is None:
            result.add("ng", "transfer", entry.seq, "対応する申出がありません", "answers no open offer")
        elif entry.actor != offer.to:
            result.add(
                "ng",
                "transfer",
                entry.seq,
                f"申出(第 {offer.seq} 項)の相手 {offer.to} 以外による応答です",
                f"answered by another person than {offer.to}, to whom entry {offer.seq} offers",
            )
        elif entry.type == "transfer.accept" and frozenset(entry.inputs) != offer.files:
            result.add(
                "ng",
                "transfer",
                entry.seq,
                f"受領したもののハッシュが申出(第 {offer.seq} 項)と一致しません",
                f"what was accepted differs from what entry {offer.seq} offers",
            )

    def _custody(self, entry: Entry) -> None:
        """Where a thing went out of storage and nothing says for a day who had it."""
        if entry.type == "record.custody":
            times = [entries.time_ns_of(str(entry.body[name])) for name in ("since", "until") if name in entry.body]
            if len(times) == 2:
                self._explained.append((times[0], times[1]))
        if entry.item is None:
            return
        out = self._out_since.pop(entry.item, None)
        if out is not None and entry.time_ns - out.time_ns > _GAP_NS:
            self._gaps.append((out, entry.time_ns))
        if entry.type == "record.storage" and entry.body.get("direction") == "out":
            self._out_since[entry.item] = entry

    # --- at the end ---------------------------------------------------------------------------------------------------

    def finish(self, result: Verification) -> None:
        """Judge everything that was collected."""
        self._judge_checkpoints(result)
        self._judge_stamps(result)
        self._judge_signatures(result)
        self._judge_policy(result)
        self._judge_attachments(result)
        for entry in self._returns:
            wrong = receipts.fault(entry, self.case / ATTACHMENTS, result.fingerprint)
            if wrong is not None:
                result.add("ng", "receipt", entry.seq, *wrong)
        self._judge_branches(result)
        self._judge_outside(result)
        self._judge_images(result)
        for offer in self._offers.values():
            result.add(
                "note",
                "no_answer",
                offer.seq,
                f"{offer.to} への受渡しの申出に応答がありません",
                f"the offer to {offer.to} was not answered",
            )
        for out, until_ns in self._gaps:
            if not any(since <= out.time_ns and end >= until_ns for since, end in self._explained):
                hours = (until_ns - out.time_ns) // (3600 * 1_000_000_000)
                result.add(
                    "note",
                    "gap",
                    out.seq,
                    f"対象物 {out.item} の保管者が {hours} 時間記録されていません",
                    f"no custodian of {out.item} is recorded for {hours} hours",
                )
        result.checkpoints = list(self.checkpoints.values())

    def _judge_checkpoints(self, result: Verification) -> None:
        for state in self.checkpoints.values():
            path = self.case / checkpoints.FOLDER / f"{state.size:09d}.txt"
            try:
                data = path.read_bytes()
            except OSError:
                result.add("ng", "checkpoint", state.seq, f"{path.name} がありません", f"{path.name} is gone")
                continue
            try:
                given = checkpoints.parse(data)
            except ValueError:
                given = None
            if given is None or hashlib.sha256(data).hexdigest() != state.sha256 or given.size != state.size:
                result.add(
                    "ng", "checkpoint", state.seq, f"{path.name} が書き換えられています", f"{path.name} was altered"
                )
                continue
            root = self.roots.get(state.size)
            if (
                root != given.root
                or base64.b64encode(given.root).decode() != state.root
                or given.origin != result.origin
            ):
                result.add(
                    "ng",
                    "checkpoint",
                    state.seq,
                    f"第 {state.size} 項までの内容がチェックポイントと一致しません",
                    f"the first {state.size} entries are not those of the checkpoint",
                )
        named = {f"{size:09d}.txt" for size in self.checkpoints}
        named |= {self._name(signature) for signature in self._signatures}
        named |= {name for stamp in self._stamps for name in stamp.names}
        for path in self._checkpoint_files():
            if path.name not in named:
                name = f"{checkpoints.FOLDER}/{path.name}"
                result.add(
                    "note", "unnamed_file", None, f"台帳にないファイル: {name}", f"no entry names this file: {name}"
                )

    @staticmethod
    def _name(signature: _Signature) -> str:
        return checkpoints.signature_name(_sized(signature.size), signature.who)

    def _judge_signatures(self, result: Verification) -> None:
        for signature in self._signatures:
            state = self.checkpoints.get(signature.size)
            name = self._name(signature)
            if state is None:
                result.add("ng", "cosigned", signature.seq, "署名の対象がありません", "signs no recorded checkpoint")
                continue
            try:
                data = (self.case / checkpoints.FOLDER / name).read_bytes()
                message = (self.case / checkpoints.FOLDER / f"{signature.size:09d}.txt").read_bytes()
            except OSError:
                result.add(
                    "ng", "cosigned", signature.seq, f"署名 {name} がありません", f"the signature {name} is gone"
                )
                continue
            if hashlib.sha256(data).hexdigest() != signature.sha256:
                result.add(
                    "ng", "cosigned", signature.seq, f"署名 {name} が書き換えられています", f"{name} was altered"
                )
                continue
            self._judge_signature(result, state, signature, data, message)

    def _judge_signature(
        self,
        result: Verification,
        state: CheckpointState,
        signature: _Signature,
        data: bytes,
        message: bytes,
    ) -> None:
        for period in result.people.periods:
            if period.id != signature.who:
                continue
            try:
                signing.verify(data.decode("ascii", "replace"), message, signing.CHECKPOINT_NAMESPACE, period.key)
            except signing.SignatureError:
                continue
            time_ns = min(self._proven.get(signature.size, signature.time_ns), signature.time_ns)
            if period.after_ns is not None and signature.time_ns < period.after_ns:
                break
            if period.before_ns is not None and time_ns > period.before_ns:
                if period.revoked:
                    result.add(
                        "unknown",
                        "doubtful",
                        signature.seq,
                        f"要確認: {signature.who} の署名は、失効とされた時刻より後のものです",
                        f"to be checked: {signature.who} signed after the time since which the key is revoked",
                    )
                    return
                break
            state.signers.append((signature.who, period.role))
            return
        result.add(
            "ng",
            "cosigned",
            signature.seq,
            f"{signature.who} の署名がチェックポイントか鍵の期間と合いません",
            f"the signature of {signature.who} does not fit the checkpoint or the time of the key",
        )

    def _judge_stamps(self, result: Verification) -> None:
        roots = timestamps.trusted_roots(self._tsa_roots) if self._stamps else []
        trusted = timestamps.allowed_roots(roots, result.policy)
        if self._stamps and not trusted:
            named_ja, named_en = ("", "") if not roots else ("方針(tsa)が定める", " that the policy (tsa) names")
            result.add(
                "unknown",
                "no_tsa_root",
                self._stamps[0].seq,
                f"{named_ja}信頼する TSA のルート証明書が設定されていないため、タイムスタンプを判定できません",
                f"time stamps cannot be judged: no certificate of a trusted authority{named_en} is configured",
            )
        for stamp in self._stamps:
            self._judge_stamp(result, stamp, trusted)

    def _judge_stamp(self, result: Verification, stamp: _Stamp, trusted: list[Certificate]) -> None:
        state = self.checkpoints.get(stamp.size)
        kept: dict[str, bytes] = {}
        try:
            message = (self.case / checkpoints.FOLDER / f"{stamp.size:09d}.txt").read_bytes()
            for name, sha256 in zip(stamp.names, (stamp.sha256, *(one for _, one in stamp.material)), strict=True):
                kept[name] = (self.case / checkpoints.FOLDER / name).read_bytes()
                if hashlib.sha256(kept[name]).hexdigest() != sha256 or state is None:
                    result.add("ng", "stamp", stamp.seq, f"{name} が書き換えられています", f"{name} was altered")
                    return
        except OSError as error:
            name = Path(str(error.filename)).name
            result.add("ng", "stamp", stamp.seq, f"{name} がありません", f"{name} is gone")
            return
        if not trusted or state is None:
            return
        response = kept[stamp.names[0]]
        try:
            token = timestamps.verify_token(response, message, trusted)
        except timestamps.TokenError as error:
            result.add("ng", "stamp", stamp.seq, error.ja, error.en)
            return
        if token.gen_time != stamp.gen_time:
            result.add("ng", "stamp", stamp.seq, "記録された時刻と違います", "another time than recorded")
            return
        if not self._judge_revocation(result, stamp, kept, trusted, token.gen_time_ns):
            return
        self._judge_dates(result, stamp, token)
        known = self._proven.get(stamp.size)
        if known is None or token.gen_time_ns < known:
            self._proven[stamp.size] = token.gen_time_ns
            state.stamped = token.gen_time

    def _judge_dates(self, result: Verification, stamp: _Stamp, token: Token) -> None:
        """What a token covers cannot have been written after it, and what follows its entry not before it."""
        latest = self._latest_at.get(stamp.size)
        if latest is not None and latest[0] > token.gen_time_ns + _DATE_TOLERANCE_NS:
            result.add(
                "ng",
                "post_dated",
                latest[1],
                f"{token.gen_time} のタイムスタンプに含まれる項が、それより後の時刻を名乗っています"
                "(時計の進み、または時刻の偽り)",
                f"claims a later time than {token.gen_time}, when the time stamp already covered it "
                "(a clock that is ahead, or a false date)",
            )
        after = [dated for seq, dated in self._earliest.items() if seq >= stamp.seq]
        if after and min(after)[0] < token.gen_time_ns - _DATE_TOLERANCE_NS:
            result.add(
                "ng",
                "back_dated",
                min(after)[1],
                f"{token.gen_time} のタイムスタンプより後に書かれた項が、それより前の時刻を名乗っています"
                "(時計の遅れ、または時刻の遡及)",
                f"claims an earlier time than {token.gen_time}, though it follows that time stamp "
                "(a clock that is behind, or back-dated)",
            )

    @staticmethod
    def _judge_revocation(
        result: Verification,
        stamp: _Stamp,
        kept: dict[str, bytes],
        trusted: list[Certificate],
        gen_time_ns: int,
    ) -> bool:
        """Whether what is kept of the authority's certificates lets the token count."""
        token, *beside = stamp.names
        chain = revocation.chain_of(timestamps.carried_certificates(kept[token]), trusted)
        for name, (kind, _) in zip(beside, stamp.material, strict=True):
            if kind not in ("crl", "ocsp"):
                continue
            material = revocation.Material("crl" if kind == "crl" else "ocsp", kept[name])
            try:
                revoked = timestamps.revoked_before(revocation.statuses(material, chain), gen_time_ns)
            except revocation.MaterialError as error:
                result.add("ng", "revocation", stamp.seq, f"{name}: {error.ja}", f"{name}: {error.en}")
                return False
            if revoked is not None:
                result.add(
                    "ng",
                    "revocation",
                    stamp.seq,
                    f"TSA の証明書は失効しています: {revoked.subject}({revoked.revoked_at})",
                    f"the certificate of the authority is revoked: {revoked.subject} ({revoked.revoked_at})",
                )
                return False
        if stamp.is_lacking:
            result.add(
                "note",
                "no_revocation",
                stamp.seq,
                "TSA の証明書の失効情報の一部を取得できていません",
                "some of the revocation data that the authority's certificates name could not be had",
            )
        return True

    def _judge_policy(self, result: Verification) -> None:
        if result.policy.get("copies", "").isdecimal():
            self._judge_copies(result, int(result.policy["copies"]))
        signed = [name for name in ("witness", "stamp") if result.policy.get(name) == "required"]
        newest = max(self.checkpoints, default=0)
        if signed and self._milestone is not None and newest < self._milestone.seq:
            entry_type = entries.TYPES[self._milestone.type]
            asked = ", ".join(f"{name}=required" for name in signed)
            result.add(
                "unknown",
                "no_checkpoint",
                self._milestone.seq,
                f"署名待ち: 「{entry_type.ja}」がまだチェックポイントに含まれていません(方針 {asked})",
                f"waiting: no checkpoint covers “{entry_type.en}” yet (policy {asked})",
            )
        if "stamp" in signed:
            self._judge_stamp_policy(result, newest)
        if "witness" in signed:
            self._judge_witness_policy(result, newest)

    def _judge_copies(self, result: Verification, wanted: int) -> None:
        """Fewer copies than the policy asks for: still to come, or (after a later checkpoint, a return) missing."""
        settled = sorted(self.checkpoints)[-2:-1]
        for content in self._copies.contents.values():
            count = len(content.verified)
            if count >= wanted:
                continue
            gone = content.item is not None and any(entry.item == content.item for entry in self._returns)
            is_late = gone or any(size >= content.first_seq for size in settled)
            shown = f"{content.hash[:23]}…"
            if is_late:
                words = (
                    f"方針(copies={wanted})に対し、検証済みの複製が {count} 個です({shown})",
                    f"{count} verified copies, though the policy requires {wanted} ({shown})",
                )
            else:
                words = (
                    f"複製待ち: 方針(copies={wanted})に対し、検証済みの複製はまだ {count} 個です({shown})",
                    f"waiting: {count} verified copies so far, the policy requires {wanted} ({shown})",
                )
            result.add("ng" if is_late else "unknown", "copies", content.first_seq, *words)

    def _judge_witness_policy(self, result: Verification, newest: int) -> None:
        for size, state in self.checkpoints.items():
            if any(role == entries.WITNESS for _, role in state.signers):
                continue
            if size == newest:
                result.add(
                    "unknown",
                    "waiting",
                    state.seq,
                    "署名待ち: 最新のチェックポイントに立会人の署名がまだありません",
                    "waiting: no witness has signed the newest checkpoint yet",
                )
            else:
                result.add(
                    "ng",
                    "witness",
                    state.seq,
                    "方針(witness=required)に反し、立会人の署名がありません",
                    "no witness signed this checkpoint, though the policy requires it",
                )

    def _judge_stamp_policy(self, result: Verification, newest: int) -> None:
        stamped = {stamp.size for stamp in self._stamps}
        for size, state in self.checkpoints.items():
            if size not in stamped:
                result.add(
                    "unknown" if size == newest else "ng",
                    "waiting" if size == newest else "no_stamp",
                    state.seq,
                    "方針(stamp=required)のタイムスタンプがまだありません",
                    "the time stamp that the policy requires is not there",
                )

    def _judge_attachments(self, result: Verification) -> None:
        folder = self.case / ATTACHMENTS
        for sha256, seq in self._attached.items():
            try:
                with (folder / sha256).open("rb") as file:
                    same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
            except OSError:
                if sha256 in self._removed:
                    result.add("note", "redacted", seq, "添付は墨消し", "the attached file was removed (redacted)")
                else:
                    result.add("ng", "attachment", seq, "添付ファイルがありません", "the attached file is gone")
                continue
            if not same:
                result.add(
                    "ng", "attachment", seq, "添付ファイルが書き換えられています", "the attached file was altered"
                )
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.name not in self._attached:
                    name = f"{ATTACHMENTS}/{path.name}"
                    result.add(
                        "note", "unnamed_file", None, f"台帳にないファイル: {name}", f"no entry names this file: {name}"
                    )

    def _judge_branches(self, result: Verification) -> None:
        for head, entry in self._branches.items():
            lines = _branch_lines(self.case, head)
            wanted = {file.sha256 for file in entry.inputs}
            if lines is None or hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest() not in wanted:
                result.add(
                    "ng",
                    "branch",
                    entry.seq,
                    "取り込んだ分岐の台帳がないか、書き換えられています",
                    "the ledger of the branch that was taken in is gone or altered",
                )

    def _in_a_branch(self, given: Checkpoint) -> str | None:
        """The branch whose first lines a checkpoint fits."""
        for head in self._branches:
            lines = _branch_lines(self.case, head)
            if lines is not None and given.size <= len(lines):
                root = merkle.root_of([merkle.leaf_hash(line) for line in lines[: given.size]])
                if root == given.root:
                    return head
        return None

    # --- what was kept outside ----------------------------------------------------------------------------------------

    def _judge_outside(self, result: Verification) -> None:
        if self.fingerprint is not None and self.fingerprint != result.fingerprint:
            result.add(
                "ng",
                "against",
                None,
                f"事案の指紋が控えと違います(控え {self.fingerprint})",
                f"the fingerprint is not the one that was kept ({self.fingerprint})",
            )
        if self.outside is None or self.outside_path is None:
            return
        given = self.outside
        branch = self._in_a_branch(given) if self.roots.get(given.size) != given.root else None
        if branch is not None:
            result.add(
                "note",
                "branch",
                self._branches[branch].seq,
                f"控えは、取り込まれた分岐 {branch[:16]}… のものです",
                f"the checkpoint kept belongs to the branch {branch[:16]}… that was taken in",
            )
        elif given.origin != result.origin:
            result.add("ng", "against", None, "控えは別の台帳のものです", "the checkpoint kept is of another log")
        elif given.size not in self.roots:
            result.add(
                "ng",
                "rollback",
                None,
                f"台帳が巻き戻されています: 控えは第 {given.size} 項まで、台帳は第 {result.entry_count} 項まで",
                f"the ledger was rolled back: {given.size} entries were kept, it has {result.entry_count}",
            )
        elif self.roots[given.size] != given.root:
            result.add(
                "ng",
                "rewritten",
                None,
                f"第 {given.size} 項までの内容が控えと違います(書き換えられています)",
                f"the first {given.size} entries are not those of the checkpoint kept (rewritten)",
            )
        signed = False
        stem = self.outside_path.name.removesuffix(".txt")
        for path in sorted(self.outside_path.parent.glob(f"{stem}.*.sig")):
            who = checkpoints.person_of_signature(path.name)
            keys = [period.key for period in result.people.periods if period.id == who]
            if any(_fits(path, given, key) for key in keys):
                signed = True
            else:
                result.add("ng", "against", None, f"控えの署名 {path.name} が合いません", f"{path.name} does not fit")
        if not signed:
            result.add("note", "unsigned", None, "控えに署名がありません", "the checkpoint kept carries no signature")

    # --- images -------------------------------------------------------------------------------------------------------

    def _judge_images(self, result: Verification) -> None:
        if not self.images:
            return
        sizes = {file.size for file in self._stated}
        found: set[FileHash] = set()
        for path in self._files_to_hash():
            size = path.stat().st_size
            named = path.name in self._names
            if size not in sizes and not named:
                continue
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            file = entries.FileHash(digest, size)
            if file in self._stated:
                found.add(file)
            elif named:
                result.add(
                    "ng",
                    "image",
                    None,
                    f"{path.name} の内容が、台帳のどのハッシュとも一致しません(差替え・改変)",
                    f"the content of {path.name} fits no hash in the ledger (swapped or altered)",
                )
        for file, seq in self._image_files.items():
            if file not in found:
                result.add(
                    "unknown",
                    "image_missing",
                    seq,
                    f"イメージ(SHA-256 {file.sha256[:16]}…)が見つからず、確かめられません",
                    f"the image with SHA-256 {file.sha256[:16]}… was not found, so it was not checked",
                )
        result.hashed_files = len(found)

    def _files_to_hash(self) -> Iterator[Path]:
        for place in self.images:
            if place.is_file():
                yield place
            else:
                yield from sorted(path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def _sized(size: int) -> Checkpoint:
    """A checkpoint of this size, for its file names."""
    return checkpoints.Checkpoint("", size, b"")


def _branch_lines(case: Path, head: str) -> list[bytes] | None:
    if len(head) != 64 or not set(head) <= _HEX:
        return None
    try:
        return (case / "branches" / head / "ledger.jsonl").read_bytes().splitlines()
    except OSError:
        return None


def _fits(path: Path, given: Checkpoint, key: str) -> bool:
    try:
        signing.verify(path.read_text(encoding="ascii"), given.to_bytes(), signing.CHECKPOINT_NAMESPACE, key)
    except (OSError, ValueError):
        return False
    return True
