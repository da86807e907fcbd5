import { type ModelFiles, readJson } from "@lowrank/files";
import { JsonFields } from "@lowrank/models";

/** Reads a field that is a list. Calls `read` for each item, and returns the results. */
function items<T>(fields: JsonFields, key: string, read: (items: JsonFields, at: string) => T): T[] {
  const list = fields.raw(key);
  if (!Array.isArray(list)) throw fields.bad(key, "a list");
  const inside = new JsonFields({ ...list }, `${fields.where}: ${key}`);
  return Array.from(list, (_, i) => read(inside, String(i)));
}

function objectIn(fields: JsonFields, key: string): JsonFields {
  const inner = fields.object(key);
  if (!inner) throw new Error(`${fields.where}: ${key} is missing`);
  return inner;
}

function checkGenerator(generators: JsonFields, at: string): void {
  const generator = objectIn(generators, at);
  for (const key of ["seed", "offset"]) generator.integer(key, undefined, 0);
  const words = items(generator, "stream", (stream, i) => stream.integer(i, undefined, 0));
  if (words.length !== 2 || words.some((word) => word >= 2 ** 32)) {
    throw generator.bad("stream", "two whole numbers below 2^32");
  }
}

function checkStep(steps: JsonFields, at: string): void {
  const pair = items(steps, at, (inside, i) => inside.integer(i, undefined, 0));
  if (pair.length !== 2) throw steps.bad(at, "a parameter's number and its steps");
}

function checkBest(best: JsonFields): void {
  for (const key of ["failures", "seen"]) best.integer(key, undefined, -1);
  const known = best.object("best");
  known?.integer("step", undefined, 0);
  known?.number("metric");
}

/**
 * Reads and validates a checkpoint's state, the JSON file `name`. Throws, with file and field, if a run cannot be
 * resumed from it.
 */
export async function readCheckpointState(source: ModelFiles, name: string): Promise<object> {
  const json = await readJson(source, name);
  const state = new JsonFields(json, `${name} of ${source.label}`);
  state.integer("step", undefined, 0);
  const sampler = objectIn(state, "sampler");
  for (const key of ["epoch", "position"]) sampler.integer(key, undefined, 0);
  items(state, "generators", checkGenerator);
  const optimizer = objectIn(state, "optimizer");
  items(optimizer, "groups", (groups, at) => objectIn(groups, at).integer("count", undefined, 0));
  items(optimizer, "steps", checkStep);
  const best = state.object("best");
  if (best) checkBest(best);
  state.object("fingerprint");
  return json as object;
}

/** Runs a function and adds the checkpoint's file name to errors that it throws. */
export function inCheckpoint<T>(where: string, fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }
}
