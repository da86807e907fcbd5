// Measures products, a LoRA layer's training step and decoding on the GPU in Node. Compares Lowrank with other
// libraries on the same adapter in the same process, in turn, and with Lowrank's wasm backend.
import { type Backend, Generator, init, tensor } from "@lowrank/core";
import { type CausalLM, createModel, generate, type ParameterSource, parseModelConfig } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";
import { wasm } from "@lowrank/wasm";
import { type WebGpuBackend, webgpu } from "@lowrank/webgpu";
import { checkResult, flopsOf, type GemmSizes, randomCase } from "./lib/gemmRace.ts";
import { provideGpu } from "./lib/gpuOfNode.ts";
import { loraStepCases } from "./lib/loraStep.ts";
import { type Contestant, machine, printTable, type Times, timesWithin } from "./lib/measure.ts";
import { loadPeers } from "./peers/loadPeers.ts";
import type { GpuPeer, LoraLayer } from "./peers/webgpu/gpuPeer.ts";
import { lowrankGpu } from "./peers/webgpu/lowrankGpu.ts";

const ours = "lowrank";
const onWasm = "lowrank on wasm";

/** Time limit for the whole benchmark in seconds. */
const budget = 270;

/** The first product, whose time predicts the time of the following work, and its time limit in seconds. */
const first: GemmSizes = { m: 512, n: 512, k: 512 };
const firstSeconds = 30;

/** A row times a quarter of SmolLM2-135M's head, as in decoding, and a larger square product. */
const row: GemmSizes = { m: 1, n: 12288, k: 576, transB: true };
const large: GemmSizes = { m: 1024, n: 1024, k: 1024 };

/** Estimated work relative to the first product; for small work, other costs dominate. */
const workOf = { layer: 1.5, row: 0.2, large: 8 } as const;

/** Maximum number of decoded tokens per run. A CPU that emulates the GPU decodes fewer. */
const mostTokens = 64;

/** A layer of SmolLM2-135M's width with LoRA of rank 8, with random values. */
function randomLayer(): LoraLayer {
  const [rows, features, rank] = [256, 576, 8];
  const numbers = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
  const [x, w] = [numbers(rows * features), numbers(features * features)];
  return { rows, features, rank, scaling: 2, x, w, a: numbers(rank * features), b: numbers(features * rank) };
}

/** Prints times. Returns Lowrank's speed over the best peer's, and over Lowrank's wasm backend. */
function report(title: string, times: Map<string, Times>, speed: (ms: number) => string): Record<string, number> {
  console.log(`\n${title}`);
  const rows = [...times].map(([name, { median, samples }]) => [
    name,
    median.toFixed(1),
    speed(median),
    `${samples.length}`,
  ]);
  printTable(["", "ms, median", "speed", "samples"], rows);
  const own = times.get(ours)?.median;
  if (own === undefined) return {};
  const peers = [...times].flatMap(([name, { median }]) => (name === ours || name === onWasm ? [] : [median]));
  const host = times.get(onWasm)?.median;
  return {
    ...(peers.length > 0 ? { "": Math.min(...peers) / own } : {}),
    ...(host === undefined ? {} : { VsWasm: host / own }),
  };
}

/** Prepares each peer's work and runs it once. Prints a line for each peer that fails. */
async function prepareAll(
  peers: readonly GpuPeer[],
  prepare: (peer: GpuPeer) => Promise<() => Promise<unknown>>,
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const peer of peers) {
    try {
      contestants.push({ name: peer.name, run: await prepare(peer) });
    } catch (error) {
      if (peer.name === ours) throw error;
      console.log(`absent: ${peer.name} (${error instanceof Error ? error.message : error})`);
    }
  }
  return contestants;
}

/** Times a product and prints a table. */
async function raceProducts(peers: readonly GpuPeer[], sizes: GemmSizes, seconds: number) {
  const product = randomCase(sizes);
  const contestants = await prepareAll(peers, async (peer) => {
    const run = await peer.prepare(product);
    checkResult(peer.name, product, await run());
    return run;
  });
  const times = await timesWithin(contestants, seconds);
  const { m, n, k, transB } = product;
  const title = `[${m},${k}] * [${transB ? `${n},${k}]ᵀ` : `${k},${n}]`}`;
  return { times, ratios: report(title, times, (ms) => `${(flopsOf(product) / ms / 1e6).toFixed(2)} GFLOP/s`) };
}

/** Times the training steps of a layer. The losses of all peers must agree. */
async function raceLayers(peers: readonly GpuPeer[], seconds: number): Promise<Map<string, Times>> {
  const layer = randomLayer();
  const able = peers.filter(({ prepareLayer }) => prepareLayer !== undefined);
  let wanted: number | undefined;
  const contestants = await prepareAll(able, async (peer) => {
    const run = await peer.prepareLayer!(layer);
    const loss = await run();
    wanted ??= loss;
    if (!(Math.abs(loss - wanted) < 1e-3 * wanted)) throw new Error(`the loss is ${loss} instead of ${wanted}`);
    return run;
  });
  return timesWithin(contestants, seconds);
}

/** Returns random parameters from one shared list of values, since drawing all values would take half a minute. */
function quickParameters(): ParameterSource {
  const numbers = new Float32Array(2 ** 20);
  new Generator(1).fillNormal(numbers, 0, 0.02);
  let at = 0;
  return (_, shape, start) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    if ("value" in start) data.fill(start.value);
    else for (let i = 0; i < data.length; i++) data[i] = numbers[at++ % numbers.length];
    // Use an odd step, so that no two rows are equal.
    at += 12345;
    using t = tensor(data, { shape });
    return new Parameter(t);
  };
}

/**
 * Times greedy decoding with a random model of SmolLM2-135M's shape after one prompt token, for as many tokens as the
 * GPU decodes in `seconds`. All backends must decode the same tokens. Prints the bytes that a token moves on the GPU
 * relative to the model's size.
 */
async function raceDecoding(gpu: WebGpuBackend, host: Backend, seconds: number) {
  const decoders: [name: string, decode: (count: number) => Promise<string>][] = [];
  for (const [name, backend] of [
    [ours, gpu],
    [onWasm, host],
  ] as const) {
    await init(backend);
    const model = createModel(parseModelConfig(loraStepCases.m135.config), quickParameters()).eval() as CausalLM;
    const decode = async (count: number) => {
      await init(backend);
      return `${await generate(model, [[100]], { maxNewTokens: count, minNewTokens: count, generationConfig: null })}`;
    };
    const before = gpu.stats().bytes;
    await decode(1);
    if (backend === gpu) {
      const least = [...model.parameters()].reduce((sum, { size }) => sum + 4 * size, 0);
      const moved = gpu.stats().bytes - before;
      const [a, b] = [moved, least].map((bytes) => (bytes / 1e6).toFixed(0));
      console.log(`\na token is given ${a} MB, and the model has ${b}: ${(moved / least).toFixed(2)} times the least`);
    }
    decoders.push([name, decode]);
  }
  const start = performance.now();
  const [, onGpu] = decoders[0];
  const wanted = await onGpu(1);
  const token = (performance.now() - start) / 1000;
  const count = Math.max(1, Math.min(mostTokens, Math.floor(seconds / token)));
  const contestants = decoders.map(([name, decode]): Contestant => {
    const run = async () => {
      const tokens = await decode(count);
      if (!tokens.startsWith(wanted))
        throw new Error(`${name} decodes ${tokens}, which begins otherwise than ${wanted}`);
    };
    return { name, run };
  });
  return { times: await timesWithin(contestants, seconds), count };
}

/**
 * Prints times and one line of JSON: for products, a LoRA layer's step and decoding, Lowrank's speed over the best
 * peer's, and over Lowrank's wasm backend on one thread, by median.
 */
export async function bench(): Promise<void> {
  const start = performance.now();
  const reason = await provideGpu();
  if (reason !== undefined) {
    console.log(`skipped: everything on WebGPU (${reason})`);
    return console.log(JSON.stringify({ webgpu: {} }));
  }
  const [backend, host] = [await webgpu(), await wasm()];
  console.log(`${backend.adapter}${backend.software ? ", played by the processor" : ""}; ${machine()}`);
  const peers: GpuPeer[] = [
    lowrankGpu(ours, backend),
    lowrankGpu(onWasm, host),
    ...(await loadPeers<GpuPeer>({
      "@jax-js/jax": () => import("./peers/webgpu/jaxJs.ts"),
      "@tensorflow/tfjs-backend-webgpu": () => import("./peers/webgpu/tfjs.ts"),
      "onnxruntime-web/webgpu": () => import("./peers/webgpu/onnxruntime.ts"),
    })),
  ];
  const figures: Record<string, number> = {};
  const note = (key: string, found: Record<string, number>) => {
    for (const [kind, value] of Object.entries(found)) figures[`${key}${kind}`] = Number(value.toFixed(3));
  };
  const { times: known, ratios } = await raceProducts(peers, first, firstSeconds);
  note("n512", ratios);
  const secondsLeft = () => budget - (performance.now() - start) / 1000;

  /** Returns the peers, fastest first, whose two runs of some work each fit into `seconds`. */
  const fitting = (what: string, work: number, seconds: number): GpuPeer[] => {
    let rest = seconds;
    const present = peers.filter(({ name }) => known.has(name));
    const order = present.toSorted((p, q) => known.get(p.name)!.median - known.get(q.name)!.median);
    return order.filter(({ name }) => {
      const needed = (2 * work * known.get(name)!.median) / 1000;
      const fits = needed < rest;
      if (fits) rest -= needed;
      else console.log(`\nleft out of ${what}: ${name} (it would take about ${needed.toFixed(0)} s)`);
      return fits;
    });
  };
  note("row", (await raceProducts(fitting("one row", workOf.row, 40), row, 15)).ratios);
  const layers = await raceLayers(fitting("the LoRA layer", workOf.layer, 0.6 * secondsLeft()), 25);
  note(
    "loraStep",
    report("a step of a LoRA layer", layers, (ms) => `${(1000 / ms).toFixed(2)}/s`),
  );
  const { times: decoding, count } = await raceDecoding(backend, host, 0.15 * secondsLeft());
  note(
    "decode",
    report("decoding, SmolLM2-135M's shape in f32", decoding, (ms) => `${((1000 * count) / ms).toFixed(2)} tokens/s`),
  );
  const seconds = secondsLeft();
  const [runs, rounds] = [0.8 * seconds, 0.2 * seconds];
  note("n1024", (await raceProducts(fitting("n=1024", workOf.large, runs), large, rounds)).ratios);
  console.log(`\n${JSON.stringify({ webgpu: figures })}`);
}
