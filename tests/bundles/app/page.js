import { runApp } from "./app.js";
import { runEngine } from "./runEngine.js";

const placeOfModel = () => new URL("/model/", location.href).href;

/** Runs the sample in a Web Worker. */
function runInWorker() {
  const worker = new Worker(new URL("./appWorker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data.failure === undefined) resolve(data.sample);
      else reject(new Error(`in the Web Worker: ${data.failure}`));
    };
    worker.onerror = (event) => reject(new Error(event.message || "appWorker.js could not be loaded"));
    worker.postMessage(placeOfModel());
  });
}

globalThis.runSample = async () => ({
  page: await runApp(placeOfModel()),
  worker: await runInWorker(),
  engine: await runEngine(new Worker(new URL("./engine.js", import.meta.url), { type: "module" }), placeOfModel()),
});
