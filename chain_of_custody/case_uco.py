"""The case as a graph in CASE/UCO (JSON-LD): actions, people, items and files with their hashes, for other programs.

Terms are those of CASE 1.4.0 and UCO 1.4.0 (https://caseontology.org, https://unifiedcyberontology.org). Nodes are
named after the case's fingerprint (UUIDs of version 5), so that the same ledger gives the same graph. Each node that
comes from an entry names it; the signed ledger stays what counts.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from chain_of_custody import statements
from chain_of_custody.entries import ACTIONS, FileHash
from chain_of_custody.people import KEY_ENTRIES, People
from chain_of_custody.reading import read_entries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chain_of_custody.case import Case
    from chain_of_custody.entries import Entry
    from chain_of_custody.jcs import Json

CONTEXT: dict[str, Json] = {
    "kb": "urn:hozen:",
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "uco-location": "https://ontology.unifiedcyberontology.org/uco/location/",
    "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "uco-role": "https://ontology.unifiedcyberontology.org/uco/role/",
    "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_QUIET = ("session.open", "session.close")
_STATUS = {"done": "Success", "partial": "Unknown", "failed": "Fail", "interrupted": "Error"}
"""UCO's ActionStatusTypeVocab for the status of an end entry; a missing end is "Unknown"."""

_Node = dict[str, "Json"]


def _text(value: str) -> Json:
    return statements.shown(value)


def _typed(kind: str, value: str) -> Json:
    return {"@type": f"xsd:{kind}", "@value": value}


def _refs(nodes: Sequence[_Node]) -> Json:
    return [{"@id": str(node["@id"])} for node in nodes]


class _Graph:
    """Collects the nodes of one case."""

    def __init__(self, first: Entry) -> None:
        self._space = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:hozen:{first.sha256}")
        self.nodes: dict[str, _Node] = {}

    def node(self, kind: str, name: str, type_: str | list[Json], **members: Json) -> _Node:
        """The node of this kind and name, made at its first mention."""
        identifier = f"kb:{kind}-{uuid.uuid5(self._space, f'{kind} {name}')}"
        if identifier not in self.nodes:
            self.nodes[identifier] = {"@id": identifier, "@type": type_, **members}
        return self.nodes[identifier]

    def facet(self, kind: str, name: str, type_: str, **members: Json) -> _Node:
        """A facet, which stands inside its object."""
        return {"@id": f"kb:{kind}-{uuid.uuid5(self._space, f'{kind} {name}')}", "@type": type_, **members}

    # --- things -------------------------------------------------------------------------------------------------------

    def file(self, file: FileHash, names: dict[str, str]) -> _Node:
        """A file by its content."""
        name = names.get(file.sha256, "")
        hash_ = self.facet(
            "hash",
            file.sha256,
            "uco-types:Hash",
            **{
                "uco-types:hashMethod": "SHA256",
                "uco-types:hashValue": _typed("hexBinary", file.sha256),
            },
        )
        content = self.facet(
            "content",
            f"{file.sha256} {file.size}",
            "uco-observable:ContentDataFacet",
            **{"uco-observable:sizeInBytes": _typed("integer", str(file.size)), "uco-observable:hash": [hash_]},
        )
        facets: list[Json] = [content]
        if name:
            facets.append(
                self.facet(
                    "file-facet",
                    f"{file.sha256} {file.size}",
                    "uco-observable:FileFacet",
                    **{"uco-observable:fileName": _text(name)},
                ),
            )
        return self.node("file", f"{file.sha256} {file.size}", "uco-observable:File", **{"uco-core:hasFacet": facets})

    def item(self, name: str, record: Entry | None) -> _Node:
        """A thing that was seized."""
        members: dict[str, Json] = {"uco-core:name": _text(name)}
        if record is not None:
            body = record.body
            facet = {
                "uco-observable:model": body.get("model"),
                "uco-observable:serialNumber": body.get("serial"),
                "uco-observable:deviceType": body.get("kind"),
            }
            given: dict[str, Json] = {key: statements.visible(str(value)) for key, value in facet.items() if value}
            if body.get("maker"):
                maker = self.node(
                    "organization",
                    str(body["maker"]),
                    "uco-identity:Organization",
                    **{"uco-core:name": _text(str(body["maker"]))},
                )
                given["uco-observable:manufacturer"] = {"@id": str(maker["@id"])}
            members["uco-core:hasFacet"] = [self.facet("device", name, "uco-observable:DeviceFacet", **given)]
            if body.get("appearance"):
                members["uco-core:description"] = _text(str(body["appearance"]))
        return self.node("item", name, "uco-observable:Device", **members)

    def person(self, identifier: str, people: People) -> _Node:
        """Somebody who works in the case."""
        known = people.persons.get(identifier)
        members: dict[str, Json] = {"uco-core:name": _text(known.name if known and known.name else identifier)}
        if known is not None and known.organisation:
            members["uco-core:description"] = _text(known.organisation)
        return self.node("person", identifier, "uco-identity:Person", **members)

    def tool(self, entry: Entry) -> _Node:
        """The program that wrote an entry."""
        return self.node(
            "tool",
            f"{entry.tool.name} {entry.tool.sha256}",
            "uco-tool:Tool",
            **{
                "uco-core:name": _text(f"hozen {entry.tool.name}"),
                "uco-tool:version": _text(entry.tool.version),
                "uco-core:description": f"SHA-256 {entry.tool.sha256}",
            },
        )


def _names(listed: Sequence[Entry]) -> dict[str, str]:
    """Names of files by SHA-256, where an entry gives them."""
    found: dict[str, str] = {}
    for entry in listed:
        files = entry.body.get("files")
        for one in files if isinstance(files, list) else []:
            if isinstance(one, dict) and one.get("sha256") and one.get("name"):
                found.setdefault(str(one["sha256"]), str(one["name"]))
    return found


def graph(listed: Sequence[Entry]) -> dict[str, Json]:
    """The JSON-LD document over these entries, the first of which opens the case."""
    first = listed[0]
    made = _Graph(first)
    people = People.from_first(first)
    for entry in listed:
        if entry.type in KEY_ENTRIES:
            people.apply(entry)
    names = _names(listed)
    records = {entry.item: entry for entry in listed if entry.type == "record.item" and entry.item}
    ends = {int(str(entry.body["begin"])): entry for entry in listed if entry.type.endswith(".end")}
    actions: list[_Node] = []
    provenance: list[_Node] = []
    for entry in listed:
        if entry.type in _QUIET or entry.type.endswith(".end"):
            continue
        action, record = _action(made, entry, ends.get(entry.seq), people, names, records)
        actions.append(action)
        provenance += [record] if record is not None else []
    for identifier, person in people.persons.items():
        role = made.node("role", person.role, "uco-role:Role", **{"uco-core:name": _text(person.role)})
        _relation(made, made.person(identifier, people), role, "has_role")
    authority = next((entry for entry in listed if entry.type == "record.authority"), None)
    members: dict[str, Json] = {
        "uco-core:name": _text(str(first.body.get("name", "")) or str(first.body["case_id"])),
        "uco-core:description": f"hozen custody/1, fingerprint {first.sha256}, {len(listed)} entries",
        "uco-core:object": _refs([*actions, *provenance]),
    }
    if authority is not None:
        members["case-investigation:relevantAuthorization"] = [
            {
                "@id": str(
                    made.node(
                        "authorization",
                        str(authority.seq),
                        "case-investigation:Authorization",
                        **{
                            "case-investigation:authorizationType": _text(str(authority.body.get("authority", ""))),
                            "uco-core:description": _text(
                                "; ".join(f"{a}: {b}" for a, b in statements.of(authority, "en"))
                            ),
                        },
                    )["@id"],
                ),
            },
        ]
    made.node("investigation", first.sha256, "case-investigation:Investigation", **members)
    return {"@context": CONTEXT, "@graph": list(made.nodes.values())}


def _relation(made: _Graph, source: _Node, target: _Node, kind: str) -> None:
    made.node(
        "relationship",
        f"{source['@id']} {kind} {target['@id']}",
        "uco-core:Relationship",
        **{
            "uco-core:source": {"@id": str(source["@id"])},
            "uco-core:target": {"@id": str(target["@id"])},
            "uco-core:kindOfRelationship": kind,
            "uco-core:isDirectional": _typed("boolean", "true"),
        },
    )


def _action(
    made: _Graph,
    entry: Entry,
    end: Entry | None,
    people: People,
    names: dict[str, str],
    records: dict[str, Entry],
) -> tuple[_Node, _Node | None]:
    """The action that an entry (with its end, if it has one) records, and the provenance of what it concerns."""
    kind = entry.type.removesuffix(".begin")
    label = ACTIONS[kind][1] if kind in ACTIONS else statements.type_name(entry.type, "en")
    used: list[_Node] = [made.file(one, names) for one in (*entry.inputs, *(end.inputs if end else ()))]
    results = [made.file(one, names) for one in (*entry.outputs, *(end.outputs if end else ()))]
    if entry.item:
        used.insert(0, made.item(entry.item, records.get(entry.item)))
    stated = statements.of(entry, "en") + (statements.of(end, "en") if end else [])
    described = "; ".join(f"{name}: {value}" for name, value in stated)
    typed = " (typed by a person)" if entry.src == "typed" else ""
    members: dict[str, Json] = {
        "uco-core:name": label,
        "uco-core:description": f"entry {entry.seq}, SHA-256 {entry.sha256}{typed}. {described}".strip(),
        "uco-action:startTime": _typed("dateTime", entry.ts),
        "uco-action:performer": {"@id": str(made.person(entry.actor, people)["@id"])},
        "uco-action:instrument": _refs([made.tool(entry)]),
    }
    if entry.type.endswith(".begin"):
        members["uco-action:actionStatus"] = _STATUS[str(end.body["status"])] if end is not None else "Unknown"
    if end is not None:
        members["uco-action:endTime"] = _typed("dateTime", end.ts)
    if used:
        members["uco-action:object"] = _refs(used)
    place = entry.body.get("place")
    if isinstance(place, str) and place:
        where = made.node("location", place, "uco-location:Location", **{"uco-core:name": _text(place)})
        members["uco-action:location"] = _refs([where])
    record: _Node | None = None
    concerned = [*used, *results]
    if results:
        record = made.node(
            "provenance",
            str(entry.seq),
            "case-investigation:ProvenanceRecord",
            **{
                "uco-core:description": f"entry {end.seq if end is not None else entry.seq}",
                "uco-core:object": _refs(concerned),
                **({"case-investigation:exhibitNumber": _text(entry.item)} if entry.item else {}),
            },
        )
        members["uco-action:result"] = _refs([*results, record])
    return made.node("action", str(entry.seq), "case-investigation:InvestigativeAction", **members), record


def to_bytes(listed: Sequence[Entry]) -> bytes:
    """The document as a file."""
    return (json.dumps(graph(listed), ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def write(case: Case, target: Path) -> FileHash:
    """Write the graph into the new file `target`, recorded as an action. Raises TargetError, LedgerError."""
    from chain_of_custody.report_pdf import write_recorded  # noqa: PLC0415 - it imports much that this does not need

    return write_recorded(
        case,
        target,
        lambda: to_bytes(list(read_entries(case.path))),
        {"format": "case-uco"},
    )
