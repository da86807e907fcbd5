import { memoryFiles } from "@lowrank/files";
import { beforeAll, describe, expect, test } from "vitest";
import { type EmbeddingEngineOptions, embeddingSettings, plainConfig } from "./embeddingOptions.ts";
import { paddedLength } from "./embedTexts.ts";
import { TextQueue, type WaitingText } from "./textQueue.ts";

let model: EmbeddingEngineOptions["model"];
beforeAll(() => {
  model = { maxPositions: 42, attentionSizes: { hiddenSize: 16 } } as never;
});

describe("the settings of an embedding engine", () => {
  const settings = (more: Partial<EmbeddingEngineOptions> = {}) =>
    embeddingSettings({ model, servedModelName: "e", ...more } as EmbeddingEngineOptions);
  const folder = (texts: object) =>
    memoryFiles({
      "modules.json": JSON.stringify([
        { type: "sentence_transformers.models.Transformer", path: "" },
        { type: "sentence_transformers.models.Pooling", path: "1_Pooling" },
      ]),
      "1_Pooling/config.json": JSON.stringify({ word_embedding_dimension: 16 }),
      "sentence_bert_config.json": JSON.stringify(texts),
    });

  test("have the documented defaults", async () => {
    expect(await settings()).toEqual({
      ...{ maxNumSeqs: 64, maxNumBatchedTokens: 2048, maxModelLen: 42, maxQueue: 1024 },
      ...{ normalize: true, maxSeqLength: null, lowerCase: false },
    });
    expect(plainConfig.normalize).toBe(true);
  });

  test("have the length that the folder gives, within the model's", async () => {
    expect(await settings({ files: folder({ max_seq_length: 30 }) })).toMatchObject({
      ...{ maxModelLen: 30, maxSeqLength: 30, normalize: false, lowerCase: false },
    });
    expect(await settings({ files: folder({ max_seq_length: 99, do_lower_case: true }) })).toMatchObject({
      ...{ maxModelLen: 42, lowerCase: true },
    });
    expect((await settings({ files: folder({ max_seq_length: 30 }), maxModelLen: 40 })).maxModelLen).toBe(40);
    await expect(settings({ files: folder({ max_seq_length: 0 }) })).rejects.toThrow("max_seq_length");
  });

  test.each(["maxNumSeqs", "maxNumBatchedTokens", "maxModelLen", "maxQueue"] as const)(
    "%s is a whole number of at least 1",
    async (name) => {
      expect((await settings({ [name]: 1 }))[name]).toBe(1);
      for (const size of [0, -1, 1.5]) {
        await expect(settings({ [name]: size })).rejects.toThrow(
          `createEmbeddingEngine: ${name} is ${size}; expected a whole number of at least 1`,
        );
      }
    },
  );

  test("have no more tokens than the model's positions", async () => {
    expect((await settings({ maxModelLen: 42 })).maxModelLen).toBe(42);
    await expect(settings({ maxModelLen: 43 })).rejects.toThrow(
      "maxModelLen is 43, but the model supports at most 42 positions",
    );
  });
});

test("a text is padded to the next multiple of 16, within the model's positions", () => {
  const lengths = [1, 15, 16, 17, 32, 33, 40, 42].map((tokens) => paddedLength(tokens, 42));
  expect(lengths).toEqual([16, 16, 16, 32, 32, 42, 42, 42]);
});

describe("a pass of texts", () => {
  const text = (name: string, padded: number, version: string | null = null) =>
    ({ tokens: [name], padded, version }) as unknown as WaitingText;
  const queueOf = (...texts: WaitingText[]) => {
    const queue = new TextQueue();
    queue.push(texts);
    return queue;
  };
  const names = (texts: readonly WaitingText[]) => texts.map(({ tokens }) => String(tokens[0])).join("");

  test("has the oldest text, and those of its length and adapter", () => {
    const queue = queueOf(text("a", 16), text("b", 32), text("c", 16, "v"), text("d", 16), text("e", 32));
    const limits = { maxNumSeqs: 8, maxNumBatchedTokens: 128 };
    const passes = Array.from({ length: 4 }, () => names(queue.take(limits)));
    expect(passes).toEqual(["ad", "be", "c", ""]);
    expect(queue.length).toBe(0);
  });

  test("has no more texts or tokens than the limits, and one at least", () => {
    const take = (maxNumSeqs: number, maxNumBatchedTokens: number) => {
      const queue = queueOf(...["a", "b", "c", "d"].map((name) => text(name, 16)));
      return [names(queue.take({ maxNumSeqs, maxNumBatchedTokens })), queue.length];
    };
    expect(take(3, 1000)).toEqual(["abc", 1]);
    expect(take(9, 48)).toEqual(["abc", 1]);
    expect(take(9, 47)).toEqual(["ab", 2]);
    expect(take(9, 8)).toEqual(["a", 3]);
  });

  test("takes nothing that was cleared", () => {
    const queue = queueOf(text("a", 16), text("b", 16));
    expect(names(queue.clear())).toBe("ab");
    expect(queue.length).toBe(0);
    expect(queue.take({ maxNumSeqs: 8, maxNumBatchedTokens: 128 })).toEqual([]);
  });
});
