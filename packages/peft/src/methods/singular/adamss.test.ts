import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { AdamssConfig, type AdamssOptions } from "./adamssConfig.ts";
// The clusters of PEFT 0.21.2 with scikit-learn 1.9.1, recorded by conformance/python/clusters.py.
import golden from "./clusters.gen.json" with { type: "json" };
import { kMeans } from "./kMeans.ts";
import { lowRankSvd } from "./lowRankSvd.ts";
import { asColumns } from "./weightSvd.ts";

beforeAll(() => init(reference()));

const put = (options: AdamssOptions = {}, model = new TinyModel()) =>
  getPeftModel(model.eval(), new AdamssConfig({ r: 4, targetModules: ["up"], ...options }));

test.each(golden.cases)("clusters of [$m,$n] with r $r, seed $seed and $k clusters are PEFT's", (one) => {
  const { m, n, r, k, seed, w, labels } = one;
  const { left } = lowRankSvd(Float32Array.from(w), [m, n], r, seed);
  expect([...kMeans(asColumns(left, m), r, Math.min(k, m))]).toEqual(labels);
});

test("normal numbers are PyTorch's", () => {
  // torch.manual_seed(3); torch.randn(count)
  const few = [0.80328, 0.17483, 0.08898, -0.61372, 0.04618];
  for (const [i, x] of new TorchGenerator(3).normal(5).entries()) expect(x).toBeCloseTo(few[i], 4);
  const many = [-0.07664, 0.35988, -0.78202, 0.07153, 1.04602, 0.52219, -0.16681, 0.05303, 0.40461, 0.6113, 0.76039];
  many.push(-0.03364, 0.99792, 0.45918, 2.4364, -0.14681, 0.48511, 0.20523, 0.33843, 1.35275);
  for (const [i, x] of new TorchGenerator(3).normal(20).entries()) expect(x).toBeCloseTo(many[i], 4);
});

test("a file of clusters with other sizes is refused", async () => {
  const peft = await put({ numSubspaces: 3 });
  const files = await peft.adapterFiles();
  await PeftModel.fromPretrained(new TinyModel().eval(), files as never);
  const config = JSON.parse(files.get("adapter_config.json") as string);
  const errors: string[] = [];
  for (const random_seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const other = new Map(files as Map<string, string | Uint8Array>);
    other.set("adapter_config.json", JSON.stringify({ ...config, r: 4, random_seed, num_subspaces: 2 }));
    await PeftModel.fromPretrained(new TinyModel().eval(), other as never).catch((e: Error) => errors.push(e.message));
  }
  expect(errors.length).toBe(8);
  expect(errors.join()).toMatch(/cluster \d has \d+ outputs, but \d+ in the file: the file belongs to other weights/);
});

test("sizes that do not fit a layer are refused", async () => {
  // With its bias, the layer [10, 6] has 7 singular vectors, fewer than outputs: r may be larger.
  const peft = await put({ r: 10 });
  const key = "base_model.model.layers.0.up.adamss_newB";
  expect(peft.base_model.buffers("default").get(key)?.shape).toEqual([7, 7]);
  await expect(put({ r: 8, subspaceRank: 8 })).rejects.toThrow(
    "layers.0.up is [10,6]: subspaceRank 8 must be at most 7, the number of its singular vectors",
  );
  const attention = new TinyModel({ attention: true });
  await expect(put({ r: 6, targetModules: ["q_proj"] }, attention)).rejects.toThrow(
    /q_proj is \[6,6\]: r 6 must be less than its outputs, since all rows/,
  );
});

test("false and null start at random, and are saved as null", () => {
  expect(new AdamssConfig({ initWeights: false }).initWeights).toBeNull();
  expect(new AdamssConfig({ initWeights: null }).initWeights).toBeNull();
  expect(new AdamssConfig().initWeights).toBe("orthogonal");
});

test("quantised weights are refused", async () => {
  const model = new TinyModel({ quantize: { quantType: "nf4" } });
  await expect(put({}, model)).rejects.toThrow("layers.0.up is nf4, but ADAMSS needs singular vectors of its weight");
});
