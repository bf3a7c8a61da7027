from __future__ import annotations

import pytest

from chain_of_custody import FileHash, init_case, open_case


@pytest.fixture
def case_path(tmp_path):
    """A case with two sessions, an action with a result, a note and an interrupted action."""
    path = tmp_path / "case"
    with init_case(path, name="2026-017", actor="yamada@example.jp") as case:
        case.append("note", {"text": "封印番号 A-102"}, src="typed", item="PC-1")
    with open_case(path, tool="preserve") as case:
        with case.action("verify", {"image": "disk.E01"}) as action:
            action.set_result({"equal": "yes"}, inputs=[FileHash("ab" * 32, 1024)])
        case.append("note", {"text": "二つ目"}, src="typed", details="電話 03-0000-0000".encode())
    return path
