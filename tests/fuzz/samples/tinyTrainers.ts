import { Generator as Draws } from "@lowrank/core";
import { createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { type Checkpointing, Trainer } from "@lowrank/train";
import { tinySizes } from "./tinySizes.ts";

const examples = Array.from({ length: 4 }, (_, i) => {
  const inputIds = [1, 5 + i, 6 + i, 2];
  return { inputIds, labels: inputIds };
});
const options = { padTokenId: 0, learningRate: 1e-3, batchSize: 2, maxSteps: 2 };
const sizes = { ...tinySizes, n_layer: 1, num_hidden_layers: 1 };
const model = (type: string) =>
  createModel(parseModelConfig({ model_type: type, ...sizes }), randomParameters(new Draws(1)));

/** A trainer of a small model with dropout. */
export async function modelTrainer(checkpoints?: Checkpointing): Promise<Trainer> {
  return new Trainer(model("gpt2"), examples, { ...options, checkpoints });
}

/** A trainer of a small adapter. */
export async function adapterTrainer(checkpoints?: Checkpointing): Promise<Trainer> {
  const peft = await getPeftModel(model("llama"), new LoraConfig({ r: 2, targetModules: ["q_proj"] }));
  return new Trainer(peft, examples, { ...options, checkpoints });
}
