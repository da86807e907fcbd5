import { renameSync, symlinkSync } from "node:fs";
import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesSource, openSafetensors, writeSafetensors } from "@lowrank/core";
import { writeFolder } from "@lowrank/files";
import { IA3Config, PromptEncoderConfig } from "@lowrank/peft";
import { expect, test } from "vitest";
import type { AdapterPlace } from "../storage/adapterPlace.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import { made, manifest, onOpen, put, root, server, slowServer, useStoreFolder } from "./testing/storeServer.ts";
import { adapterFiles, tinyLora } from "./testing/tinyAdapters.ts";

useStoreFolder();

test("those used least of late leave under the budget, and pinned ones stay", async () => {
  for (let seed = 1; seed <= 4; seed++) await put(`f${seed}`, seed, tinyLora({ r: 32 }));
  const each = 4 * 2 * 32 * 16;
  const one = await server({ maxAdapterBytes: 2.5 * each });
  const { version } = await one.store.load("pinned", "f1", { pin: true });
  for (const name of ["f2", "f3", "f4"]) await one.use(name);
  expect(one.store.stats()).toMatchObject({ resident: 2, bytes: 2 * each, loads: 4, evictions: 2 });
  expect(one.host.versions).toContain(version);
  await one.store.load("more", "f2", { pin: true });
  await expect(one.store.load("third", "f3", { pin: true })).rejects.toMatchObject({
    code: "adapter_refused",
    message: expect.stringMatching(
      /takes \d+ bytes, and maxAdapterBytes is 10240, of which pinned adapters take 8192;/,
    ),
  });
  await one.store.unload("more");
  // Another server loads it before requests.
  const two = await server({ maxAdapterBytes: 2.5 * each });
  const lease = await two.store.acquire("pinned", { tenant: "t" });
  expect(two.host.calls.length).toBe(1);
  lease.release();
  expect((await one.store.list()).map(({ name, pinned }) => [name, pinned])).toContainEqual(["pinned", true]);
});

test("an adapter larger than the budget is refused with its size before it is read", async () => {
  await put("v1", 1, tinyLora({ r: 8 }));
  const read: string[] = [];
  const place = folderPlace(root);
  const { use } = await server({
    maxAdapterBytes: 500,
    place: {
      ...place,
      read: (path, files) => {
        read.push(path);
        return place.read(path, files);
      },
    },
  });
  await expect(use("v1")).rejects.toThrow(/adapter_model.safetensors has \d+ bytes, and maxAdapterBytes is 500/);
  expect(read).toEqual([]);
});

/** Writes an adapter with one tensor changed. */
async function putChanged(path: string, change: (tensor: { shape: number[]; bytes: Uint8Array }) => void) {
  const files = await adapterFiles(1);
  const name = "adapter_model.safetensors";
  const file = await openSafetensors(bytesSource(files.get(name) as Uint8Array), name);
  const tensors = await Promise.all(file.names().map(async (key) => ({ name: key, ...(await file.read(key)) })));
  tensors[1].bytes = tensors[1].bytes.slice();
  change(tensors[1]);
  files.set(name, writeSafetensors(tensors));
  await writeFolder(join(root, path), files);
}

test("what cannot be served is refused, and says why", async () => {
  await put("rank", 1, tinyLora({ r: 8 }));
  await put("saved", 1, tinyLora({ targetModules: ["q_proj"], modulesToSave: ["v_proj"] }));
  await put("pissa", 1, tinyLora({ initLoraWeights: "pissa" }));
  await put("kasa", 1, tinyLora({ kasaConfig: {} }));
  await putChanged("nan", ({ bytes }) => new DataView(bytes.buffer).setFloat32(4, Number.NaN, true));
  await putChanged("shape", (tensor) => {
    tensor.shape = [...tensor.shape].reverse();
  });
  await put("config", 1);
  await writeFile(join(root, "config", "adapter_config.json"), "{");
  await put("method", 1);
  await writeFile(join(root, "method", "adapter_config.json"), '{"peft_type": "WIZARDRY"}');
  await put("targets", 1);
  const other = (await readFile(join(root, "targets", "adapter_config.json"), "utf8")).replaceAll("q_proj", "k_proj");
  await writeFile(join(root, "targets", "adapter_config.json"), other);
  await put("cut", 1);
  const weights = join(root, "cut", "adapter_model.safetensors");
  await writeFile(weights, (await readFile(weights)).subarray(0, -10));
  await put("pickle", 1);
  await rename(join(root, "pickle/adapter_model.safetensors"), join(root, "pickle/adapter_model.bin"));
  await writeFolder(join(root, "prompt"), await promptFiles());
  const { store, host } = await server({ maxLoraRank: 4 });
  for (const [path, message] of [
    ["rank", "LoRA rank 8 is greater than max_lora_rank 4."],
    ["saved", "modules_to_save is v_proj"],
    ["pissa", "started from pissa, which changes the base weights for all rows; save it with path"],
    ["kasa", "changes the base weights for all rows; merge it into the model, or train LoRA with another start"],
    ["nan", ".weight is NaN or infinite at its element 1"],
    ["shape", "of another shape"],
    ["config", "adapter_config.json is not valid JSON"],
    ["method", 'peft_type is "WIZARDRY"'],
    ["targets", "does not fit this model and its adapter_config.json; unexpected: base_model.model.q_proj"],
    ["cut", "adapter_model.safetensors"],
    ["pickle", "holds README.md, adapter_config.json, adapter_model.bin; expected adapter_model.safetensors"],
    ["prompt", "P_TUNING puts virtual tokens before all rows"],
  ]) {
    await expect(store.load(path, path), path).rejects.toMatchObject({
      code: "adapter_refused",
      message: expect.stringContaining(message),
    });
  }
  expect(host.versions).toEqual([]);
  expect(store.stats()).toMatchObject({ resident: 0, bytes: 0, failures: 11 });
  await expect(manifest()).rejects.toThrow("ENOENT");
  await put("ia3", 1, new IA3Config({ targetModules: ["q_proj"], feedforwardModules: [] }));
  expect(await store.load("ia3", "ia3")).toMatchObject({ method: "IA3" });
});

async function promptFiles() {
  const files = await adapterFiles(1);
  const { taskType, numVirtualTokens } = new PromptEncoderConfig({ numVirtualTokens: 2, taskType: "CAUSAL_LM" });
  const json = { peft_type: "P_TUNING", task_type: taskType, num_virtual_tokens: numVirtualTokens };
  return files.set("adapter_config.json", JSON.stringify(json));
}

test("another base model is a warning", async () => {
  await put("v1", 1, tinyLora({ baseModelNameOrPath: "org/Other-135M" }));
  await put("v2", 2, tinyLora({ baseModelNameOrPath: "/models/Tiny-135M/" }));
  const { use, warnings } = await server({ baseModel: "org/tiny-135M" });
  await use("v1");
  await use("v2");
  const ofFile = await server({ baseModel: "/models/tiny-135m-q4_1.gguf" });
  await ofFile.use("v2");
  expect(ofFile.warnings).toEqual([]);
  expect(warnings).toEqual([
    { code: "other-base-model", message: "LoRA adapter 'v1' was made for org/Other-135M, and org/tiny-135M is served" },
  ]);
});

test("a failure is remembered for a while, and forgotten when the files change", async () => {
  await put("v1", 1);
  const config = await readFile(join(root, "v1", "adapter_config.json"));
  await writeFile(join(root, "v1", "adapter_config.json"), "{");
  const place = folderPlace(root);
  let reads = 0;
  const counted: AdapterPlace = {
    ...place,
    read: (...files) => {
      reads++;
      return place.read(...files);
    },
  };
  const { store, clock, use } = await server({ place: counted });
  await expect(use("v1")).rejects.toMatchObject({ message: expect.stringContaining("valid JSON"), retryAfter: null });
  const once = reads;
  for (let i = 0; i < 3; i++) {
    await expect(use("v1")).rejects.toMatchObject({ message: expect.stringContaining("valid JSON"), retryAfter: null });
  }
  expect(reads).toBe(once);
  expect(store.stats().failures).toBe(1);
  clock.turn(30_001);
  await expect(use("v1")).rejects.toThrow("valid JSON");
  expect(reads).toBe(2 * once);
  await writeFile(join(root, "v1", "adapter_config.json"), config);
  clock.turn(5000);
  await use("v1");
});

test("files that change are served anew, and as before while they are bad", async () => {
  await put("v1", 1);
  const { store, host, clock, warnings, use } = await server();
  const first = await use("v1");
  await put("v1", 2);
  expect(await use("v1")).toBe(first);
  clock.turn(5000);
  // This request is served with the current version, and triggers the load of the new files.
  expect(await use("v1")).toBe(first);
  await expect.poll(() => use("v1")).not.toBe(first);
  const second = await use("v1");
  await expect.poll(() => host.versions).toEqual([second]);
  await writeFile(join(root, "v1", "adapter_config.json"), "{");
  clock.turn(5000);
  expect(await use("v1")).toBe(second);
  await expect.poll(() => warnings).toMatchObject([{ code: "changed-adapter" }]);
  expect(warnings[0].message).toMatch(/valid JSON.*'v1' is served as it was before its files changed/);
  expect(await use("v1")).toBe(second);
  await rm(join(root, "v1"), { recursive: true });
  clock.turn(5000);
  await use("v1");
  await expect.poll(() => use("v1").catch(({ code }) => code)).toBe("not_found");
  await expect.poll(() => host.versions).toEqual([]);
  expect(store.stats().resident).toBe(0);
});

test("files other than those that were loaded are refused, and loaded again they are served", async () => {
  await put("v1", 1);
  const one = await server();
  await one.store.load("sql", "v1");
  await put("v1", 2);
  const two = await server();
  await expect(two.use("sql")).rejects.toMatchObject({
    code: "adapter_refused",
    message: expect.stringMatching(
      /^v1 changed since it was loaded: 'sql' is version \w{12}, and the files are \w{12}/,
    ),
  });
  const { version } = await one.store.load("sql", "v1", { replace: true });
  // The other server has an old manifest, and reads it again because the files do not match.
  expect(await (await server()).use("sql")).toBe(version);
});

test("a server that has not seen a swap finds it by the files", async () => {
  await put("v1", 1);
  const one = await server();
  await one.store.load("sql", "v1");
  const two = await server();
  await put("v1", 2);
  const { version } = await one.store.load("sql", "v1", { replace: true });
  expect(await two.use("sql")).toBe(version);
});

test.each(["quick", "slow"])("files that are renamed while they are read are read again: %s disk", async (disk) => {
  await put("v1", 1);
  await put("v2", 2);
  const place = folderPlace(root);
  const { use } = await (disk === "slow" ? slowServer() : server());
  // Before the weights are opened, another folder is moved to this path.
  const opened = onOpen("adapter_model.safetensors", () => {
    renameSync(join(root, "v1"), join(root, "old"));
    renameSync(join(root, "v2"), join(root, "v1"));
  });
  const version = await use("v1");
  expect(opened.length).toBe(4);
  expect(version).toBe(await (await server()).use("v1"));
  expect(version).not.toBe(await (await server()).use("old"));
  const never: AdapterPlace = { ...place, read: async () => null };
  await expect((await server({ place: never })).use("v1")).rejects.toMatchObject({
    code: "unavailable",
    retryAfter: 1,
  });
});

test.each(["quick", "slow"])("a folder that becomes a link out of the store is refused: %s disk", async (disk) => {
  const outside = join(made, `outside-later-${disk}`);
  await put("v1", 1);
  const { use } = await (disk === "slow" ? slowServer() : server());
  onOpen("adapter_config.json", () => {
    renameSync(join(root, "v1"), outside);
    symlinkSync(outside, join(root, "v1"));
  });
  // The files are still the ones that were listed.
  await expect(use("v1")).rejects.toThrow("is a link that leads out of the store");
  await rm(join(root, "v1"));
});

test("an adapter that waits for memory is read once", async () => {
  for (let seed = 1; seed <= 3; seed++) await put(`f${seed}`, seed, tinyLora({ r: 32 }));
  const place = folderPlace(root);
  const looks: string[] = [];
  const reads: string[] = [];
  const { store, clock, use } = await server({
    maxAdapterBytes: 5000,
    place: {
      ...place,
      files: (path) => {
        looks.push(path);
        return place.files(path);
      },
      holds: (path, files) => {
        looks.push(`${path} again`);
        return place.holds(path, files);
      },
      read: (path, files) => {
        reads.push(path);
        return place.read(path, files);
      },
    },
  });
  const first = await store.acquire("f1", { tenant: "t" });
  const second = use("f2");
  await expect.poll(() => reads).toEqual(["f1", "f2"]);
  const third = use("f3");
  await expect.poll(() => reads).toEqual(["f1", "f2", "f3"]);
  first.release();
  await clock.until(Promise.all([second, third]));
  await use("f1");
  expect(reads).toEqual(["f1", "f2", "f3", "f1"]);
  // A folder is listed before its first read, and not again.
  expect(looks).toEqual(["f1", "f2", "f3", "f1 again"]);
});

test("the memory of weights that the model has copied is freed, and they are read again when needed", async () => {
  for (const [i, path] of ["a", "b"].entries()) await put(path, i);
  const given = folderPlace(root);
  const weights: Uint8Array[] = [];
  const read: AdapterPlace["read"] = async (path, files) => {
    const contents = await given.read(path, files);
    weights.push(contents!.at(-1)!);
    return contents;
  };
  const first = await server({ place: { ...given, read } });
  await first.use("a");
  expect(weights[0].length).toBeGreaterThan(0);
  const { store, host, use } = await server({ place: { ...given, read }, maxAdapterBytes: 700 });
  host.copies = true;
  const versions = await Promise.all(["b", "a", "b"].map((name) => use(name)));
  expect(versions[0]).toBe(versions[2]);
  expect([await use("a"), await use("b")]).toEqual([versions[1], versions[0]]);
  expect(weights.slice(1).every(({ length }) => length === 0)).toBe(true);
  expect(store.stats()).toMatchObject({ resident: 1, failures: 0 });
});

test("of a known folder the weights alone are read again, unless a file has changed", async () => {
  await put("a", 1, tinyLora({ r: 32 }));
  await put("b", 2, tinyLora({ r: 32 }));
  const place = folderPlace(root);
  const reads: string[] = [];
  const read: AdapterPlace["read"] = (path, files) => {
    reads.push(`${path}: ${files.map(({ name }) => name.replace(/^adapter_|\..*$/g, "")).join(", ")}`);
    return place.read(path, files);
  };
  const { clock, use } = await server({ maxAdapterBytes: 5000, place: { ...place, read } });
  const first = await use("a");
  await use("b");
  expect(await use("a")).toBe(first);
  expect(reads.splice(0)).toEqual(["a: config, model", "b: config, model", "a: model"]);
  // The same values with another scaling.
  await use("b");
  await put("a", 1, tinyLora({ r: 32, loraAlpha: 3 }));
  clock.turn(5000);
  const second = await use("a");
  expect(second).not.toBe(first);
  expect(reads.splice(0)).toEqual(["b: model", "a: config, model"]);
  await use("b");
  expect(await use("a")).toBe(second);
  expect(reads).toEqual(["b: model", "a: model"]);
  // A folder that was moved out of the store, with a link to it.
  await use("b");
  await rename(join(root, "a"), join(made, "moved"));
  await symlink(join(made, "moved"), join(root, "a"));
  clock.turn(5000);
  await expect(use("a")).rejects.toThrow("is a link that leads out of the store");
});

test("paths stay in the store", async () => {
  await mkdir(join(made, "outside"), { recursive: true });
  await writeFolder(join(made, "outside"), await adapterFiles(1));
  await put("team/sql", 1);
  const { store, use } = await server();
  const outside = join(made, "outside");
  for (const path of [
    ...["../outside", "team/../../outside", "team/..", "..", ".", "", "./", "/", "//", "team//sql", "/etc"],
    ...[outside, `${root}/../outside`, `${root}x`, "%2e%2e/outside", "..%2foutside", "team%5c..", "..\\outside"],
    ...["team\0/sql", "team/sql\n", "C:\\x", "C:/x", "file:///etc", "s3://b/k", "team/sql/.. /x", "team/... /sql"],
    ...["team/sql.", "team:sql", "x".repeat(2000)],
  ]) {
    await expect(store.load("x", path), path).rejects.toMatchObject({ code: "invalid_request", param: "lora_path" });
    // A name can be a folder's path. A name that is not a path does not exist.
    await expect(use(path), path).rejects.toMatchObject({ code: "not_found" });
  }
  for (const path of ["team/sql", "./team/sql", "team/sql/", join(root, "team/sql")]) {
    expect(await store.load("x", path, { replace: true }), path).toMatchObject({ source: "team/sql" });
  }
});

test("symbolic links are followed inside of the store, and not out of it", async () => {
  const outside = join(made, "outside-link");
  await writeFolder(outside, await adapterFiles(1));
  await put("v1", 1);
  await symlink(outside, join(root, "folder-out"));
  await mkdir(join(root, "file-out"));
  await copyFile(join(outside, "adapter_config.json"), join(root, "file-out/adapter_config.json"));
  await symlink(join(outside, "adapter_model.safetensors"), join(root, "file-out/adapter_model.safetensors"));
  await symlink("v1", join(root, "latest"));
  await symlink(root, join(root, "circle"));
  const { store, use } = await server();
  for (const path of ["folder-out", "file-out", "circle"]) {
    await expect(store.load("x", path), path).rejects.toThrow("is a link that leads out of the store");
    await expect(use(path), path).rejects.toThrow();
  }
  expect(await use("latest")).toBe(await use("v1"));
  expect((await store.list()).map(({ name }) => name)).toEqual(["file-out", "latest", "v1"]);
});
