import { init } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { wasm } from "@lowrank/wasm";
import { type WebGpuBackend, webgpu } from "@lowrank/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServingEvent } from "../api/api.ts";
import { HeldAdapters } from "../testing/heldAdapters.ts";
import { checkMixedBatches } from "../testing/mixedBatches.ts";
import { adapterFiles, tinyConfigs } from "../testing/tinyAdapters.ts";
import { storiesSizes, tinyLlama, tinySizes, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";

/** Returns the tokens of greedy requests that run together, with each adapter and with none. */
async function greedyTokens(): Promise<number[][]> {
  const create = () => tinyLlama(storiesSizes);
  const names = Object.keys(tinyConfigs);
  const files = await Promise.all(
    names.map(async (name, i) => [name, await adapterFiles(create, tinyConfigs[name](), i)] as const),
  );
  const engine = await createEngine({
    ...{ model: create(), tokenizer: tinyTokenizer(), servedModelName: "tiny" },
    adapters: (host) => new HeldAdapters(host, files),
  });
  const tokens = await Promise.all(
    [null, ...names].map(async (adapter, i) => {
      const prompt = { tokens: Array.from({ length: 3 + i }, (_, at) => (at * 31 + 7 * i) % 97) };
      const request = { id: `r${i}`, tenant: "t", prompt, adapter, maxNewTokens: 16, ignoreEos: true };
      const events: ServingEvent[] = [];
      for await (const event of engine.generate({ ...request, sampling: { temperature: 0 } })) events.push(event);
      return events.flatMap((event) => (event.type === "token" ? [event.token] : []));
    }),
  );
  await engine.close();
  return tokens;
}

describe.skipIf(noWebGpu)("an engine on webgpu", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ batchInvariant: true });
  });
  afterAll(() => backend?.dispose());

  it("gives every request of a mixed batch the tokens that it has alone", { timeout: 180_000 }, async () => {
    // Schedules in which pages run out, prefixes are shared and adapters are replaced.
    const found = await checkMixedBatches(backend, tinySizes, { numRuns: 2, seed: 13 });
    for (const count of Object.values(found)) expect(count).toBeGreaterThan(0);
  });

  it("gives the greedy tokens of wasm", { timeout: 180_000 }, async () => {
    await init(backend);
    const found = await greedyTokens();
    await init(wasm({ batchInvariant: true }));
    expect(found).toEqual(await greedyTokens());
    expect(found.every((tokens) => tokens.length === 16)).toBe(true);
  });

  it("is refused without the mode", async () => {
    const usual = await webgpu();
    await init(usual);
    const model = tinyLlama();
    const engine = createEngine({ model, tokenizer: tinyTokenizer(), servedModelName: "tiny" });
    await expect(engine).rejects.toThrow(
      'createEngine: the backend "webgpu" is not batch-invariant, so that a request\'s results would depend on its batch; start it with batchInvariant, as in wasm({ batchInvariant: true })',
    );
    usual.dispose();
  });
});
