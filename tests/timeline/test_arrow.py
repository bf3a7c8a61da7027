"""pyarrow without pandas: looked at in a process of its own, since what is loaded stays loaded."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

_SAID = """
import json, sys
{before}
from timeline import arrow
arrow.load_alone()
import pyarrow as pa
array = pa.array(["a", "b"])
loaded = "pandas" in sys.modules
import pandas
print(json.dumps([loaded, pandas.Series([1, 2]).sum().item(), len(array.to_pandas()), len(sys.meta_path)]))
"""


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_arrays_are_made_without_pandas_and_others_can_load_it_later() -> None:
    done = subprocess.run([sys.executable, "-c", _SAID.format(before="")], check=True, capture_output=True)
    loaded, total, rows, finders = json.loads(done.stdout)
    plain = subprocess.run(
        [sys.executable, "-c", "import sys, json, pandas; print(len(sys.meta_path))"], check=True, capture_output=True
    )
    assert (loaded, total, rows, finders) == (False, 3, 2, int(plain.stdout))


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_where_pandas_is_loaded_already_nothing_is_changed() -> None:
    done = subprocess.run([sys.executable, "-c", _SAID.format(before="import pandas")], check=True, capture_output=True)
    assert json.loads(done.stdout)[:3] == [True, 3, 2]
