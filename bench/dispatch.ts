// Measures the overhead of an op: `add` on two tensors of one element, with gradients recorded and the result freed.
import { add, init, tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { type Contestant, interleave, machine, marginCell, printTable } from "./lib/measure.ts";
import { removeGlobalWorker } from "./lib/removeGlobalWorker.ts";

const CALLS = 10_000;
const WARM_UPS = 2;
const ROUNDS = 7;

async function lowrank(): Promise<Contestant> {
  await init(wasm());
  const [a, b] = [tensor([1], { requiresGrad: true }), tensor([2], { requiresGrad: true })];
  return {
    name: "lowrank",
    run: async () => {
      for (let i = 0; i < CALLS; i++) add(a, b).dispose();
    },
  };
}

async function tfjs(): Promise<Contestant> {
  const { setThreadsCount } = await import("@tensorflow/tfjs-backend-wasm");
  const { add, setBackend, tensor1d } = await import("@tensorflow/tfjs-core");
  setThreadsCount(1);
  if (!(await setBackend("wasm"))) throw new Error("its wasm backend did not start");
  removeGlobalWorker();
  const [a, b] = [tensor1d([1]), tensor1d([2])];
  return {
    name: "tfjs-backend-wasm (nothing recorded)",
    run: async () => {
      for (let i = 0; i < CALLS; i++) add(a, b).dispose();
    },
  };
}

async function jaxJs(): Promise<Contestant> {
  const { defaultDevice, init: start, numpy } = await import("@jax-js/jax");
  if (!(await start()).includes("wasm")) throw new Error("it has no wasm device here");
  defaultDevice("wasm");
  const [a, b] = [numpy.array([1]), numpy.array([2])];
  return {
    name: "jax-js (nothing recorded)",
    // Without reading the result, nothing would run, since jax-js evaluates ops lazily.
    run: async () => {
      for (let i = 0; i < CALLS; i++) numpy.add(a.ref, b.ref).dataSync();
    },
  };
}

/**
 * Prints microseconds per call and one line of JSON with Lowrank's time: the mean of 10,000 calls, median of the
 * rounds.
 */
export async function bench(): Promise<void> {
  const contestants = [await lowrank()];
  for (const [name, load] of Object.entries({ "@tensorflow/tfjs-backend-wasm": tfjs, "@jax-js/jax": jaxJs })) {
    try {
      contestants.push(await load());
    } catch (error) {
      console.log(`absent: ${name} could not be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }
  console.log(`${machine()}, one thread; means of ${CALLS} calls, ${ROUNDS} rounds`);
  const timings = await interleave(contestants, WARM_UPS, ROUNDS);
  const microseconds = (time: number) => (1000 * time) / CALLS;
  printTable(
    ["µs per add", "median", "best", "mean"],
    [...timings].map(([name, timing]) => [
      name,
      microseconds(timing.median).toFixed(2),
      microseconds(timing.best).toFixed(2),
      marginCell(timing),
    ]),
  );
  const us = Number(microseconds(timings.get("lowrank")!.median).toFixed(2));
  console.log(`\n${JSON.stringify({ dispatch: { us } })}`);
}
