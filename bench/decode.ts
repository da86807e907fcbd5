// Measures prompt and decode speed on a Q4_1 GGUF file, on one thread unless the name has a thread count. In Node, the
// peer is llama.cpp; in Chromium, it is llama.cpp compiled to WebAssembly. All contestants stay loaded and run in turn.
import { openFile } from "@lowrank/files";
import { openGguf, Tokenizer } from "@lowrank/models";
import { sharedPath } from "@lowrank/test-support/folders";
import { wasm } from "@lowrank/wasm";
import { startDecodeBrowser } from "./lib/decodeBrowser.ts";
import { machine, median, printTable, statisticsOf } from "./lib/measure.ts";
import type { DecodePeer, DecodeTask, DecodeTiming } from "./peers/decodePeer.ts";
import { type LowrankWeights, lowrankDecode } from "./peers/lowrankDecode.ts";

const PROMPT_TOKENS = 128;
const NEW_TOKENS = 64;
const MOST_ROUNDS = 5;
/** Time limit for the whole benchmark in milliseconds. One round always runs. */
const BUDGET = 330_000;

const sampling = { doSample: true, temperature: 0.8, topK: 40, topP: 0.95 } as const;

const text =
  "The lighthouse keeper had lived on the island for thirty years, and in all that time he had never missed a single night. " +
  "Each evening he climbed the spiral stairs, trimmed the lamp, and wrote the weather into a book that nobody else would read. " +
  "In winter the waves reached the lowest windows, and the supply boat stayed away for weeks. He did not mind. He had flour, " +
  "salted fish, a shelf of old novels, and a grey cat that slept beside the stove. One morning in early spring, when the fog " +
  "was so thick that he could not see the rocks below the door, somebody knocked. He put down his cup and listened, because " +
  "no boat could have landed in such weather, and then the knock came again, slower than before, as if the visitor";

/** Returns the task: the start of the text with exactly `PROMPT_TOKENS` tokens as the prompt. */
async function makeTask(model: string): Promise<DecodeTask> {
  const tokenizer = await Tokenizer.fromFiles((await openGguf(await openFile(model), model)).files);
  const prompt = tokenizer.decode(tokenizer.encode(text).slice(0, PROMPT_TOKENS));
  return { prompt, promptTokens: PROMPT_TOKENS, newTokens: NEW_TOKENS };
}

/** Loads a contestant. If that fails, prints the reason and returns undefined. */
async function tryLoad(what: string, load: () => Promise<DecodePeer>): Promise<DecodePeer | undefined> {
  try {
    return await load();
  } catch (error) {
    console.log(`absent: ${what} (${error instanceof Error ? error.message : error})`);
    return undefined;
  }
}

/**
 * Measures as many rounds as fit into the time. Each contestant runs once unmeasured first, which compiles its code,
 * fills the caches and raises the clock of its core. Without this, the first prompt after other contestants takes up to
 * twice as long. The order of every other round is reversed, so that a contestant does not always follow the same one.
 */
async function measure(peers: DecodePeer[], start: number): Promise<Map<string, DecodeTiming[]>> {
  const timings = new Map(peers.map(({ name }) => [name, [] as DecodeTiming[]]));
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const begin = performance.now();
    for (const { name, decode } of round % 2 === 0 ? peers : peers.toReversed()) {
      await decode();
      timings.get(name)!.push(await decode());
    }
    const end = performance.now();
    if (end - start + (end - begin) > BUDGET) break;
  }
  return timings;
}

interface Speed {
  prompt: number;
  decode: number;
}

function report(timings: Map<string, DecodeTiming[]>): Map<string, Speed> {
  const first = [...timings.values()][0]![0]!.text;
  const speeds = new Map<string, Speed>();
  const rows = [...timings].map(([name, all]) => {
    const prompt = (1000 * PROMPT_TOKENS) / median(all.map(({ promptMs }) => promptMs));
    const decode = (1000 * (NEW_TOKENS - 1)) / median(all.map(({ decodeMs }) => decodeMs));
    speeds.set(name, { prompt, decode });
    const { min, rme } = statisticsOf(all.map(({ decodeMs }) => decodeMs));
    const best = (1000 * (NEW_TOKENS - 1)) / min;
    const own = all[0]!.text;
    const other = [...first].findIndex((letter, i) => letter !== own[i]);
    const same = other < 0 ? first.length : other;
    // Different rounding changes the text at some point, and NF4 and sampling change it at once. A broken
    // implementation deviates from the start.
    if (same < 5 && !name.includes("nf4") && !name.includes("sampled")) {
      throw new Error(`decode: ${name} answers ${JSON.stringify(own)}, the first ${JSON.stringify(first)}`);
    }
    return [
      name,
      prompt.toFixed(1),
      decode.toFixed(1),
      best.toFixed(1),
      `±${rme.toFixed(1)} %`,
      `${same} of ${first.length}`,
    ];
  });
  printTable(["tokens/s", "prompt", "decode", "best", "mean", "same letters"], rows);
  return speeds;
}

/**
 * Prints tokens/s and one line of JSON with ratios of medians. They are: Lowrank with the file's blocks over each peer;
 * NF4 over f32 in Node, with f32 and with int8 products; and sampling (temperature, top-k, top-p) over greedy decoding.
 * A missing peer has no key.
 */
export async function bench(): Promise<void> {
  const start = performance.now();
  const model = sharedPath("models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", "the decode benchmark");
  if (!model) return console.log(JSON.stringify({ decode: {} }));
  const task = await makeTask(model);
  const peers: DecodePeer[] = [];
  const add = async (what: string, load: () => Promise<DecodePeer>) => {
    const peer = await tryLoad(what, load);
    if (peer) peers.push(peer);
  };
  for (const threads of [1, 2]) {
    const backend = await wasm({ threads });
    const kinds: LowrankWeights[] = threads === 1 ? ["q4_1", "nf4", "nf4 int8", "f32"] : ["q4_1"];
    for (const weights of kinds) {
      const name = `lowrank ${weights}${threads > 1 ? `, ${threads} threads` : ""}`;
      await add(name, () => lowrankDecode(name, model, task, { weights, backend }));
    }
    if (threads === 1) {
      const name = "lowrank q4_1, sampled";
      await add(name, () => lowrankDecode(name, model, task, { weights: "q4_1", backend, sampling }));
    }
    await add("node-llama-cpp", async () =>
      (await import("./peers/nodeLlamaCpp.ts")).nodeLlamaCpp(model, task, threads),
    );
  }
  await using browser = await startDecodeBrowser(model, task).catch((error: Error) => {
    console.log(`absent: everything in Chromium (${error.message})`);
    return undefined;
  });
  if (browser) {
    await add("lowrank in Chromium", () => browser.load("lowrank q4_1, Chromium", "q4_1"));
    await add("wllama", () => browser.load("wllama, Chromium", "wllama"));
  }
  console.log(`${machine()}${browser ? `, ${browser.version}` : ""}`);
  console.log(`SmolLM2-135M Q4_1, ${PROMPT_TOKENS} prompt tokens, ${NEW_TOKENS} new ones; one thread unless named\n`);
  const speeds = report(await measure(peers, start));
  const figures: Record<string, number> = {};
  const ratio = (key: string, ours: string, theirs: string, kind: keyof Speed) => {
    const [a, b] = [speeds.get(ours), speeds.get(theirs)];
    if (a && b) figures[key] = Number((a[kind] / b[kind]).toFixed(3));
  };
  ratio("vsWllama", "lowrank q4_1, Chromium", "wllama, Chromium", "decode");
  ratio("promptVsWllama", "lowrank q4_1, Chromium", "wllama, Chromium", "prompt");
  ratio("vsLlamaCpp", "lowrank q4_1", "node-llama-cpp", "decode");
  ratio("promptVsLlamaCpp", "lowrank q4_1", "node-llama-cpp", "prompt");
  ratio("nf4VsF32", "lowrank nf4", "lowrank f32", "decode");
  ratio("nf4Int8VsF32", "lowrank nf4 int8", "lowrank f32", "decode");
  ratio("promptNf4Int8VsF32", "lowrank nf4 int8", "lowrank f32", "prompt");
  ratio("sampledVsGreedy", "lowrank q4_1, sampled", "lowrank q4_1", "decode");
  console.log(`\n${JSON.stringify({ decode: figures })}`);
}
