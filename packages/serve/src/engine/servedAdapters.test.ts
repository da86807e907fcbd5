import { init, memory, type Tensor } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import {
  definePeftMethod,
  type LayerAdapter,
  PeftConfig,
  PeftModel,
  PrefixTuningConfig,
  registerPeftMethod,
  targetsOption,
} from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, expect, test } from "vitest";
import type { AdapterHost, AdapterLease } from "../api/adapterProvider.ts";
import { ServingError } from "../api/api.ts";
import { collect, requestOf } from "../testing/collect.ts";
import { HeldAdapters } from "../testing/heldAdapters.ts";
import { adapterFiles, type FilesInMemory, tinyConfigs } from "../testing/tinyAdapters.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";
import type { EngineOptions } from "./engineOptions.ts";

const tokenizer = tinyTokenizer();
let model: CausalLM;
let good: FilesInMemory;

beforeAll(async () => {
  await init(wasm({ batchInvariant: true, threads: 1 }));
  model = tinyLlama();
  good = await adapterFiles(tinyLlama, tinyConfigs.lora8(), 1);
});

/** Creates an engine with these adapters in memory. */
async function make(files: Readonly<Record<string, FilesInMemory>>, options: Partial<EngineOptions> = {}) {
  const held: HeldAdapters[] = [];
  const engine = await createEngine({
    ...{ model, tokenizer, servedModelName: "tiny", ...options },
    adapters: (host: AdapterHost) => {
      held.push(new HeldAdapters(host, Object.entries(files)));
      return held[0];
    },
  });
  return { engine, held: held[0] };
}

/** Returns an adapter's files with all values replaced by NaN. */
function broken(files: FilesInMemory): FilesInMemory {
  const bytes = Uint8Array.from(files.get("adapter_model.safetensors") as Uint8Array);
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  new Uint8Array(bytes.buffer, start).fill(0xff);
  return new Map([...files, ["adapter_model.safetensors", bytes]]);
}

test("a broken adapter ends its own requests, by name, and no other; its pages harm nobody", async () => {
  const { engine } = await make({ good, bad: broken(good) }, { numBlocks: 8, blockSize: 4 });
  const options = { maxNewTokens: 10, ignoreEos: true };
  const alone = await collect(engine, { ...options, adapter: "good" });
  for (let round = 0; round < 3; round++) {
    const bad = expect(collect(engine, { ...options, adapter: "bad" })).rejects;
    const [beside] = await Promise.all([
      collect(engine, { ...options, adapter: "good" }),
      bad.toMatchObject({
        code: "adapter_refused",
        message: expect.stringContaining('adapter "bad" (version bad-1) failed: the logit of token 0 is NaN'),
      }),
    ]);
    expect(beside.tokens).toEqual(alone.tokens);
  }
  await engine.close();
});

test("an adapter that the model cannot serve is refused, and leaves nothing", async () => {
  const prefix = await adapterFiles(tinyLlama, new PrefixTuningConfig({ numVirtualTokens: 2 }), 1);
  const misfit = new Map([...good, ["adapter_model.safetensors", new Uint8Array(4)]]);
  const { engine } = await make({ prefix, misfit });
  const before = memory();
  await expect(collect(engine, { adapter: "prefix" })).rejects.toMatchObject({
    code: "adapter_refused",
    message: expect.stringContaining("puts virtual tokens before all sequences of a batch"),
  });
  await expect(collect(engine, { adapter: "misfit" })).rejects.toMatchObject({ code: "adapter_refused" });
  await expect(collect(engine, { adapter: "none" })).rejects.toMatchObject({ code: "not_found" });
  expect(memory().buffers).toBe(before.buffers);
  expect((await collect(engine, { maxNewTokens: 1 })).tokens.length).toBe(1);
  await engine.close();
});

test("prefixes are reused under one version and tenant, and forgotten with the version", async () => {
  const { engine, held } = await make({ good }, { blockSize: 2 });
  const cached = async (given: object) => (await collect(engine, { maxNewTokens: 1, ...given })).finished.cachedTokens;
  expect(await cached({})).toBe(0);
  expect(await cached({})).toBe(4);
  expect(await cached({ tenant: "other" })).toBe(0);
  const lease = await held.acquire("good");
  expect(await cached({ adapter: "good" })).toBe(0);
  expect(await cached({ adapter: "good" })).toBe(4);
  lease.release();
  expect(await cached({ adapter: "good" })).toBe(0);
  expect(await cached({})).toBe(4);
  await engine.close();
});

test("requests go on while another waits for its adapter, and one that leaves meanwhile keeps no lease", async () => {
  const waiting: ((lease: AdapterLease) => void)[] = [];
  let released = 0;
  const engine = await createEngine({
    ...{ model, tokenizer, servedModelName: "tiny" },
    adapters: (host) => {
      const held = new HeldAdapters(host);
      held.acquire = () => new Promise((resolve) => waiting.push(resolve));
      return held;
    },
  });
  const leaving = new AbortController();
  const left = async () => {
    for await (const _ of engine.generate(requestOf({ adapter: "slow" }), leaving.signal));
  };
  const gone = expect(left()).rejects.toThrow("aborted");
  expect((await collect(engine, { maxNewTokens: 5, ignoreEos: true })).tokens.length).toBe(5);
  leaving.abort();
  await gone;
  expect(waiting.length).toBe(1);
  waiting[0]({ version: "slow-1", release: () => (released += 1) });
  await engine.drain();
  expect(released).toBe(1);
  await engine.close();
});

class FailingConfig extends PeftConfig {
  constructor() {
    super("TEST/FAILING", { targetModules: ["q_proj"] });
  }
}

class Failing implements LayerAdapter {
  readonly parameters = {};
  forward(): Tensor {
    throw new Error("it was made to fail");
  }
}

test("a pass that throws is run request by request, and only the one at fault ends", async () => {
  registerPeftMethod(
    definePeftMethod({
      ...{
        peftType: "TEST/FAILING",
        Config: FailingConfig,
        kinds: ["linear"],
        defaultTargets: {},
        options: [targetsOption],
      },
      format: { classic: ["target_modules"], floats: [], refused: {}, ignored: {} },
      createLayer: () => new Failing(),
    }),
  );
  const peft = new PeftModel(tinyLlama());
  await peft.addAdapter("fails", new FailingConfig());
  const engine = await createEngine({
    ...{ model: peft, tokenizer, servedModelName: "tiny" },
    adapters: (host) => {
      const held = new HeldAdapters(host);
      held.acquire = async (name) => {
        if (name !== "fails") throw new ServingError("not_found", name);
        return { version: name, release: () => {} };
      };
      return held;
    },
  });
  const options = { maxNewTokens: 6, ignoreEos: true };
  const alone = await collect(engine, options);
  const failing = expect(collect(engine, { adapter: "fails" })).rejects;
  const [beside] = await Promise.all([
    collect(engine, options),
    failing.toMatchObject({ code: "adapter_refused", message: expect.stringContaining("it was made to fail") }),
  ]);
  expect(beside.tokens).toEqual(alone.tokens);
  await engine.close();
});

test("closing takes the adapters off the model and frees them", async () => {
  const before = memory();
  const { engine } = await make({ good });
  await collect(engine, { adapter: "good", maxNewTokens: 2 });
  await engine.close();
  expect(memory()).toMatchObject({ bytes: before.bytes, buffers: before.buffers });
});
