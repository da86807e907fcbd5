import { chmod, cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init, reference } from "@lowrank/core";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adapterStore } from "../adapters/adapterStore.ts";
import { createEngine } from "../engine/createEngine.ts";
import { FileStore } from "../jobs/fileStore.ts";
import { JobStore } from "../jobs/jobStore.ts";
import { localQueue } from "../jobs/localQueue.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import { s3Place } from "../storage/s3Place.ts";
import { post } from "../testing/post.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createApp } from "./createApp.ts";

/** Part of every path of the server in this test. */
const secret = "secret-place";
let around: string;
let good: string;

beforeAll(async () => {
  await init(reference());
  around = await mkdtemp(join(tmpdir(), "lowrank-paths-"));
  good = join(around, "good");
  const config = new LoraConfig({ r: 2, targetModules: ["q_proj"] });
  await (await getPeftModel(tinyLlama(), config)).savePretrained(good);
});
afterAll(() => rm(around, { recursive: true }));

/** Creates a server on a store with valid and broken adapters, and records its log. */
async function start() {
  const root = join(around, `${secret}-${crypto.randomUUID()}`);
  await mkdir(join(root, "bad"), { recursive: true });
  await cp(good, join(root, "good"), { recursive: true });
  await cp(good, join(root, "half"), { recursive: true });
  await rm(join(root, "half/adapter_model.safetensors"));
  await cp(good, join(root, "broken"), { recursive: true });
  await writeFile(join(root, "broken/adapter_model.safetensors"), "broken");
  await cp(good, join(root, "unreadable"), { recursive: true });
  await writeFile(join(root, "unreadable/adapter_config.json"), "{");
  await symlink(good, join(root, "out"));
  await writeFile(join(root, "file"), "");
  const place = folderPlace(root);
  const engine = await createEngine({
    ...{ model: tinyLlama(), tokenizer: tinyTokenizer(), servedModelName: "tiny" },
    adapters: adapterStore({ place, maxAdapterBytes: 1e6, onWarning: () => {} }),
  });
  const logs: string[] = [];
  const log = (fields: object) => {
    const { err } = fields as { err?: Error };
    for (let error: unknown = err; error instanceof Error; error = error.cause) logs.push(error.message);
  };
  const app = createApp({
    engine,
    logger: { info: log, warn: log, error: log },
    fineTuning: { files: new FileStore(place), jobs: new JobStore(place), queue: localQueue({}) },
  });
  return { root, engine, app, logs };
}

const name = fc.constantFrom(
  ...["good", "half", "broken", "unreadable", "out", "file", "bad", "nothing", "good/..", "../x", "/etc", "a\0b"],
  ...[".fine-tuning", ".fine-tuning/files", "manifest.json", "", "x".repeat(2000), "tiny"],
);

/** Makes a form with a file. */
function form(): FormData {
  const data = new FormData();
  data.set("purpose", "fine-tune");
  data.set("file", new Blob(['{"text": "a"}\n']), "a.jsonl");
  return data;
}

type App = Awaited<ReturnType<typeof start>>["app"];
type Send = (app: App) => Promise<Response>;
const call = (send: (name: string, app: App) => Promise<Response> | Response) =>
  name.map(
    (drawn): Send =>
      async (app) =>
        send(drawn, app),
  );
const request: fc.Arbitrary<Send> = fc.oneof(
  call((lora_path, app) => post(app, "/v1/load_lora_adapter", { lora_name: "n", lora_path, load_inplace: true })),
  call((lora_name, app) => post(app, "/v1/unload_lora_adapter", { lora_name })),
  call((model, app) => post(app, "/v1/completions", { model, prompt: "a", max_tokens: 1 })),
  call((model, app) => post(app, "/v1/completions", { model, prompt: "a", max_tokens: 1, stream: true })),
  call((id, app) => app.request(`/v1/models/${encodeURIComponent(id)}`)),
  call((_, app) => app.request("/v1/models")),
  call((id, app) => app.request(`/v1/files/${encodeURIComponent(id)}/content`)),
  call((_, app) => app.request("/v1/files")),
  call((_, app) => app.request("/v1/files", { method: "POST", body: form() })),
  call((_, app) => app.request("/v1/fine_tuning/jobs")),
  call((training_file, app) => post(app, "/v1/fine_tuning/jobs", { model: "tiny", training_file })),
);

/** Disk faults between requests. */
const faults: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  none: async () => undefined,
  "the store has gone": (root) => rename(root, `${root}-away`),
  "the manifest is broken": (root) => writeFile(join(root, "manifest.json"), `["${root}"]`),
  "the manifest is a folder": (root) => mkdir(join(root, "manifest.json")),
  "the folder of jobs is a file": (root) => writeFile(join(root, ".fine-tuning"), ""),
  "the store is a file": (root) => rename(root, `${root}-away`).then(() => writeFile(root, "")),
  "nothing may be written": (root) => chmod(root, 0o500),
};

test.each(Object.keys(faults))("no answer has the path of the store: %s", { timeout: 30_000 }, async (fault) => {
  const { root, engine, app } = await start();
  await engine.adapters();
  await faults[fault](root);
  await fc.assert(
    fc.asyncProperty(request, async (send) => {
      const response = await send(app);
      const answer = `${JSON.stringify([...response.headers])} ${await response.text()}`;
      expect(answer).not.toContain(secret);
      expect(answer).not.toContain(around);
    }),
    { numRuns: 60 },
  );
  await engine.close();
  await chmod(root, 0o700).catch(() => undefined);
});

test.each<[string, (app: App) => Promise<Response> | Response]>([
  ["the store is a file", (app) => app.request("/v1/files", { method: "POST", body: form() })],
  ["the store has gone", (app) => post(app, "/v1/completions", { model: "good", prompt: "a" })],
])("the log has the path that answers lack: %s", async (fault, send) => {
  const { root, engine, app, logs } = await start();
  await faults[fault](root);
  expect((await send(app)).status).toBe(503);
  await expect.poll(() => logs.join("\n")).toContain(root);
  await engine.close();
});

test("no answer has the address of a bucket", async () => {
  const fetch = async () => new Response("<Error><Code>AccessDenied</Code></Error>", { status: 403 });
  const place = s3Place({ bucket: secret, prefix: secret, region: "r", endpoint: `http://${secret}.test`, fetch });
  const engine = await createEngine({
    ...{ model: tinyLlama(), tokenizer: tinyTokenizer(), servedModelName: "tiny" },
    adapters: adapterStore({ place, maxAdapterBytes: 1e6, onWarning: () => {} }),
  });
  const app = createApp({ engine });
  for (const send of [
    () => post(app, "/v1/completions", { model: "good", prompt: "a" }),
    () => post(app, "/v1/load_lora_adapter", { lora_name: "n", lora_path: "good" }),
    () => app.request("/v1/models"),
  ]) {
    const response = await send();
    expect(response.status).toBe(503);
    expect(await response.text()).not.toContain(secret);
  }
  await engine.close();
});
