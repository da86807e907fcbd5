import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesSource, init, ones, openSafetensors, randn, reference, writeSafetensors } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { Linear, Module, ModuleBuffer, quantizeLinear, Sequential } from "@lowrank/nn";
import { afterAll, beforeAll, expect, it } from "vitest";
import { loadSafetensors, saveSafetensors, toSafetensors } from "./stateFile.ts";

class Net extends Module {
  first = Linear.create(64, 64);
  tied = new Linear(this.first.weight);
  mean = new ModuleBuffer(randn([3]));
}

let folder: string;
beforeAll(async () => {
  await init(reference());
  folder = await mkdtemp(join(tmpdir(), "lowrank-state-"));
});
afterAll(() => rm(folder, { recursive: true }));

const bits = (module: Module) => Promise.all([...module.stateDict().values()].map((t) => t.bytes()));

it("saves and loads a module bit for bit, by path, bytes, blob and files", async () => {
  const net = new Net();
  const path = join(folder, "below", "net.safetensors");
  await saveSafetensors(net, path);
  const bytes = await toSafetensors(net);
  const file = await openSafetensors(bytesSource(bytes));
  expect(file.names().sort()).toEqual(["first.bias", "first.weight", "mean"]);
  for (const source of [path, bytes, new Blob([bytes]), memoryFiles({ "model.safetensors": bytes })]) {
    const other = new Net();
    expect(await bits(other)).not.toEqual(await bits(net));
    expect(await loadSafetensors(other, source)).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(await bits(other)).toEqual(await bits(net));
  }
});

it("names the file in errors, and what differs", async () => {
  const bytes = await toSafetensors(Linear.create(3, 2));
  const module = Linear.create(3, 2, { bias: false });
  await expect(loadSafetensors(module, bytes)).rejects.toThrow(
    "the bytes given: loadStateDict: unexpected keys: bias. Nothing was changed",
  );
  expect((await loadSafetensors(module, bytes, { strict: false })).unexpectedKeys).toEqual(["bias"]);
});

it("refuses packed weights, and a tied tensor of two values", async () => {
  const net = new Sequential(quantizeLinear(Linear.create(64, 64)));
  await expect(toSafetensors(net)).rejects.toThrow("0.weight is nf4, which safetensors cannot hold");
  const tensors = [ones([64, 64]), randn([64, 64])];
  const file = writeSafetensors(
    tensors.map((t, i) => ({
      name: ["first.weight", "tied.weight"][i],
      dtype: t.dtype,
      shape: t.shape,
      bytes: new Uint8Array(t.dataSync().buffer.slice(0)),
    })),
  );
  await expect(loadSafetensors(new Net(), file, { strict: false })).rejects.toThrow(
    "the module ties tied.weight to first.weight, and they differ",
  );
});
