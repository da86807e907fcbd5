import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type CausalLM,
  createModel,
  Generator,
  generate,
  getPeftModel,
  init,
  LoraConfig,
  type LoraOptions,
  PeftModel,
  PromptCache,
  parseModelConfig,
  randomParameters,
  reference,
  tensor,
} from "./index.gen.ts";

beforeAll(() => init(reference()));
afterEach(() => void vi.restoreAllMocks());

const vocab = 19;
const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: vocab, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 64, pad_token_id: 0 },
});
const newModel = (): CausalLM => createModel(config, randomParameters(new Generator(3))).eval();

const tokens = [7, 8];
const targets = ["q_proj", "v_proj", "down_proj"];
const lora = (options: LoraOptions = {}) =>
  new LoraConfig({ r: 2, loraAlpha: 8, initLoraWeights: false, targetModules: targets, ...options });
const alora = (options: LoraOptions = {}) => lora({ taskType: "CAUSAL_LM", aloraInvocationTokens: tokens, ...options });
const adapted = (options: LoraOptions = {}, model = newModel()) =>
  getPeftModel(model, alora(options), { generator: new Generator(1), onWarning: () => {} });

const ids = (rows: readonly (readonly number[])[]) => tensor(rows, { dtype: "i32" });
/** Returns the logits of each token of each row. */
const logits = (
  model: Pick<CausalLM, "forward">,
  rows: readonly (readonly number[])[],
  offsets?: (number | null)[],
) => {
  const inputs = { inputIds: ids(rows), ...(offsets && { aloraOffsets: offsets }) };
  const values = model.forward(inputs).logits.dataSync() as Float32Array;
  const T = rows[0].length;
  return rows.map((_, r) => rows[0].map((_, t) => [...values.slice((r * T + t) * vocab, (r * T + t + 1) * vocab)]));
};
const close = (found: readonly number[][], expected: readonly number[][]) => {
  expect(found.length).toBe(expected.length);
  for (const [t, row] of found.entries()) for (const [i, x] of row.entries()) expect(x).toBeCloseTo(expected[t][i], 4);
};
const differ = (a: readonly number[], b: readonly number[]) =>
  expect(Math.max(...a.map((x, i) => Math.abs(x - b[i])))).toBeGreaterThan(1e-3);

describe("forward", () => {
  const rows = [
    [3, 7, 8, 4, 7, 8, 2, 9],
    [7, 8, 5, 6, 7, 1, 8, 7],
    [1, 2, 3, 4, 5, 6, 7, 9],
    [1, 2, 3, 4, 5, 6, 7, 8],
  ];
  const starts = [4, 0, 8, 6];

  test("acts from the last invocation of each row on", async () => {
    const expected = logits(newModel(), rows);
    const found = logits(await adapted(), rows);
    for (const [r, start] of starts.entries()) {
      close(found[r].slice(0, start), expected[r].slice(0, start));
      for (let t = start; t < 8; t++) differ(found[r][t], expected[r][t]);
    }
  });

  test("a row that begins with the invocation has the outputs of LoRA", async () => {
    const plain = await getPeftModel(newModel(), lora(), { generator: new Generator(1), onWarning: () => {} });
    close(logits(await adapted(), rows)[1], logits(plain, rows)[1]);
  });

  test("aloraOffsets replaces the search", async () => {
    const peft = await adapted();
    const found = logits(peft, rows);
    expect(logits(peft, rows, [4, 8, null, 2])).toEqual(found);
    expect(logits(peft, rows, [4, 99, 0, 2])).toEqual(found);
    differ(logits(peft, rows, [4, 8, 3, 2])[2][7], found[2][7]);
    expect(() => logits(peft, rows, [1])).toThrow("aloraOffsets has 1 elements for 4 rows");
  });

  test("an empty list of tokens is plain LoRA", async () => {
    const plain = await getPeftModel(newModel(), lora(), { generator: new Generator(1), onWarning: () => {} });
    const empty = await adapted({ aloraInvocationTokens: [] });
    expect(logits(empty, rows)).toEqual(logits(plain, rows));
    await empty.mergeAdapter();
  });

  test("a text that is shorter than the invocation is the base model's", async () => {
    const short = [[7]];
    expect(logits(await adapted(), short)).toEqual(logits(newModel(), short));
  });

  test("a batch with several adapters equals separate runs", async () => {
    const peft = await adapted();
    await peft.addAdapter("other", alora({ aloraInvocationTokens: [2, 3] }), { generator: new Generator(2) });
    await peft.addAdapter("plain", lora(), { generator: new Generator(5) });
    const names = ["other", "plain", "default", "default", "__base__", "other", "plain"];
    const mixed = [rows[3], rows[1], rows[0], rows[2], rows[1], rows[2], rows[3]];
    const together = peft.withAdapterNames(names, () => logits(peft, mixed));
    for (const [r, name] of names.entries()) {
      if (name !== "__base__") peft.setAdapter(name);
      const run = () => logits(peft, [mixed[r]]);
      close(together[r], (name === "__base__" ? peft.disableAdapter(run) : run())[0]);
    }
  });
});

describe("training", () => {
  const rows = [
    [3, 7, 8, 4, 6, 1],
    [7, 2, 5, 6, 7, 8],
    [1, 2, 3, 4, 5, 6],
  ];
  const batch = () => ({ inputIds: ids(rows), labels: ids(rows) });
  const gradients = (peft: PeftModel<CausalLM>) => {
    const loss = peft.loss(batch());
    loss.backward();
    const factors = [...peft.adapterTensors()].filter(([key]) => key.includes("lora_"));
    const found = factors.map(([key, { grad }]) => [key, [...grad!.dataSync()]] as const);
    return { loss: loss.dataSync()[0], found };
  };

  test("loss and forward are equal with an adapter on the head, and gradients with checkpointing", async () => {
    const targetModules = [...targets, "lm_head"];
    const plain = await adapted({ targetModules });
    plain.train();
    const expected = gradients(plain);
    expect(expected.loss).toBeCloseTo(plain.forward(batch()).loss!.dataSync()[0], 5);
    const peft = await adapted({ targetModules });
    peft.train();
    peft.baseModel.gradientCheckpointing = true;
    const { loss, found } = gradients(peft);
    expect(loss).toBeCloseTo(expected.loss, 6);
    for (const [i, [key, values]] of found.entries()) {
      expect(key).toBe(expected.found[i][0]);
      expect(values.some((x) => x !== 0)).toBe(true);
      for (const [j, x] of values.entries()) expect(x).toBeCloseTo(expected.found[i][1][j], 5);
    }
  });

  test("a batch without invocations has gradients of zero", async () => {
    const peft = await adapted();
    peft.train();
    peft.loss({ inputIds: ids([[1, 2, 3]]), labels: ids([[1, 2, 3]]) }).backward();
    for (const { grad } of peft.trainableParameters()) expect([...grad!.dataSync()].every((x) => x === 0)).toBe(true);
  });

  test("another forward pass before backward is refused with checkpointing", async () => {
    const peft = await adapted();
    peft.train();
    peft.baseModel.gradientCheckpointing = true;
    const loss = peft.loss(batch());
    peft.forward(batch());
    expect(() => loss.backward()).toThrow("call backward before the next forward pass");
  });
});

describe("generate", () => {
  const prompts = [
    [3, 7, 8, 4, 9],
    [7, 8, 2],
    [1, 2, 3, 4, 5, 6, 7],
    [5, 7, 8, 1, 7, 8, 3],
  ];
  const starts = [1, 0, null, 4];
  const options = { maxNewTokens: 6, doSample: false, eosTokenIds: [] };

  /** Continues a prompt greedily without a cache. */
  const slowly = (peft: PeftModel<CausalLM>, prompt: readonly number[], start: number | null) => {
    const all = [...prompt];
    for (let n = 0; n < options.maxNewTokens; n++) {
      const last = logits(peft, [all], [start === null ? null : all.length - start])[0].at(-1)!;
      all.push(last.indexOf(Math.max(...last)));
    }
    return all.slice(prompt.length);
  };

  test("acts from the prompt's invocation on, whatever is generated", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const peft = await adapted();
    const expected = prompts.map((prompt, r) => slowly(peft, prompt, starts[r]));
    expect(await generate(peft, prompts, options)).toEqual(expected);
    expect(warn.mock.calls).toEqual([
      ["a prompt lacks aloraInvocationTokens [7,8]; the aLoRA adapter does not change its outputs"],
    ]);
    expect(await generate(peft, prompts, { ...options, repetitionPenalty: 1 + 1e-9 })).toEqual(expected);
    const beams = await generate(peft, prompts, { ...options, numBeams: 2, numReturnSequences: 2 });
    for (const [r, prompt] of prompts.entries()) {
      const alone = await generate(peft, [prompt], { ...options, numBeams: 2, numReturnSequences: 2 });
      expect(beams.slice(2 * r, 2 * r + 2)).toEqual(alone);
    }
    const base = await generate(newModel(), prompts, options);
    expect(expected[2]).toEqual(base[2]);
    for (const r of [0, 1, 3]) expect(expected[r]).not.toEqual(base[r]);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  test("rows of different adapters", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const peft = await adapted();
    await peft.addAdapter("other", alora({ aloraInvocationTokens: [2, 3] }), { generator: new Generator(2) });
    await peft.addAdapter("plain", lora(), { generator: new Generator(5) });
    const names = ["default", "plain", "other", "default"];
    const together = await peft.withAdapterNames(names, () => generate(peft, prompts, options));
    for (const [r, name] of names.entries()) {
      peft.setAdapter(name);
      expect(together[r]).toEqual((await generate(peft, [prompts[r]], options))[0]);
    }
    expect(await peft.disableAdapter(() => generate(peft, prompts, options))).toEqual(
      await generate(newModel(), prompts, options),
    );
  });

  test("a PromptCache serves the base model and its aLoRA adapters in turn", async () => {
    const peft = await adapted();
    await peft.addAdapter("other", alora({ aloraInvocationTokens: [2, 3] }), { generator: new Generator(2) });
    using promptCache = new PromptCache();
    const text = [1, 5, 4, 6, 9, 1, 4];
    const answers = { default: [...text, 7, 8], other: [...text, 2, 3, 5] };
    const run = async (name: string | null, prompt: readonly number[], reused: number) => {
      if (name !== null) peft.setAdapter(name);
      const both = await Promise.all(
        [promptCache, undefined].map((cache) => {
          const call = () => generate(peft, [prompt], { ...options, promptCache: cache });
          return name === null ? peft.disableAdapter(call) : call();
        }),
      );
      expect(both[0]).toEqual(both[1]);
      expect(promptCache.reused).toBe(reused);
      return both[0][0];
    };
    await run(null, text, 0);
    const answer = await run("default", answers.default, 7);
    await run("default", [...answers.default, ...answer, 4], 14);
    await run("default", [...answers.default, ...answer, 7, 8, 4], 7);
    await run("other", answers.other, 7);
    await run(null, [...answers.other, 1], 7);
    await run("other", [...text, 1], 7);
    await run("other", [...text, 1, 5], 8);
  });
});

describe("limits", () => {
  const refused = (options: LoraOptions) => expect(adapted(options)).rejects;

  test("aLoRA is not merged", async () => {
    const peft = await adapted();
    const message = /aLoRA acts only on the tokens after its invocation/;
    await expect(peft.mergeAdapter()).rejects.toThrow(message);
    await expect(peft.mergeAndUnload()).rejects.toThrow(message);
  });

  test("what PEFT refuses is refused", async () => {
    await refused({ targetModules: ["embed_tokens"] }).toThrow(/is of the kind embedding, and aloraInvocationTokens/);
    await refused({ useDora: true }).toThrow("useDora is true; it must be left out with aloraInvocationTokens");
    await refused({ kasaConfig: {} }).toThrow(/must be left out with/);
    await refused({ initLoraWeights: "mica" }).toThrow(/initLoraWeights is "mica"/);
    await refused({ taskType: null }).toThrow('taskType is null; it must be "CAUSAL_LM" with aloraInvocationTokens');
    await refused({ aloraInvocationTokens: [1.5] }).toThrow(/aloraInvocationTokens is .*a list of token ids/);
    const peft = await adapted();
    await expect(peft.addWeightedAdapter(["default"], [1], "sum")).rejects.toThrow("aloraInvocationTokens");
  });

  test("files keep the tokens", async () => {
    const peft = await adapted();
    const files = await peft.adapterFiles();
    expect(JSON.parse(files.get("adapter_config.json") as string).alora_invocation_tokens).toEqual([7, 8]);
    const loaded = await PeftModel.fromPretrained(newModel(), files);
    const rows = [[3, 7, 8, 4]];
    expect(logits(loaded, rows)).toEqual(logits(peft, rows));
  });
});
