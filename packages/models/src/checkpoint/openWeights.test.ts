import {
  bytesSource,
  Generator,
  init,
  noGrad,
  openSafetensors,
  randn,
  reference,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { type Linear, Parameter } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { loadModel } from "./loadModel.ts";
import { modelFileContents } from "./saveModel.ts";

beforeAll(() => init(reference()));

const llama = {
  model_type: "llama",
  ...{ vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 },
  ...{ max_position_embeddings: 16, tie_word_embeddings: true },
};
const gpt2 = { model_type: "gpt2", vocab_size: 11, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 16 };
const weights = "model.safetensors";
const inputIds = () => tensor([[1, 2, 3]], { dtype: "i32" });

describe.each([
  ["llama", llama, "model.embed_tokens.weight"],
  ["gpt2", gpt2, "transformer.wte.weight"],
])("%s, whose output layer is tied to its embedding", (_, json, table) => {
  const config = parseModelConfig(json);
  const model = () => createModel(config, randomParameters(new Generator(1)));
  const saved = async (of = model()) => modelFileContents(of, config);
  const load = (files: ReadonlyMap<string, Uint8Array | string>) => loadModel(memoryFiles(files));

  /** Returns the files with an output layer whose bytes are `change` of the embedding's bytes. */
  async function withHead(files: Map<string, Uint8Array | string>, change: (bytes: Uint8Array) => Uint8Array) {
    const file = await openSafetensors(bytesSource(files.get(weights) as Uint8Array));
    const tensors = await Promise.all(file.names().map(async (name) => ({ name, ...(await file.readStored(name)) })));
    const { bytes, ...rest } = await file.readStored(table);
    const all = [...tensors, { ...rest, name: "lm_head.weight", bytes: change(bytes.slice()) }];
    return new Map([...files, [weights, writeSafetensors(all, { format: "pt" })] as const]);
  }

  it("is saved untied once it has a weight of its own", async () => {
    const untied = model();
    using own = randn([11, 8], { generator: new Generator(2) });
    (untied.lm_head as Linear).weight = new Parameter(own);
    const files = await saved(untied);
    expect(JSON.parse(files.get("config.json") as string).tie_word_embeddings).toBe(false);
    const { model: again } = await load(files);
    const [a, b] = [untied, again].map((one) =>
      noGrad(() => one.eval().forward({ inputIds: inputIds() })).logits.dataSync(),
    );
    expect(b).toEqual(a);
    expect(JSON.parse((await saved()).get("config.json") as string).tie_word_embeddings).toBe(true);
  });

  it("may be repeated in a file, and is an error there where it is another", async () => {
    await load(await withHead(await saved(), (bytes) => bytes));
    const other = await withHead(await saved(), (bytes) =>
      bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte)),
    );
    await expect(load(other)).rejects.toThrow(
      `lm_head.weight is not ${table}, to which config.json ties it; set tie_word_embeddings to false there`,
    );
  });
});
