import type { SafetensorsFile } from "@lowrank/core";

/** Where a model's stack of blocks stands; checkpoints of the stack alone leave it out. */
const stacks: Readonly<Record<string, string>> = {
  llama: "model",
  gpt2: "transformer",
  bert: "bert",
  roberta: "roberta",
};

/** What stands beside the stack. */
const heads = /^(lm_head|cls|classifier|score)\./;

/** The name that a model has for a tensor of a checkpoint; BERT's first checkpoints call norms' tensors as TensorFlow did. */
function modelName(name: string, prefix: string): string {
  const own = name.replace(/LayerNorm\.gamma$/, "LayerNorm.weight").replace(/LayerNorm\.beta$/, "LayerNorm.bias");
  return prefix === "" || heads.test(name) ? own : `${prefix}.${own}`;
}

/** A checkpoint under the names that the model has: some were saved without their head, or are older than these names. */
export function underModelNames(file: SafetensorsFile, { modelType }: { modelType: string }): SafetensorsFile {
  const stack = stacks[modelType];
  const whole = stack === undefined || file.names().some((name) => name.startsWith(`${stack}.`));
  const stored = new Map(file.names().map((name) => [modelName(name, whole ? "" : stack), name]));
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
