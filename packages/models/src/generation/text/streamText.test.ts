import { type Backend, init, reference } from "@lowrank/core";
import { beforeEach, describe, expect, it } from "vitest";
import { generate } from "../decoding/generate.ts";
import { eos, ids, scripted, tinyModel, tokenizer } from "../testing/scriptedModel.ts";
import { streamText } from "./generateText.ts";
import { RowText } from "./rowText.ts";
import type { StreamTextOptions } from "./textPieces.ts";

beforeEach(() => init(reference()));

/** A backend that counts its live buffers. */
function counting(): { backend: Backend; live: () => number } {
  const inner = reference();
  let live = 0;
  const alloc: Backend["alloc"] = (...args) => {
    live++;
    return inner.alloc(...args);
  };
  const free: Backend["free"] = (buffer) => {
    live--;
    inner.free(buffer);
  };
  return { backend: { ...inner, alloc, free }, live: () => live };
}

async function piecesOf(tokens: readonly number[], options: StreamTextOptions = {}): Promise<string[]> {
  const pieces: string[] = [];
  const logitsProcessors = [scripted(1, tokens)];
  const all = { maxNewTokens: tokens.length, logitsProcessors, ...options };
  for await (const piece of streamText(tinyModel(), tokenizer, "a", all)) pieces.push(piece);
  return pieces;
}

const letters = [scripted(1, new Array<number>(20).fill(0))];

describe("streamText", () => {
  it("yields whole characters, and ends at EOS without its text", async () => {
    expect(await piecesOf(ids("a", "ð", "Ł", "ĺ", "Ģ", "cd", "<eos>", "a"))).toEqual(["a", "\u{1F600}", "cd"]);
  });

  it("frees everything, and gives the training mode back, where its consumer leaves", async () => {
    const { backend, live } = counting();
    await init(backend);
    const model = tinyModel().train();
    // The first run makes cos and sin tables, which remain.
    await generate(model, [ids("a")], { maxNewTokens: 1 });
    const before = live();
    let seen = 0;
    for await (const _ of streamText(model, tokenizer, "a", { maxNewTokens: 20, logitsProcessors: letters })) {
      if (++seen === 2) break;
    }
    expect(seen).toBe(2);
    expect([live(), model.training]).toEqual([before, true]);
  });

  it("ends with an AbortError after at most one token more", async () => {
    const { backend, live } = counting();
    await init(backend);
    const model = tinyModel();
    await generate(model, [ids("a")], { maxNewTokens: 1 });
    const before = live();
    const controller = new AbortController();
    let steps = 0;
    const count = (logits: Float32Array) => {
      steps++;
      return logits;
    };
    const options = { maxNewTokens: 20, logitsProcessors: [count, ...letters], signal: controller.signal };
    const run = async () => {
      for await (const _ of streamText(model, tokenizer, "a", options)) if (steps === 3) controller.abort();
    };
    await expect(run()).rejects.toMatchObject({ name: "AbortError" });
    expect(steps).toBeLessThanOrEqual(4);
    expect(live()).toBe(before);
    await expect(run()).rejects.toBe(controller.signal.reason);
  });

  it("has ended a row with EOS", () => {
    const row = new RowText(tokenizer, [], { eosTokenIds: [eos], skipSpecialTokens: false }, null);
    expect([row.push(ids("a")[0]), row.ended]).toEqual(["a", false]);
    expect([row.push(eos), row.ended]).toEqual(["", true]);
  });

  it("rejects with a reason of the caller's own", async () => {
    const reason = new Error("the tab was closed");
    await expect(piecesOf(ids("a"), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("never shows a part of a stop that is cut, and shows what turned out to be none", async () => {
    expect(await piecesOf(ids("a", "ab", "c", "d", "a"), { stop: "bcd" })).toEqual(["a", "a"]);
    expect(await piecesOf(ids("ab", "c", "a", "d"), { stop: ["bcd", "dd"] })).toEqual(["a", "bca", "d"]);
    expect(await piecesOf(ids("a", "b", "c", "b", "d"), { stop: [ids("b", "d")] })).toEqual(["a", "bc"]);
    expect(await piecesOf(ids("a", "b", "<eos>"), { stop: [ids("b", "d"), "bd"] })).toEqual(["a", "b"]);
  });

  it("shows stop strings of transformers' kind, with the rest of the token that completes them", async () => {
    expect((await piecesOf(ids("a", "b", "cd", "a"), { stopStrings: "bc" })).join("")).toBe("abcd");
  });

  it("refuses beams and several sequences", async () => {
    for (const options of [{ numBeams: 2 }, { numReturnSequences: 2, doSample: true }]) {
      await expect(piecesOf(ids("a"), options)).rejects.toThrow("streamText: one sequence can be streamed");
    }
  });
});
