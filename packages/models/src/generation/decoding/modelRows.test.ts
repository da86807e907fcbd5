import { init, reference, type Tensor, tensor, zeros } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { CausalLM } from "../../model/causalLM.ts";
import type { Penalties } from "../settings/penalties.ts";
import { Processing } from "../settings/processing.ts";
import type { PromptCache } from "../settings/promptCache.ts";
import { ModelRows } from "./modelRows.ts";

beforeAll(() => init(reference()));

/** Returns a model that records its calls, and the list of these calls. */
function recording({ cachedPositions = 99, virtual = 0 } = {}) {
  const calls: unknown[] = [];
  const lists = (t: Tensor | undefined) => {
    if (!t) return undefined;
    const [rows, columns] = t.shape;
    const values = Array.from(t.dataSync() as ArrayLike<number>);
    return Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns));
  };
  const cache = {
    reorder: (index: Tensor) => calls.push({ reorder: [...(index.dataSync() as Int32Array)] }),
    truncate: (length: number) => calls.push({ truncate: length }),
    dispose: () => calls.push("dispose"),
  };
  const { backend } = zeros([1]).storage;
  const model = {
    ...{ backend, cachedPositions, virtualTokens: virtual > 0 ? { count: virtual } : null },
    createCache: () => cache,
    nextLogits: ({
      inputIds,
      attentionMask,
      positionIds,
      maxPosition,
    }: Record<string, Tensor> & { maxPosition: number }) => {
      calls.push({ ids: lists(inputIds), mask: lists(attentionMask), positions: lists(positionIds), maxPosition });
      return zeros([1, 3]);
    },
  } as unknown as CausalLM;
  const counted: unknown[] = [];
  const penalties = {
    any: true,
    countPrompt: (ids: Tensor, mask: Tensor) => counted.push([lists(ids), lists(mask)]),
    countToken: (ids: Tensor, mask: Tensor) => counted.push([lists(ids), lists(mask)]),
    select: () => counted.push("select"),
  } as unknown as Penalties;
  return { model, calls, cache, counted, penalties };
}

const plain = (ids: number[][]) => ({ ids, mask: undefined, positions: undefined, maxPosition: undefined });

test("shorter prompts are padded on the left, masked, and count their positions from their first token", () => {
  const { model, calls, counted, penalties } = recording();
  using rows = new ModelRows(model, [[7, 8, 9], [6]], { capacity: 9, penalties });
  rows.start();
  rows.next([5, null]);
  rows.select([0, 1]);
  rows.select([1, 0]);
  rows.next([3, 4]);
  rows.select([1]);
  rows.next([2]);
  expect(calls).toEqual([
    {
      ids: [
        [7, 8, 9],
        [0, 0, 6],
      ],
      mask: [
        [1, 1, 1],
        [0, 0, 1],
      ],
      positions: [
        [0, 1, 2],
        [0, 0, 0],
      ],
      maxPosition: 2,
    },
    {
      ids: [[5], [0]],
      mask: [
        [1, 1, 1, 1],
        [0, 0, 1, 1],
      ],
      positions: [[3], [1]],
      maxPosition: 3,
    },
    { reorder: [1, 0] },
    {
      ids: [[3], [4]],
      mask: [
        [0, 0, 1, 1, 1],
        [1, 1, 1, 1, 1],
      ],
      positions: [[2], [4]],
      maxPosition: 4,
    },
    { reorder: [1] },
    plain([[2]]),
  ]);
  expect(counted).toEqual([
    [
      [
        [7, 8, 9],
        [0, 0, 6],
      ],
      [
        [1, 1, 1],
        [0, 0, 1],
      ],
    ],
    [
      [[5], [0]],
      [[1], [0]],
    ],
    "select",
    [
      [[3], [4]],
      [[1], [1]],
    ],
    "select",
    [[[2]], [[1]]],
  ]);
});

test("the first of two rows alone is a selection", () => {
  const { model, calls } = recording();
  using rows = new ModelRows(model, [[1], [2]], { capacity: 9 });
  rows.start();
  rows.select([0]);
  rows.next([3]);
  expect(calls).toEqual([plain([[1], [2]]), { reorder: [0] }, plain([[3]])]);
});

test.each([
  [{ cachedPositions: 3 }, 3],
  [{ cachedPositions: 5, virtual: 2 }, 3],
  [{ cachedPositions: 3, virtual: 2 }, 1],
])("%j: all tokens run again once they are more than the %i that turn alike", (options, room) => {
  const { model, calls } = recording(options);
  const ids = [1, 2, 3, 4, 5];
  using rows = new ModelRows(model, [[1]], { capacity: 9 });
  rows.start();
  for (const id of ids.slice(1)) rows.next([id]);
  const expected = ids.flatMap((id, i) =>
    i === room ? [{ truncate: 0 }, plain([ids.slice(0, i + 1)])] : [plain([[id]])],
  );
  expect(calls).toEqual(expected);
  const long = recording(options);
  using other = new ModelRows(long.model, [ids], { capacity: 9 });
  other.start();
  other.next([6]);
  expect(long.calls).toEqual([plain([ids]), plain([[6]])]);
});

test("a cache that is kept runs the rest of the prompt, and is not disposed of", () => {
  const { model, calls, cache } = recording();
  const pushed: unknown[] = [];
  const kept = { open: () => cache, length: 2, push: (ids: number[]) => pushed.push(ids) } as unknown as PromptCache;
  for (const penalties of [null, { any: false } as Penalties]) {
    using rows = new ModelRows(model, [[7, 8, 9]], { capacity: 9, penalties, promptCache: kept });
    rows.start();
  }
  expect([calls, pushed]).toEqual([
    [plain([[9]]), plain([[9]])],
    [[9], [9]],
  ]);
  const { model: other, calls: own, penalties } = recording();
  {
    using rows = new ModelRows(other, [[7, 8, 9]], { capacity: 9, penalties, promptCache: kept });
    rows.start();
  }
  expect(own).toEqual([plain([[7, 8, 9]]), "dispose"]);
});

test("bans of one row leave the others alone, and functions leave the logits that they are given", async () => {
  const logits = tensor([
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ]);
  const run = async (options: ConstructorParameters<typeof Processing>[0]) => {
    using processing = new Processing(options, { vocabSize: 3, backend: logits.storage.backend }, 3);
    const rows = [[2, 0], [2], [1]].map((prompt) => ({ prompt, tokens: [], ended: prompt[0] === 1 }));
    const out = await processing.apply(logits, rows);
    return Array.from(out.dataSync() as Float32Array);
  };
  expect(await run({ noRepeatNgramSize: 1 })).toEqual([-Infinity, 2, -Infinity, 4, 5, -Infinity, 7, 8, 9]);
  expect(await run({ logitsProcessors: [(values) => values.map((x) => x + 1)] })).toEqual([2, 3, 4, 5, 6, 7, 7, 8, 9]);
  expect(await run({})).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
