import { join } from "node:path";
import { init } from "@lowrank/core";
import { loadSequenceClassifier } from "@lowrank/models";
import { goldenFolder } from "@lowrank/test-support/folders";
import { GoldenFile } from "@lowrank/test-support/golden";
import { wasm } from "@lowrank/wasm";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listening } from "../testing/listening.ts";
import { tinyTokenizer } from "../testing/tinyModel.ts";
import { createEmbeddingEngine } from "./embeddingEngine.ts";

// Reference values of sentence-transformers' modules in PyTorch.
const folder = join(goldenFolder, "embeddings/bert-mean");
let golden: GoldenFile;
let server: Awaited<ReturnType<typeof listening>>;
let client: OpenAI;

/** Slightly more than one rounding of f32 per layer, for values below 1. */
const tolerance = 1e-6;

beforeAll(async () => {
  golden = await GoldenFile.open(join(folder, "golden.safetensors"));
  await init(wasm({ batchInvariant: true }));
  const { model, files } = await loadSequenceClassifier(folder, { newHead: { labels: 1 } });
  // The golden folder has no tokenizer, so clients send token ids.
  const engine = await createEmbeddingEngine({ model, tokenizer: tinyTokenizer(), files, servedModelName: "bert" });
  server = await listening({ engine });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
});
afterAll(() => server.close());

/** Returns the rows of a tensor [B, n]. */
async function rows(name: string): Promise<number[][]> {
  const [B, n] = golden.shape(name);
  const flat = Array.from(await golden.array(name), Number);
  return Array.from({ length: B }, (_, b) => flat.slice(b * n, (b + 1) * n));
}

/** Returns the token ids of each text, without padding. */
async function texts(suffix: string): Promise<number[][]> {
  const masks = await rows(`attention_mask${suffix}`);
  return (await rows(`input_ids${suffix}`)).map((ids, b) => ids.filter((_, t) => masks[b][t] === 1));
}

test.each(["", ".b"])("embeddings%s over HTTP are those of the reference, as numbers and as bytes", async (suffix) => {
  const input = await texts(suffix);
  const expected = await rows(`embedding${suffix}`);
  // The client requests base64 by default.
  for (const format of [{}, { encoding_format: "float" as const }]) {
    const { data, usage } = await client.embeddings.create({ model: "bert", input, ...format });
    expect(usage.prompt_tokens).toBe(input.flat().length);
    expect(data.map(({ index }) => index)).toEqual(input.map((_, index) => index));
    for (const [b, { embedding }] of data.entries()) {
      expect(embedding.length).toBe(32);
      for (const [d, x] of embedding.entries()) expect(Math.abs(x - expected[b][d])).toBeLessThan(tolerance);
    }
  }
});

test("concurrent requests get the bits that each gets alone", async () => {
  const input = [...(await texts("")), ...(await texts(".b"))].flatMap((ids) => [ids, ids.slice(0, 3)]);
  const ask = async (one: number[]) =>
    (await client.embeddings.create({ model: "bert", input: one })).data[0].embedding;
  const together = await Promise.all(input.map(ask));
  for (const [i, one] of input.entries()) expect(await ask(one)).toEqual(together[i]);
});

test("what is wrong is OpenAI's error, naming the field", async () => {
  const refused = (input: number[], more: object = {}) =>
    client.embeddings.create({ model: "bert", input, ...more }).then(
      () => null,
      (error: unknown) => error,
    );
  const long = Array(25).fill(7);
  expect(await refused(long)).toMatchObject({ status: 400, param: "input", type: "invalid_request_error" });
  expect(await refused(long, { truncate_prompt_tokens: -1 })).toBeNull();
  expect(await refused([7], { truncate_prompt_tokens: 25 })).toMatchObject({ param: "truncate_prompt_tokens" });
  expect(await refused([61])).toMatchObject({ status: 400, param: "input" });
  const chat = client.chat.completions.create({ model: "bert", messages: [{ role: "user", content: "hi" }] });
  await expect(chat).rejects.toMatchObject({ status: 400, param: "model" });
});
