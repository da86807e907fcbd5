import { Generator, init, reference, tensor } from "@lowrank/core";
import { createModel, parseClassifierConfig, randomParameters } from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import { requestOf } from "../testing/collect.ts";
import { tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";

const tokenizer = tinyTokenizer();

beforeAll(() => init(reference()));

function encoder(modelType: string) {
  const config = parseClassifierConfig({
    ...{ model_type: modelType, num_labels: 2, vocab_size: 98, hidden_size: 16, intermediate_size: 24 },
    ...{ num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 24, pad_token_id: 1 },
  });
  return createModel(config, randomParameters(new Generator(1))).eval();
}

test.each(["bert", "roberta"])(
  "a %s gives the mean of its hidden states at length 1, whatever runs beside",
  async (type) => {
    const model = encoder(type);
    const engine = await createEngine({ model, tokenizer, servedModelName: "encoder" });
    const texts = ["hello", "other words", "x"];
    const { embeddings, tokens } = await engine.embed(texts);
    expect(tokens).toBe(17);
    for (const [i, text] of texts.entries()) {
      const ids = tokenizer.encode(text);
      const hidden = model.hidden({ inputIds: tensor([ids], { dtype: "i32" }) }).dataSync();
      const mean = Array.from(
        { length: 16 },
        (_, d) => ids.reduce((sum, _, t) => sum + hidden[16 * t + d], 0) / ids.length,
      );
      const length = Math.hypot(...mean);
      for (const [d, x] of mean.entries()) expect(embeddings[i][d]).toBeCloseTo(x / length, 5);
      const [alone] = (await engine.embed([ids])).embeddings;
      expect([...alone]).toEqual([...embeddings[i]]);
    }
    await engine.close();
  },
);

test("an encoder generates nothing, has no adapters, and refuses what it cannot read", async () => {
  const engine = await createEngine({ model: encoder("bert"), tokenizer, servedModelName: "encoder" });
  expect(await engine.model()).toMatchObject({ task: "embed", maxPositions: 24, vocabSize: 98 });
  const generated = async () => {
    for await (const _ of engine.generate(requestOf()));
  };
  await expect(generated()).rejects.toThrow("encoder gives embeddings; it generates no text");
  await expect(engine.loadAdapter("a", "b")).rejects.toMatchObject({ code: "invalid_request" });
  await expect(engine.embed(["x".repeat(25)])).rejects.toThrow("maximum context length is 24 tokens; an input has 25");
  await expect(engine.embed([[]])).rejects.toThrow("the prompt has no tokens");
  const running = engine.embed(["a", "b"]);
  await engine.drain();
  expect((await running).embeddings.length).toBe(2);
  await expect(engine.embed(["x"])).rejects.toMatchObject({ code: "draining" });
  await engine.close();
  await expect(engine.embed(["x"])).rejects.toMatchObject({ code: "unavailable" });
});
