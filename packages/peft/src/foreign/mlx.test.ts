import {
  bytesSource,
  fromBytes,
  Generator,
  init,
  openSafetensors,
  reference,
  scope,
  writeSafetensors,
} from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch } from "../testing/tinyModel.ts";
import { fromMlx, toMlx } from "./mlx.ts";

beforeAll(() => init(reference()));

const f32 = (name: string, shape: number[], values: number[]) => ({
  name,
  dtype: "f32" as const,
  shape,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const ramp = (count: number, step: number) => Array.from({ length: count }, (_, i) => (i + 1) * step);

function mlx(parameters: object, more: object = {}, tensors = blocks()): Map<string, Uint8Array | string> {
  const config = { fine_tune_type: "lora", num_layers: 16, lora_parameters: parameters, model: "some/model", ...more };
  return new Map<string, Uint8Array | string>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapters.safetensors", writeSafetensors(tensors)],
  ]);
}

/** lora_a [in, r] and lora_b [r, out] of one layer [10, 6], optionally with DoRA magnitudes. */
const blocks = (m?: number[]) => [
  f32("layers.0.up.lora_a", [6, 2], ramp(12, 0.01)),
  f32("layers.0.up.lora_b", [2, 10], ramp(20, 0.02)),
  ...(m ? [f32("layers.0.up.m", [10], m)] : []),
];

test("an adapter of mlx-lm loads: both factors turned, scale as it is", async () => {
  const peft = await PeftModel.fromPretrained(new TinyModel().eval(), mlx({ rank: 2, scale: 20, dropout: 0.05 }));
  expect(peft.peftConfig.get("default")).toMatchObject({
    ...{ r: 2, loraAlpha: 40, loraDropout: 0.05, useDora: false, baseModelNameOrPath: "some/model" },
    targetModules: ["layers.0.up"],
  });
  const tensors = peft.adapterTensors();
  const values = (key: string) =>
    Array.from(tensors.get(`base_model.model.layers.0.up.${key}`)!.dataSync() as Float32Array);
  const [a, b] = [ramp(12, 0.01), ramp(20, 0.02)];
  expect(values("lora_A.weight")).toEqual([0, 1].flatMap((k) => ramp(6, 1).map((_, i) => Math.fround(a[i * 2 + k]))));
  expect(values("lora_B.weight")).toEqual(ramp(10, 1).flatMap((_, o) => [0, 1].map((k) => Math.fround(b[k * 10 + o]))));
});

test("DoRA has its lengths", async () => {
  const lengths = ramp(10, 0.3);
  const files = mlx({ rank: 2, scale: 2, dropout: 0 }, { fine_tune_type: "dora" }, blocks(lengths));
  const peft = await PeftModel.fromPretrained(new TinyModel().eval(), files);
  expect(peft.peftConfig.get("default")).toMatchObject({ useDora: true });
  const tensor = peft.adapterTensors().get("base_model.model.layers.0.up.lora_magnitude_vector")!;
  expect(Array.from(tensor.dataSync())).toEqual(lengths.map(Math.fround));
});

test.each<[string, LoraOptions]>([
  ["plain", { loraAlpha: 3, loraDropout: 0.25, baseModelNameOrPath: "a/b" }],
  ["rank-stabilised", { useRslora: true, targetModules: "all-linear" }],
  ["DoRA", { useDora: true, targetModules: ["up"] }],
])("%s: to mlx-lm and back, nothing changes", async (_, options) => {
  const config = new LoraConfig({ r: 3, initLoraWeights: false, targetModules: ["up", "down"], ...options });
  const peft = await getPeftModel(new TinyModel().eval(), config, { generator: new Generator(2) });
  const there = await toMlx(await peft.adapterFiles());
  const again = await PeftModel.fromPretrained(new TinyModel().eval(), there);
  const [one, other] = [await logitBits(peft), await logitBits(again)].map(
    (bytes) => new Float32Array(bytes.slice().buffer),
  );
  for (const [i, value] of one.entries()) expect(other[i]).toBeCloseTo(value, 5);
  expect((await fromMlx(there)).get("adapter_model.safetensors")).toEqual(
    (await again.adapterFiles()).get("adapter_model.safetensors"),
  );
});

test("ranks and scalings that differ are brought to one", async () => {
  const config = new LoraConfig({
    ...{ r: 2, loraAlpha: 4, initLoraWeights: false, targetModules: ["up", "down"] },
    rankPattern: { "layers.1.up": 4 },
    alphaPattern: { down: 3 },
  });
  const peft = await getPeftModel(new TinyModel().eval(), config);
  const files = await toMlx(await peft.adapterFiles());
  const json = JSON.parse(files.get("adapter_config.json") as string);
  expect(json).toEqual({
    fine_tune_type: "lora",
    lora_parameters: { dropout: 0, keys: ["down", "up"], rank: 4, scale: 1.5 },
    num_layers: -1,
  });
  const file = await openSafetensors(bytesSource(files.get("adapters.safetensors") as Uint8Array));
  expect(file.info("layers.0.up.lora_a").shape).toEqual([6, 4]);
  expect(file.info("layers.0.up.lora_b").shape).toEqual([4, 10]);
  const again = await PeftModel.fromPretrained(new TinyModel().eval(), files);
  const logits = (model: PeftModel<TinyModel>) => [
    ...(scope(() => model.forward(tinyBatch())).logits.dataSync() as Float32Array),
  ];
  for (const [i, value] of logits(peft).entries()) expect(logits(again)[i]).toBeCloseTo(value, 5);
});

test("an adapter of one layer is written, with four spaces in its config", async () => {
  const config = new LoraConfig({ r: 2, targetModules: ["layers.0.up"] });
  const files = await toMlx(await (await getPeftModel(new TinyModel(), config)).adapterFiles());
  expect(files.get("adapter_config.json")).toMatch(/^{\n {4}"fine_tune_type": "lora",\n/);
  const file = await openSafetensors(bytesSource(files.get("adapters.safetensors") as Uint8Array));
  expect([...file.names()].sort()).toEqual(["layers.0.up.lora_a", "layers.0.up.lora_b"]);
});

test("half precision comes over too", async () => {
  const peft = await getPeftModel(
    new TinyModel().eval(),
    new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up"] }),
  );
  const half = await toMlx(await peft.adapterFiles(["default"], { dtype: "f16" }));
  const { bytes, shape, dtype } = await (
    await openSafetensors(bytesSource(half.get("adapters.safetensors") as Uint8Array))
  ).read("layers.0.up.lora_a");
  const [a] = [...peft.adapterTensors().values()];
  const mine = fromBytes(bytes, shape, dtype).transpose(0, 1).dataSync() as Float32Array;
  for (const [i, value] of (a.dataSync() as Float32Array).entries()) expect(mine[i]).toBeCloseTo(value, 3);
});

test("what has no place is refused", async () => {
  const load = (files: Map<string, Uint8Array | string>) => PeftModel.fromPretrained(new TinyModel().eval(), files);
  const parameters = { rank: 2, scale: 1, dropout: 0 };
  await expect(load(mlx(parameters, { fine_tune_type: "full" }))).rejects.toThrow('fine_tune_type is "full"');
  await expect(load(mlx({ rank: 2 }))).rejects.toThrow("lora_parameters.scale is undefined; it must be a number");
  await expect(load(mlx({ ...parameters, dropout: 1 }))).rejects.toThrow("lora_parameters.dropout is 1; it must be a");
  await expect(load(mlx({ ...parameters, rank: 3 }))).rejects.toThrow(
    "layers.0.up has lora_a [6,2] and lora_b [2,10]; with rank 3 they must be [in,3] and [3,out]",
  );
  await expect(load(mlx(parameters, {}, blocks(ramp(10, 1))))).rejects.toThrow(
    "has layers.0.up.m; for fine_tune_type lora all names must end in",
  );
  await expect(load(mlx(parameters, {}, []))).rejects.toThrow("holds no lora_a");
  await expect(fromMlx(new Map([["adapter_config.json", "{}"]]))).rejects.toThrow("is not of mlx-lm");
  const peft = (options: LoraOptions) =>
    getPeftModel(new TinyModel().eval(), new LoraConfig({ r: 2, targetModules: ["up"], ...options }), {
      onWarning: () => {},
    });
  for (const [options, key] of [
    [{ bias: "all" }, "layers.0.up.base_layer.bias"],
    [{ loraBias: true }, "layers.0.up.lora_B.bias"],
    [{ modulesToSave: ["lm_head"] }, "lm_head.weight"],
    [{ targetModules: ["embed_tokens"] }, "embed_tokens.lora_embedding_A"],
  ] as const) {
    await expect(toMlx(await (await peft(options)).adapterFiles()), key).rejects.toThrow(`base_model.model.${key}`);
  }
});

test("factors of other shapes than the rank says are refused", async () => {
  const parameters = { rank: 2, scale: 20, dropout: 0 };
  const pair = (a: number[], b: number[]) => {
    const of = (name: string, shape: number[]) =>
      f32(
        `up.${name}`,
        shape,
        ramp(
          shape.reduce((x, y) => x * y, 1),
          1,
        ),
      );
    return fromMlx(mlx(parameters, {}, [of("lora_a", a), of("lora_b", b)]));
  };
  expect((await pair([6, 2], [2, 10])).size).toBe(2);
  for (const [a, b] of [
    [
      [6, 3],
      [2, 10],
    ],
    [
      [6, 2],
      [3, 10],
    ],
    [
      [6, 2, 1],
      [2, 10],
    ],
    [
      [6, 2],
      [2, 10, 1],
    ],
    [[12], [2, 10]],
  ]) {
    await expect(pair(a, b)).rejects.toThrow(
      `up has lora_a [${a}] and lora_b [${b}]; with rank 2 they must be [in,2] and [2,out]`,
    );
  }
});

test("a dropout is 0 by default, and files of other kinds are not of mlx-lm", async () => {
  const files = await fromMlx(mlx({ rank: 2, scale: 20 }));
  expect(JSON.parse(files.get("adapter_config.json") as string)).toMatchObject({ lora_dropout: 0, lora_alpha: 40 });
  expect((await fromMlx(mlx({ rank: 2, scale: 20, dropout: 0.9 }))).size).toBe(2);
  for (const dropout of [1, -0.1]) {
    await expect(fromMlx(mlx({ rank: 2, scale: 20, dropout }))).rejects.toThrow(
      `lora_parameters.dropout is ${dropout}`,
    );
  }
  for (const more of [{ peft_type: "LORA" }, { lora_parameters: null }, { lora_parameters: 3 }]) {
    await expect(fromMlx(mlx({ rank: 2, scale: 20 }, more))).rejects.toThrow("has no lora_parameters");
  }
});
