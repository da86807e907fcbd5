import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { parseTemporaryName } from "@lowrank/files/internal/disk";
import { hasRedis, type RedisServer, startRedis } from "@lowrank/test-support/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";
import { hasTerminals, runInTerminal } from "../../testing/processes/runInTerminal.ts";
import { type OutputPlace, runWithOutputs } from "../../testing/processes/runWithOutputs.ts";

const { folder, at, succeed } = await commandFolder();
let redis: RedisServer | null = null;

/** Ways in which a command loses its output or its process. */
const losses = [
  ...["closed terminal", "stdout closed", "stderr closed", "stdout full", "stderr full"],
  ...["SIGHUP", "SIGINT", "SIGTERM", "SIGKILL"],
] as const;
type Loss = (typeof losses)[number];

/** Expected exit codes, in the order of the losses. Minus the number of the signal if one ends the command. */
type Codes = readonly number[];

/** For commands with text on stdout as result: signals end the process as usual. */
const text: Codes = [-1, 141, 0, 1, 0, -1, -2, -15, -9];
/** For commands that save a result: after a signal they save or clean up, and stop. */
const saves: Codes = [129, 0, 0, 0, 0, 129, 130, 143, -9];
/** For a server, which signals stop gracefully. */
const serves: Codes = [0, 0, 0, 0, 0, 0, 0, 0, -9];
/** For commands that save their result at the end: the terminal closes while the command loads. */
const places: Codes = [-1, ...saves.slice(1)];

/** Row of the table: a command. */
interface Row {
  readonly name: string;
  /** Arguments, with OUT in place of a new name. */
  readonly words: string;
  readonly codes: Codes;
  /**
   * Output after which the terminal closes and signals are sent. Without it they are sent while the command loads, or
   * while it writes a new output.
   */
  readonly ready?: RegExp;
  readonly stdin?: string | null;
  /** Arguments of the run after a loss. Default: the same. */
  readonly next?: (held: readonly string[]) => string;
  /** True if it runs until a signal arrives. */
  readonly endless?: boolean;
}

const train = "train --model model --data text.txt --block-size 32 --batch-size 4 --lr 1e-3 --samples 0 --output OUT";
const rows: readonly Row[] = [
  {
    name: "train",
    words: `${train} --steps 300 --eval-every 5 --save-every 20`,
    codes: saves,
    ready: /validation/,
    next: (held) => (held.some((name) => name.startsWith("checkpoint")) ? "--resume OUT" : ""),
  },
  { name: "generate", words: "generate model --prompt a --max-new-tokens 60", codes: text },
  { name: "chat", words: "chat model --max-new-tokens 8", codes: text, stdin: "a\n" },
  { name: "merge", words: "merge --model model --adapter adapter --output OUT", codes: places },
  { name: "convert", words: "convert --model model.gguf --output OUT", codes: places },
  { name: "report", words: "report model", codes: text },
  { name: "info", words: "info model --json", codes: text },
  {
    name: "inspect",
    words: "inspect --model model --adapter adapter --compress 2 --output OUT",
    codes: [-1, 141, 0, 1, 0, ...saves.slice(5)],
  },
  { name: "eval", words: "eval model --task exact-match --data pairs.jsonl --output OUT.json", codes: text },
  { name: "plan", words: "plan model", codes: text },
  {
    name: "compare",
    words: "compare --model model --data pairs.jsonl --methods lora,ia3 --seeds 1 --steps 3 --output OUT",
    codes: [-1, 0, 0, 0, 0, -1, -2, -15, -9],
    ready: /\[1\/2\]/,
  },
  {
    name: "serve",
    words: "serve model --port 0 --log-format json",
    codes: serves,
    ready: /serving/,
    endless: true,
  },
  { name: "completion", words: "completion bash", codes: text },
  { name: "sweep", words: "sweep sweep.yaml --output OUT", codes: saves, ready: /trial \d: / },
  {
    name: "worker",
    words: "worker model --queue REDIS --store store",
    codes: serves,
    ready: /taking jobs/,
    endless: true,
  },
];

beforeAll(async () => {
  await succeed("train --model model --data text.txt --steps 2 --samples 0 --output adapter".split(" "));
  await succeed("convert --model model --output model.gguf --dtype f32".split(" "));
  const sweep = "model: model\ndata: pairs.jsonl\noutput: sweep\nbatchSize: 4\nsteps: 4\nsweep:\n  lr: [1e-4, 1e-3]";
  await writeFile(at("sweep.yaml"), sweep);
  await mkdir(at("redis"));
  if (hasRedis) redis = await startRedis(at("redis"));
});
afterAll(async () => {
  const head = ["command", ...losses];
  console.log([head, head.map(() => "---"), ...table].map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
});

const table: string[][] = [];

/** Runs a command with a loss. Returns its exit code, or minus the number of the ending signal. */
async function codeOf(row: Row, words: readonly string[], loss: Loss): Promise<number | null> {
  const { ready = / /, stdin = "", endless } = row;
  if (loss === "closed terminal") {
    const closes = row.ready ?? /^/;
    return (await runInTerminal(words, { cwd: folder, closes })).code;
  }
  const [stream, place] = loss.split(" ");
  const places = { [stream]: place === "full" ? "/dev/full" : "closed" } as { stdout?: OutputPlace };
  const isSignal = place === undefined;
  let isSent = false;
  const { code, signal } = await runWithOutputs(words, {
    cwd: folder,
    ...(!isSignal && places),
    stdin: isSignal && row.name === "chat" ? null : stdin,
    onStart: async (child) => {
      if (isSignal ? row.ready : !endless) return;
      if (!isSignal) await pause(8000);
      else if (!row.codes.includes(143)) await pause(150);
      else await temporaryOf(words.at(-1) as string);
      child.kill(isSignal ? (loss as NodeJS.Signals) : "SIGTERM");
    },
    onText: (seen, child) => {
      if (!isSignal || !row.ready || isSent || !ready.test(seen)) return;
      isSent = true;
      child.kill(loss as NodeJS.Signals);
    },
  });
  return code ?? -Object.entries(numbers).find(([name]) => name === signal)![1];
}

/** Waits until the command writes, when its temporary folder exists. */
async function temporaryOf(output: string): Promise<void> {
  for (let i = 0; i < 10_000; i++) {
    const names = await readdir(folder);
    if (names.some((name) => name.startsWith(output) && parseTemporaryName(name))) return;
    await pause(3);
  }
}

const numbers = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** Returns the names in the output, and of temporary files next to it. */
async function heldBy(output: string): Promise<string[]> {
  const inside = await readdir(at(output)).catch(() => []);
  const around = (await readdir(folder)).filter((name) => name.startsWith(output) && parseTemporaryName(name));
  return [...inside.filter((name) => name !== "runs" && name !== "store"), ...around.map(() => "temporary folder")];
}

/** Summarises the names that matter for the test. */
function described(held: readonly string[]): string {
  const whole = ["adapter_config.json", "config.json", "comparison.md", "sweep.html"].filter((name) =>
    held.includes(name),
  );
  const checkpoints = held.filter((name) => name.startsWith("checkpoint"));
  const found = [...(whole.length > 0 ? ["result"] : []), ...(checkpoints.length > 0 ? ["checkpoints"] : [])];
  if (held.includes("temporary folder")) found.push("temporary folder");
  return found.join(", ") || "nothing";
}

test.for(rows)("$name", { timeout: 300_000 }, async (row, { skip }) => {
  if (row.name === "worker" && !redis) skip("no redis-server");
  const cells: string[] = [row.name];
  for (const [i, loss] of losses.entries()) {
    if (loss === "closed terminal" && !hasTerminals) {
      cells.push("no pty here");
      continue;
    }
    const output = `out-${row.name}-${i}`;
    const words = row.words
      .replaceAll("OUT", output)
      .replace("REDIS", redis?.url ?? "")
      .split(" ");
    const code = await codeOf(row, words, loss);
    const held = await heldBy(output);
    let next = "";
    if (row.words.includes("--output OUT ") || row.words.endsWith("--output OUT")) {
      const more = (row.next?.(held) ?? "").replaceAll("OUT", output).split(" ").filter(Boolean);
      const overwrite = held.includes("adapter_config.json") || held.includes("config.json") ? ["--overwrite"] : [];
      const again = ["compare", "sweep"].includes(row.name) || more.length > 0 ? more : overwrite;
      await succeed([...words, ...again]);
      next = `; ${described(held)}; the next command goes on`;
      expect((await heldBy(output)).filter((name) => name === "temporary folder")).toEqual([]);
    }
    cells.push(`${code}${next}`);
    // A quick command may have saved its result, and removed its handlers, before the signal arrived.
    const wasDone = (code ?? 0) < 0 && loss.startsWith("SIG") && described(held) === "result";
    expect.soft({ loss, code: wasDone ? row.codes[i] : code }).toEqual({ loss, code: row.codes[i] });
  }
  table.push(cells);
});
