// `smolChild.ts OPTIONS`: LoRA or QLoRA on a GGUF file with one sequence of tokens, in a separate process. It is ready
// when the first forward pass can start.
import { readFileSync } from "node:fs";
import { init, tensor } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { getPeftModel, LoraConfig, prepareModelForKbitTraining } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { serveSteps } from "../lib/serveSteps.ts";
import { trainingStep } from "../lib/trainingStep.ts";

/** The options of the process, passed as JSON. */
export interface SmolChildOptions {
  /** Paths of the model and of a text, whose first tokens are the training data. */
  model: string;
  text: string;
  tokens: number;
  /** Quantises to NF4 with double quantisation. Weights that are not quantised keep the file's blocks. */
  quantize: boolean;
}

const { model: path, text, tokens, quantize } = JSON.parse(process.argv[2]!) as SmolChildOptions;
await init(wasm());
const { model, tokenizer } = await loadModel(
  path,
  quantize ? { quantize: { quantType: "nf4", doubleQuant: true }, weights: "packed" } : {},
);
if (quantize) prepareModelForKbitTraining(model, { useGradientCheckpointing: false });
const config = new LoraConfig({ r: 8, loraAlpha: 16, targetModules: "all-linear", taskType: "CAUSAL_LM" });
const peft = (await getPeftModel(model, config)).train();
const ids = tokenizer!.encode(readFileSync(text, "utf8").slice(0, 20 * tokens)).slice(0, tokens);
const inputIds = tensor(Int32Array.from(ids), { shape: [1, tokens] });
await serveSteps(trainingStep(peft, inputIds));
