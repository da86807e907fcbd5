// Measures a convolutional layer on 16 images of 32 x 32: a 3 x 3 convolution from 16 to 32 channels, relu, and 2 x 2
// max pooling. Compares the forward pass with a peer, and also measures the backward pass of Lowrank.
import { type Backend, conv2d, init, maxPool2d, noGrad, relu, scope, sum, type Tensor, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { type Contestant, interleave, machine, marginCell, printTable } from "./lib/measure.ts";
import { removeGlobalWorker } from "./lib/removeGlobalWorker.ts";

const [BATCH, CHANNELS, FILTERS, SIZE, KERNEL] = [16, 16, 32, 32, 3];
const CALLS = 10;
const WARM_UPS = 2;
const ROUNDS = 7;

/** The ops with sliding-window kernels. */
const windowOps = new Set(["unfold", "fold", "maxPool2d"]);

/** Returns pseudo-random values between -1 and 1. */
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * i));

function layerOn(backend: Backend): { x: Tensor; weight: Tensor; run: () => Tensor } {
  const x = tensor(numbers(BATCH * CHANNELS * SIZE * SIZE), { shape: [BATCH, CHANNELS, SIZE, SIZE], backend });
  const shape = [FILTERS, CHANNELS, KERNEL, KERNEL];
  const weight = tensor(numbers(FILTERS * CHANNELS * KERNEL * KERNEL), { shape, backend });
  x.requiresGrad = true;
  weight.requiresGrad = true;
  return { x, weight, run: () => maxPool2d(relu(conv2d(x, weight, null, { padding: 1 })), 2) };
}

function lowrank(name: string, backend: Backend): Contestant[] {
  const { x, weight, run } = layerOn(backend);
  const forward = async () => {
    for (let i = 0; i < CALLS; i++) noGrad(() => scope(() => void run()));
  };
  const step = async () => {
    for (let i = 0; i < CALLS; i++) {
      scope(() => sum(run()).backward());
      for (const t of [x, weight]) {
        t.grad?.dispose();
        t.grad = null;
      }
    }
  };
  return [
    { name, run: forward },
    { name: `${name}, and backward`, run: step },
  ];
}

async function tfjs(): Promise<Contestant> {
  const { setThreadsCount } = await import("@tensorflow/tfjs-backend-wasm");
  const { conv2d, maxPool, relu, setBackend, tensor4d, tidy } = await import("@tensorflow/tfjs-core");
  setThreadsCount(1);
  if (!(await setBackend("wasm"))) throw new Error("its wasm backend did not start");
  removeGlobalWorker();
  // tfjs uses the NHWC layout.
  const x = tensor4d(numbers(BATCH * CHANNELS * SIZE * SIZE), [BATCH, SIZE, SIZE, CHANNELS]);
  const filters = numbers(FILTERS * CHANNELS * KERNEL * KERNEL);
  const weight = tensor4d(filters, [KERNEL, KERNEL, CHANNELS, FILTERS]);
  return {
    name: "tfjs-backend-wasm",
    run: async () => {
      for (let i = 0; i < CALLS; i++) tidy(() => void maxPool(relu(conv2d(x, weight, 1, "same")), 2, 2, "valid"));
    },
  };
}

/**
 * Prints milliseconds per call and one line of JSON with Lowrank's forward and backward times: the mean of 10 calls,
 * median of the rounds.
 */
export async function bench(): Promise<void> {
  const backend = await init(wasm());
  const composed: Backend = {
    ...backend,
    supports: (op, inputs, params) => !windowOps.has(op.name) && backend.supports(op, inputs, params),
  };
  const contestants = [...lowrank("lowrank", backend), ...lowrank("lowrank without these kernels", composed)];
  try {
    contestants.push(await tfjs());
  } catch (error) {
    console.log(`absent: tfjs-backend-wasm could not be loaded: ${error instanceof Error ? error.message : error}`);
  }
  console.log(`${machine()}, one thread; means of ${CALLS} calls, ${ROUNDS} rounds`);
  const timings = await interleave(contestants, WARM_UPS, ROUNDS);
  printTable(
    ["ms per layer", "median", "best", "mean"],
    [...timings].map(([name, timing]) => [
      name,
      (timing.median / CALLS).toFixed(2),
      (timing.best / CALLS).toFixed(2),
      marginCell(timing),
    ]),
  );
  const ms = (name: string) => Number((timings.get(name)!.median / CALLS).toFixed(2));
  console.log(`\n${JSON.stringify({ conv: { forward: ms("lowrank"), backward: ms("lowrank, and backward") } })}`);
}
