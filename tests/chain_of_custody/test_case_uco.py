"""The graph in CASE/UCO: valid by the ontology's own shapes, offline, and the same for the same ledger."""

import json
import warnings

import pytest

from chain_of_custody import FileHash, case_uco, init_case, open_case
from chain_of_custody.reading import read_entries
from tests.chain_of_custody.test_cli import custody


@pytest.fixture
def case_dir(tmp_path):
    path = tmp_path / "case"
    with init_case(path, actor="yamada", name="2026-017 <x> 123456789018") as case:
        case.append("record.authority", {"client": "甲社", "authority": "request"}, src="typed")
        case.append(
            "record.item",
            {"kind": "ノートPC", "maker": "F社", "model": "U93", "serial": "S1", "appearance": "傷"},
            item="PC-1",
            src="typed",
        )
        case.append("record.scene", {"place": "会議室", "power": "on"}, item="PC-1", src="typed")
        with case.action("image", {"source": "/dev/sdb"}, item="PC-1") as action:
            action.set_result({"hashes": {"sha256": "5f" * 32}}, outputs=[FileHash("ab" * 32, 5)])
        with pytest.raises(ZeroDivisionError), case.action("verify", {}, inputs=[FileHash("ab" * 32, 5)]):
            raise ZeroDivisionError
        case.append("scan.begin", {})
        case.append("record.photo", {"what": "画面", "files": [{"name": "p.jpg", "sha256": "cd" * 32}]},
                    outputs=[FileHash("cd" * 32, 7)], src="typed")  # fmt: skip
    return path


def test_it_is_valid_by_the_ontology(case_dir, tmp_path):
    target = tmp_path / "case.jsonld"
    code, _out, err = custody("report", "--out", target, "--case", case_dir)
    assert code == 0, err
    with warnings.catch_warnings():
        # The validator's own libraries use what their dependencies deprecate.
        warnings.simplefilter("ignore")
        validator = pytest.importorskip("case_utils.case_validate")
        result = validator.validate([str(target)])
    assert result.conforms, result.text
    assert "Warning" not in result.text
    assert "123456789018" not in target.read_text(encoding="utf-8")


def test_what_it_says(case_dir):
    listed = list(read_entries(case_dir))
    nodes = case_uco.graph(listed)["@graph"]
    kinds = {}
    for node in nodes:
        kinds.setdefault(node["@type"], []).append(node)
    actions = {node["uco-core:name"]: node for node in kinds["case-investigation:InvestigativeAction"]}
    image = actions["acquisition of an image"]
    assert image["uco-action:actionStatus"] == "Success"
    assert image["uco-action:endTime"]["@value"] > image["uco-action:startTime"]["@value"]
    assert actions["verification of an image"]["uco-action:actionStatus"] == "Fail"
    assert actions["scan for My Numbers"]["uco-action:actionStatus"] == "Unknown"
    names = {
        facet["uco-observable:fileName"]
        for node in kinds["uco-observable:File"]
        for facet in node["uco-core:hasFacet"]
        if "uco-observable:fileName" in facet
    }
    assert names == {"p.jpg"}
    (item,) = kinds["uco-observable:Device"]
    assert item["uco-core:hasFacet"][0]["uco-observable:serialNumber"] == "S1"
    assert len(kinds["case-investigation:Investigation"]) == 1
    assert case_uco.to_bytes(listed) == case_uco.to_bytes(listed)
    identifiers = [node["@id"] for node in nodes]
    assert len(identifiers) == len(set(identifiers))
    assert json.loads(case_uco.to_bytes(listed))["@context"]["kb"] == "urn:hozen:"


def test_an_empty_case(tmp_path):
    init_case(tmp_path / "case").close()
    with open_case(tmp_path / "case") as case:
        case_uco.write(case, tmp_path / "x.jsonld")
    assert (tmp_path / "x.jsonld").stat().st_size > 500
