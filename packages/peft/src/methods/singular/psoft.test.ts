import { bytesSource, Generator, init, openSafetensors, reference, writeSafetensors } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { UnsupportedError } from "../../config/checks.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { PsoftConfig, type PsoftOptions } from "./psoftConfig.ts";

beforeAll(() => init(reference()));

const base = () => new TinyModel().eval();
const put = (options: PsoftOptions = {}, model = base()) =>
  getPeftModel(model, new PsoftConfig({ r: 3, targetModules: ["up"], ...options }), { generator: new Generator(3) });
type Peft = Awaited<ReturnType<typeof put>>;
const key = "base_model.model.layers.0.up";

async function filed(peft: Peft): Promise<Map<string, { shape: readonly number[]; values: Float32Array }>> {
  const file = (await peft.adapterFiles()).get("adapter_model.safetensors");
  const tensors = await openSafetensors(bytesSource(file as Uint8Array), "f");
  const read = async (name: string) => {
    const { bytes, shape } = await tensors.read(name);
    return [name, { shape, values: new Float32Array(bytes.slice().buffer) }] as const;
  };
  return new Map(await Promise.all(tensors.names().map(read)));
}

/** Returns B A, [out, in], times `scale`. */
async function product(peft: Peft, scale: number): Promise<number[]> {
  const tensors = await filed(peft);
  const a = tensors.get(`${key}._psoft_A_cache`)!;
  const b = tensors.get(`${key}._psoft_B_cache`)!;
  const [r, inputs] = a.shape;
  return Array.from({ length: b.shape[0] * inputs }, (_, at) => {
    const [i, j] = [Math.floor(at / inputs), at % inputs];
    let sum = 0;
    for (let k = 0; k < r; k++) sum += b.values[r * i + k] * a.values[k * inputs + j];
    return sum * scale;
  });
}

/** Returns A Aᵀ, [r, r]. */
async function products(peft: Peft): Promise<number[][]> {
  const { shape, values } = (await filed(peft)).get(`${key}._psoft_A_cache`)!;
  const rows = Array.from({ length: shape[0] }, (_, k) => [...values.subarray(k * shape[1], (k + 1) * shape[1])]);
  return rows.map((row) => rows.map((other) => row.reduce((sum, x, i) => sum + x * other[i], 0)));
}

test.each(["psoft_init", "pissa_init"] as const)("with all singular vectors, the product of %s is W", async (init) => {
  // alpha / r is 2.
  const found = await product(await put({ r: 6, psoftAlpha: 12, abSvdInit: init }), 2);
  const { weight } = base().getSubmodule("layers.0.up") as Linear;
  for (const [i, value] of [...weight.dataSync()].entries()) expect(found[i]).toBeCloseTo(Number(value), 5);
});

test("A has orthonormal rows, unless it contains square roots of the singular values", async () => {
  for (const psoftSvd of ["full", "lowrank"] as const) {
    for (const [i, row] of (await products(await put({ psoftSvd }))).entries()) {
      for (const [j, value] of row.entries()) expect(value).toBeCloseTo(i === j ? 1 : 0, 5);
    }
  }
  const roots = await products(await put({ abSvdInit: "pissa_init" }));
  expect(roots[0][0]).toBeGreaterThan(roots[1][1]);
  expect(roots[1][1]).toBeGreaterThan(roots[2][2]);
});

test("approximate vectors follow the seed and come near to the exact ones with more iterations", async () => {
  const lowrank = (options: PsoftOptions = {}) => put({ psoftSvd: "lowrank", ...options });
  const at = async (options: PsoftOptions) => product(await lowrank(options), 1);
  const exact = await product(await put(), 1);
  const distance = (values: number[]) => Math.max(...values.map((value, i) => Math.abs(value - exact[i])));
  const [none, other, many] = [
    await at({ psoftSvdLowrankNiter: 0 }),
    await at({ psoftSvdLowrankNiter: 0, randomSeed: 1 }),
    await at({ psoftSvdLowrankNiter: 40 }),
  ];
  expect(none).not.toEqual(other);
  expect(distance(none)).toBeGreaterThan(1e-3);
  expect(distance(many)).toBeLessThan(1e-4);
});

test.each<PsoftOptions>([
  {},
  { psoftOrth: false },
  { useCayleyNeumann: true, cayleyNeumannEps: 0.5 },
  { r: 1 },
  { r: 1, useCayleyNeumann: true, cayleyNeumannEps: 0.5, psoftMagA: false },
])("%o starts as the base, trains and is the same after loading", async (options) => {
  const bare = await logitBits(base());
  const peft = await put(options);
  expect(await logitBits(peft)).toEqual(bare);
  peft.loss(tinyBatch()).backward();
  for (const [name, { grad }] of peft.base_model.trained("default")) {
    for (const value of (grad?.dataSync() ?? []) as Float32Array) expect(Number.isFinite(value), name).toBe(true);
  }
  train(peft);
  expect(await logitBits(peft)).not.toEqual(bare);
  const loaded = await PeftModel.fromPretrained(base(), await peft.adapterFiles());
  expect(await logitBits(loaded)).toEqual(await logitBits(peft));
});

test("vectors train factors of R's outputs and inputs", async () => {
  const names = async (options: PsoftOptions) =>
    [...(await filed(await put(options))).keys()].filter((name) => name.startsWith(`${key}.psoft_R`));
  const [weight, a, b] = ["weight", "vector_a", "vector_b"].map((name) => `${key}.psoft_R.${name}`);
  expect((await names({})).sort()).toEqual([a, b, weight]);
  expect((await names({ psoftMagB: false })).sort()).toEqual([a, weight]);
  expect(await names({ psoftMagA: false, psoftMagB: false })).toEqual([weight]);
});

test("a file without singular vectors, as PEFT writes it, is refused", async () => {
  const peft = await put({ initWeights: false });
  const files = await peft.adapterFiles();
  const kept = [...(await filed(peft))].filter(([name]) => !name.includes("_cache"));
  const others = [{ name: "y", dtype: "f32" as const, shape: [9], bytes: new Uint8Array(36) }];
  const specs = kept.map(([name, { shape, values }]) => {
    return { name, dtype: "f32" as const, shape, bytes: new Uint8Array(values.buffer) };
  });
  const other = new Map(files).set("adapter_model.safetensors", writeSafetensors(specs));
  for (const strict of [true, false]) {
    const loading = PeftModel.fromPretrained(base(), other, { strict });
    await expect(loading).rejects.toThrow("the file lacks _psoft_A_cache and _psoft_B_cache of layers.0.up");
    const error = await loading.catch((reason: unknown) => reason);
    expect((error as UnsupportedError).code).toBe("needs_singular_vectors");
    expect(error).toBeInstanceOf(UnsupportedError);
  }
  // A file of another model is described by its tensors.
  const wrong = new Map(files).set(
    "adapter_model.safetensors",
    writeSafetensors([{ ...specs[0], name: "x" }, ...others]),
  );
  await expect(PeftModel.fromPretrained(base(), wrong)).rejects.toThrow("missing: ");
});

test("a rank above the sizes of a layer is refused", async () => {
  await expect(put({ r: 7 })).rejects.toThrow(
    "layers.0.up is [10,6]: r 7 must be at most 6, the number of its singular vectors; choose a smaller value",
  );
});

test.each<[PsoftOptions, string]>([
  [{ psoftAlpha: -1, abSvdInit: "pissa_init" }, 'psoftAlpha is -1; it must be above 0 with abSvdInit "pissa_init"'],
  [{ useCayleyNeumann: true, numCayleyNeumannTerms: 0 }, "numCayleyNeumannTerms is 0; it must be an integer"],
  [{ useCayleyNeumann: true, numCayleyNeumannTerms: 1001 }, "numCayleyNeumannTerms is 1001; it must be at most 1000"],
  [{ useCayleyNeumann: true, cayleyNeumannEps: 1 }, "cayleyNeumannEps is 1; it must be between 0 and 1"],
  [{ useCayleyNeumann: true, cayleyNeumannEps: 0 }, "cayleyNeumannEps is 0; it must be between 0 and 1"],
])("%o is refused", (options, message) => {
  expect(() => new PsoftConfig(options)).toThrow(message);
});

test("a negative alpha starts as the base", async () => {
  expect(await logitBits(await put({ psoftAlpha: -4 }))).toEqual(await logitBits(base()));
});

test("a quantised base needs an adapter that was made before", async () => {
  const quantized = () => new TinyModel({ quantize: { quantType: "nf4" } }).eval();
  await expect(put({}, quantized())).rejects.toThrow(
    "but PSOFT needs singular vectors of its weight: load the model without quantize",
  );
  const loaded = await PeftModel.fromPretrained(quantized(), await (await put({ initWeights: false })).adapterFiles());
  const bare = await loaded.disableAdapter(() => logitBits(loaded));
  expect(await logitBits(loaded)).not.toEqual(bare);
});

test("an adapter with other singular vectors can be swapped in", async () => {
  const peft = await put();
  const other = await put({ abSvdInit: "pissa_init", initWeights: false });
  await peft.hotswapAdapter(await other.adapterFiles(), "default");
  expect(await logitBits(peft)).toEqual(await logitBits(other));
});
