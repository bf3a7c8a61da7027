"""Clocks that were wrong: what they showed, what was true, and how far either can be known.

```python
from timeline.clocks import read_case, solve

case = read_case(Path("clock-case"))
solution = solve(case)
for record in solution.records():
    record.earliest_ns, record.latest_ns, record.status
```
The model, its formulas and its limits: docs/clocks.md. The zone layer (which zone a text is in) and the clock layer
(how wrong the clock was) are kept apart.
"""

from timeline.clocks.case_folder import read_case
from timeline.clocks.solution import Solution, solve

__all__ = ["Solution", "read_case", "solve"]
