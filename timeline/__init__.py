"""One timeline from images and logs: build it, ask it questions, show it.

```python
from timeline.parsers import PARSERS
from timeline.sources import Context, local_file

file = local_file(Path("System.evtx"))
for parser in PARSERS:
    if parser.matches(file):
        for event in parser.parse(file, Context(host="pc1")):
            ...
```
"""
