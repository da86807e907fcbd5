import { createHash } from "node:crypto";
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import S3rver from "@20minutes/s3rver";
import { AwsClient } from "aws4fetch";
import { beforeAll, describe, expect, test } from "vitest";
import {
  createModel,
  embed,
  Generator,
  loadEncoder,
  openFiles,
  PeftModel,
  parseClassifierConfig,
  randomParameters,
  saveModel,
  Tokenizer,
  tensor,
} from "../../index.gen.ts";
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

/** Saves a small encoder as sentence-transformers does, and returns its embedding of a text. */
async function saveEncoder(): Promise<(text: string) => Promise<number[]>> {
  const config = parseClassifierConfig({
    ...{ model_type: "bert", num_labels: 2, vocab_size: 98, hidden_size: 16, intermediate_size: 24 },
    ...{ num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 40 },
  });
  const model = createModel(config, randomParameters(new Generator(1))).eval();
  await saveModel(model, config, folder.at("encoder"));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    await copyFile(folder.at(`model/${name}`), folder.at(`encoder/${name}`));
  }
  const types = { Transformer: "", Pooling: "1_Pooling" };
  const modules = Object.entries(types).map(([name, path]) => ({ type: `sentence_transformers.models.${name}`, path }));
  await writeFile(folder.at("encoder/modules.json"), JSON.stringify(modules));
  await mkdir(folder.at("encoder/1_Pooling"), { recursive: true });
  await writeFile(folder.at("encoder/1_Pooling/config.json"), JSON.stringify({ pooling_mode_mean_tokens: true }));
  const tokenizer = await Tokenizer.fromFiles(await openFiles(folder.at("encoder")));
  return async (text) => {
    const ids = tokenizer.encode(text);
    const hidden = (await model.hidden({ inputIds: tensor([ids], { dtype: "i32" }) }).data()) as Float32Array;
    return Array.from({ length: 16 }, (_, d) => ids.reduce((sum, _, t) => sum + hidden[16 * t + d], 0) / ids.length);
  };
}

test("an encoder refuses options that have no meaning for it", async () => {
  await saveEncoder();
  for (const [args, line] of [
    ["--kv-cache-tokens 64", "error: encoder: an encoder has no cache; leave --kv-cache-tokens out"],
    [
      "--store adapters --fine-tuning",
      "error: encoder: this model is an encoder, and only models that generate text can be fine-tuned; leave --fine-tuning out",
    ],
  ]) {
    const { code, stderr } = await folder.lowrank(`serve encoder --port 0 ${args}`.split(" "));
    expect([code, stderr.trim().split("\n").at(-1)]).toEqual([1, line]);
  }
});

test("an encoder and its adapters each give their own embeddings, and refuse other requests", async () => {
  const embedding = await saveEncoder();
  const texts = ["the cat", "the mat and the cat sat"];
  const ofEncoder = await Promise.all(texts.map(embedding));
  const pairs = Array.from({ length: 8 }, (_, i) => ({ anchor: `text ${i}`, positive: `words ${i}` }));
  await writeFile(folder.at("related.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
  const train = "train --task contrast --model encoder --data related.jsonl --batch-size 4 --steps 3 --lr 0.05";
  for (const name of ["near", "far"]) {
    const more = ["--seed", String(name.length), "--output", `encoders/${name}`];
    await folder.succeed([...train.split(" "), ...more]);
  }
  const { model, tokenizer } = await loadEncoder(folder.at("encoder"));
  const peft = await PeftModel.fromPretrained(model, folder.at("encoders/near"), { adapterName: "near" });
  await peft.loadAdapter(folder.at("encoders/far"), "far");
  const expected = async (name: string | null) => {
    const rows = texts.map((text) => ({ inputIds: tokenizer!.encode(text) }));
    if (name !== null) peft.setAdapter(name);
    return name === null
      ? peft.disableAdapter(() => embed(peft, rows, { padTokenId: 0 }))
      : embed(peft, rows, { padTokenId: 0 });
  };
  const adapters = "--adapter near=encoders/near --adapter far=encoders/far";
  const { code, stdout } = await serving(`encoder --max-model-len 30 ${adapters}`, async (url) => {
    const models = await (await fetch(`${url}/v1/models`)).json();
    expect(models.data.map(({ id }: { id: string }) => id)).toEqual(["encoder", "far", "near"]);
    const names = ["near", "encoder", "far", "near"];
    const answers = await Promise.all(
      names.map(async (name) => (await post(`${url}/v1/embeddings`, { model: name, input: texts })).json()),
    );
    for (const [i, name] of names.entries()) {
      const wanted = await expected(name === "encoder" ? null : name);
      for (const [t, row] of wanted.entries()) {
        // The folder's own settings do not normalise embeddings.
        const given: number[] = answers[i].data[t].embedding;
        const length = Math.hypot(...given);
        for (const [d, x] of row.entries()) expect(Math.abs(given[d] / length - x)).toBeLessThan(1e-5);
      }
    }
    for (const [i, { embedding: given }] of answers[names.indexOf("encoder")].data.entries()) {
      for (const [d, x] of ofEncoder[i].entries()) expect(Math.abs(given[d] - x)).toBeLessThan(1e-5);
    }
    expect(answers[0].data).toEqual(answers[3].data);
    expect(answers[0].data[0].embedding).not.toEqual(answers[1].data[0].embedding);
    expect((await post(`${url}/v1/embeddings`, { model: "other", input: "x" })).status).toBe(404);
    expect((await post(`${url}/v1/embeddings`, { model: "encoder", input: "x".repeat(30) })).status).toBe(400);
    expect((await post(`${url}/v1/completions`, { ...asked, model: "encoder" })).status).toBe(400);
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^serving encoder on/);
  const { stderr } = await folder.lowrank("serve encoder --port 0 --adapter cat=adapters/cat".split(" "));
  expect(stderr.trim().split("\n").at(-1)).toMatch(/^error: .*cat/);
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
