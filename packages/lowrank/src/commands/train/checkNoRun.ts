import { readdir, realpath } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { shellWord } from "../../cli/output.ts";

/** Options that decide if a run may write to its folder. */
interface RunPlace {
  output: string;
  overwrite?: boolean;
  resume?: string;
}

/** Returns true for the name of a checkpoint's folder. */
const isCheckpoint = (name: string): boolean => /^checkpoint-\d+$/.test(name);

/**
 * Throws if the folder holds results or checkpoints of another run and `--overwrite` is missing. Resuming that run is
 * allowed.
 */
export async function checkNoRun({ output, overwrite, resume }: RunPlace): Promise<void> {
  if (overwrite || (resume !== undefined && (await isIn(resume, output)))) return;
  const names = (await readdir(output)).sort();
  const folder = shellWord(output);
  const isModel = names.some((name) => /^model(\.|-\d).*safetensors/.test(name));
  const checkpoints = names.filter(isCheckpoint);
  const results = names.filter((name) => name === "adapter_config.json" || (isModel && name === "config.json"));
  if (results.length > 0) {
    const held = `--output ${output} holds the results of a run (${results.join(", ")})`;
    const resumed = checkpoints.length > 0 ? `continue with --resume ${folder}, ` : "";
    throw new Error(`${held}; ${resumed}give another folder, or --overwrite to replace them`);
  }
  if (checkpoints.length === 0) return;
  const held = `--output ${output} holds checkpoints of a run that did not end (${checkpoints.join(", ")})`;
  throw new Error(`${held}; go on with --resume ${folder}, or give --overwrite to begin again`);
}

/** Returns true if `--resume` names the run's folder or a checkpoint in it. */
async function isIn(resume: string, output: string): Promise<boolean> {
  const real = (path: string) => realpath(path).catch(() => resolve(path));
  const [from, to] = [await real(resume), await real(output)];
  return from === to || (isCheckpoint(basename(from)) && dirname(from) === to);
}
