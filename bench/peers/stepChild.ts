// `stepChild.ts OPTIONS`: training steps on random weights in a separate process.
import { init, type MatmulPrecision, setFloat32MatmulPrecision } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { loraStepCases, makeFullStep, makeLoraStep, ofRank } from "../lib/loraStep.ts";
import { serveSteps } from "../lib/serveSteps.ts";

/** The options of the process, passed as JSON. */
export interface StepChildOptions {
  model: keyof typeof loraStepCases;
  /** True to train every parameter, without LoRA. */
  full: boolean;
  threads: number;
  wideSimd: boolean;
  /** Precision of products with frozen weights. */
  precision: MatmulPrecision;
  /** The format of linear layers. Default f32. */
  quantization?: "q4_1";
  /** LoRA rank. Default: the case's rank. */
  rank?: number;
}

const options = JSON.parse(process.argv[2]!) as StepChildOptions;
const { model, full, threads, wideSimd, precision, quantization } = options;
const backend = await wasm({ threads, wideSimd });
if (backend.threads !== threads) throw new Error(`step: ${backend.threads} threads instead of ${threads}`);
await init(backend);
setFloat32MatmulPrecision(precision);
if (quantization) await backend.prepare?.(quantization);
const subject = ofRank(loraStepCases[model], options.rank);
await serveSteps(full ? makeFullStep(subject) : await makeLoraStep(subject, quantization));
