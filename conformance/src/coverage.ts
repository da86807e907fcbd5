import type { RandomCase } from "./randomCase.ts";

/** Counts what the checks that passed were about: methods, and options by their values where these are words. */
export class Coverage {
  readonly #methods = new Map<string, { checks: number; options: Map<string, number> }>();

  add({ adapter, base, shape }: RandomCase): void {
    const { peftType, options } = adapter;
    const method = this.#methods.get(peftType) ?? { checks: 0, options: new Map<string, number>() };
    this.#methods.set(peftType, method);
    method.checks++;
    const padded = shape.padding > 0 ? [`padded ${shape.side}`] : [];
    const merged = adapter.merges ? ["merged"] : [];
    const words = [base.config.model_type, base.task, base.dtype, ...padded, ...merged];
    for (const word of [...words, ...Object.entries(options).map(describe)]) {
      method.options.set(word, (method.options.get(word) ?? 0) + 1);
    }
  }

  /** A table: methods in order of names, how many checks each had, and in how many of them each option was. */
  lines(): string[] {
    const rows = [...this.#methods].sort(([a], [b]) => (a < b ? -1 : 1));
    const width = Math.max(0, ...rows.map(([name]) => name.length));
    return rows.flatMap(([name, { checks, options }]) => {
      const counts = [...options].sort(([a], [b]) => (a < b ? -1 : 1)).map(([option, count]) => `${option} ${count}`);
      const head = `${name.padEnd(width)} ${String(checks).padStart(4)}  `;
      return wrapped(counts).map((line, i) => (i === 0 ? head : " ".repeat(head.length)) + line);
    });
  }
}

/** An option's name, with its value where that is a word of the option's own. */
function describe([name, value]: [string, unknown]): string {
  if (name === "targetModules")
    return `${name} ${value === "all-linear" ? value : typeof value === "string" ? "by expression" : "by name"}`;
  return typeof value === "boolean" || typeof value === "string" ? `${name}=${value}` : name;
}

/** Entries in lines of about 100 characters. */
function wrapped(entries: readonly string[]): string[] {
  const lines: string[] = [];
  for (const entry of entries) {
    const line = lines.at(-1);
    if (line === undefined || line.length + entry.length > 100) lines.push(entry);
    else lines[lines.length - 1] = `${line}, ${entry}`;
  }
  return lines;
}
