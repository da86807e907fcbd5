import { type Backend, Generator, init, reference, slice, type Tensor, tensor } from "@lowrank/core";
import { deferred, primitives } from "@lowrank/core/testing";
import { PagedKVCache, Parameter } from "@lowrank/nn";
import { wasm } from "@lowrank/wasm";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import type { CausalLM } from "./causalLM.ts";
import { randomParameters } from "./parameters.ts";
import { type RaggedBatch, raggedHidden } from "./raggedHidden.ts";

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 };
const kin = { ...sizes, num_key_value_heads: 2, max_position_embeddings: 64 };
const models: Record<string, Record<string, unknown>> = {
  llama: { model_type: "llama", ...kin },
  gpt2: { model_type: "gpt2", vocab_size: 11, n_positions: 64, n_embd: 16, n_layer: 2, n_head: 4 },
  mistral: { model_type: "mistral", ...kin, sliding_window: 5 },
  qwen2: { model_type: "qwen2", ...kin },
};

const pageSize = 4;
const pages = 40;

beforeEach(() => init(reference()));

/** Returns a model whose hidden states differ from token to token. */
function make(json: Record<string, unknown>): CausalLM {
  const draw = randomParameters(new Generator(1));
  return createModel(parseModelConfig(json), (name, shape, start) => {
    return draw(name, shape, "std" in start ? { std: 0.3 } : start);
  }).eval();
}

function cacheFor(model: CausalLM): PagedKVCache {
  const { layers, keyValueHeads, headDim } = model.attentionSizes;
  return new PagedKVCache({ layers, keyValueHeads, headDim, pages, pageSize, backend: model.backend });
}

/** The rows of one pass, each a sequence and a position. */
type Pass = readonly (readonly [sequence: number, position: number])[];

/** Sequences, and passes that compute all of their rows, in order within each sequence. */
interface Schedule {
  readonly sequences: readonly number[][];
  readonly passes: readonly Pass[];
  readonly seed: number;
}

const schedules = fc
  .record({
    sequences: fc.array(fc.array(fc.nat(10), { minLength: 1, maxLength: 22 }), { minLength: 1, maxLength: 3 }),
    chunks: fc.array(fc.array(fc.nat(6), { minLength: 3, maxLength: 3 }), { maxLength: 8 }),
    seed: fc.nat(1000),
  })
  .map(({ sequences, chunks, seed }): Schedule => {
    const done = sequences.map(() => 0);
    const generator = new Generator(seed);
    const rest = [sequences.map(({ length }) => length)];
    const passes = [...chunks, ...rest].map((sizesOfPass) => {
      const rows = sequences.flatMap(({ length }, s) => {
        const from = done[s];
        done[s] = Math.min(length, from + sizesOfPass[s]);
        return Array.from({ length: done[s] - from }, (_, i) => [s, from + i] as const);
      });
      return [...generator.permutation(rows.length)].map((i) => rows[i]);
    });
    return { sequences, passes: passes.filter(({ length }) => length > 0), seed };
  });

/** Returns the page table of each sequence, with pages in random order. */
function tablesOf({ sequences, seed }: Schedule): Int32Array[] {
  const free = [...new Generator(seed + 1).permutation(pages)];
  return sequences.map(({ length }) => Int32Array.from(free.splice(0, Math.ceil(length / pageSize))));
}

function batchOf(pass: Pass, { sequences }: Schedule, tables: readonly Int32Array[]): RaggedBatch {
  return {
    tokens: Int32Array.from(pass, ([s, position]) => sequences[s][position]),
    positions: Int32Array.from(pass, ([, position]) => position),
    sequences: Int32Array.from(pass, ([s]) => s),
    tables,
  };
}

/** Computes the hidden states of every token of every sequence by a schedule. */
async function runSchedule(model: CausalLM, schedule: Schedule): Promise<Float32Array[][]> {
  using cache = cacheFor(model);
  const tables = tablesOf(schedule);
  const rows: Float32Array[][] = schedule.sequences.map(() => []);
  for (const pass of schedule.passes) {
    using hidden = raggedHidden(model, batchOf(pass, schedule, tables), cache);
    expect(hidden.shape).toEqual([pass.length, 1, model.attentionSizes.hiddenSize]);
    const values = (await hidden.data()) as Float32Array;
    const width = values.length / pass.length;
    for (const [n, [s, position]] of pass.entries()) rows[s][position] = values.slice(n * width, (n + 1) * width);
  }
  return rows;
}

async function runPlain(model: CausalLM, tokens: number[]): Promise<Float32Array> {
  using hidden = model.hidden({ inputIds: tensor([tokens], { dtype: "i32", backend: model.backend }) });
  return (await hidden.data()) as Float32Array;
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));

describe.each(Object.entries(models))("raggedHidden of a %s", (_name, json) => {
  it("gives the rows of the plain forward pass, by any schedule of chunks and sequences", async () => {
    const model = make(json);
    await fc.assert(
      fc.asyncProperty(schedules, async (schedule) => {
        const rows = await runSchedule(model, schedule);
        for (const [s, tokens] of schedule.sequences.entries()) {
          const actual = rows[s].flatMap((row) => [...row]);
          expect(largestDifference(actual, await runPlain(model, tokens))).toBeLessThan(1e-5);
        }
      }),
      { numRuns: 20, seed: 1 },
    );
  });

  it.each<[string, () => Backend | Promise<Backend>]>([
    ["primitives", primitives],
    ["deferred", deferred],
    ["wasm", () => wasm()],
  ])("gives them on the %s backend", async (_backend, start) => {
    await init(await start());
    const model = make(json);
    const sequences = [
      [4, 9, 2, 1, 5, 3, 0, 7, 8, 10, 6],
      [5, 3, 0],
    ];
    const passes = [
      [...Array(9).keys()].map((p) => [0, p] as const),
      [[0, 9] as const, [1, 0] as const, [1, 1] as const],
      [[1, 2] as const, [0, 10] as const],
    ];
    const rows = await runSchedule(model, { sequences, passes, seed: 3 });
    for (const [s, tokens] of sequences.entries()) {
      const actual = rows[s].flatMap((row) => [...row]);
      const plain = await runPlain(model, tokens);
      expect(largestDifference(actual, plain)).toBeLessThan(1e-4);
    }
  });

  it.each<[string, () => Backend | Promise<Backend>]>([
    ["reference", reference],
    ["wasm", () => wasm({ batchInvariant: true })],
  ])("gives the same bits by any schedule on the %s backend", async (_backend, start) => {
    const { batchInvariant } = await init(await start());
    expect(batchInvariant).toBe(true);
    const model = make(json);
    await fc.assert(
      fc.asyncProperty(schedules, async (schedule) => {
        const rows = await runSchedule(model, schedule);
        for (const [s, tokens] of schedule.sequences.entries()) {
          const passes = tokens.map((_, p) => [[0, p] as const]);
          const [alone] = await runSchedule(model, { sequences: [tokens], passes, seed: 7 });
          expect(rows[s]).toEqual(alone);
        }
      }),
      { numRuns: 5, seed: 2 },
    );
  });
});

describe("raggedHidden", () => {
  const batch = (more: Partial<RaggedBatch> = {}): RaggedBatch => ({
    tokens: Int32Array.of(4, 9, 2),
    positions: Int32Array.of(0, 1, 2),
    sequences: Int32Array.of(0, 0, 0),
    tables: [Int32Array.of(3)],
    ...more,
  });

  it("goes on from a page that was copied", async () => {
    const model = make(models.llama);
    using cache = cacheFor(model);
    raggedHidden(model, batch(), cache).dispose();
    cache.copyPage(3, 8);
    const goOn = (token: number, page: number) =>
      batch({
        tokens: Int32Array.of(token),
        positions: Int32Array.of(3),
        sequences: Int32Array.of(0),
        tables: [Int32Array.of(page)],
      });
    for (const [token, page] of [
      [5, 3],
      [7, 8],
    ]) {
      using hidden = raggedHidden(model, goOn(token, page), cache);
      const plain = slice(tensor(await runPlain(model, [4, 9, 2, token]), { shape: [4, 16] }), { start: 3 });
      expect(largestDifference(await hidden.data(), await plain.data())).toBeLessThan(1e-5);
    }
  });

  it("never reads the pages before a window", async () => {
    const model = make(models.mistral);
    using cache = cacheFor(model);
    const tokens = [4, 9, 2, 1, 5, 3, 0, 7, 8, 10, 6, 2];
    const table = Int32Array.of(3, 0, 6);
    for (const [position, token] of tokens.entries()) {
      // From position 8 on, a window of 5 starts on the second page.
      if (position === 8) table[0] = -1;
      const one = { tokens: Int32Array.of(token), positions: Int32Array.of(position), sequences: Int32Array.of(0) };
      using hidden = raggedHidden(model, { ...one, tables: [table] }, cache);
      const plain = (await runPlain(model, tokens)).subarray(position * 16, (position + 1) * 16);
      expect(largestDifference(await hidden.data(), plain)).toBeLessThan(1e-5);
    }
  });

  it("refuses batches that do not fit", () => {
    const model = make(models.llama);
    using cache = cacheFor(model);
    const run = (more: Partial<RaggedBatch>) => () => raggedHidden(model, batch(more), cache);
    expect(run({ tokens: Int32Array.of(1) })).toThrow("1 tokens and 3 positions");
    expect(run({ tokens: new Int32Array(0), positions: new Int32Array(0) })).toThrow("0 tokens");
    expect(run({ sequences: Int32Array.of(0) })).toThrow("3 positions and 1 sequences");
    expect(run({ sequences: Int32Array.of(0, 0, 1) })).toThrow(
      "row 2 names sequence 1, but there are only 1 page tables",
    );
    expect(run({ positions: Int32Array.of(0, 64, 2) })).toThrow(
      "row 1 is at position 64, but with a paged KV cache the model has positions 0..",
    );
    expect(run({ positions: Int32Array.of(0, -1, 2) })).toThrow("row 1 is at position -1");
    expect(run({ positions: Int32Array.of(0, 1, 4) })).toThrow("give it 2 pages");
    expect(run({ positions: Int32Array.of(0, 1, 1) })).toThrow("rows 1 and 2 both go to offset 1 of page 3");
    expect(run({ tables: [Int32Array.of(40)] })).toThrow("has page 40 for position 0, but the cache has pages 0..39");
    expect(run({ tokens: Int32Array.of(1, 2, 11) })).toThrow("id 11");
    const other = new PagedKVCache({ layers: 2, keyValueHeads: 4, headDim: 4, pages });
    expect(() => raggedHidden(model, batch(), other)).toThrow(
      "the cache's layers are 2 x 4 heads of 4, but the model's are 2 x 2 heads of 4",
    );
  });

  it("refuses virtual tokens", () => {
    const model = make(models.llama);
    using cache = cacheFor(model);
    const rows: Tensor = new Parameter(tensor(new Float32Array(32), { shape: [2, 16] }));
    model.virtualTokens = { kind: "embeddings", count: 2, rows: () => rows };
    expect(() => raggedHidden(model, batch(), cache)).toThrow("the model has 2 virtual tokens");
  });
});
