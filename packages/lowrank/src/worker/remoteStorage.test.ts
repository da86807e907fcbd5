import { init, reference } from "@lowrank/core";
import type { Warning } from "@lowrank/peft";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyFiles } from "../testing/tinyLlama.ts";
import { connect, type EngineWorker, type RemoteEngine, type RemoteStorage } from "./index.ts";

const node = globalThis.process?.getBuiltinModule;
const top = `test-storage-${crypto.randomUUID()}`;
const examples = Array.from({ length: 6 }, (_, i) => {
  const inputIds = Array.from({ length: 8 }, (_, t) => 1 + ((i * 3 + t) % 9));
  return { inputIds, labels: inputIds };
});
const training = { learningRate: 1e-2, batchSize: 2, maxSteps: 9 };
const lora = { peftType: "LORA", r: 2, targetModules: "all-linear", loraDropout: 0.1 };

let engine: RemoteEngine;
beforeAll(async () => {
  await init(reference());
  const url = new URL("../testing/engineWorker.ts", import.meta.url);
  const worker: EngineWorker = node
    ? new (node("node:worker_threads").Worker)(url)
    : new Worker(url, { type: "module" });
  engine = await connect(worker);
});

afterAll(async () => {
  engine.close();
  if (node) await node("node:fs/promises").rm(onDisk(""), { recursive: true });
  else await (await navigator.storage.getDirectory()).removeEntry(top, { recursive: true });
});

const onDisk = (name: string): string => node!("node:path").join(node!("node:os").tmpdir(), top, name);

/** Returns a folder for files: on disk in Node, in the browser's storage in a page. */
const storage = (name: string): RemoteStorage => (node !== undefined ? onDisk(name) : { opfs: `${top}/${name}` });

async function adapted() {
  const model = await engine.loadModel(await tinyFiles());
  await model.addAdapter(lora);
  return model;
}

describe("folders of the engine in a Worker", () => {
  it("keep checkpoints, from which the training goes on to the last bit", async () => {
    await using whole = await adapted();
    const { losses } = await whole.train(examples, training);

    const run = storage("run");
    await using first = await adapted();
    const stop = new AbortController();
    const onStep = ({ step }: { step: number }) => {
      if (step === 5) stop.abort();
    };
    const checkpoints = { folder: run, every: 3 };
    await first.train(examples, { ...training, checkpoints, onStep, signal: stop.signal });
    const last = await engine.getLastCheckpoint(run);
    expect(last).toMatch(/^checkpoint-[5-8]$/);

    await using second = await adapted();
    const rest = await second.train(examples, { ...training, checkpoints, resume: run });
    expect(rest.losses).toEqual(losses.slice(Number(last?.split("-")[1])));
    expect(await second.adapterFiles()).toEqual(await whole.adapterFiles());

    await using third = await engine.loadModel(await tinyFiles());
    await third.loadAdapter(storage("run/checkpoint-9") as string);
    expect((await third.adapterFiles()).get("adapter_model.safetensors")).toEqual(
      (await whole.adapterFiles()).get("adapter_model.safetensors"),
    );
  });

  it("tell of checkpoints that are not whole", async () => {
    const run = storage("torn");
    await using model = await adapted();
    await model.train(examples, { ...training, maxSteps: 2, checkpoints: { folder: run, every: 1 } });
    await model.savePretrained(storage("torn/checkpoint-3"));
    const warnings: Warning[] = [];
    const onWarning = (warning: Warning) => void warnings.push(warning);
    expect(await engine.getLastCheckpoint(run, { onWarning })).toBe("checkpoint-2");
    const { steps } = await model.train(examples, { ...training, maxSteps: 2, resume: run, onWarning });
    expect(steps).toBe(2);
    expect(warnings.map(({ code }) => code)).toEqual(["incomplete-checkpoint", "incomplete-checkpoint"]);
  });

  it("keep adapters and models", async () => {
    await using model = await adapted();
    await expect(model.saveModel(storage("model"))).rejects.toThrow(
      "saveModel: the model has adapters (default); call mergeAndUnload first, or save the adapter with adapterFiles",
    );
    await model.savePretrained(storage("half"), { dtype: "bf16" });
    await model.mergeAndUnload();
    await model.saveModel(storage("model"));
    await using again = await engine.loadModel(storage("model"));
    expect(await again.modelFiles()).toEqual(await model.modelFiles());
    await again.loadAdapter(storage("half"));
  });

  it.skipIf(node)("(browsers alone) may be picked ones, and no paths", async () => {
    const root = await navigator.storage.getDirectory();
    const picked = await root.getDirectoryHandle(top, { create: true });
    await using model = await adapted();
    await model.savePretrained(picked);
    await using other = await engine.loadModel(await tinyFiles());
    await other.loadAdapter(picked);
    expect((await other.adapterFiles()).get("adapter_config.json")).toBe(
      (await model.adapterFiles()).get("adapter_config.json"),
    );
    await expect(model.savePretrained("adapter")).rejects.toThrow(
      'savePretrained: adapter is a path or an address, which a page cannot write to; give { opfs: "run" }',
    );
    const checkpoints = { folder: "run", every: 1 };
    await expect(model.train(examples, { ...training, checkpoints })).rejects.toThrow(
      "train: checkpoints: run is a path",
    );
  });
});
