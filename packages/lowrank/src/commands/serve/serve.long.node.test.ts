import { createHash } from "node:crypto";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import S3rver from "@20minutes/s3rver";
import { AwsClient } from "aws4fetch";
import { beforeAll, describe, expect, test } from "vitest";
import { type CommandFolder, commandFolder } from "../../testing/commandFolder.ts";
import type { Outcome } from "../../testing/runCommand.ts";
import { serveIn } from "../../testing/serveIn.ts";

let folder: CommandFolder;

beforeAll(async () => {
  folder = await commandFolder();
  const train = "train --model model --data text.txt --steps 2 --block-size 16 --lr 0.5 --output";
  await folder.succeed([...train.split(" "), "adapters/cat"]);
  await folder.succeed([...train.split(" "), "adapters/mat", "--seed", "9"]);
});

const serving = (
  args: string,
  use: (url: string, stop: () => void) => Promise<void>,
  env?: Readonly<Record<string, string>>,
): Promise<Outcome> => serveIn(folder, args, use, env);

const post = (url: string, body: object, key?: string): Promise<Response> => {
  const headers = { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) };
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
};
const asked = { prompt: "the cat", max_tokens: 8, temperature: 0 };

/** Copies an adapter, and changes the name of its model. */
async function copyOfOtherModel(from: string, to: string): Promise<void> {
  await cp(folder.at(from), folder.at(to), { recursive: true });
  const path = folder.at(`${to}/adapter_config.json`);
  const config = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...config, base_model_name_or_path: "org/other" }));
}

test("adapters of the command line answer as generate does, and the first signal lets requests end", async () => {
  await copyOfOtherModel("adapters/cat", "others/cat");
  const texts: Record<string, string> = {};
  const { code, stdout, stderr } = await serving(
    "model --adapter cat=adapters/cat --adapter mat=adapters/mat --adapter theirs=others/cat --kv-cache-tokens 512",
    async (url, stop) => {
      expect((await fetch(`${url}/ready`)).status).toBe(200);
      const evil = { method: "POST", headers: { origin: "http://evil.example" } };
      expect((await fetch(`${url}/v1/unload_lora_adapter`, evil)).status).toBe(403);
      const models = await (await fetch(`${url}/v1/models`)).json();
      expect(models.data.map(({ id }: { id: string }) => id)).toEqual(["model", "cat", "mat", "theirs"]);
      const answers = ["model", "cat", "mat", "theirs"].map(async (model) => {
        const response = await post(`${url}/v1/completions`, { ...asked, model });
        texts[model] = (await response.json()).choices[0].text;
      });
      await Promise.all(answers);
      const last = await post(`${url}/v1/chat/completions`, {
        model: "cat",
        messages: [{ role: "user", content: "hi" }],
        max_tokens: 16,
        stream: true,
        ignore_eos: true,
      });
      stop();
      expect(await last.text()).toContain("data: [DONE]");
    },
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^serving model on http:\/\/127\.0\.0\.1:\d+, with 3 adapters\n$/);
  const written = stderr.trim().split("\n");
  // An adapter that names another model is served with a warning.
  const warning = /^warning: .*LoRA adapter 'theirs' was made for org\/other, and model is served/;
  expect(written.some((line) => warning.test(line))).toBe(true);
  const lines = written.filter((line) => !warning.test(line)).map((line) => JSON.parse(line));
  expect(lines).toContainEqual(
    expect.objectContaining({ route: "/v1/completions", adapter: "cat", status: 200, newTokens: 8 }),
  );
  const { theirs, ...others } = texts;
  expect(theirs).toBe(others.cat);
  for (const [model, text] of Object.entries(others)) {
    const adapter = model === "model" ? [] : ["--adapter", `adapters/${model}`];
    const generate = ["generate", "model", "--prompt", "the cat", "--greedy", "--max-new-tokens", "8", ...adapter];
    expect(`${text}\n`).toBe((await folder.succeed(generate)).stdout);
  }
});

test("a store, a config file and keys: what a key may, and adapters at run time", async () => {
  const sha256 = (key: string) => createHash("sha256").update(key).digest("hex");
  const keys = [
    { id: "admin", sha256: sha256("admin-key"), operator: true },
    { id: "user", sha256: sha256("user-key"), adapters: ["mat"], base: false },
  ];
  await writeFile(folder.at("keys.json"), JSON.stringify(keys));
  await writeFile(
    folder.at("serve.yaml"),
    "model: model\nstore: adapters\napi-key-file: keys.json\nserved-model-name: base\n",
  );
  const { code } = await serving("--config serve.yaml", async (url) => {
    const complete = async (model: string, key?: string) =>
      (await post(`${url}/v1/completions`, { ...asked, model }, key)).status;
    expect(await complete("mat")).toBe(401);
    expect([await complete("mat", "user-key"), await complete("cat", "user-key")]).toEqual([200, 404]);
    expect([await complete("base", "admin-key"), await complete("base", "user-key")]).toEqual([200, 404]);
    const load = await post(`${url}/v1/load_lora_adapter`, { lora_name: "new", lora_path: "cat" }, "admin-key");
    expect(await load.text()).toBe("Success: LoRA adapter 'new' added successfully.");
    expect(await complete("new", "admin-key")).toBe(200);
    const outside = { lora_name: "out", lora_path: "../model" };
    expect((await post(`${url}/v1/load_lora_adapter`, outside, "admin-key")).status).toBe(400);
    const metrics = await fetch(`${url}/metrics`, { headers: { authorization: "Bearer admin-key" } });
    expect(await metrics.text()).toContain('adapter="new",finished_reason="length"} 1');
    // The file is checked every second.
    await writeFile(folder.at("keys.json"), JSON.stringify(keys.slice(0, 1)));
    await expect.poll(() => complete("mat", "user-key"), { timeout: 10_000 }).toBe(401);
    expect(await complete("mat", "admin-key")).toBe(200);
  });
  expect(code).toBe(0);
});

test("a store may be a bucket, with the endpoint and the keys of the environment", async () => {
  const bucket = { name: "models" };
  const s3 = new S3rver({
    ...{ address: "127.0.0.1", port: 0, silent: true, directory: folder.at("s3"), vhostBuckets: false },
    configureBuckets: [bucket],
  });
  const { port } = await s3.run();
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new AwsClient({
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    service: "s3",
    region: "us-east-1",
  });
  for (const name of await readdir(folder.at("adapters/cat"))) {
    const body = await readFile(folder.at(`adapters/cat/${name}`));
    const { status } = await client.fetch(`${endpoint}/models/prod/poet/${name}`, { method: "PUT", body });
    expect(status).toBe(200);
  }
  const keys = { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" };
  const { code, stdout } = await serving(
    "model --store s3://models/prod",
    async (url) => {
      const models = await (await fetch(`${url}/v1/models`)).json();
      expect(models.data.map(({ id }: { id: string }) => id)).toEqual(["model", "poet"]);
      const answer = await (await post(`${url}/v1/completions`, { ...asked, model: "poet" })).json();
      const generate = "generate model --prompt X --greedy --max-new-tokens 8 --adapter adapters/cat".split(" ");
      generate[3] = asked.prompt;
      expect(`${answer.choices[0].text}\n`).toBe((await folder.succeed(generate)).stdout);
    },
    { AWS_ENDPOINT_URL_S3: endpoint, ...keys },
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/, with 1 adapter\n$/);
  await s3.close();
});

describe("ends with 1 and one line, where", () => {
  const failing = async (args: string) => {
    const { code, stderr } = await folder.lowrank(`serve ${args}`.split(" "));
    expect(code).toBe(1);
    return stderr.trim().split("\n").at(-1);
  };

  test("the port is taken", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const { port } = taken.address() as { port: number };
    expect(await failing(`model --port ${port}`)).toBe(
      `error: port ${port} of 127.0.0.1 is taken by another process; end it, or give another --port`,
    );
    taken.close();
  });

  test("there is no model", async () => {
    expect(await failing("nowhere --port 0")).toMatch(/^error: .*nowhere/);
  });

  test("an adapter's folder is not there", async () => {
    expect(await failing("model --port 0 --adapter x=nowhere")).toBe(
      "error: adapter x: there is no folder nowhere; correct its path",
    );
  });

  test("a setting is wrong", async () => {
    expect(await failing("--config nowhere.yaml")).toContain("--config nowhere.yaml: there is no such file");
    expect(await failing("model --fine-tuning")).toContain(
      "--fine-tuning needs --store for its files, jobs and adapters; give a folder or s3://bucket/prefix",
    );
    expect(await failing("model --store adapters --queue localhost")).toContain("expected the address of a Redis");
    const both = "model --store adapters --fine-tuning --queue redis://localhost";
    expect(await failing(both)).toContain(
      "--fine-tuning trains in this process, but --queue in workers; give only one of them",
    );
    expect((await folder.lowrank(["serve"])).stderr).toContain("required option '--model <path>' not specified");
    expect((await folder.lowrank(["serve", "model", "--adapter", "x"])).stderr).toContain("Expected name=path");
    expect((await folder.lowrank(["serve", "model", "--adapter-memory", "lots"])).stderr).toContain("such as 256MB");
  });
});
