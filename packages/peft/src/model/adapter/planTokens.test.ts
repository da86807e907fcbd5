import { init, reference, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { LoraConfig, type LoraOptions } from "../../methods/lora/loraConfig.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";

beforeAll(() => init(reference()));

type Indices = NonNullable<LoraOptions["trainableTokenIndices"]>;
const tied = () => new TinyModel({ tied: true });

async function trained(trainableTokenIndices: Indices, warnings: Warning[] = []): Promise<PeftModel<TinyModel>> {
  const config = new LoraConfig({ targetModules: ["up"], trainableTokenIndices });
  const peft = await getPeftModel(tied(), config, { onWarning: (warning) => warnings.push(warning) });
  train(peft, 3);
  return peft.eval();
}

const logits = (model: { forward: TinyModel["forward"] }) =>
  model.forward(tinyBatch()).logits.dataSync() as Float32Array;
const rows = (peft: PeftModel) =>
  [...peft.adapterTensors()].flatMap(([key, { shape }]) =>
    key.endsWith("trainable_tokens_delta") ? [[key.replace("base_model.model.", "").split(".")[0], shape[0]]] : [],
  );

// The tensors that PEFT 0.21 saves for the same options on a tied Llama.
test.each<[string, Indices, [string, number][]]>([
  ["the input embedding", [3, 5], [["embed_tokens", 2]]],
  ["both, and the same", { lm_head: [3, 5], embed_tokens: [3, 5] }, [["embed_tokens", 2]]],
  [
    "both, and others",
    { embed_tokens: [3, 5], lm_head: [4] },
    [
      ["embed_tokens", 2],
      ["lm_head", 1],
    ],
  ],
  ["the output layer alone", { lm_head: [3, 5] }, [["lm_head", 2]]],
])(
  "rows of a tied table, %s: as many as PEFT has, and merged into the layers that have them",
  async (_, indices, expected) => {
    const peft = await trained(indices);
    expect(rows(peft)).toEqual(expected);
    const again = await PeftModel.fromPretrained(tied(), await peft.adapterFiles(), { onWarning: () => {} });
    expect(await logitBits(again.eval())).toEqual(await logitBits(peft));
    const live = logits(peft);
    const merged = logits(await peft.mergeAndUnload());
    for (const [i, value] of live.entries()) expect(merged[i]).toBeCloseTo(value, 5);
  },
);

test("rows of the output layer alone leave what goes in as it was, and that is told", async () => {
  const warnings: Warning[] = [];
  const peft = await trained({ lm_head: [3] }, warnings);
  const message = expect.stringContaining("lm_head shares its weight with embed_tokens");
  expect(warnings).toEqual([{ code: "tied-weight", message }]);
  const ids = tensor([3], { dtype: "i32" });
  const rows = () => peft.baseModel.embed_tokens.forward(ids).dataSync();
  expect(rows()).toEqual(peft.disableAdapter(rows));
});

test("one table under two names wants the same rows", async () => {
  await expect(trained({ embed_tokens: [1], tokens: [2] })).rejects.toThrow(
    "trainableTokenIndices: embed_tokens is named twice, with the tokens [1] and, as tokens, with [2]; name it once",
  );
});
