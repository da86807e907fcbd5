import { full, init, type OptionError, tensor, zeros } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { getPeftModel, LoraConfig, type PeftModel } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { setAdapterValues } from "../subjects/adapterValues.ts";
import { buildModel, smallestModel } from "../subjects/modelDescription.ts";
import { faultyLora, wrongMergeScale } from "../testing/faultyMethods.ts";
import "../vitest.ts";

beforeAll(() => init(wasm()));

const config = new LoraConfig({ r: 2, targetModules: "all-linear" });

/** Returns the message with which an assertion fails. */
async function messageOf(assertion: PromiseLike<unknown>): Promise<string> {
  try {
    await assertion;
  } catch (error) {
    return (error as Error).message;
  }
  return "the assertion did not fail";
}

async function adapted(own: LoraConfig = config): Promise<PeftModel> {
  const peft = (await getPeftModel(await buildModel(smallestModel), own)) as PeftModel;
  setAdapterValues(peft, { kind: "large", seed: 2 });
  return peft;
}

describe("toEqualMerged", () => {
  test("passes for LoRA, and leaves the model unmerged and in its mode", async () => {
    const peft = await adapted();
    peft.train();
    await expect(peft).toEqualMerged();
    expect(peft.isMerged).toBe(false);
    expect(peft.training).toBe(true);
    expect(await messageOf(expect(peft).not.toEqualMerged())).toBe(
      'expected the merge of adapter "default" to change outputs, and it does not',
    );
  });

  test("names the layer of a wrong merge", async () => {
    const Faulty = faultyLora("WRONG_MERGE_MATCHED", wrongMergeScale("0.mlp.up_proj", 3));
    const message = await messageOf(
      expect(await adapted(new Faulty({ r: 2, targetModules: "all-linear" }))).toEqualMerged(),
    );
    expect(message).toMatch(
      /^expected the merge of adapter "default" to change no outputs; after mergeAdapter, model\.layers\.0\.mlp\.up_proj is the first layer with different outputs: they differ by [\d.e+-]+ at \[/,
    );
  });

  test("needs a PeftModel", async () => {
    expect(await messageOf(expect({}).toEqualMerged())).toContain("is no PeftModel; wrap the model with getPeftModel");
  });

  test("has errors that runners can send between processes, for values that refer to whole models", async () => {
    const peft = await adapted();
    const error = (await expect(peft.baseModel)
      .toEqualMerged()
      .then(null, (e: unknown) => e)) as OptionError;
    expect(error.value).toBe(peft.baseModel);
    expect(JSON.parse(JSON.stringify(error))).toMatchObject({ code: "invalid_option", value: "LlamaForCausalLM" });
  });
});

test("toEqual compares the shape, dtype and elements of tensors", () => {
  expect(tensor([1, Number.NaN])).toEqual(tensor([1, Number.NaN]));
  expect({ a: [tensor([[1, 2]])] }).toStrictEqual({ a: [tensor([[1, 2]])] });
  for (const other of [tensor([1, 3]), tensor([[1, 2]]), tensor([1, 2], { dtype: "i32" }), 1]) {
    expect(tensor([1, 2])).not.toEqual(other);
  }
});

describe("toBeCloseToTensor", () => {
  test("infinities are equal to themselves alone", async () => {
    const infinite = tensor([Number.POSITIVE_INFINITY]);
    await expect(infinite).toBeCloseToTensor([Number.POSITIVE_INFINITY]);
    for (const other of [[1], [Number.NEGATIVE_INFINITY], [Number.NaN]]) {
      await expect(infinite).not.toBeCloseToTensor(other);
      await expect(tensor(other)).not.toBeCloseToTensor(infinite);
    }
  });

  test("needs a tensor", async () => {
    const message = await messageOf(expect(new Map()).toBeCloseToTensor([1]));
    expect(message).toBe("toBeCloseToTensor: received is no tensor; give the output's tensor");
  });

  test("compares with the tolerances of PyTorch's assert_close", async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    const near = [
      [1, 2],
      [3, 4.00001],
    ];
    await expect(x).toBeCloseToTensor(near);
    await expect(x).toBeCloseToTensor(x);
    const far = [
      [1, 2.5],
      [3, 4.25],
    ];
    await expect(x).not.toBeCloseToTensor(far);
    await expect(x).toBeCloseToTensor(far, { atol: 0.5 });
    expect(await messageOf(expect(x).toBeCloseToTensor(far))).toBe(
      "2 of 4 elements differ; the largest difference is 0.5 at [0, 1]: received 2, expected 2.5 within atol 1.00e-5 + rtol 1.30e-6",
    );
  });

  test("compares shapes, NaN, integers and half precision", async () => {
    expect(await messageOf(expect(zeros([2, 2])).toBeCloseToTensor(zeros([4])))).toBe(
      "expected shape [4], and received [2,2]",
    );
    await expect(full([2], Number.NaN)).toBeCloseToTensor([Number.NaN, Number.NaN]);
    await expect(full([2], Number.NaN)).not.toBeCloseToTensor([0, 0]);
    await expect(tensor([1, 2], { dtype: "i32" })).toBeCloseToTensor(tensor([1, 2], { dtype: "i32" }));
    await expect(tensor([1, 2], { dtype: "i32" })).not.toBeCloseToTensor(tensor([1, 3], { dtype: "i32" }));
    await expect(tensor([1, 1000], { dtype: "bf16" })).toBeCloseToTensor(tensor([1, 1010], { dtype: "bf16" }));
  });
});

test("toGenerateSameTokens names prompt, position and tokens", async () => {
  const [peft, base] = [await adapted(), await buildModel(smallestModel)];
  const prompts = [[1, 2], [3]];
  await expect(base).toGenerateSameTokens(await buildModel(smallestModel), { prompts });
  await expect(peft).toGenerateSameTokens((await adapted()) as never, { prompts, maxNewTokens: 3 });
  const message = await messageOf(expect(peft as never).toGenerateSameTokens(base, { prompts }));
  expect(message).toMatch(
    /^expected the same tokens; prompt \d differs from new token \d+: received \d, expected \d, after/,
  );
  expect(await messageOf(expect(base).toGenerateSameTokens(base, { prompts: [] }))).toContain(
    "give lists of token ids",
  );
});

describe("a model with a tokenizer", () => {
  test("toAnswer shows the answer, and toForgetLessThan the losses and the worst text", async () => {
    const { model, tokenizer } = await loadModel(nanoModelFolder);
    const peft = await getPeftModel(model, config);
    const received = { model: peft, tokenizer };
    const prompt = "add 2 and 3";
    await expect(received).toAnswer(prompt, { check: (answer) => answer.length > 0 });
    const message = await messageOf(expect(received).toAnswer(prompt, "something else entirely"));
    expect(message).toMatch(
      /^the answer to "add 2 and 3" is ".+"; exact: differs from character \d+: ".*" instead of /,
    );
    expect(await messageOf(expect(received).toAnswer(prompt, /zzz/))).toMatch(/; matches: \/zzz\/ matches nothing$/);
    expect(await messageOf(expect({ model, tokenizer: null }).toAnswer(prompt, "x"))).toContain("has no tokenizer");

    const texts = ["add 2 and 3", "reverse a b c"];
    await expect(received).toForgetLessThan(0, { texts });
    setAdapterValues(peft as PeftModel, { kind: "large", seed: 1 });
    const losses = () =>
      texts.map((text) => {
        const ids = tensor([[...tokenizer!.encode(text)]], { dtype: "i32" });
        return { tokens: ids.size - 1, loss: model.loss({ inputIds: ids, labels: ids }).itemSync() };
      });
    const [worse, base] = [losses(), peft.disableAdapter(losses)];
    const tokens = base[0].tokens + base[1].tokens;
    const rises = worse.map(({ loss }, i) => (loss - base[i].loss) * base[i].tokens);
    const rise = (rises[0] + rises[1]) / tokens;
    await expect(received).toForgetLessThan(rise + 1e-3, { texts });
    await expect(received).not.toForgetLessThan(rise - 1e-3, { texts });
    const worst = rises[0] / base[0].tokens > rises[1] / base[1].tokens ? 0 : 1;
    const forgetting = await messageOf(expect(received).toForgetLessThan(rise - 1e-3, { texts }));
    expect(forgetting).toContain(`the loss of ${tokens} tokens rises by ${Number(rise.toPrecision(3))} nats a token`);
    expect(forgetting).toMatch(new RegExp(`, and the limit is [-\\d.]+; text ${worst} rises most, by [-\\d.]+: "`));
    expect(await messageOf(expect({ model, tokenizer }).toForgetLessThan(1, { texts }))).toContain("is no PeftModel");
  });
});
