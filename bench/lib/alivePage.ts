// Runs in a web page: trains and generates in the page or in a Worker, and counts frames and timer calls during the
// work.
import { generatePairs } from "@lowrank/nano";
import { getPeftModel, LoraConfig, loadModel, streamText, Trainer, tokenizeExample } from "lowrank";
import { connect } from "lowrank/worker";

/** The place where the engine runs. */
export type Place = "page" | "worker";

/** Measurements of a page's responsiveness during a piece of work. */
export interface Alive {
  ms: number;
  /** Number of frames painted, and number of calls of a 5 ms timer. */
  frames: number;
  ticks: number;
  /** Duration in ms of the longest page task over 50 ms; 0 if there was none. */
  longestTask: number;
  /** Duration in ms of the longest step or token. */
  longestUnit: number;
  /** Number of finished steps or tokens. */
  units: number;
}

/** The functions of the page that the benchmark calls. */
export interface AlivePage {
  run(place: Place, work: "train" | "generate", abortAfterMs?: number): Promise<Alive>;
}

type Work = (onUnit: () => void, signal?: AbortSignal) => Promise<unknown>;

const folder = new URL("/packages/nano/model/", location.href).href;
const pairs = generatePairs({ language: "javascript", split: "train", seed: 1, count: 80 });
const training = { learningRate: 1e-3, batchSize: 8, maxSteps: 10 };
const generation = { maxNewTokens: 100, eosTokenIds: [] };
const lora = { r: 8, loraAlpha: 16, targetModules: "all-linear" } as const;

async function inPage(): Promise<Record<"train" | "generate", Work>> {
  const { model, tokenizer } = await loadModel(folder);
  if (!tokenizer) throw new Error(`${folder} has no tokenizer`);
  const peft = await getPeftModel(model, new LoraConfig(lora));
  const examples = await Promise.all(pairs.map((pair) => tokenizeExample(tokenizer, pair)));
  return {
    train: (onStep, signal) => new Trainer(peft, examples, { ...training, onStep, signal }).train(),
    generate: async (onToken, signal) => {
      const pieces = streamText(peft, tokenizer, "add 2 and 3", { ...generation, signal });
      for await (const _ of pieces) onToken();
    },
  };
}

async function inWorker(): Promise<Record<"train" | "generate", Work>> {
  const engine = await connect(new Worker(new URL("./aliveWorker.ts", import.meta.url), { type: "module" }));
  const model = await engine.loadModel(folder);
  await model.addAdapter({ peftType: "LORA", ...lora });
  return {
    train: (onStep, signal) => model.train(pairs, { ...training, onStep, signal }),
    generate: async (onToken, signal) => {
      for await (const _ of model.stream("add 2 and 3", { ...generation, signal })) onToken();
    },
  };
}

const places = { page: inPage(), worker: inWorker() };

async function watch(work: Work, abortAfterMs?: number): Promise<Alive> {
  const tasks: number[] = [0];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) tasks.push(duration);
  });
  let [frames, ticks, units, longestUnit, watching] = [0, 0, 0, 0, true];
  const frame = (): void => {
    frames++;
    if (watching) requestAnimationFrame(frame);
  };
  const timer = setInterval(() => ticks++, 5);
  // Wait until earlier tasks have ended.
  await new Promise((resolve) => setTimeout(resolve, 200));
  observer.observe({ entryTypes: ["longtask"] });
  [frames, ticks] = [0, 0];
  requestAnimationFrame(frame);
  const signal = abortAfterMs === undefined ? undefined : AbortSignal.timeout(abortAfterMs);
  const start = performance.now();
  let last = start;
  const onUnit = (): void => {
    const now = performance.now();
    [units, longestUnit, last] = [units + 1, Math.max(longestUnit, now - last), now];
  };
  await work(onUnit, signal).catch((error: Error) => {
    if (!signal?.aborted) throw error;
  });
  const ms = performance.now() - start;
  const seen = { frames, ticks };
  watching = false;
  clearInterval(timer);
  await new Promise((resolve) => setTimeout(resolve, 200));
  observer.disconnect();
  return { ms, ...seen, longestTask: Math.max(...tasks), longestUnit, units };
}

const page: AlivePage = {
  run: async (place, work, abortAfterMs) => watch((await places[place])[work], abortAfterMs),
};

Object.assign(globalThis, { alivePage: page });
