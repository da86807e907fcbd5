// `pnpm bench <name>` runs bench/<name>.ts, which exports one function, `bench`.
// `--against REF` compares two commits.
import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { benchAgainst } from "./against/benchAgainst.ts";
import { UsageError } from "./lib/usageError.ts";

const subjects = readdirSync(import.meta.dirname)
  .filter((entry) => entry.endsWith(".ts") && !entry.endsWith(".test.ts") && entry !== basename(import.meta.filename))
  .map((entry) => basename(entry, ".ts"));

/**
 * Reads the command line. Throws on a flag that is not known, and on a name that is no benchmark's.
 */
function readArguments() {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { against: { type: "string" }, rounds: { type: "string" } },
  });
  const [name, ...rest] = positionals;
  if (name === undefined || !subjects.includes(name)) {
    throw new UsageError(`no benchmark named ${JSON.stringify(name ?? "")}; there are: ${subjects.join(", ")}`);
  }
  if (rest.length > 0) throw new UsageError(`one benchmark at a time; ${rest.join(" ")} is too much`);
  if (values.rounds !== undefined && values.against === undefined) throw new UsageError("--rounds needs --against REF");
  return { name, ...values };
}

try {
  const { name, against, rounds } = readArguments();
  if (against !== undefined) await benchAgainst(name, against, Number(rounds ?? 10));
  else await ((await import(`./${name}.ts`)) as { bench: () => Promise<void> }).bench();
} catch (error) {
  const { code = "", message, stack } = error as NodeJS.ErrnoException;
  const isUsage = error instanceof UsageError || code.startsWith("ERR_PARSE_ARGS");
  console.error(isUsage ? `bench: ${message}` : stack);
  process.exit(1);
}
// Some peers keep timers or workers alive.
process.exit(0);
