import type { SafetensorsFile } from "@lowrank/core";
import type { ArchitectureConfig } from "../../config/architectureConfig.ts";
import type { Architecture } from "../../model/architecture.ts";

/** Names of head modules in transformers' models. */
const headModules = ["lm_head", "cls", "classifier", "score", "qa_outputs"];

/** Returns the part of a dotted name before the first dot. */
const root = (name: string): string => name.slice(0, name.indexOf("."));

/**
 * Returns a checkpoint with its tensors renamed to the model's parameter names, without tensors that the model does not
 * use. The data is not copied. Supports checkpoints of the base model alone, and checkpoints with older names.
 */
export function renameToModelNames<C extends ArchitectureConfig>(
  file: SafetensorsFile,
  { stack, heads, sanitize }: Architecture<C>,
  config: C,
): SafetensorsFile {
  const whole = file.names().some((name) => root(name) === stack);
  const beside = new Set([...headModules, ...Object.values(heads).map(({ module }) => module)]);
  const stored = new Map<string, string>();
  for (const name of file.names()) {
    const own = sanitize ? sanitize(name, config) : name;
    if (own !== null) stored.set(whole || beside.has(root(own)) ? own : `${stack}.${own}`, name);
  }
  return renamed(file, stored);
}

/**
 * Returns a file with its tensors under other names. The data is not copied. `stored` maps each new name to the
 * tensor's name in `file`. Tensors that are not in `stored` are omitted.
 */
export function renamed(file: SafetensorsFile, stored: ReadonlyMap<string, string>): SafetensorsFile {
  const of = (name: string) => stored.get(name) ?? name;
  return {
    label: file.label,
    metadata: file.metadata,
    names: () => [...stored.keys()],
    has: (name) => stored.has(name),
    info: (name) => file.info(of(name)),
    read: (name) => file.read(of(name)),
    readParts: (name, room) => file.readParts(of(name), room),
    readStored: (name) => file.readStored(of(name)),
  };
}

/** Returns true if a tensor belongs to a head, or to the pooler that some heads use. */
export function isHead(name: string, { stack }: Architecture): boolean {
  return root(name) !== stack || name.startsWith(`${stack}.pooler.`);
}
