// The sample's training and its text by an engine that runs in `worker`.
import { connect } from "lowrank/worker";
import { pairs } from "./app.js";

/** Returns the losses and the text; `place` is the folder of the model. */
export async function runEngine(worker, place) {
  const engine = await connect(worker, { threads: 2 });
  const model = await engine.loadModel(place);
  await model.addAdapter({ peftType: "LORA", r: 4, targetModules: "all-linear" });
  const examples = pairs.map(([prompt, completion]) => ({ prompt, completion }));
  const { losses } = await model.train(examples, { batchSize: 3, learningRate: 1e-2, maxSteps: 3 });
  const text = await model.generateText("add 4 and 5", { maxNewTokens: 12 });
  engine.close();
  return { losses, text };
}
