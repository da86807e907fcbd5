import { currentBackend, Generator, init, randn, reference, scope } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { FourierFTConfig } from "./fourierftConfig.ts";
import { WaveFTConfig } from "./waveftConfig.ts";
import { Wavelet, waveletNames } from "./wavelet.ts";
import { wavelets } from "./wavelets.gen.ts";

beforeAll(() => init(reference()));

// PEFT's coif4 is not orthogonal. Files need the same values.
test.each(waveletNames().filter((name) => name !== "coif4"))(
  "%s has filters of length 1 that are orthogonal to their shifts",
  (name) => {
    const low = wavelets[name];
    for (let shift = 0; shift < low.length; shift += 2) {
      const sum = low.slice(shift).reduce((total, value, i) => total + value * low[i], 0);
      expect(sum).toBeCloseTo(shift === 0 ? 1 : 0, 6);
    }
    expect(low.reduce((a, b) => a + b)).toBeCloseTo(Math.SQRT2, 6);
  },
);

test.each([
  [6, "db1"],
  [7, "db1"],
  [10, "db3"],
  [9, "coif1"],
  [5, "sym10"],
])("analysing %i values with %s is the transpose of making values of coefficients", (size, name) => {
  const wavelet = new Wavelet(size, name, currentBackend());
  const generator = new Generator(size);
  const [x, c] = [randn([1, size], { generator }), randn([1, 2 * wavelet.pairs], { generator })];
  const product = (a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>) =>
    Array.from(a, (value, i) => Number(value) * Number(b[i])).reduce((sum, value) => sum + value, 0);
  const [analysed, made] = [scope(() => wavelet.analyze(x)), scope(() => wavelet.synthesize(c))];
  expect(made.shape).toEqual([1, size]);
  expect(product(analysed.dataSync(), c.dataSync())).toBeCloseTo(product(x.dataSync(), made.dataSync()), 4);
});

/** Returns PEFT's update [out, in] by its definition: a transposed convolution of a padded matrix, cropped. */
function definition(spectrum: readonly number[], places: Int32Array, [out, width]: number[], low: readonly number[]) {
  const length = low.length;
  const high = low.map((_, i) => (-1) ** i * low[length - 1 - i]);
  const even = (n: number) => n + length - 2 + ((n + length - 2) % 2);
  const [tall, wide] = [even(out), even(width)];
  const full = Array.from({ length: tall + length }, () => new Float64Array(wide + length));
  for (const [k, place] of places.entries()) {
    const row = Math.floor(place / width) + Math.floor((tall - out) / 2);
    const column = (place % width) + Math.floor((wide - width) / 2);
    const [bottom, right] = [row >= tall / 2, column >= wide / 2];
    // PEFT's order of parts: the top right one has the high-pass filter along the rows.
    const [along, across] = [right ? high : low, bottom ? high : low];
    const [r, c] = [row % (tall / 2), column % (wide / 2)];
    for (let i = 0; i < length; i++) {
      for (let j = 0; j < length; j++) full[2 * r + i][2 * c + j] += spectrum[k] * along[i] * across[j];
    }
  }
  return (j: number, i: number) => full[j + length - 2][i + length - 2];
}

test.each(["db1", "db2", "sym4", "coif1"])("with %s, the weight gets what PEFT's definition gives", async (name) => {
  const config = new WaveFTConfig({
    ...{ nFrequency: 25, scaling: 7, randomLocSeed: 3, waveletFamily: name, initWeights: false },
    targetModules: ["layers.0.up", "lm_head"],
  });
  const model = new TinyModel();
  const layers = [model.layers.at(0).up, model.lm_head] as Linear[];
  const before = layers.map(({ weight }) => weight.dataSync().slice());
  const peft = await getPeftModel(model, config, { generator: new Generator(8) });
  const spectra = [...peft.adapterTensors().values()].map((t) => [...t.dataSync()].map(Number));
  await peft.mergeAndUnload();
  for (const [l, { weight }] of layers.entries()) {
    const [out, width] = weight.shape;
    const places = new TorchGenerator(3).randperm(out * width, 25);
    const update = definition(spectra[l], places, [out, width], wavelets[name]);
    for (const [i, value] of weight.dataSync().entries()) {
      const expected = Number(before[l][i]) + 7 * update(Math.floor(i / width), i % width);
      expect(Math.abs(Number(value) - expected)).toBeLessThan(2e-6);
    }
  }
});

test("coefficients in proportion to the sizes of layers", async () => {
  const config = new WaveFTConfig({ nFrequency: 20, proportionalParameters: true, targetModules: ["up", "lm_head"] });
  const peft = await getPeftModel(new TinyModel(), config);
  // 60 coefficients for two layers of 60 weights and one of 66.
  const spectra = [...peft.adapterTensors()].filter(([key]) => key.endsWith("waveft_spectrum"));
  expect(spectra.map(([, { shape }]) => shape)).toEqual([[19], [19], [21]]);
});

test("more coefficients than a weight has are refused", async () => {
  const config = new WaveFTConfig({ nFrequency: 61, targetModules: ["up"] });
  await expect(getPeftModel(new TinyModel(), config)).rejects.toThrow(
    "layers.0.up is [10,6]: nFrequency gives it 61 coefficients; it must be at most 60",
  );
});

test.each([WaveFTConfig, FourierFTConfig])(
  "a file with fewer values than nFrequency loads if a pattern replaces it",
  async (Config) => {
    const config = new Config({ nFrequency: 40, nFrequencyPattern: { up: 3 }, targetModules: ["up"] });
    const files = await (await getPeftModel(new TinyModel(), config)).adapterFiles();
    const loaded = await PeftModel.fromPretrained(new TinyModel(), files, { onWarning: () => {} });
    expect([...loaded.adapterTensors().values()].map(({ shape }) => shape)).toEqual([[3], [3]]);
  },
);
