import { readFileSync } from "node:fs";
import { join } from "node:path";
import { init, scope, tensor } from "@lowrank/core";
import { sharedPath } from "@lowrank/test-support/folders";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, it } from "vitest";
import { type LoadedModel, loadModel } from "../checkpoint/loadModel.ts";
import { generate } from "../generation/decoding/generate.ts";

const models = sharedPath("models", "real pretrained models");
const expected = (name: string) => JSON.parse(readFileSync(join(models as string, "expected", `${name}.json`), "utf8"));

beforeAll(async () => {
  await init(wasm());
});

/** Returns the logits of each position of one sequence. */
async function logitsOf({ model }: LoadedModel, ids: number[]): Promise<Float32Array[]> {
  const out = scope(() => model.forward({ inputIds: tensor([ids], { dtype: "i32" }) }));
  const data = (await out.logits.data()) as Float32Array;
  return ids.map((_, t) => data.subarray(t * model.vocabSize, (t + 1) * model.vocabSize));
}

function expectClose(actual: ArrayLike<number>, reference: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(reference.length);
  for (let i = 0; i < reference.length; i++) expect(Math.abs(actual[i] - reference[i])).toBeLessThanOrEqual(tolerance);
}

const logSumExp = (x: Float32Array) => {
  const top = Math.max(...x);
  return top + Math.log(x.reduce((sum, v) => sum + Math.exp(v - top), 0));
};

describe.skipIf(!models)("stories260K (Llama with grouped queries and a tied head)", () => {
  it("gives run.c's arg-max tokens, log-sum-exps and last logits", async () => {
    const loaded = await loadModel(join(models as string, "stories260K-hf"));
    for (const { text, ids, argmax, logsumexp, last_logits } of expected("stories260K").forward) {
      expect(loaded.tokenizer?.encode(text)).toEqual(ids);
      const logits = await logitsOf(loaded, ids);
      expect(logits.map((row) => row.indexOf(Math.max(...row)))).toEqual(argmax);
      expectClose(logits.map(logSumExp), logsumexp, 1e-4);
      expectClose(logits[logits.length - 1], last_logits, 1e-4);
    }
  });

  it("writes run.c's story, 199 greedy tokens after BOS", async () => {
    const { model } = await loadModel(join(models as string, "stories260K-hf"));
    const story: number[] = expected("stories260K").greedy_from_bos_200;
    const [tokens] = await generate(model, [story.slice(0, 1)], { maxNewTokens: 199, generationConfig: null });
    expect(tokens).toEqual(story.slice(1));
  });
});

describe.skipIf(!models)("pyspell (Llama, English to Python)", () => {
  it("completes six requests, one by one and as one padded batch", async () => {
    const { model, config, tokenizer } = await loadModel(join(models as string, "pyspell-hf"));
    const { cases } = expected("pyspell");
    const prompts: number[][] = cases.map(({ prompt }: { prompt: string }) => tokenizer?.encode(prompt));
    expect(prompts).toEqual(cases.map((c: { prompt_ids: number[] }) => c.prompt_ids));
    const options = { maxNewTokens: 48, eosTokenIds: config.eosTokenIds };
    const alone = [];
    for (const prompt of prompts) alone.push((await generate(model, [prompt], options))[0]);
    const texts = alone.map((ids) => tokenizer?.decode(ids, { skipSpecialTokens: true }).trim());
    expect(texts).toEqual(cases.map(({ completion }: { completion: string }) => completion.trim()));
    expect(await generate(model, prompts, options)).toEqual(alone);
  });
});

describe.skipIf(!models)("gpt-nano-sort (GPT-2)", () => {
  it("gives the recorded logits", async () => {
    const loaded = await loadModel(join(models as string, "gpt-nano-sort-hf"));
    for (const { ids, logits } of expected("gpt-nano-sort").cases) {
      expectClose(
        (await logitsOf(loaded, ids)).flatMap((row) => [...row]),
        logits.flat(),
        1e-4,
      );
    }
  });
});
