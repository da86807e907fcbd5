import { beforeAll, expect, test } from "vitest";
import {
  backward,
  createModel,
  describeModel,
  Generator,
  getPeftModel,
  init,
  LoraConfig,
  type MatmulPrecision,
  type PlanOptions,
  parseModelConfig,
  planMemory,
  quantize,
  randomParameters,
  scope,
  tensor,
  type WasmBackend,
  wasm,
} from "./index.gen.ts";

const sizes = { vocab_size: 320, hidden_size: 128, intermediate_size: 352, num_hidden_layers: 2 };
const config = parseModelConfig({ model_type: "llama", ...sizes, num_attention_heads: 4, max_position_embeddings: 64 });
const adapter = new LoraConfig({ r: 4, targetModules: "all-linear" });
const [batchSize, sequenceLength] = [2, 16];

let backend: WasmBackend;
beforeAll(async () => {
  backend = await wasm();
  await init(backend);
});

/** Returns the bytes that remain in addition to the weights after a step. */
async function measured(precision: MatmulPrecision, { quantization }: PlanOptions): Promise<number> {
  const base = createModel(config, randomParameters(new Generator(1)));
  if (quantization) await quantize(base, quantization);
  const model = await getPeftModel(base, adapter);
  for (const parameter of base.parameters()) parameter.precision = precision;
  const pass = () =>
    scope(() => {
      const ids = () => tensor(new Int32Array(batchSize * sequenceLength), { shape: [batchSize, sequenceLength] });
      backward(model.loss({ inputIds: ids(), labels: ids() }), tensor(1));
    });
  const { used } = backend.heapStats();
  pass();
  for (const parameter of model.parameters()) parameter.grad = null;
  const bytes = backend.heapStats().used - used;
  for (const parameter of model.parameters()) parameter.dispose();
  return bytes;
}

test.each<[MatmulPrecision, string, PlanOptions]>([
  ["highest", "f32", {}],
  ["high", "f32", {}],
  ["medium", "f32", {}],
  ["high", "nf4", { quantization: { quantType: "nf4" } }],
  ["medium", "nf4", { quantization: { quantType: "nf4" } }],
])("%s precision over %s keeps the copies that a plan says", async (precision, _dtype, options) => {
  const shape = { adapter, batchSize, sequenceLength };
  const plan = await planMemory(describeModel(config), { ...options, ...shape, precision });
  const plain = await planMemory(describeModel(config), { ...options, ...shape });
  const kept = (await measured(precision, options)) - (await measured("highest", options));
  const { training } = plan.copies;
  // If codes of 7 bits are no faster for f32, the copies are the same as for "high".
  const fewer = precision === "medium" && !options.quantization && backend.mediumKernels.weightBits === 14;
  const high = await planMemory(describeModel(config), { ...options, ...shape, precision: "high" });
  const expected = fewer ? high.copies.training : training;
  // A weight may also cache its largest magnitude and flags of its squares, 64 bytes each.
  expect(Math.abs(kept - expected)).toBeLessThanOrEqual(0.03 * expected + 128);
  expect(plan.training.bytes - plain.training.bytes).toBe(training);
  expect(plan.generation - plain.generation).toBe(plan.copies.generation);
  expect(plan.copies.generation > 0).toBe(precision !== "highest" && !options.quantization);
});

test("a precision that is none is refused", async () => {
  await expect(planMemory(describeModel(config), { precision: "low" as "high" })).rejects.toThrow(
    'planMemory: precision is "low"; give one of highest, high, medium',
  );
});
