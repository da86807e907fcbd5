// `node bench/windows/run.ts --model FILE.gguf --data FOLDER --count 1000 --seed 1` draws token windows from texts of
// many kinds. It prints how much each precision changes a window's loss relative to f32. The last line is one JSON
// object. `--losses FILE` stores the losses, so that a later run can continue; `--minutes M` ends a run early.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { init, type MatmulPrecision, noGrad, scope, setFloat32MatmulPrecision, tensor } from "@lowrank/core";
import { type CausalLM, loadModel, type Tokenizer } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import { pick, seededRandom } from "./random.ts";
import { textsOf } from "./texts.ts";

/** The distribution of distances: quantiles of their absolute values, and their signed mean. */
interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** Returns the distribution of distances. Quantiles are of absolute values. */
function distributionOf(distances: readonly number[]): Distribution {
  const sizes = distances.map(Math.abs).sort((a, b) => a - b);
  // The smallest value that at least this share of all values does not exceed.
  const quantile = (share: number) => sizes[Math.max(0, Math.ceil(share * sizes.length) - 1)];
  const mean = distances.reduce((sum, it) => sum + it, 0) / distances.length;
  const round = (value: number) => Number(value.toPrecision(3));
  return {
    count: distances.length,
    mean: round(mean),
    median: round(quantile(0.5)),
    p95: round(quantile(0.95)),
    p99: round(quantile(0.99)),
    max: round(sizes[sizes.length - 1]),
  };
}

/** A window's losses, by precision; `f32` is the reference. */
interface Losses {
  readonly window: number;
  readonly kind: string;
  readonly losses: Readonly<Record<string, number>>;
}

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    tokens: { type: "string", default: "48" },
    minutes: { type: "string", default: "Infinity" },
    losses: { type: "string" },
  },
});
const { model: path, data, losses: file } = values;
if (path === undefined || data === undefined) throw new Error("windows: give --model FILE.gguf and --data FOLDER");
const [count, seed, length] = [Number(values.count), Number(values.seed), Number(values.tokens)];
const end = performance.now() + 60_000 * Number(values.minutes);

const known: Losses[] =
  file !== undefined && existsSync(file)
    ? readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
    : [];
const found = known.filter(({ window }) => window < count);

if (found.length < count) await measure(new Set(found.map(({ window }) => window)));

/** Measures the windows that are not done, until the time is up. */
async function measure(done: ReadonlySet<number>): Promise<void> {
  await init(await wasm());
  const { model: full, tokenizer } = await loadModel(path!);
  const { model: packed } = await loadModel(path!, { weights: "packed" });
  const { model: integers } = await loadModel(path!, { weights: "packed", activations: "int8" });
  for (const model of [full, packed]) for (const parameter of model.parameters()) parameter.requiresGrad = false;
  const texts = textsOf(data!);
  const ways: readonly (readonly [name: string, model: CausalLM, precision: MatmulPrecision])[] = [
    ["f32", full, "highest"],
    ["high", full, "high"],
    ["high over Q4_1", packed, "high"],
    ["medium over Q4_1", packed, "medium"],
    ["int8 over Q4_1", integers, "highest"],
  ];
  for (let window = 0; window < count && performance.now() < end; window++) {
    if (done.has(window)) continue;
    const { kind, ids } = draw(window, texts, tokenizer!);
    const losses: Record<string, number> = {};
    for (const [name, model, precision] of ways) losses[name] = await lossOf(model, precision, ids);
    const line: Losses = { window, kind, losses };
    found.push(line);
    if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
  }
}

/** Draws a window: `length` tokens from a random position in a text of a random kind, with equal probabilities. */
function draw(window: number, texts: ReturnType<typeof textsOf>, tokenizer: Tokenizer) {
  const random = seededRandom(seed, window);
  const kind = pick(random, Object.keys(texts));
  for (;;) {
    const ids = tokenizer.encode(texts[kind](random));
    if (ids.length < length) continue;
    const start = random(ids.length - length + 1);
    return { kind, ids: Int32Array.from(ids.slice(start, start + length)) };
  }
}

/** Returns the mean loss of a window's tokens in nats with a given precision. */
async function lossOf(model: CausalLM, precision: MatmulPrecision, ids: Int32Array): Promise<number> {
  using inputIds = tensor(ids, { shape: [1, ids.length] });
  setFloat32MatmulPrecision(precision);
  using value = noGrad(() => scope(() => model.loss({ inputIds, labels: inputIds })));
  setFloat32MatmulPrecision("highest");
  return value.item();
}

const names = Object.keys(found[0]?.losses ?? {}).filter((name) => name !== "f32");
const off = (name: string, among: readonly Losses[]) => among.map(({ losses }) => losses[name] - losses.f32);
const results = Object.fromEntries(
  names.map((name) => {
    const all = distributionOf(off(name, found));
    const relative = distributionOf(found.map(({ losses }) => losses[name] / losses.f32 - 1));
    const kinds = [...new Set(found.map(({ kind }) => kind))].map((kind) => {
      const distances = off(
        name,
        found.filter((it) => it.kind === kind),
      );
      return { kind, max: distributionOf(distances).max };
    });
    const [worst] = kinds.sort((a, b) => b.max - a.max);
    return [name, { nats: all, relative, worst }];
  }),
);
console.table(Object.fromEntries(Object.entries(results).map(([name, { nats }]) => [name, nats])));
console.log(JSON.stringify({ windows: { seed, tokens: length, asked: count, ran: found.length, results } }));
