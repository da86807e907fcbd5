"""Writes packages/models/src/tokenizer/tests/pythonTokenizers.gen.json: random tokenizers, strings and their ids."""

import json
import random

from tokenizer_cases import made, scalars, string
from tokenizers import Tokenizer

SEED = 5
STRINGS = 10


def table(index):
    name, tokenizer = made(SEED, index)
    draw = random.Random(f"{SEED} {index} table")
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    content = json.loads(tokenizer.to_str())
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    # The last string is long: words from 1,000 characters on may be cut.
    cases = []
    while len(cases) <= STRINGS:
        text = scalars("".join(string(draw, added) for _ in range(1 if len(cases) < STRINGS else 3)))
        if len(cases) == STRINGS and index < 6:
            text += "thelowest" * 120
        try:
            ids = tokenizer.encode(text).ids
            bare = tokenizer.encode(text, add_special_tokens=False).ids
            texts = [tokenizer.decode(ids, skip_special_tokens=skipped) for skipped in (False, True)]
        except BaseException as error:
            # The library panics for some overlapping tokens, and for some decoders without a token.
            if type(error).__name__ != "PanicException":
                raise
            continue
        cases.append([text, ids, None if bare == ids else bare, *texts])
    return {"name": f"{name} {index}", "json": content, "cases": cases}


tables = [json.dumps(table(index), ensure_ascii=False, separators=(",", ":")) for index in range(24)]
print("[\n" + ",\n".join(tables) + "\n]")
