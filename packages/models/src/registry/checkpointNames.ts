import type { SafetensorsFile } from "@lowrank/core";
import type { ArchitectureConfig } from "../config/architectureConfig.ts";
import type { Architecture } from "../model/architecture.ts";

/** Names that transformers gives the modules beside a stack. */
const headModules = ["lm_head", "cls", "classifier", "score", "qa_outputs"];

/** The first name of a path. */
const root = (name: string): string => name.slice(0, name.indexOf("."));

/**
 * Returns a checkpoint under the model's names, without tensors that these leave out. Some
 * checkpoints were saved without their head, or are older than these names.
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
 * Returns a file under other names, each with the one that it has there; tensors
 * without a name are left out.
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

/** True if a tensor of a model is of its head, or of the pooler below one. */
export function isHead(name: string, { stack }: Architecture): boolean {
  return root(name) !== stack || name.startsWith(`${stack}.pooler.`);
}
