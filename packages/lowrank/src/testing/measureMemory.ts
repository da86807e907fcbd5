import {
  AdamW,
  backward,
  createModel,
  Generator,
  getPeftModel,
  type ModelConfig,
  memory,
  noGrad,
  Parameter,
  type PlanOptions,
  quantize,
  randomParameters,
  resetPeak,
  scope,
  type Tensor,
  tensor,
  to,
} from "../index.gen.ts";

/** Sequences in every measured batch. */
export const batchSize = 2;

async function build(config: ModelConfig, { dtype = "f32", adapter = null, quantization = null }: PlanOptions) {
  const draw = randomParameters(new Generator(1));
  const base = createModel(config, (name, shape, start) => {
    const wide = draw(name, shape, start);
    if (dtype === "f32") return wide;
    using narrow = noGrad(() => scope(() => to(wide, { dtype })));
    wide.dispose();
    return new Parameter(narrow);
  });
  if (quantization) await quantize(base, quantization);
  return { base, model: adapter ? await getPeftModel(base, adapter) : base };
}

function ids(length: number): Tensor {
  const row = Array.from({ length: batchSize * length }, (_, i) => (7 * i) % 96);
  return tensor(row, { dtype: "i32", shape: [batchSize, length] });
}

/** Returns the peak bytes of tensors in the second of two training steps, including model and optimiser. */
export async function measuredStep(config: ModelConfig, options: PlanOptions): Promise<number> {
  const { gradientCheckpointing, sequenceLength = 1, gradientAccumulationSteps = 1 } = options;
  const before = memory().bytes;
  const { base, model } = await build(config, options);
  if (gradientCheckpointing) base.gradientCheckpointingEnable();
  const optimizer = new AdamW([...model.parameters()].filter(({ requiresGrad }) => requiresGrad));
  for (let step = 0; step < 2; step++) {
    resetPeak();
    for (let pass = 0; pass < gradientAccumulationSteps; pass++) {
      scope(() => {
        const loss = model.loss({ inputIds: ids(sequenceLength), labels: ids(sequenceLength) });
        backward(loss, tensor(1 / gradientAccumulationSteps));
      });
    }
    optimizer.step();
    optimizer.zeroGrad();
  }
  const peak = memory().peakBytes - before;
  optimizer.dispose();
  for (const parameter of model.parameters()) parameter.dispose();
  return peak;
}

/**
 * Returns the peak bytes of tensors while a prompt is read into a cache, including model and cache, and the bytes of
 * the cache.
 */
export async function measuredPrompt(config: ModelConfig, options: PlanOptions & { sequenceLength: number }) {
  const before = memory().bytes;
  const { base, model } = await build(config, options);
  model.eval();
  resetPeak();
  const built = memory().bytes;
  using cache = base.createCache(batchSize, options.sequenceLength);
  const kvCache = memory().bytes - built;
  scope(() => base.nextLogits({ inputIds: ids(options.sequenceLength), cache }));
  const peak = memory().peakBytes - before;
  for (const parameter of model.parameters()) parameter.dispose();
  return { peak, kvCache };
}
