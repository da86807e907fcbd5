// `pnpm bench NAME` runs bench/NAME.ts, which exports a function `bench`. `--against REF` compares two commits. `--only
// FIGURE` measures only the part with that JSON key, for files that export `parts`: lists of JSON keys by part.
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { benchAgainst } from "./against/benchAgainst.ts";
import { UsageError } from "./lib/usageError.ts";

const subjects = readdirSync(import.meta.dirname)
  .filter((entry) => entry.endsWith(".ts") && !entry.endsWith(".test.ts") && entry !== basename(import.meta.filename))
  .map((entry) => basename(entry, ".ts"));

/** Reads the command line. Throws for an unknown flag and for an unknown benchmark. */
function readArguments() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { against: { type: "string" }, rounds: { type: "string" }, only: { type: "string" } },
  });
  const [name, ...rest] = positionals;
  if (name === undefined || !subjects.includes(name)) {
    throw new UsageError(`no benchmark named ${JSON.stringify(name ?? "")}; there are: ${subjects.join(", ")}`);
  }
  if (rest.length > 0) throw new UsageError(`one benchmark at a time; ${rest.join(" ")} is too much`);
  if (values.only !== undefined && values.against !== undefined) {
    throw new UsageError("--only does not go with --against; the latter compares whole benchmarks");
  }
  if (values.rounds !== undefined && values.against === undefined) throw new UsageError("--rounds needs --against REF");
  return { name, ...values };
}

/** The exports of a benchmark's file. */
interface Subject {
  readonly bench: (only?: string) => Promise<void>;
  readonly parts?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Returns the part of a benchmark that measures a JSON key. For an unknown key, throws an error that lists the known
 * ones.
 */
function partOf(name: string, { parts = {} }: Subject, figure: string): string {
  const found = Object.entries(parts).find(([, figures]) => figures.includes(figure));
  if (found) return found[0];
  const all = Object.values(parts).flat();
  const has = all.length > 0 ? `it has ${all.join(", ")}` : "it is measured whole";
  throw new UsageError(`--only: ${name} has no figure ${JSON.stringify(figure)}; ${has}`);
}

try {
  const { name, against, rounds, only } = readArguments();
  if (against !== undefined) {
    await benchAgainst(name, against, Number(rounds ?? 10));
  } else {
    const subject = (await import(`./${name}.ts`)) as Subject;
    await subject.bench(only === undefined ? undefined : partOf(name, subject, only));
  }
} catch (error) {
  const { code = "", message, stack } = error as NodeJS.ErrnoException;
  const isUsage = error instanceof UsageError || String(code).startsWith("ERR_PARSE_ARGS");
  console.error(isUsage ? `bench: ${message}` : stack);
  process.exit(1);
}
// Exit explicitly, since some peers keep timers or workers alive.
process.exit(0);
