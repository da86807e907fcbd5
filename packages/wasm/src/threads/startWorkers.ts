import { workerScript } from "./workerScript.gen.ts";

/**
 * The message that starts a worker thread: the module, the memory, the address of the job board, and the address of the
 * worker's scratch memory.
 */
export interface WorkerSetup {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  board: number;
  scratch: number;
  tiles: number;
}

interface Started {
  ready: Promise<void>;
  stop(): void;
}

/**
 * Starts one worker thread for each setup. Returns a function that stops them all. Throws if a worker cannot start. In
 * browsers, `url` is the address of the worker script; by default the script is a blob made from this module.
 */
export async function startWorkers(setups: readonly WorkerSetup[], url?: string | URL): Promise<() => void> {
  const workers: Started[] = [];
  const stop = (): void => {
    for (const worker of workers) worker.stop();
  };
  try {
    for (const setup of setups) workers.push(start(setup, url));
    await Promise.all(workers.map(({ ready }) => ready));
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}

// `getBuiltinModule` instead of an import, which bundlers for browsers cannot resolve.
const start = (setup: WorkerSetup, url?: string | URL): Started => {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  return node ? startInNode(node, setup) : startInBrowser(setup, url);
};

function startInNode({ Worker }: typeof import("node:worker_threads"), setup: WorkerSetup): Started {
  // The process may have flags that workers do not accept, such as --eval.
  const worker = new Worker(workerScript, { eval: true, execArgv: [] });
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a worker ended with code ${code} before it was ready`)));
  });
  worker.postMessage(setup);
  // Sleeping workers must not keep a program from ending.
  return { ready: ready.then(() => worker.unref()), stop: () => void worker.terminate() };
}

function startInBrowser(setup: WorkerSetup, url?: string | URL): Started {
  const blob = url === undefined ? URL.createObjectURL(new Blob([workerScript], { type: "text/javascript" })) : null;
  const worker = new Worker(blob ?? (url as string | URL), { type: "module" });
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message || `${url ?? "the worker's script"} could not be loaded; see workerUrl`));
    };
  });
  worker.postMessage(setup);
  const freed = ready.finally(() => blob && URL.revokeObjectURL(blob));
  return { ready: freed, stop: () => worker.terminate() };
}
