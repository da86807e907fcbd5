import { readFile, rm } from "node:fs/promises";
import { folderFiles } from "@lowrank/files";
import { type FakeHub, startFakeHub } from "@lowrank/test-support/hub";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandFolder, commandFolder } from "../testing/commandFolder.ts";

let hub: FakeHub;
let command: CommandFolder;
let env: Readonly<Record<string, string>>;

/** Returns the files of a folder, for upload to a repository. */
async function contents(folder: string): Promise<[string, Uint8Array][]> {
  const files = await folderFiles(folder);
  const names = (await files.list?.()) ?? [];
  return Promise.all(names.map(async (name) => [name, await readFile(`${folder}/${name}`)] as [string, Uint8Array]));
}

beforeAll(async () => {
  hub = await startFakeHub();
  command = await commandFolder();
  await hub.put({ name: "org/model" }, await contents(command.at("model")));
  env = { HF_ENDPOINT: hub.endpoint, HF_HOME: command.at("hf"), HF_HUB_OFFLINE: "", HF_TOKEN: "" };
});

afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await rm(command.folder, { recursive: true });
});

test("models and adapters of the hub are trained, asked, merged, planned and converted", async () => {
  const { at, succeed } = command;
  const train = ["train", "hf://org/model", "--data", at("pairs.jsonl"), "--output", at("adapter"), "--steps", "2"];
  const { stdout } = await succeed(train, { env });
  expect(stdout).toContain(`lowrank generate --model hf://org/model --adapter ${at("adapter")}`);
  const saved = JSON.parse(await readFile(at("adapter/adapter_config.json"), "utf8"));
  expect([saved.base_model_name_or_path, saved.revision]).toEqual(["org/model", null]);

  await hub.put({ name: "org/adapter" }, await contents(at("adapter")));
  const ask = ["--prompt", "say 1: ", "--max-new-tokens", "3"];
  const asked = await succeed(["generate", "hf://org/model", "--adapter", "hf://org/adapter", ...ask], { env });
  const local = await succeed(["generate", "--model", at("model"), "--adapter", at("adapter"), ...ask]);
  expect(asked.stdout).toBe(local.stdout);

  const both = ["--model", "hf://org/model", "--adapter", "hf://org/adapter"];
  await hub.requests();
  await succeed(["merge", ...both, "--output", at("merged")], { env: { ...env, HF_HUB_OFFLINE: "1" } });
  expect(await hub.requests()).toEqual([]);
  expect((await succeed(["plan", "hf://org/model"], { env })).stdout).toContain("hf://org/model");
  await succeed(["convert", "hf://org/model", "--output", at("model.gguf")], { env });
});

test("info reads headers by byte ranges, and keeps no weights", async () => {
  const { succeed } = command;
  await hub.put({ name: "org/seen" }, await contents(command.at("model")));
  await hub.requests();
  const { stdout } = await succeed(["info", "hf://org/seen"], { env });
  expect(stdout).toMatch(/^in the files {3}f32 [\d.]+ MB, \d+ tensors$/m);
  const asked = (await hub.requests()).filter((line) => /resolve.*safetensors/.test(line));
  expect(asked.map((line) => line.split(" ")[2])).toEqual(["bytes=0-7", expect.stringMatching(/^bytes=8-\d+$/)]);
});

test("they are talked to, inspected, evaluated and reported too", async () => {
  const { at, succeed } = command;
  const both = ["hf://org/model", "--adapter", "hf://org/adapter"];
  const said = await succeed(["chat", "hf://org/model", "--max-new-tokens", "2", "--json"], {
    env,
    stdin: "hi\n/use hf://org/adapter\nhi\n",
  });
  expect(JSON.parse(said.stdout)).toMatchObject({ adapter: "adapter", turns: [{ newTokens: 2 }, { newTokens: 2 }] });
  expect(JSON.parse((await succeed(["inspect", ...both, "--json"], { env })).stdout).layers.length).toBeGreaterThan(0);
  const measure = ["eval", ...both, "--task", "exact-match", "--data", at("pairs.jsonl"), "--limit", "2", "--json"];
  expect(Object.keys(JSON.parse((await succeed(measure, { env })).stdout).results)).toEqual(["base", "adapter"]);
  expect(JSON.parse((await succeed(["report", ...both, "--json"], { env })).stdout).peftType).toBe("LORA");
});

test("a model is named once", async () => {
  const { lowrank } = command;
  const { code, stderr } = await lowrank(["generate", "a", "--model", "b", "--prompt", "x"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("there are two models, a and --model b; give one")]);
  const none = await lowrank(["generate", "--prompt", "x"]);
  expect(none.stderr).toContain("error: required option '--model <path>' not specified");
});
