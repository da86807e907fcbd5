import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { budgetsOfSettings } from "./budgetSettings.ts";
import { readServeSettings } from "./serveSettings.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-serve-"));
});

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const sha256 = "ab".repeat(32);

test("settings left out have their defaults, and the model's name is that of its folder or file", async () => {
  const settings = await readServeSettings({ model: "./models/tiny.gguf" }, undefined);
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  expect(Object.fromEntries(given)).toEqual({
    ...{ model: "./models/tiny.gguf", "served-model-name": "tiny", adapters: {}, weights: "f32", threads: 1 },
    ...{ port: 8000, host: "127.0.0.1", "fine-tuning": false, "wide-simd": false, "log-level": "info" },
    ...{ "max-upload": 512e6, "adapter-memory": 256e6, "max-body": 2 ** 20, "max-files": 1000, "max-jobs": 10 },
    ...{ "max-pending": 256, "request-timeout": 600, "send-timeout": 60 },
  });
  expect((await readServeSettings({ model: "hf://org/name" }, undefined))["served-model-name"]).toBe("name");
});

test("a config file of YAML or JSON has the names of the flags, which go before it", async () => {
  const yaml = "model: ./m\nport: 9000\nadapter-memory: 1MiB\nadapters:\n  poet: ./poet\n  judge: ./judge\n";
  const path = await file("serve.yaml", yaml);
  const settings = await readServeSettings({ port: 9001, adapters: { poet: "./other" } }, path);
  expect(settings).toMatchObject({ model: "./m", port: 9001, "adapter-memory": 2 ** 20 });
  expect(settings.adapters).toEqual({ poet: "./other", judge: "./judge" });
  const json = await file("serve.json", JSON.stringify({ model: "./m", "api-keys": [{ id: "a", sha256 }] }));
  expect((await readServeSettings({}, json))["api-keys"]).toEqual([{ id: "a", sha256 }]);
});

test.each<[string, unknown, unknown]>([
  ["port", [0, 65535], [-1, 65536, 0.5]],
  ["threads", [1], [0, 1.5]],
  ["max-body", [1, "1kB"], [0]],
  ["request-timeout", [0.5], [0]],
  ["send-timeout", [0.5], [0]],
  ["key-trainer-minutes", [0.5], [0]],
  ["served-model-name", ["a"], [""]],
  ["store", ["a"], [""]],
  ["api-keys", [[{ id: "a", sha256 }]], [[], [{ id: "", sha256 }]]],
  ["adapters", [{ a: "b" }], [{ "": "b" }, { a: "" }]],
])("%s has its limits", async (name, taken, refused) => {
  for (const value of taken as unknown[]) {
    const settings = await readServeSettings({ model: "m", [name]: value }, undefined);
    expect(settings).toHaveProperty([name]);
  }
  for (const value of refused as unknown[]) {
    await expect(readServeSettings({ model: "m", [name]: value }, undefined)).rejects.toThrow("; correct it");
  }
});

test("fine-tuning needs a store, and one place to train", async () => {
  const place = { model: "m", store: "s" };
  for (const more of [{ "fine-tuning": true }, { queue: "redis://x" }]) {
    expect(await readServeSettings({ ...place, ...more }, undefined)).toMatchObject(more);
    const option = Object.keys(more)[0];
    await expect(readServeSettings({ model: "m", ...more }, undefined)).rejects.toThrow(
      `lowrank serve: --${option} needs --store for its files, jobs and adapters; give a folder or s3://bucket/prefix`,
    );
  }
  expect((await readServeSettings(place, undefined)).store).toBe("s");
  const both = { ...place, "fine-tuning": true, queue: "redis://x" };
  await expect(readServeSettings(both, undefined)).rejects.toThrow(
    "lowrank serve: --fine-tuning trains in this process, but --queue in workers; give only one of them",
  );
});

test("host names are a list in a file, and separated by commas on the command line", async () => {
  const path = await file("hosts.yaml", "model: ./m\nallowed-hosts: [llm.example, .internal]\n");
  expect((await readServeSettings({}, path))["allowed-hosts"]).toEqual(["llm.example", ".internal"]);
  const given = await readServeSettings({ "allowed-hosts": "a.example,b.example" }, path);
  expect(given["allowed-hosts"]).toEqual(["a.example", "b.example"]);
});

test("an adapter named __proto__ is refused, since the schema would silently drop it", async () => {
  const adapters = JSON.parse('{"__proto__": "./x"}') as object;
  await expect(readServeSettings({ model: "m", adapters }, undefined)).rejects.toThrow("has the name __proto__");
  const path = await file("proto.yaml", "model: m\nadapters:\n  __proto__: ./x\n");
  await expect(readServeSettings({}, path)).rejects.toThrow("has the name __proto__");
});

test("keys may have a file of their own", async () => {
  const path = await file("keys.yaml", `- id: red\n  sha256: ${sha256}\n  adapters: ["red-*"]\n  base: false\n`);
  const settings = await readServeSettings({ model: "m", "api-key-file": path }, undefined);
  expect(settings["api-keys"]).toEqual([{ id: "red", sha256, adapters: ["red-*"], base: false }]);
});

test("budgets of a key's entry override budgets from options", async () => {
  const entry = `- id: red\n  sha256: ${sha256}\n  budgets: { tokens-per-minute: 5000, stored-bytes: 1GB, trainer-minutes: 2.5 }\n`;
  const path = await file("budgets.yaml", entry);
  const flags = { model: "m", "api-key-file": path, "max-job-steps": 50, "key-adapter-memory": "1MB" };
  const settings = await readServeSettings(flags, undefined);
  const budgets = { tokensPerMinute: 5000, storedBytes: 1e9, trainerMinutes: 2.5 };
  expect(settings["api-keys"]).toEqual([{ id: "red", sha256, budgets }]);
  expect(budgetsOfSettings(settings)).toEqual({ adapterMemory: 1e6, files: 1000, jobs: 10, steps: 50 });
  const wrong = await file("wrong.yaml", `- id: red\n  sha256: ${sha256}\n  budgets: { job: 1 }\n`);
  await expect(readServeSettings({ model: "m", "api-key-file": wrong }, undefined)).rejects.toThrow(
    "there is no setting job in [0].budgets; there are requests, tokens-per-minute, ",
  );
});

test.each([
  ["model: m\nprt: 1\n", "there is no setting prt; there are model, "],
  ["model: m\nport: x\n", "port: invalid input: expected number"],
  ["model: m\nport: 70000\n", "port: too big"],
  ["model: m\nadapter-memory: lots\n", 'adapter-memory: expected a number of bytes, such as 256MB, and it is "lots"'],
  ["model: m\napi-keys:\n  - id: a\n    sha256: abc\n", "api-keys[0].sha256: expected 64 hexadecimal digits"],
  [
    `model: m\napi-keys:\n  - {id: a, sha256: ${sha256}, adaptors: []}\n`,
    "there is no setting adaptors in api-keys[0]; there are id",
  ],
  [`model: m\napi-key-file: k\napi-keys: [{id: a, sha256: ${sha256}}]\n`, "there are both api-keys and api-key-file"],
  ["port: 1\n", "model: invalid input: expected string"],
  ["model: m\nadapters: [a, b]\n", 'adapters: expected a folder by each name, as in "poet: ./poet"'],
  ["model: m\nadapters: abc\n", "adapters: expected a folder by each name"],
  ["model: m\nadapters: {poet: 3}\n", "adapters.poet: invalid input: expected string"],
  ["model: x/m\nadapters: {m: ./poet}\n", "an adapter has the base model's name, m; rename it"],
  ["[1]\n", "expected settings by name"],
  ["# nothing\n", 'expected settings by name, as in "port: 8000"'],
  ["a: [\n", "correct the YAML"],
])("a config file %# that is wrong is told by its path and setting", async (text, message) => {
  const path = await file("wrong.yaml", text);
  const error: Error = await readServeSettings({}, path).then(
    () => new Error("it was taken"),
    (error) => error,
  );
  expect(error.message).toContain(message);
  expect(error.message).toContain(path);
});

test("files that are not there are told by their option", async () => {
  await expect(readServeSettings({}, "nowhere.yaml")).rejects.toThrow("--config nowhere.yaml: there is no such file");
  const keys = readServeSettings({ model: "m", "api-key-file": "nowhere.yaml" }, undefined);
  await expect(keys).rejects.toThrow("--api-key-file nowhere.yaml: there is no such file");
});
