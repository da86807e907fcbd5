import {
  backward,
  cat,
  copyInto,
  Generator,
  init,
  noGrad,
  randn,
  reference,
  scope,
  type Tensor,
  tensor,
  zeros,
} from "@lowrank/core";
import { type Attend, AttentionLayer, Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { AdaptionPromptConfig, adaptionPrompt } from "../methods/prompt/adaptionPrompt.ts";
import { PrefixTuningConfig } from "../methods/prompt/prefixTuning.ts";
import { PromptTuningConfig, type PromptTuningOptions, promptTuning } from "../methods/prompt/promptTuning.ts";
import { PromptEncoderConfig, pTuning } from "../methods/prompt/pTuning.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../testing/tinyModel.ts";
import golden from "./lstm.gen.json" with { type: "json" };
import { Lstm } from "./lstm.ts";
import { Perceptron, PromptTable } from "./promptEncoder.ts";
import { PromptTokens } from "./promptTokens.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel({ attention: true }).eval();
const rowsOf = (peft: PeftModel<TinyModel>) => peft.adapterTensors().get("prompt_embeddings")!;

describe("sizes", () => {
  it("follow from the model, keys and values as wide as the heads that share them", async () => {
    const prefix = await getPeftModel(base(), new PrefixTuningConfig({ numVirtualTokens: 4 }));
    expect(prefix.peftConfig.get("default")).toMatchObject({
      taskType: "CAUSAL_LM",
      tokenDim: 3,
      numLayers: 2,
      numAttentionHeads: 1,
      numTransformerSubmodules: 1,
      encoderHiddenSize: 3,
    });
    expect(rowsOf(prefix).shape).toEqual([4, 2 * 2 * 3]);
    const prompt = await getPeftModel(base(), new PromptTuningConfig({ numVirtualTokens: 4 }));
    expect(prompt.peftConfig.get("default")).toMatchObject({ tokenDim: 6, numLayers: 2, numAttentionHeads: 2 });
    expect(rowsOf(prompt).shape).toEqual([4, 6]);
  });

  it.each([
    [() => new PrefixTuningConfig({ numVirtualTokens: 0 }), "numVirtualTokens is 0"],
    [() => getPeftModel(base(), new PrefixTuningConfig({} as never)), "numVirtualTokens is not set"],
    [
      () => getPeftModel(base(), new PrefixTuningConfig({ numVirtualTokens: 2, tokenDim: 6 })),
      "PrefixTuningConfig: tokenDim is 6, but this model has 3; leave it out",
    ],
    [
      () => new PromptTuningConfig({ numVirtualTokens: 2, numTransformerSubmodules: 2 }),
      "numTransformerSubmodules is 2; it must be 1",
    ],
    [
      () => new PromptTuningConfig({ numVirtualTokens: 2, targetModules: ["q_proj"] } as PromptTuningOptions),
      'targetModules is ["q_proj"]; it must be left out',
    ],
    [() => new PromptEncoderConfig({ numVirtualTokens: 2, encoderDropout: 1 }), "encoderDropout is 1"],
  ])("%#: bad ones are refused", async (make, message) => {
    await expect(async () => make()).rejects.toThrow(message);
  });

  it("a model whose layers differ, or look tokens up by their ids, is named with what it may take", async () => {
    const like = (more: object) => Object.assign(base(), more);
    const heads = { keyValueHeads: 1, headDim: 3 };
    const layers = (second: object) =>
      like({ attentionSizes: { ...base().attentionSizes, perLayer: [heads, { ...heads, ...second }] } });
    const prefix = new PrefixTuningConfig({ numVirtualTokens: 2 });
    await expect(getPeftModel(layers({ keyValueHeads: 0 }), prefix)).rejects.toThrow(
      "layers 1 of a TinyModel have none; use a method whose virtual tokens are embeddings",
    );
    await expect(getPeftModel(layers({ headDim: 6 }), prefix)).rejects.toThrow(
      "layers of a TinyModel have 1 heads of 3 or 1 of 6; use a method on layers",
    );
    const alike = { ...base().attentionSizes, perLayer: [1, 2].map(() => ({ ...heads, headDim: 6 })) };
    await expect(getPeftModel(like({ attentionSizes: alike }), prefix)).rejects.toThrow(
      "layers of a TinyModel have 1 heads of 3 or 1 of 6; use a method on layers",
    );
    await expect(
      getPeftModel(like({ needsTokenIds: true }), new PromptTuningConfig({ numVirtualTokens: 2 })),
    ).rejects.toThrow("layers of a TinyModel look up token ids");
  });

  it("a model that takes no virtual tokens is named", async () => {
    class Plain extends Module {
      lm_head = new Linear(new Parameter(tensor([[1]])));
      forward() {}
    }
    await expect(getPeftModel(new Plain(), new PrefixTuningConfig({ numVirtualTokens: 2 }))).rejects.toThrow(
      "PREFIX_TUNING puts virtual tokens before sequences, which a Plain does not take",
    );
  });
});

describe("what prompts start as", () => {
  const config = (options: object) => new PromptTuningConfig({ numVirtualTokens: 5, ...options });
  const table = () => base().stateDict().get("embed_tokens.weight")!.dataSync();
  const text = { promptTuningInit: "TEXT", promptTuningInitText: "to do", tokenizerNameOrPath: "tiny" };

  it("a text's embeddings, over and over", async () => {
    const tokenizer = { encode: (said: string) => (said === "to do" ? [7, 2] : []) };
    const rows = rowsOf(await getPeftModel(base(), config(text), { tokenizer })).dataSync();
    const expected = [7, 2, 7, 2, 7].flatMap((id) => [...table().slice(6 * id, 6 * id + 6)]);
    expect([...rows]).toEqual(expected);
  });

  it("tokens at random, other ones by another generator", async () => {
    const start = async (seed: number) => {
      const options = { generator: new Generator(seed) };
      return [...rowsOf(await getPeftModel(base(), config({ promptTuningInit: "SAMPLE_VOCAB" }), options)).dataSync()];
    };
    const known = Array.from({ length: 11 }, (_, id) =>
      table()
        .slice(6 * id, 6 * id + 6)
        .join(),
    );
    const rows = await start(1);
    for (let i = 0; i < 5; i++) expect(known).toContain(rows.slice(6 * i, 6 * i + 6).join());
    expect(await start(2)).not.toEqual(rows);
  });

  it.each([
    [{}, "give getPeftModel or addAdapter the model's tokenizer"],
    [{ tokenizer: { encode: () => [] } }, 'promptTuningInitText "to do" has no tokens; give a longer text'],
    [{ tokenizer: { encode: () => [3, 11] } }, "has the token id 11, but the model has 11 tokens"],
  ])("%#: a text that cannot be used is an error", async (options, message) => {
    await expect(getPeftModel(base(), config(text), options)).rejects.toThrow(message);
  });

  it("a text that is not said is an error", () => {
    expect(() => config({ ...text, promptTuningInitText: null })).toThrow(
      'promptTuningInitText is null; it must be set, since promptTuningInit is "TEXT"',
    );
  });
});

describe("beside other adapters", () => {
  it("a prompt, a prefix and LoRA switch, and the base model comes back", async () => {
    const before = await logitBits(base());
    const peft = await getPeftModel(base(), new PrefixTuningConfig({ numVirtualTokens: 2 }));
    await peft.addAdapter("prompt", new PromptTuningConfig({ numVirtualTokens: 3 }));
    await peft.addAdapter("lora", new LoraConfig({ r: 2, targetModules: ["up"] }));
    const answers = new Map<string, Uint8Array>();
    for (const name of ["prompt", "lora", "default"]) {
      peft.setAdapter(name);
      train(peft, 2);
      answers.set(name, await logitBits(peft));
    }
    for (const name of ["lora", "prompt", "default"]) {
      peft.setAdapter(name);
      expect(await logitBits(peft)).toEqual(answers.get(name));
      expect(await logitBits(peft.baseModel)).toEqual(answers.get(name));
    }
    const again = await PeftModel.fromPretrained(base(), await peft.adapterFiles(["lora"]), { subfolder: "lora" });
    expect(await logitBits(again)).toEqual(answers.get("lora"));
    await expect(peft.mergeAdapter({ adapterNames: ["lora", "prompt"] })).rejects.toThrow("puts virtual tokens");
    peft.deleteAdapter("default");
    expect(peft.activeAdapter).toBeNull();
    expect(await logitBits(peft)).toEqual(before);
    peft.setAdapter("prompt");
    expect(() => new PeftModel(peft.baseModel)).toThrow("another PeftModel");
    expect(await logitBits(peft.unload())).toEqual(before);
  });
});

it("the LSTM of P-tuning gives PEFT's rows and gradients", () => {
  const config = new PromptEncoderConfig({
    numVirtualTokens: 4,
    tokenDim: 3,
    encoderReparameterizationType: "LSTM",
    encoderHiddenSize: 2,
  });
  const generator = new Generator(0);
  const encoder = pTuning.createEncoder({ config, generator, embeddings: null } as never);
  const parameters = new Map(encoder.namedParameters());
  expect([...parameters.keys()].sort()).toEqual(Object.keys(golden.parameters).sort());
  for (const [name, { shape, data }] of Object.entries(golden.parameters)) {
    expect(parameters.get(name)!.shape).toEqual(shape);
    noGrad(() => copyInto(parameters.get(name)!, tensor(data, { dtype: "f32" }).reshape(shape)));
  }
  const rows = encoder.rows();
  expectClose(rows.dataSync(), golden.rows.data);
  scope(() => backward(encoder.rows().mul(tensor(golden.weights.data).reshape(golden.weights.shape)).sum()));
  for (const [name, { data }] of Object.entries(golden.gradients)) {
    expectClose(parameters.get(name)!.grad!.dataSync(), data);
  }
});

/** Both sides compute in float32, so sums of a few terms differ by some ulps. */
function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(Math.max(...expected.map((x, i) => Math.abs(x - actual[i])))).toBeLessThan(2e-6 * largest);
}

it("sampled tokens are from the whole vocabulary", () => {
  const values = Float32Array.from({ length: 7 * 2 }, (_, i) => i);
  const embeddings = new Embedding(new Parameter(tensor(values, { shape: [7, 2] })));
  const config = new PromptTuningConfig({ numVirtualTokens: 200, tokenDim: 2, promptTuningInit: "SAMPLE_VOCAB" });
  const context = { config, generator: new Generator(3), embeddings } as never;
  const rows = [...promptTuning.createEncoder(context).rows().dataSync()];
  const first = rows.filter((_, i) => i % 2 === 0).map((value) => Number(value) / 2);
  expect([...new Set(first)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const uniform = new Float32Array(200);
  new Generator(3).fillUniform(uniform);
  expect(first).toEqual([...uniform].map((u) => Math.floor(u * 7)));
});

describe("the LSTM", () => {
  const of = (layers: number, dropout: number) => {
    const lstm = new Lstm(3, 16, { layers, dropout, generator: new Generator(1) });
    const x = randn([4, 3], { generator: new Generator(2) });
    const run = () => [...lstm.forward(x).dataSync()];
    return { lstm, run };
  };

  it("starts uniformly below one over the root of its width", () => {
    const largest = [...of(2, 0).lstm.parameters()].map((p) => Math.max(...[...p.dataSync()].map(Number)));
    for (const value of largest) expect(value).toBeLessThan(0.25);
    expect(Math.max(...largest)).toBeGreaterThan(0.245);
  });

  it("has dropout between its layers only", () => {
    const one = of(1, 0.9);
    one.lstm.train();
    const trained = one.run();
    one.lstm.eval();
    expect(trained).toEqual(one.run());
    expect(trained).toHaveLength(4 * 32);
    const two = of(2, 0.9);
    two.lstm.train();
    const dropped = two.run();
    two.lstm.eval();
    expect(dropped).not.toEqual(two.run());
  });
});

it("rows of a prefix are keys and values by layer and head", () => {
  const encoder = new PromptTable(new Embedding(new Parameter(zeros([3, 24]))));
  const config = { numVirtualTokens: 3, numLayers: 2, numAttentionHeads: 3, tokenDim: 6 } as never;
  const shape = (kind: "cache" | "embeddings") => {
    return [...new PromptTokens(kind, { encoder, final: false, config }).rows().shape];
  };
  expect(shape("cache")).toEqual([3, 2, 2, 3, 2]);
  expect(shape("embeddings")).toEqual([3, 24]);
});

it("activations of a perceptron are between its layers", () => {
  const layer = (weight: number) => new Linear(new Parameter(tensor([[weight]])));
  const of = (activation: "relu" | "tanh", ...weights: number[]) => {
    const perceptron = new Perceptron(weights.map(layer), activation);
    return [[...perceptron.namedParameters()].map(([name]) => name), perceptron.forward(tensor([[2]])).dataSync()[0]];
  };
  expect(of("relu", -1)).toEqual([["0.weight"], -2]);
  expect(of("relu", -1, 3)).toEqual([["0.weight", "2.weight"], 0]);
  expect(of("relu", 1, -3, -1)).toEqual([["0.weight", "2.weight", "4.weight"], 0]);
  expect(of("tanh", -1, 3)[1]).toBeCloseTo(3 * Math.tanh(-2), 6);
});

describe("adaption prompts", () => {
  const draw = (seed: number) => randn([4, 4], { generator: new Generator(seed) });
  let [q, k, v]: Tensor[] = [];
  beforeAll(() => {
    [q, k, v] = [1, 2, 3].map(draw);
  });
  const linear = (weight: Tensor) => new Linear(new Parameter(weight));

  /** Attention of two heads of width 2, whose own output is zero. */
  class Attention extends AttentionLayer {
    forward(x: Tensor, layer: number, attend: Attend): Tensor {
      const heads = linear(q).forward(x).reshape([1, 2, 2, 2]);
      return attend(layer, heads, heads, heads, { scale: 1 }).reshape([1, 2, 4]);
    }
  }

  const output = (parts: Record<string, UnaryModule>) => {
    const base = Object.assign(new Attention(), parts) as never;
    const config = new AdaptionPromptConfig({ adapterLen: 3, adapterLayers: 1 });
    const context = { base, path: "attn", config, generator: new Generator(5) } as never;
    const layer = adaptionPrompt.createLayer(context) as unknown as {
      parameters: { adaption_prompt: Parameter; adaption_gate: Parameter };
      forward(x: Tensor, base: Module, layer: number, attend: Attend): Tensor;
    };
    const { adaption_prompt: rows, adaption_gate: gate } = layer.parameters;
    noGrad(() => copyInto(gate, tensor([0.5])));
    const x = randn([1, 2, 4], { generator: new Generator(6) });
    const y = layer.forward(x, base, 0, () => zeros([1, 2, 2, 2]));
    return { rows: rows.detach(), x, y: [...y.dataSync()].map(Number) };
  };

  /** Scaled attention of the tokens to the rows, by hand. */
  const byHand = ({ rows, x }: { rows: Tensor; x: Tensor }) => {
    const [queries, keys, values] = [linear(q).forward(x), linear(k).forward(rows), linear(v).forward(rows)].map((t) =>
      [...t.dataSync()].map(Number),
    );
    return [0, 1].flatMap((token) =>
      [0, 1].flatMap((head) => {
        const at = (all: number[], row: number) => all.slice(4 * row + 2 * head, 4 * row + 2 * head + 2);
        const dot = (a: number[], b: number[]) => a[0] * b[0] + a[1] * b[1];
        const scores = [0, 1, 2].map((row) => Math.exp(dot(at(queries, token), at(keys, row)) / Math.SQRT2));
        const total = scores.reduce((sum, score) => sum + score);
        return [0, 1].map((i) => scores.reduce((sum, score, row) => sum + (score / total) * at(values, row)[i], 0) / 2);
      }),
    );
  };

  it.each([
    ["separate projections", () => ({ k_proj: linear(k), v_proj: linear(v), o_proj: linear(tensor(identity)) })],
    ["one projection, as in GPT-2", () => ({ c_attn: linear(cat([q, k, v], { dim: 0 })) })],
  ])("are attended to by the keys and values of %s", (_, parts) => {
    const found = output(parts());
    for (const [i, value] of byHand(found).entries()) expect(found.y[i]).toBeCloseTo(value, 5);
    expect(found.rows.shape).toEqual([1, 3, 4]);
  });

  const identity = [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => (row === column ? 1 : 0)));

  it.each([["k_proj"], ["v_proj"], ["o_proj"]])("are not for attention without %s", (missing) => {
    const parts: Record<string, UnaryModule> = { k_proj: linear(k), v_proj: linear(v), o_proj: linear(q) };
    delete parts[missing];
    expect(() => output(parts)).toThrow("attn is a Attention without k_proj, v_proj and o_proj, or c_attn");
  });
});
