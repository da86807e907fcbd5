import {
  bytesSource,
  Generator,
  init,
  openSafetensors,
  reference,
  scope,
  type Tensor,
  writeSafetensors,
} from "@lowrank/core";
import { type Embedding, type Linear, Module } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import type { Warning } from "../../config/warning.ts";
import { reduceIntruderDimension } from "../../helpers/intruders.ts";
import type { TunerLayer } from "../../layers/tunerLayer.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { AdaLoraConfig } from "../lowRank/adaLoraConfig.ts";
import { LoraConfig, type LoraOptions } from "./loraConfig.ts";

beforeAll(() => init(reference()));

const prefix = "base_model.model.";
const quiet = { onWarning: () => {} };
const tiny = () => new TinyModel({ tied: true }).eval();
const tie = (options: LoraOptions = {}) =>
  new LoraConfig({ r: 2, ensureWeightTying: true, targetModules: ["lm_head", "up"], ...options });

async function made(options: LoraOptions = {}, seed = 1): Promise<PeftModel<TinyModel>> {
  return getPeftModel(tiny(), tie(options), { generator: new Generator(seed), ...quiet });
}

async function trained(options: LoraOptions = {}, seed = 1): Promise<PeftModel<TinyModel>> {
  const peft = await made(options, seed);
  train(peft, 3);
  return peft.eval();
}

const weightsOf = (files: ReadonlyMap<string, Uint8Array | string>) =>
  openSafetensors(bytesSource(files.get("adapter_model.safetensors") as Uint8Array), "weights");
const configOf = (files: ReadonlyMap<string, Uint8Array | string>) =>
  JSON.parse(files.get("adapter_config.json") as string) as Record<string, unknown>;
const logits = (model: { forward: TinyModel["forward"] }) =>
  scope(() => model.forward(tinyBatch()).logits).dataSync() as Float32Array;
const weights = ({ embed_tokens, lm_head }: TinyModel) =>
  [embed_tokens as Embedding, lm_head as Linear].map((m) => m.weight);

function expectClose(found: Float32Array, wanted: Float32Array): void {
  for (const [i, value] of wanted.entries()) expect(found[i]).toBeCloseTo(value, 5);
}

/** Replaces tensors and the configuration of an adapter's files. */
async function changed(
  files: ReadonlyMap<string, Uint8Array | string>,
  change: (key: string, bytes: Uint8Array) => Uint8Array,
  fields: Record<string, unknown> = {},
) {
  const file = await weightsOf(files);
  const entries = await Promise.all(
    file.names().map(async (name) => {
      const stored = await file.read(name);
      return { name, ...stored, bytes: change(name, stored.bytes.slice()) };
    }),
  );
  const config = JSON.stringify({ ...configOf(files), ...fields });
  return new Map([
    ...files,
    ["adapter_model.safetensors", writeSafetensors(entries, { format: "pt" })],
    ["adapter_config.json", config],
  ]);
}

/** A model whose embedding has a name that PEFT does not recognise, as GPT-2's. */
class Wte extends Module {
  readonly #inner = tiny();
  wte = this.#inner.embed_tokens;
  layers = this.#inner.layers;
  lm_head = this.#inner.lm_head;

  forward(ids: Tensor): { logits: Tensor } {
    return scope(() => ({ logits: this.lm_head.forward(this.wte.forward(ids)) }));
  }
}

describe("tied factors", () => {
  test("the file has the factors of both layers, each the transpose of the other", async () => {
    const peft = await trained();
    const files = await peft.adapterFiles();
    expect(configOf(files)).toMatchObject({ ensure_weight_tying: true, target_modules: ["up", "embed_tokens"] });
    const file = await weightsOf(files);
    const values = async (key: string) => new Float32Array((await file.read(prefix + key)).bytes.slice().buffer);
    const [a, b] = [await values("embed_tokens.lora_embedding_A"), await values("embed_tokens.lora_embedding_B")];
    const [headA, headB] = [await values("lm_head.lora_A.weight"), await values("lm_head.lora_B.weight")];
    expect(file.info(`${prefix}lm_head.lora_A.weight`).shape).toEqual([2, 6]);
    expect(file.info(`${prefix}lm_head.lora_B.weight`).shape).toEqual([11, 2]);
    expect([...headA]).toEqual(Array.from(headA, (_, i) => b[(i % 6) * 2 + Math.floor(i / 6)]));
    expect([...headB]).toEqual(Array.from(headB, (_, i) => a[(i % 2) * 11 + Math.floor(i / 2)]));
    expect(a.some((value) => value !== 0)).toBe(true);
    const again = await PeftModel.fromPretrained(tiny(), files, quiet);
    expect(await logitBits(again)).toEqual(await logitBits(peft));
    expect((await again.adapterFiles()).get("adapter_model.safetensors")).toEqual(
      files.get("adapter_model.safetensors"),
    );
  });

  test.each<[string, LoraOptions]>([
    ["LoRA", {}],
    ["DoRA", { useDora: true }],
    ["another scaling of the output layer", { alphaPattern: { lm_head: 5 } }],
  ])("%s: the gradients of the embedding's factors are the sums of those of two adapters", async (_, options) => {
    const peft = await trained(options);
    const untied = { ensure_weight_tying: false, target_modules: ["up", "embed_tokens", "lm_head"] };
    const files = await changed(await peft.adapterFiles(), (_key, bytes) => bytes, untied);
    const two = await PeftModel.fromPretrained(tiny(), files, { isTrainable: true, ...quiet });
    expectClose(logits(two), logits(peft));
    for (const model of [peft, two]) scope(() => model.loss(tinyBatch()).backward());
    const grad = (model: PeftModel, key: string) => model.base_model.trained("default").get(prefix + key)!.grad!;
    for (const [own, other] of [
      ["embed_tokens.lora_embedding_A", "lm_head.lora_B.weight"],
      ["embed_tokens.lora_embedding_B", "lm_head.lora_A.weight"],
    ]) {
      const [one, head] = [grad(two, own), grad(two, other).transpose(0, 1)].map((t) => t.dataSync() as Float32Array);
      expectClose(
        grad(peft, own).dataSync() as Float32Array,
        one.map((value, i) => value + head[i]),
      );
    }
  });

  test("the embedding's B starts with the values of a linear layer's A, and A with zeros", async () => {
    const start = async (initLoraWeights: LoraOptions["initLoraWeights"]) => {
      const peft = await getPeftModel(tiny(), tie({ r: 200, initLoraWeights, targetModules: ["lm_head"] }), quiet);
      const find = (key: string) => {
        const tensor = peft.base_model.trained("default").get(`${prefix}embed_tokens.lora_embedding_${key}`)!;
        return tensor.dataSync() as Float32Array;
      };
      const [a, b] = [find("A"), find("B")];
      return {
        zero: a.every((value) => value === 0),
        spread: Math.sqrt(b.reduce((sum, x) => sum + x * x, 0) / b.length),
      };
    };
    const bound = 1 / Math.sqrt(6);
    expect(await start(true)).toEqual({ zero: true, spread: expect.closeTo(bound / Math.sqrt(3), 1) });
    expect(await start("gaussian")).toEqual({ zero: true, spread: expect.closeTo(1 / 200, 3) });
    expect(await start(false)).toEqual({ zero: false, spread: expect.closeTo(1, 1) });
  });

  test("a merge gives both layers one weight, which unmerging replaces by the original", async () => {
    const peft = await trained();
    const live = logits(peft);
    const plain = logits(tiny());
    const base = peft.baseModel;
    await peft.mergeAdapter();
    expectClose(logits(peft), live);
    peft.unmergeAdapter();
    expect(logits(peft)).toEqual(live);
    const merged = await peft.mergeAndUnload();
    expect(merged).toBe(base);
    const [table, head] = weights(merged);
    expect(table).toBe(head);
    expectClose(logits(merged), live);
    expect(logits(merged)).not.toEqual(plain);
  });

  test.each<[string, LoraOptions]>([
    ["DoRA", { useDora: true }],
    ["another scaling", { alphaPattern: { lm_head: 5 } }],
  ])("%s: a merge gives each layer its own weight", async (_, options) => {
    const peft = await trained(options);
    const live = logits(peft);
    const merged = await peft.mergeAndUnload();
    const [table, head] = weights(merged);
    expect(table).not.toBe(head);
    expectClose(logits(merged), live);
  });

  test("while layers are merged one by one, outputs stay the same", async () => {
    const peft = await trained();
    const live = logits(peft);
    const during: Float32Array[] = [];
    const layer = (peft.base_model.wrappers.get("layers.1.up") as TunerLayer).get("default")!;
    const { merge } = layer;
    layer.merge = function (...inputs) {
      during.push(logits(peft));
      return merge!.apply(this, inputs);
    };
    await peft.mergeAndUnload({ safeMerge: false, verify: false });
    expect(during).toHaveLength(1);
    expectClose(during[0], live);
  });

  test.each([2, 3])("a hot swap from rank 2 to rank %i takes the factors of both layers", async (r) => {
    const files = await (await trained({ r, loraAlpha: 5 }, 7)).adapterFiles();
    const peft = await trained();
    await peft.hotswapAdapter(files, "default");
    const other = await PeftModel.fromPretrained(tiny(), files, quiet);
    expect(await logitBits(peft)).toEqual(await logitBits(other));
    expect(train(peft, 2)).toEqual(train(await PeftModel.fromPretrained(tiny(), files, { isTrainable: true }), 2));
    expectClose(logits(await peft.mergeAndUnload()), logits(peft.baseModel));
  });

  test("a hot swap refuses adapters that are not tied in the same way", async () => {
    const peft = await trained();
    const apart = await getPeftModel(
      tiny(),
      tie({ ensureWeightTying: false, targetModules: ["embed_tokens", "lm_head", "up"] }),
      quiet,
    );
    await expect(peft.hotswapAdapter(await apart.adapterFiles(), "default")).rejects.toThrow(
      "ensureWeightTying is false",
    );
    const files = await changed(await peft.adapterFiles(), (_key, bytes) => bytes);
    const file = await weightsOf(files);
    const kept = file.names().filter((name) => !name.includes("lm_head"));
    const entries = await Promise.all(kept.map(async (name) => ({ name, ...(await file.read(name)) })));
    files.set("adapter_model.safetensors", writeSafetensors(entries));
    await expect(peft.hotswapAdapter(files, "default")).rejects.toThrow("lm_head.lora_A.weight is missing");
  });

  test("rows of a batch use tied and untied adapters", async () => {
    const peft = await trained();
    await peft.addAdapter("apart", new LoraConfig({ r: 3, initLoraWeights: false, targetModules: ["lm_head"] }));
    const alone = ["default", "apart"].map((name, row) => {
      peft.setAdapter(name);
      return logits(peft).slice(row * 55, (row + 1) * 55);
    });
    const rows = peft.withAdapterNames(["default", "apart"], () => logits(peft));
    for (const [row, wanted] of alone.entries()) expectClose(rows.slice(row * 55, (row + 1) * 55), wanted);
  });
});

describe("files", () => {
  test("different factors in the file, as PEFT writes for a half-precision model, are two adapters", async () => {
    const peft = await trained();
    const files = await changed(await peft.adapterFiles(), (key, bytes) => {
      if (key.endsWith("lm_head.lora_B.weight")) new Float32Array(bytes.buffer)[3] += 0.5;
      return bytes;
    });
    const warnings: Warning[] = [];
    const onWarning = (warning: Warning) => warnings.push(warning);
    const loaded = await PeftModel.fromPretrained(tiny(), files, { onWarning });
    expect(warnings[0]).toMatchObject({ code: "tied-weight", message: expect.stringContaining("two adapters") });
    const again = await loaded.adapterFiles();
    expect(configOf(again)).toMatchObject({ target_modules: ["up", "embed_tokens", "lm_head"] });
    expect(configOf(again).ensure_weight_tying).toBeUndefined();
    expect(again.get("adapter_model.safetensors")).toEqual(
      (await changed(files, (_, bytes) => bytes)).get("adapter_model.safetensors"),
    );
    expect(logits(loaded)).not.toEqual(logits(peft));
  });

  test.each<[string, LoraOptions]>([
    ["targets", { targetModules: ["lm_head", "up"] }],
    ["modules to save", { targetModules: ["up"], modulesToSave: ["lm_head"] }],
  ])(
    "%s of a model whose embedding PEFT does not recognise: names that load, also in PEFT's files",
    async (_, options) => {
      const config = new LoraConfig({ r: 2, initLoraWeights: false, ensureWeightTying: true, ...options });
      const peft = await getPeftModel(new Wte(), config, quiet);
      const files = await peft.adapterFiles();
      const field = options.modulesToSave ? "modules_to_save" : "target_modules";
      expect(configOf(files)[field]).toEqual([...(options.modulesToSave ? [] : ["up"]), "wte", "lm_head"]);
      const ofPeft = (configOf(files)[field] as string[]).filter((name) => name !== "lm_head");
      for (const names of [configOf(files)[field], ofPeft]) {
        const read = await changed(files, (_key, bytes) => bytes, { [field]: names });
        const again = await PeftModel.fromPretrained(new Wte(), read);
        expect((await again.adapterFiles()).get("adapter_model.safetensors")).toEqual(
          files.get("adapter_model.safetensors"),
        );
        expect(await logitBits(again as never)).toEqual(await logitBits(peft as never));
      }
    },
  );

  test("an expression gets the embedding once", async () => {
    const peft = await made({ targetModules: String.raw`lm_head|.*\.up` });
    const files = await peft.adapterFiles();
    const expression = String.raw`(?:lm_head|.*\.up|^embed_tokens$)`;
    expect(configOf(files).target_modules).toBe(expression);
    const again = await PeftModel.fromPretrained(tiny(), files);
    expect(configOf(await again.adapterFiles()).target_modules).toBe(expression);
  });
});

describe("tied modules to save", () => {
  const config = () => tie({ targetModules: ["up"], modulesToSave: ["norm", "lm_head"] });

  test("both train one weight, which the file has twice", async () => {
    const peft = await getPeftModel(tiny(), config(), quiet);
    train(peft, 3);
    const files = await peft.adapterFiles();
    expect(configOf(files).modules_to_save).toEqual(["norm", "embed_tokens"]);
    const file = await weightsOf(files);
    const [table, head] = await Promise.all(
      ["embed_tokens", "lm_head"].map((name) => file.read(`${prefix}${name}.weight`)),
    );
    expect(table.bytes).toEqual(head.bytes);
    expect(peft.base_model.trained("default").get(`${prefix}lm_head.weight`)).toBe(
      peft.base_model.trained("default").get(`${prefix}embed_tokens.weight`),
    );
    const trainable = peft.getNbTrainableParameters().trainable;
    const apart = await getPeftModel(
      tiny(),
      tie({ targetModules: ["up"], modulesToSave: ["norm", "embed_tokens"], ensureWeightTying: false }),
      quiet,
    );
    expect(trainable).toBe(apart.getNbTrainableParameters().trainable);
    const live = logits(peft.eval());
    expect(logits(await PeftModel.fromPretrained(tiny(), files))).toEqual(live);
    const merged = await peft.mergeAndUnload();
    expect(weights(merged)[0]).toBe(weights(merged)[1]);
    expectClose(logits(merged), live);
  });

  test("AdaLoRA ties modules to save, and refuses targets", async () => {
    const options = { initR: 3, targetR: 2, totalStep: 9, ensureWeightTying: true };
    const saving = new AdaLoraConfig({ ...options, targetModules: ["up"], modulesToSave: ["embed_tokens"] });
    const peft = await getPeftModel(tiny(), saving, quiet);
    expect(peft.base_model.trained("default").has(`${prefix}lm_head.weight`)).toBe(true);
    const targets = new AdaLoraConfig({ ...options, targetModules: ["up", "lm_head"] });
    await expect(getPeftModel(tiny(), targets, quiet)).rejects.toThrow(
      "ADALORA adapts no embeddings, so it cannot adapt embed_tokens and lm_head together; name them in modulesToSave",
    );
  });
});

describe("limits", () => {
  const warningsOf = async (model: TinyModel, config: LoraConfig) => {
    const warnings: Warning[] = [];
    await getPeftModel(model, config, { onWarning: (warning) => warnings.push(warning) });
    return warnings;
  };

  test("a warning if nothing is tied", async () => {
    expect(await warningsOf(tiny(), tie({ targetModules: ["up"] }))).toEqual([
      {
        code: "nothing-tied",
        message:
          "ensureWeightTying ties nothing: neither targetModules nor modulesToSave names embed_tokens or lm_head",
      },
    ]);
    expect(await warningsOf(new TinyModel(), tie())).toEqual([
      {
        code: "nothing-tied",
        message: "ensureWeightTying ties nothing: no layer of this model has the weight of the input embedding",
      },
    ]);
    expect(await warningsOf(tiny(), tie())).toEqual([]);
    expect(await warningsOf(tiny(), tie({ targetModules: ["up"], modulesToSave: ["lm_head"] }))).toEqual([]);
    expect(await warningsOf(tiny(), tie({ targetModules: ["up"], trainableTokenIndices: [1] }))).toEqual([]);
  });

  test.each<[string, LoraOptions, string]>([
    [
      "an initialisation from weights",
      { initLoraWeights: "pissa" },
      'initLoraWeights "pissa" gives embed_tokens and lm_head',
    ],
    [
      "an excluded embedding",
      { excludeModules: ["embed_tokens"] },
      "excludes embed_tokens, whose adapter lm_head shares",
    ],
    [
      "other tokens for the tied layer",
      { targetModules: ["up"], trainableTokenIndices: { embed_tokens: [1], lm_head: [2] } },
      "lists [1] for embed_tokens and [2] for lm_head",
    ],
    ["a layer in targets and modules to save", { modulesToSave: ["lm_head"] }, "lm_head is named more than once"],
  ])("%s is refused", async (_, options, message) => {
    await expect(made(options)).rejects.toThrow(message);
  });

  test("an adapter with tied layers cannot be combined, and its intruder dimensions cannot be reduced", async () => {
    const peft = await trained();
    await expect(peft.addWeightedAdapter(["default"], [1], "sum")).rejects.toThrow("has ensureWeightTying");
    await expect(reduceIntruderDimension(peft)).rejects.toThrow("has ensureWeightTying");
  });
});
