import { expose, proxy } from "comlink";
import { EngineHost } from "../../worker/engineHost.ts";
import { connect, type EngineWorker, type RemoteEngine } from "../../worker/index.ts";
import type { Served } from "../../worker/serve.ts";
import { tinyFiles } from "../tinyLlama.ts";
import type { OptionCalls, Untyped } from "./optionCall.ts";

let running: Promise<RemoteEngine> | undefined;

function start(): EngineWorker {
  const url = new URL("../engineWorker.ts", import.meta.url);
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  return node ? new node.Worker(url) : new Worker(url, { type: "module" });
}

/**
 * Returns a substitute for a Worker, whose messages go to an engine in this thread. It is ready at once, while a Worker
 * would load all modules again.
 */
function standIn(): EngineWorker {
  const { port1, port2 } = new MessageChannel();
  const served: Served = { open: async () => proxy(new EngineHost()) };
  expose(served, port1);
  return Object.assign(port2, { terminate: () => port2.close() }) as unknown as EngineWorker;
}

function engine(): Promise<RemoteEngine> {
  running ??= connect(start());
  return running;
}

/** Closes the Worker that these calls started. */
export async function closeWorker(): Promise<void> {
  (await running)?.close();
}

/** Folder to which the calls write no files. */
const storage = globalThis.location ? { opfs: "x" } : "x";
const examples = [{ inputIds: [1, 2], labels: [1, 2] }];
const model = async (): Promise<Untyped> => (await engine()).loadModel(await tinyFiles());

/** Returns a model in the Worker with an adapter. */
async function adapted(): Promise<Untyped> {
  const loaded = await model();
  await loaded.addAdapter({ peftType: "LORA", targetModules: "all-linear" });
  return loaded;
}

/** Calls of the engine in a Worker. */
export const ofWorker: OptionCalls = {
  connect: (o) => connect(standIn(), o),
  "RemoteEngine#loadModel": async (o) => (await engine()).loadModel(await tinyFiles(), o),
  "RemoteEngine#getLastCheckpoint": async (o) => (await engine()).getLastCheckpoint(storage, o),
  "RemoteModel#addAdapter": async (o) => (await model()).addAdapter({ peftType: "LORA" }, o),
  "RemoteModel#addAdapter: config": async (o) => (await model()).addAdapter({ peftType: "LORA", ...o }),
  "RemoteModel#loadAdapter": async (o) => {
    const files = await (await adapted()).adapterFiles();
    await (await model()).loadAdapter(files, o);
  },
  "RemoteModel#train": async (o) => (await adapted()).train(examples, { learningRate: 1e-3, ...o }),
  "RemoteModel#evaluate": async (o) => (await model()).evaluate(examples, o),
  "RemoteModel#generateText": async (o) => (await model()).generateText("one", o),
  "RemoteModel#stream": async (o) => (await model()).stream("one", o).next(),
  "RemoteModel#quantize": async (o) => (await model()).quantize(o),
  "RemoteModel#mergeAdapter": async (o) => (await adapted()).mergeAdapter(o),
  "RemoteModel#mergeAndUnload": async (o) => (await adapted()).mergeAndUnload(o),
  "RemoteModel#adapterFiles": async (o) => (await adapted()).adapterFiles(undefined, o),
  "RemoteModel#savePretrained": async (o) => (await adapted()).savePretrained(storage, o),
  "RemoteModel#saveModel": async (o) => (await model()).saveModel(storage, o),
  "RemoteModel#modelFiles": async (o) => (await model()).modelFiles(o),
};
