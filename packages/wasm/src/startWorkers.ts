/**
 * The message that starts a worker: the module, the memory, and the addresses of the job board and
 * of the worker's own scratch areas.
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
 * Starts one worker per setup; returns a function that ends them all.
 * Throws where one cannot start.
 */
export async function startWorkers(setups: readonly WorkerSetup[]): Promise<() => void> {
  const workers: Started[] = [];
  const stop = (): void => {
    for (const worker of workers) worker.stop();
  };
  try {
    for (const setup of setups) workers.push(start(setup));
    await Promise.all(workers.map(({ ready }) => ready));
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}

// Not an import, which a bundler for browsers would stumble over.
const start = (setup: WorkerSetup): Started => {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  return node ? startInNode(node, setup) : startInBrowser(setup);
};

function startInNode({ Worker }: typeof import("node:worker_threads"), setup: WorkerSetup): Started {
  // The neighbour of this file, or of the bundle that it is part of, with the same ending.
  // The process's own flags may be ones that no worker takes, such as --eval's.
  const worker = new Worker(new URL(import.meta.url.replace(/[^/]*(\.\w+)$/, "worker$1")), { execArgv: [] });
  const ready = new Promise<void>((resolve, reject) => {
    worker.once("message", () => resolve());
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`a worker ended with code ${code} before it was ready`)));
  });
  worker.postMessage(setup);
  // A program may end while its workers sleep.
  return { ready: ready.then(() => worker.unref()), stop: () => void worker.terminate() };
}

function startInBrowser(setup: WorkerSetup): Started {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message || "worker.js could not be loaded"));
    };
  });
  worker.postMessage(setup);
  return { ready, stop: () => worker.terminate() };
}
