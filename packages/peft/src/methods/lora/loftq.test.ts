import {
  add,
  init,
  matmul,
  quantize4bit,
  reference,
  scope,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { Linear4bit } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, train } from "../../testing/tinyModel.ts";
import { loftq } from "./factorStart.ts";
import golden from "./loftq.gen.json" with { type: "json" };
import { LoraConfig } from "./loraConfig.ts";

beforeAll(() => init(reference()));

const floats = (text: string) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

/** PyTorch's float32 singular vectors differ from ours in float64 by some 1e-6 of the largest entry. */
function close(actual: Tensor, expected: Float32Array, rounding = 0) {
  const largest = Math.max(...expected.map(Math.abs));
  const off = Math.max(...(actual.dataSync() as Float32Array).map((x, i) => Math.abs(x - expected[i])));
  expect(off).toBeLessThan(5e-6 * largest + rounding);
}

describe("PEFT's loftq_init", () => {
  it.each(golden.cases)(
    "$shape, rank $rank, $loftqIter turns, $loftqBits bits",
    async ({ shape, rank, loftqIter, loftqBits, weight, q, product }) => {
      const w = tensor(floats(weight), { shape });
      const start = await loftq(w, rank, { loftqBits, loftqIter }, false);
      close(start.weight.to("f32"), floats(q));
      // The product approximates W - Q, in which the rounding of Q counts: with 8 bits, W - Q is 200 times smaller.
      const rounding = 2 ** -24 * Math.max(...floats(q).map(Math.abs));
      close(matmul(start.b, start.a), floats(product), rounding);
      const turned = await loftq(w.transpose(0, 1), rank, { loftqBits, loftqIter }, true);
      expect(turned.weight.shape).toEqual(shape);
      expect(turned.weight.to("f32").dataSync()).toEqual(start.weight.to("f32").dataSync());
      expect(turned.a.dataSync()).toEqual(start.a.dataSync());
    },
  );
});

const config = (loftqConfig = {}) =>
  new LoraConfig({ r: 3, loraAlpha: 3, initLoraWeights: "loftq", loftqConfig, targetModules: ["up", "down"] });
const warned: Warning[] = [];
const options = { onWarning: (warning: Warning) => void warned.push(warning) };

/** Returns the squared distance of the logits from the unquantised model's logits. */
async function distance(model: { forward(ids: Tensor): { logits: Tensor } }): Promise<number> {
  const [a, b] = [await logitBits(model), await logitBits(new TinyModel().eval())];
  return scope(() => {
    const [x, y] = [a, b].map((bytes) => tensor(new Float32Array(bytes.slice().buffer)));
    return sum(square(sub(x, y))).itemSync();
  });
}

/** A Conv1D and the Linear4bit that replaces it sum in different orders. */
function sameLogits(actual: Uint8Array, expected: Uint8Array) {
  close(tensor(new Float32Array(actual.slice().buffer)), new Float32Array(expected.slice().buffer));
}

describe("initLoraWeights: loftq", () => {
  it("starts nearer to the full model than NF4 alone, and tells that the base is another", async () => {
    const plain = await distance(new TinyModel({ quantize: {} }).eval());
    warned.length = 0;
    const one = await getPeftModel(new TinyModel().eval(), config(), options);
    const message = expect.stringContaining("sets the weights of 4 base layers permanently");
    expect(warned).toContainEqual({ code: "changed-base", message });
    expect(await distance(one)).toBeLessThan(0.3 * plain);
    const base = await one.disableAdapter(() => logitBits(one));
    sameLogits(base, await logitBits(new TinyModel({ quantize: {} }).eval()));
  });

  it("is quantised without loss afterwards, and trains on", async () => {
    const peft = await getPeftModel(new TinyModel().eval(), config({ loftqIter: 3 }), options);
    const before = await logitBits(peft);
    const report = await peft.quantizeBase({ quantType: "nf4", blockSize: 64 });
    expect(report.quantized.length).toBe(4);
    sameLogits(await logitBits(peft), before);
    expect([...peft.parameters()].filter(({ dtype }) => dtype === "nf4").length).toBe(4);
    const losses = train(peft, 6);
    expect(losses.at(-1)).toBeLessThan(losses[0]);
    const merged = await peft.mergeAndUnload({ dtype: "f32" });
    expect([...merged.namedModules()].some(([, module]) => module instanceof Linear4bit)).toBe(false);
  });

  it("a saved adapter meets the same base: the full one, quantised by it again, or one in NF4", async () => {
    const peft = await getPeftModel(new TinyModel().eval(), config(), options);
    train(peft);
    const [files, live] = [await peft.adapterFiles(), await logitBits(peft)];
    const onDisk = JSON.parse(files.get("adapter_config.json") as string);
    expect(onDisk.loftq_config).toEqual({ loftq_bits: 4, loftq_iter: 1 });
    for (const base of [new TinyModel().eval(), new TinyModel({ quantize: {} }).eval()]) {
      sameLogits(await logitBits(await PeftModel.fromPretrained(base, files, options)), live);
    }
  });

  it("of 8 bits has rows of 255 values, and a saved adapter changes the full base in the same way", async () => {
    const peft = await getPeftModel(new TinyModel().eval(), config({ loftqBits: 8 }), options);
    expect(await distance(peft)).toBeLessThan(0.3 * (await peft.disableAdapter(() => distance(peft))));
    train(peft);
    const [files, live] = [await peft.adapterFiles(), await logitBits(peft)];
    const onDisk = JSON.parse(files.get("adapter_config.json") as string);
    expect(onDisk.loftq_config).toEqual({ loftq_bits: 8, loftq_iter: 1 });
    sameLogits(await logitBits(await PeftModel.fromPretrained(new TinyModel().eval(), files, options)), live);
    await expect(PeftModel.fromPretrained(new TinyModel({ quantize: {} }), files)).rejects.toThrow(
      "needs weights that are not quantised, but these are nf4",
    );
  });

  it("needs full weights, untied, of that rank, and 4 bits", async () => {
    await expect(getPeftModel(new TinyModel({ quantize: {} }), config())).rejects.toThrow(
      /needs weights that are not quantised, but these are nf4: load the model without quantize/,
    );
    await expect(getPeftModel(new TinyModel(), config().with({ r: 7 }))).rejects.toThrow(
      /the rank is 7; a weight \[10,6\] allows/,
    );
    const head = config().with({ targetModules: ["lm_head"] });
    await expect(getPeftModel(new TinyModel({ tied: true }), head)).rejects.toThrow(
      /lm_head shares its weight with embed_tokens/,
    );
    const table = config().with({ targetModules: ["embed_tokens"] });
    await expect(getPeftModel(new TinyModel(), table)).rejects.toThrow(
      /"loftq" is for linear layers; leave embed_tokens out/,
    );
    expect(() => config({ loftqBits: 2 })).toThrow(/loftqConfig.loftqBits is 2; it must be 4 or 8/);
    expect(() => config({ loftqIter: 0 })).toThrow(/loftqConfig.loftqIter is 0/);
    expect(() => new LoraConfig({ loftqConfig: { loftqIter: 2 } })).toThrow(
      /without initLoraWeights: "loftq"; add initLoraWeights/,
    );
    expect(config({ loftqIter: 2 }).with({ initLoraWeights: true }).loftqConfig).toEqual({});
  });
});

it("the factors are the best of their rank for what is left", async () => {
  const w = tensor(
    Float32Array.from({ length: 640 }, (_, i) => Math.sin(i * i)),
    { shape: [10, 64] },
  );
  const left = async (rank: number) => {
    const { weight, a, b } = await loftq(w, rank, { loftqBits: 4, loftqIter: 1 }, false);
    const q = weight.to("f32");
    expect(q.dataSync()).toEqual(quantize4bit(w, {}).to("f32").dataSync());
    return sum(square(sub(w, add(q, matmul(b, a))))).itemSync();
  };
  const errors = await Promise.all([1, 3, 6, 10].map(left));
  expect([...errors].sort((x, y) => y - x)).toEqual(errors);
  expect(errors.at(-1)).toBeLessThan(1e-9);
});
