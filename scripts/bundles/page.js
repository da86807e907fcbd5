import { connect } from "lowrank/worker";
import { pairs, runApp } from "./app.js";

const place = new URL("/model/", location.href).href;

/** Runs the sample in a Web Worker. */
function runInWorker() {
  const worker = new Worker(new URL("./appWorker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.failure === undefined) resolve(data.sample);
      else reject(new Error(`in the Web Worker: ${data.failure}`));
    };
    worker.onerror = (event) => reject(new Error(event.message || "appWorker.js could not be loaded"));
    worker.postMessage(place);
  });
}

/** Trains and generates by an engine that runs in a Web Worker. */
async function runEngine() {
  const worker = new Worker(new URL("./engine.js", import.meta.url), { type: "module" });
  const engine = await connect(worker, { threads: 2 });
  const model = await engine.loadModel(place);
  await model.addAdapter({ peftType: "LORA", r: 4, targetModules: "all-linear" });
  const examples = pairs.map(([prompt, completion]) => ({ prompt, completion }));
  const { losses } = await model.train(examples, { batchSize: 3, learningRate: 1e-2, maxSteps: 3 });
  const text = await model.generateText("add 4 and 5", { maxNewTokens: 12 });
  engine.close();
  return { losses, text };
}

globalThis.runSample = async () => ({
  page: await runApp(place),
  worker: await runInWorker(),
  engine: await runEngine(),
});
