// `pnpm bench <name>` runs bench/<name>.ts, which exports one function, `bench`.
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";

const [name, ...args] = process.argv.slice(2);
const file = join(import.meta.dirname, `${name}.ts`);
const subjects = readdirSync(import.meta.dirname)
  .filter((entry) => entry.endsWith(".ts") && !entry.endsWith(".test.ts") && entry !== basename(import.meta.filename))
  .map((entry) => basename(entry, ".ts"));

if (name === undefined || name !== basename(name) || !existsSync(file)) {
  console.error(`bench: no benchmark named ${JSON.stringify(name ?? "")}; there are: ${subjects.join(", ")}`);
  process.exit(1);
}
const module = (await import(file)) as { bench: (args: string[]) => Promise<void> };
await module.bench(args);
// Some peers keep timers or workers alive.
process.exit(0);
