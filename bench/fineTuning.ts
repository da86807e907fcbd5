// Measures tokens per second of `lowrank serve` with and without a fine-tuning job at the same time, on one shared core
// and on all cores. Rounds with and without a job alternate. Also measures the job's steps per second with and without
// streams.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatePairs, nanoModelFolder } from "@lowrank/nano";
import { machine, median, printTable } from "./lib/measure.ts";

const STREAMS = 8;
const ROUNDS = 4;
const SECONDS = 6;

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
}

/** Starts a server with fine-tuning. With `core`, the server and its jobs run on that core only. */
async function startServer(store: string, core: number | null): Promise<Server> {
  const bin = join(import.meta.dirname, "../packages/lowrank/src/bin.ts");
  const args = [
    "serve",
    fileURLToPath(nanoModelFolder),
    "--served-model-name",
    "nano",
    "--store",
    store,
    "--fine-tuning",
    "--port",
    "0",
  ];
  const words = [process.execPath, bin, ...args];
  if (core !== null) words.unshift("taskset", "-c", String(core));
  const child = spawn(words[0], words.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  const url = await new Promise<string>((resolve, reject) => {
    let seen = "";
    child.stderr.on("data", (text) => {
      seen += text;
      const found = /"url":"([^"]+)".*"msg":"serving"/.exec(seen);
      if (found) resolve(found[1]);
    });
    child.once("error", reject);
    child.once("close", () => reject(new Error(`lowrank serve has ended: ${seen}`)));
  });
  return { url, child };
}

async function post(url: string, body: object): Promise<Record<string, unknown>> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Record<string, unknown>;
}

/** Starts streams that run until they are stopped. `tokens` returns the number of tokens received so far. */
function startStreams(url: string): { tokens: () => number; stop: () => Promise<unknown> } {
  let tokens = 0;
  let running = true;
  const body = { model: "nano", prompt: "add 2 and 3: ", max_tokens: 64, ignore_eos: true, temperature: 1 };
  const one = async () => {
    while (running) {
      const { usage } = await post(`${url}/v1/completions`, body);
      tokens += (usage as { completion_tokens: number }).completion_tokens;
    }
  };
  const all = Promise.all(Array.from({ length: STREAMS }, one));
  return {
    tokens: () => tokens,
    stop: () => {
      running = false;
      return all;
    },
  };
}

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Waits some seconds, and returns the increase of `count` per second. */
async function rate(count: () => number | Promise<number>): Promise<number> {
  const [before, start] = [await count(), performance.now()];
  await pause(SECONDS);
  return (1000 * ((await count()) - before)) / (performance.now() - start);
}

async function uploadPairs(url: string): Promise<string> {
  const pairs = generatePairs({ language: "javascript", split: "train", count: 400, seed: 1 });
  const form = new FormData();
  const lines = pairs.map(({ prompt, completion }) => JSON.stringify({ prompt, completion }));
  form.set("purpose", "fine-tune");
  form.set("file", new Blob([lines.join("\n")]), "pairs.jsonl");
  const response = await fetch(`${url}/v1/files`, { method: "POST", body: form });
  return ((await response.json()) as { id: string }).id;
}

/** Returns tokens and steps per second, each with and without the other. */
async function measure(core: number | null) {
  const store = await mkdtemp(join(tmpdir(), "lowrank-bench-"));
  const { url, child } = await startServer(store, core);
  const jobs = `${url}/v1/fine_tuning/jobs`;
  const trainingFile = await uploadPairs(url);
  const start = async (): Promise<string> => {
    const lowrank = { options: { steps: 100_000, "save-every": 1000, "batch-size": 8 } };
    const { id } = await post(jobs, { model: "nano", training_file: trainingFile, lowrank });
    while ((await stepsOf(String(id))) === 0) await pause(0.2);
    return String(id);
  };
  const stepsOf = async (id: string): Promise<number> => {
    const events = (await (await fetch(`${jobs}/${id}/events?limit=1`)).json()) as {
      data: { data?: { step?: number } }[];
    };
    return events.data[0]?.data?.step ?? 0;
  };
  const cancel = async (id: string) => {
    await post(`${jobs}/${id}/cancel`, {});
    await pause(2);
  };
  const found = { quiet: [] as number[], beside: [] as number[], trains: [] as number[], alone: [] as number[] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const before = startStreams(url);
      await pause(1);
      found.quiet.push(await rate(before.tokens));
      await before.stop();
      const id = await start();
      found.alone.push(await rate(() => stepsOf(id)));
      const streams = startStreams(url);
      await pause(1);
      const [steps, from] = [await stepsOf(id), performance.now()];
      found.beside.push(await rate(streams.tokens));
      found.trains.push((1000 * ((await stepsOf(id)) - steps)) / (performance.now() - from));
      await streams.stop();
      await cancel(id);
    }
  } finally {
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await ended;
    await rm(store, { recursive: true, force: true });
  }
  const [quiet, beside, trains, alone] = [found.quiet, found.beside, found.trains, found.alone].map(median);
  return { quiet, beside, trains, alone };
}

/** Prints a table and one line of JSON. */
export async function bench(): Promise<void> {
  const cores = cpus().length;
  const places: [string, number | null][] = [
    ["one core, shared", cores - 1],
    [`${cores} cores`, null],
  ];
  const rows: string[][] = [];
  const figures: Record<string, number> = {};
  for (const [name, core] of places) {
    const { quiet, beside, trains, alone } = await measure(core);
    const share = beside / quiet;
    rows.push([name, quiet.toFixed(0), beside.toFixed(0), share.toFixed(3), alone.toFixed(1), trains.toFixed(1)]);
    figures[core === null ? "shareOnAllCores" : "shareOnOneCore"] = Number(share.toPrecision(3));
  }
  console.log(`${machine()}; ${STREAMS} streams of nano`);
  printTable(["", "tokens/s", "with a job", "ratio", "steps/s alone", "beside streams"], rows);
  console.log(JSON.stringify({ fineTuning: figures }));
}
