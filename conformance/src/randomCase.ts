import { type AdapterCase, methods, type PeftType } from "./adapterCase.ts";
import type { BatchShape } from "./batch.ts";
import { Draw } from "./draw.ts";
import type { MethodCases } from "./methodCases.ts";
import { type RandomBase, randomBase } from "./randomBases.ts";

/** The case of a seed and a method. */
export interface RandomCase {
  seed: number;
  base: RandomBase;
  adapter: AdapterCase;
  shape: BatchShape;
  /** A short description. */
  label: string;
}

/** Draws base models until the method has options that fit one. */
export function randomCase(seed: number, peftType: PeftType, method: MethodCases): RandomCase {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const draw = new Draw(seed, attempt);
    const base = randomBase(draw);
    const options = method.draw(draw, base);
    if (options === null) continue;
    const mergeable = !base.deepHead || peftType === "LORA";
    // PEFT merges a tied embedding into both modules that share it. If their adapters are tied too, it does so twice.
    const targets = (options as { targetModules?: string[] | string }).targetModules;
    const untied = !base.tied || ![base.embedding, "lm_head"].some((name) => targets?.includes(name));
    // Rounding of merged weights can change which experts a router chooses, and with them the outputs.
    const routesAlike = !base.parameters || base.dtype === "float32";
    const merges = mergeable && untied && routesAlike && (method.merges?.(options, base) ?? true);
    const length = draw.integer(5, 12);
    const side = base.padsRight ? "right" : draw.pick(["left", "right"]);
    // Padding on the right must attend to a real token, since softmax over no positions is undefined.
    const window = side === "right" ? base.config.sliding_window : null;
    const most = typeof window === "number" ? Math.min(length - 3, window - 1) : length - 3;
    const shape = { rows: draw.integer(1, 3), length, side, padding: draw.integer(0, most) };
    const kind = base.task === "SEQ_CLS" ? " that classifies" : "";
    const words = [`${base.config.model_type}${kind}`, base.dtype, ...(shape.padding > 0 ? [`padded ${side}`] : [])];
    const label = `seed ${seed}, ${peftType}, ${words.join(", ")}`;
    return { seed, base, shape, label, adapter: { peftType, options, method, merges, task: base.task } };
  }
  throw new Error(`${peftType}: no base drawn from seed ${seed} takes it; widen its draw`);
}

/** Options that every case sets. */
const always = new Set(["peftType", "taskType", "baseModelNameOrPath"]);

/** Counts the methods and options of passed checks. Options with text values are counted by value. */
export class Coverage {
  readonly #methods = new Map<PeftType, { checks: number; options: Map<string, number>; left: Set<string> }>();

  add({ adapter, base, shape }: RandomCase): void {
    const { peftType, options } = adapter;
    const method = this.#methods.get(peftType) ?? { checks: 0, options: new Map(), left: optionsOf(peftType) };
    this.#methods.set(peftType, method);
    method.checks++;
    const padded = shape.padding > 0 ? [`padded ${shape.side}`] : [];
    const merged = adapter.merges ? ["merged"] : [];
    const words = [base.config.model_type, base.task, base.dtype, ...padded, ...merged];
    for (const word of [...words, ...Object.entries(options).map(describe)]) {
      method.options.set(word, (method.options.get(word) ?? 0) + 1);
    }
    for (const option of Object.keys(options)) method.left.delete(option);
  }

  /**
   * Returns a table sorted by method: the number of checks, the number of checks for each option, and the options
   * without a check.
   */
  lines(): string[] {
    const rows = [...this.#methods].sort(([a], [b]) => (a < b ? -1 : 1));
    const width = Math.max(0, ...rows.map(([name]) => name.length));
    return rows.flatMap(([name, { checks, options, left }]) => {
      const counts = [...options].sort(([a], [b]) => (a < b ? -1 : 1)).map(([option, count]) => `${option} ${count}`);
      const head = `${name.padEnd(width)} ${String(checks).padStart(4)}  `;
      const none =
        left.size > 0 ? wrapped([...left].sort().map((option, i) => (i === 0 ? `in none: ${option}` : option))) : [];
      return [...wrapped(counts), ...none].map((line, i) => (i === 0 ? head : " ".repeat(head.length)) + line);
    });
  }
}

/** Returns the options of a method. */
function optionsOf(type: PeftType): Set<string> {
  const Config = methods[type].Config as unknown as new (options: object) => object;
  return new Set(Object.keys(new Config({})).filter((name) => !always.has(name)));
}

/** Returns an option's name, with its value if that is a boolean or a text. */
function describe([name, value]: [string, unknown]): string {
  if (name === "targetModules")
    return `${name} ${value === "all-linear" ? value : typeof value === "string" ? "by expression" : "by name"}`;
  return typeof value === "boolean" || typeof value === "string" ? `${name}=${value}` : name;
}

/** Wraps entries into lines of about 100 characters. */
function wrapped(entries: readonly string[]): string[] {
  const lines: string[] = [];
  for (const entry of entries) {
    const line = lines.at(-1);
    if (line === undefined || line.length + entry.length > 100) lines.push(entry);
    else lines[lines.length - 1] = `${line}, ${entry}`;
  }
  return lines;
}
