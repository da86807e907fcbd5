import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { readAdapter } from "../adapters/readAdapter.ts";
import { HandClock } from "../adapters/testing/handClock.ts";
import { type ApiKey, createApp } from "../http/index.ts";
import { promMetrics } from "../http/metrics/promMetrics.ts";
import { FileStore } from "../jobs/fileStore.ts";
import { JobStore } from "../jobs/jobStore.ts";
import { localQueue } from "../jobs/localQueue.ts";
import { publish } from "../jobs/publish.ts";
import { post } from "../testing/post.ts";
import { plainAdapter } from "./testing/plainAdapters.ts";
import { endless, StoreEngine } from "./testing/storeEngine.ts";

const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
const key = (id: string, more: Partial<ApiKey> = {}): ApiKey => ({ id, sha256: sha256(id), ...more });
const keys = [
  key("operations", { operator: true }),
  key("acmeadmin", { adapters: ["acme/*"], admin: true }),
  key("acme", { adapters: ["acme/*"] }),
  key("umbrella", { adapters: ["umbrella/*"], admin: true }),
  key("all", { admin: true }),
  key("reader"),
];
const job = { id: "ftjob-1", owner: "umbrella", name: "ft:base:umbrella::1", model: "base" };
const jobFolder = ".fine-tuning/runs/ftjob-1/adapter";

let engine: StoreEngine;
let app: ReturnType<typeof createApp>;
beforeEach(async () => {
  engine = new StoreEngine(new HandClock());
  const { store } = engine;
  store.writeFolder("umbrella/lora4", plainAdapter(4));
  store.writeFolder("acme/v1", plainAdapter(1));
  store.writeFolder(jobFolder, plainAdapter(9));
  const jobs = new JobStore(store.objects);
  await publish(store.place, jobs, job as never);
  const fineTuning = { jobs, files: new FileStore(store.objects), queue: localQueue() };
  app = createApp({ engine, keys, fineTuning, metrics: promMetrics() });
});

const bearer = (id: string) => ({ authorization: `Bearer ${id}` });
const load = async (id: string, lora_name: string, lora_path: string, more = {}) => {
  const response = await post(app, "/v1/load_lora_adapter", { lora_name, lora_path, ...more }, bearer(id));
  return `${response.status} ${(await response.text()).replaceAll(lora_path, "PATH").replaceAll(lora_name, "NAME")}`;
};
const unload = async (id: string, lora_name: string) =>
  (await post(app, "/v1/unload_lora_adapter", { lora_name }, bearer(id))).status;
const models = async (id: string) => {
  const { data } = await (await app.request("/v1/models", { headers: bearer(id) })).json();
  return data.map((model: { id: string; root: string }) => `${model.id} ${model.root}`).slice(1);
};
const ask = async (id: string, model: string) => {
  const response = await post(app, "/v1/completions", { model, prompt: "a b c" }, bearer(id));
  return response.status === 200 ? (await response.json()).choices[0].text : response.status;
};

describe("a scoped admin", () => {
  test.each([
    ["another tenant's folder", "umbrella/lora4"],
    ["a folder of jobs", jobFolder],
    ["a folder of jobs by another spelling", ".Fine-Tuning/runs/ftjob-1/adapter"],
    ["another tenant's model", job.name],
  ])("gets the answer of a missing folder for %s", async (_, path) => {
    const missing = await load("acmeadmin", "acme/x", "acme/missing");
    expect(missing).toMatch(/^404 .*No adapter found in PATH/);
    expect(await load("acmeadmin", "acme/x", path)).toBe(missing);
    expect(await load("acmeadmin", "acme/x", path, { load_inplace: true })).toBe(missing);
    expect(await models("acme")).toEqual(["acme/v1 acme/v1"]);
  });

  test("loads and unloads in its scope, for all keys with that scope", async () => {
    expect(await load("acmeadmin", "acme/x", "acme/v1")).toMatch(/^200/);
    expect(await load("acmeadmin", "acme/x", "acme/v1")).toMatch(/^400 .*already been loaded/);
    expect(await models("acme")).toEqual(["acme/x acme/v1", "acme/v1 acme/v1"]);
    expect(await load("acmeadmin", "x", "acme/v1")).toMatch(/^403 .*may not load an adapter by the name 'NAME'/);
    expect(await unload("acmeadmin", "umbrella/lora4")).toBe(404);
    expect(await unload("acmeadmin", "acme/x")).toBe(200);
    expect(await unload("acmeadmin", "acme/x")).toBe(404);
    expect(await load("acme", "acme/x", "acme/v1")).toMatch(/^403 /);
  });

  test("reads neither /metrics nor the state of other tenants", async () => {
    const leave = new AbortController();
    const body = JSON.stringify({ model: job.name, prompt: `a ${endless}`, stream: true });
    const headers = { "content-type": "application/json", ...bearer("umbrella") };
    await app.request("/v1/completions", { method: "POST", headers, body, signal: leave.signal });
    const stats = async (id: string) => {
      const reader = (await app.request("/stats", { headers: bearer(id) })).body!.getReader();
      const text = new TextDecoder().decode((await reader.read()).value);
      await reader.cancel();
      return JSON.parse(text.slice("data: ".length));
    };
    expect(await stats("all")).toEqual({ waiting: 0, running: 0, paused: 0, requests: [] });
    expect((await stats("umbrella")).requests).toMatchObject([{ adapter: job.name }]);
    expect((await stats("operations")).requests).toMatchObject([{ adapter: job.name, tenant: "umbrella" }]);
    const metrics = async (id: string) => (await app.request("/metrics", { headers: bearer(id) })).status;
    expect([await metrics("all"), await metrics("operations")]).toEqual([403, 200]);
    leave.abort();
  });
});

test("a refusal names the adapter as its request does, also among other refusals", async () => {
  engine.store.writeFolder("shared", plainAdapter(Number.NaN));
  const { version } = await readAdapter(engine.store.place, "shared", 1e6);
  const entry = { path: "shared", version, method: "LORA" };
  const adapters = { "acme/a": entry, "umbrella/b": entry };
  engine.store.write("manifest.json", JSON.stringify({ discover: true, adapters }));
  const refusal = async (id: string, model: string) => {
    const response = await post(app, "/v1/completions", { model, prompt: "a" }, bearer(id));
    return `${response.status} ${(await response.json()).error.message}`;
  };
  const both = () => Promise.all([refusal("acme", "acme/a"), refusal("umbrella", "umbrella/b")]);
  for (const [one, other] of [await both(), await both()]) {
    expect(one).toMatch(/^400 LoRA adapter 'acme\/a': .* is NaN or infinite/);
    expect(other).toBe(one.replace("acme/a", "umbrella/b"));
  }
});

describe("the rights of a version", () => {
  test("are inherited by names that an operator adds", async () => {
    expect(await load("operations", "acme/poet", job.name)).toMatch(/^200/);
    expect(await models("umbrella")).toContainEqual(`${job.name} ${job.name}`);
    for (const id of ["acme", "all", "reader"]) {
      expect([await ask(id, "acme/poet"), (await models(id)).join().includes("poet")]).toEqual([404, false]);
    }
    expect(await ask("operations", "acme/poet")).toMatch(/^by /);
  });

  test("are inherited by copies of its files", async () => {
    engine.store.writeFolder("acme/copy", plainAdapter(9));
    expect(await ask("acme", "acme/copy")).toBe(404);
    expect(await load("acmeadmin", "acme/x", "acme/copy")).toBe(await load("acmeadmin", "acme/x", "acme/missing"));
    expect(await unload("acmeadmin", "acme/copy")).toBe(404);
    expect(await load("operations", "acme/copied", "acme/copy")).toMatch(/^200/);
    expect(await ask("acme", "acme/copied")).toBe(404);
  });

  test("cover a folder that a name gives to tenants, under its own path too, and outlive the name", async () => {
    const text = new TextDecoder().decode(engine.store.files.get("manifest.json"));
    const manifest = JSON.parse(text);
    const { version } = await engine.loadAdapter("umbrella/x", "umbrella/lora4");
    manifest.adapters["umbrella/x"] = { path: "umbrella/lora4", version, method: "LORA", tenants: ["umbrella"] };
    engine.store.write("manifest.json", JSON.stringify(manifest));
    expect(await models("reader")).toEqual(["acme/v1 acme/v1"]);
    expect([await ask("umbrella", "umbrella/lora4"), await ask("reader", "umbrella/lora4")]).toEqual([
      expect.stringMatching(/^by /),
      404,
    ]);
    expect(await unload("umbrella", "umbrella/x")).toBe(200);
    const deleted = await app.request(`/v1/models/${job.name}`, { method: "DELETE", headers: bearer("umbrella") });
    expect(deleted.status).toBe(200);
    engine.store.writeFolder("acme/copy", plainAdapter(9));
    expect(await ask("reader", "umbrella/lora4")).toBe(404);
    expect(await ask("acme", "acme/copy")).toBe(404);
  });

  test("are healed for names without tenants that older servers gave to folders of jobs", async () => {
    const { version } = JSON.parse(new TextDecoder().decode(engine.store.files.get("manifest.json"))).adapters[
      job.name
    ];
    const leaked = { "acme/x": { path: jobFolder, version, method: "LORA" } };
    engine.store.write("manifest.json", JSON.stringify({ discover: true, adapters: leaked }));
    expect([await ask("acme", "acme/x"), await models("acme")]).toEqual([404, ["acme/v1 acme/v1"]]);
  });
});

describe("a tenant's own name for a model of its job", () => {
  test("is seen by that tenant alone, and others may give the same name", async () => {
    expect(await load("all", "poet", job.name)).toMatch(/^404/);
    const other = { id: "ftjob-2", owner: "all", name: "ft:base:all::2", model: "base" };
    engine.store.writeFolder(".fine-tuning/runs/ftjob-2/adapter", plainAdapter(2));
    await publish(engine.store.place, new JobStore(engine.store.objects), other as never);
    expect(await load("all", "umbrella/poet", other.name)).toMatch(/^200/);
    expect(await load("umbrella", "umbrella/poet", job.name)).toMatch(/^200/);
    const [mine, others] = [await ask("umbrella", "umbrella/poet"), await ask("all", "umbrella/poet")];
    expect(mine).toBe(await ask("umbrella", job.name));
    expect(others).toBe(await ask("all", other.name));
    expect(mine).not.toBe(others);
    expect(await models("reader")).toEqual(["acme/v1 acme/v1", "umbrella/lora4 umbrella/lora4"]);
    expect(await models("operations")).toContainEqual(expect.stringMatching(/^tenant:umbrella:umbrella\/poet /));
    expect(await ask("all", "tenant:umbrella:umbrella/poet")).toBe(404);
    expect(await unload("umbrella", "umbrella/poet")).toBe(200);
    expect(await ask("umbrella", "umbrella/poet")).toBe(404);
    expect(await ask("all", "umbrella/poet")).toBe(others);
  });

  test("cannot be a reserved name", async () => {
    for (const name of ["ft:base:all::7", "tenant:all:x", ".hidden", "a/.b"]) {
      expect(await load("all", name, "acme/v1"), name).toMatch(/^400 .*lora_name .* is reserved/);
    }
  });
});
