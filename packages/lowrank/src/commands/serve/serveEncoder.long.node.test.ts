import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { beforeAll, expect, test } from "vitest";
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
import { serveIn } from "../../testing/serveIn.ts";

let folder: CommandFolder;

beforeAll(async () => {
  folder = await commandFolder();
  const train = "train --model model --data text.txt --steps 1 --block-size 16 --output adapters/cat";
  await folder.succeed(train.split(" "));
});

const post = (url: string, body: object): Promise<Response> =>
  fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

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
  const { code, stdout } = await serveIn(folder, `encoder --max-model-len 30 ${adapters}`, async (url) => {
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
    expect((await post(`${url}/v1/completions`, { prompt: "the cat", model: "encoder" })).status).toBe(400);
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^serving encoder on/);
  const { stderr } = await folder.lowrank("serve encoder --port 0 --adapter cat=adapters/cat".split(" "));
  expect(stderr.trim().split("\n").at(-1)).toMatch(/^error: .*cat/);
});
