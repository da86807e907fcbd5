import { readFile, rm } from "node:fs/promises";
import {
  embed,
  evaluate,
  evaluateContrast,
  evaluateRewards,
  loadEncoder,
  loadSequenceClassifier,
  loadTokenClassifier,
  PeftModel,
  tensor,
  tokenizeTags,
} from "lowrank";
import { afterAll, describe, expect, test } from "vitest";
import { related, tagged, taskFolder, texts, words } from "../../../testing/taskFolder.ts";
import { isValidation, type MetricsLine } from "../files/metricsLog.ts";

const { folder, at, lowrank, succeed } = await taskFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const card = (name: string) => readFile(at(`${name}/README.md`), "utf8");

/** Returns the measurements of the last validation. */
async function last(name: string): Promise<Readonly<Record<string, number>>> {
  const found = (await readFile(at(`${name}/metrics.jsonl`), "utf8")).trimEnd().split("\n");
  const metrics = found.map((line): MetricsLine => JSON.parse(line)).filter(isValidation);
  return { ...(metrics.at(-1) as object) };
}

test("a reward model's adapter and head give the rewards that were measured", async () => {
  await succeed(words("reward", "model", "texts.jsonl", "rewards"));
  const config = JSON.parse(await readFile(at("rewards/adapter_config.json"), "utf8"));
  expect(config).toMatchObject({ task_type: "SEQ_CLS", modules_to_save: ["classifier", "score"] });
  const { model, tokenizer } = await loadSequenceClassifier(at("model"), { newHead: { labels: 1, padTokenId: 1 } });
  const peft = await PeftModel.fromPretrained(model, at("rewards"));
  const row = (text: string) => ({ inputIds: [...tokenizer!.encode(text), 1] });
  const pairs = texts.slice(6).map(({ prompt, chosen, rejected }) => {
    return { chosen: row(prompt + chosen), rejected: row(prompt + rejected) };
  });
  const found = await evaluateRewards(peft, pairs, { padTokenId: 1 });
  const said = await last("rewards");
  expect(found.accuracy).toBe(said.eval_accuracy);
  expect(found.margin).toBeCloseTo(said.eval_margin, 6);
  expect(found.min).toBeCloseTo(said.eval_min_reward, 6);
  expect(await card("rewards")).toContain("pipeline_tag: text-classification");
});

test("labels of tokens are found in the data, and told with the adapter", async () => {
  const { stdout } = await succeed(words("token-classification", "bert", "tagged.jsonl", "tags"));
  expect(stdout).toContain("new head: classifier.weight, classifier.bias, drawn by --seed");
  expect(stdout).toContain("labels: O, B-PER\n");
  const config = JSON.parse(await readFile(at("tags/config.json"), "utf8"));
  expect(config.resolved).toMatchObject({ labels: ["O", "B-PER"], adapter: { task_type: "TOKEN_CLS" } });
  const labels = ["O", "B-PER"];
  const { model, tokenizer } = await loadTokenClassifier(at("bert"), { newHead: { labels } });
  const peft = await PeftModel.fromPretrained(model, at("tags"));
  const examples = tagged.slice(6).map(({ tokens, ner_tags }) => {
    return tokenizeTags(tokenizer!, { words: tokens, tags: ner_tags.map((tag) => labels.indexOf(tag)) });
  });
  const found = await evaluate(peft, examples, { batchSize: 4 });
  const said = await last("tags");
  expect(found.loss).toBeCloseTo(said.eval_loss, 6);
  expect(found.f1).toBe(said.eval_f1);
  expect(await card("tags")).toContain('const labels = ["O","B-PER"];');
});

test("an encoder's adapter has the names of transformers' AutoModel, and the cosines that were measured", async () => {
  await succeed(words("contrast", "bert", "related.jsonl", "near"));
  const config = JSON.parse(await readFile(at("near/adapter_config.json"), "utf8"));
  expect(config.task_type).toBe("FEATURE_EXTRACTION");
  expect(config.target_modules).toContain("encoder.layer.0.attention.self.query");
  const { model, tokenizer } = await loadEncoder(at("bert"));
  const peft = await PeftModel.fromPretrained(model, at("near"));
  const row = (text: string) => ({ inputIds: tokenizer!.encode(text) });
  const examples = related.slice(6).map(({ anchor, positive, negative }) => {
    return { anchor: row(anchor), positive: row(positive), negative: row(negative) };
  });
  const found = await evaluateContrast(peft, examples, { padTokenId: 0 });
  const said = await last("near");
  expect(found.positive).toBeCloseTo(said.eval_cosine_of_positives, 6);
  expect(found.other).toBeCloseTo(said.eval_cosine_of_others, 6);
  expect(found.accuracy).toBe(said["eval_cosine_accuracy@1"]);
  expect(found.tripletAccuracy).toBe(said.eval_cosine_accuracy);
});

describe("merged models that write no text", () => {
  const merge = (model: string, adapter: string, ...more: string[]) =>
    succeed([
      "merge",
      "--model",
      model,
      "--adapter",
      adapter,
      "--output",
      `${adapter}-merged`,
      "--prompt",
      "a b",
      ...more,
    ]);

  test("a reward model has its head, and gives the rewards of model and adapter", async () => {
    expect((await merge("model", "rewards")).stdout).toMatch(/^merged: values differ by .*\nwrote rewards-merged\n$/);
    const { model } = await loadSequenceClassifier(at("model"), { newHead: { labels: 1, padTokenId: 1 } });
    const peft = await PeftModel.fromPretrained(model, at("rewards"));
    const { model: merged } = await loadSequenceClassifier(at("rewards-merged"));
    const ids = { inputIds: tensor([[5, 6, 7]], { dtype: "i32" }) };
    const [x, y] = [peft.forward(ids).logits.dataSync(), merged.forward(ids).logits.dataSync()];
    expect(Math.abs(x[0] - y[0])).toBeLessThan(1e-5 * Math.max(1, Math.abs(x[0])));
    const { code, stderr } = await lowrank("merge --model model --adapter rewards --output r.gguf".split(" "));
    expect([code, stderr.trim()]).toEqual([
      1,
      "error: --output r.gguf is only for models that generate text, and the model of rewards does not; merge into a folder",
    ]);
  });

  test("a classifier of tokens has the labels of its run", async () => {
    await merge("bert", "tags");
    const { model } = await loadTokenClassifier(at("tags-merged"));
    expect(model.config.labels).toEqual(["O", "B-PER"]);
  });

  test("an encoder is read by loadEncoder, and gives the embeddings of model and adapter", async () => {
    await merge("bert", "near", "--dtype", "f16");
    const rows = [{ inputIds: [5, 6, 7] }, { inputIds: [8, 9] }];
    const { model } = await loadEncoder(at("bert"));
    const expected = await embed(await PeftModel.fromPretrained(model, at("near")), rows, { padTokenId: 0 });
    const { model: merged } = await loadEncoder(at("near-merged"));
    for (const [i, row] of (await embed(merged, rows, { padTokenId: 0 })).entries()) {
      for (const [d, x] of row.entries()) expect(Math.abs(x - expected[i][d])).toBeLessThan(5e-3);
    }
  });
});
