"""Writes pickles of plain values by Python: python pickles.py > packages/peft/src/torchFiles/pickles.gen.json"""

import base64
import collections
import json
import pickle

long = "ä" * 200
shared = ["x", 1]
values = {
    "integers": [0, 1, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**40 + 7, 2**53 - 1],
    "negative integers": [-1, -128, -129, -(2**31), -(2**31) - 1, -(2**53) + 1],
    "floats": [0.5, -2.25, 1e300, 3.0],
    "constants": [None, True, False],
    "texts": ["", "a", "b" * 255, "b" * 256, long],
    "lists": [[], [1], [1, 2], list(range(30))],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), (1, (2, (3, ())))],
    "dictionaries": [{}, {"a": 1}, {"a": 1, "b": [2]}, {f"k{i}": i for i in range(20)}],
    "ordered dictionaries": [collections.OrderedDict(), collections.OrderedDict(a=1, b=2)],
    "repeated values": [shared, [shared, shared], [f"t{i % 270}" for i in range(540)], [shared]],
}
found = [
    {"name": f"{name}, protocol {protocol}", "json": json.dumps(value), "pickle": base64.b64encode(pickle.dumps(value, protocol)).decode()}
    for name, value in values.items()
    for protocol in (2, 4)
]
print(json.dumps(found, separators=(",", ":")))
