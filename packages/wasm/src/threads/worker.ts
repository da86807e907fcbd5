// The script of every worker, in Node and in browsers. It receives one message, answers "ready", and then runs kernels
// until it is terminated. `pnpm build:kernels` bundles it into workerScript.gen.ts, from which workers start.

import { kernelImports, type OnDemandKernels } from "../kernels/onDemandKernels.ts";
import { JobBoard, type Kernel } from "./jobBoard.ts";
import type { WorkerSetup } from "./startWorkers.ts";

interface Port {
  postMessage(message: unknown): void;
}

function serve(port: Port, { module, memory, board, scratch, tiles }: WorkerSetup): void {
  let later: OnDemandKernels | undefined;
  // A worker that waits for work cannot receive messages, so it reads the module's bytes from the memory.
  const load = (): OnDemandKernels => {
    const [at, size] = new Uint32Array(memory.buffer, (exports.moduleOnDemand as Kernel)() as number, 2);
    const bytes = new Uint8Array(memory.buffer, at, size).slice() as Uint8Array<ArrayBuffer>;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return instance.exports as unknown as OnDemandKernels;
  };
  const imports = kernelImports(memory, () => (later ??= load()));
  const { exports } = new WebAssembly.Instance(module, imports);
  (exports.setScratch as Kernel)(scratch);
  const kernels = Object.values(exports) as Kernel[];
  const jobs = new JobBoard(memory, board, kernels, tiles);
  port.postMessage("ready");
  jobs.serve();
}

const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
if (node) {
  const port = node.parentPort;
  port?.once("message", (setup: WorkerSetup) => serve(port, setup));
} else {
  const port = globalThis as unknown as Port;
  addEventListener("message", ({ data }: MessageEvent<WorkerSetup>) => serve(port, data), { once: true });
}
