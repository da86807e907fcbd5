import { blockFormats } from "@lowrank/core";
import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { TensorLayout } from "../../gguf/ggufForm.ts";
import { encodings, type GgufEncoding } from "../../gguf/types/ggmlTypes.ts";
import { fileShape } from "./tensorLayout.ts";

/** Returns the type that a tensor is to have, whatever its rows are. */
function wantedType(layout: TensorLayout, type: GgufEncoding, config: ModelConfig): GgufEncoding {
  if (layout.shape.length < 2 || layout.keepsF32) return "F32";
  const head = config.tieWordEmbeddings ? "token_embd.weight" : "output.weight";
  return (layout.gguf === head ? placeOf(type)?.output : undefined) ?? type;
}

const placeOf = (type: GgufEncoding) => {
  const { packed } = encodings[type];
  return packed && blockFormats[packed].gguf;
};

/**
 * Chooses a tensor's type in a file of matrices of `type`, as llama.cpp's converter and its
 * quantize command do.
 */
export function chooseType(layout: TensorLayout, type: GgufEncoding, config: ModelConfig): GgufEncoding {
  const columns = fileShape(layout).at(-1)!;
  const fits = (one: GgufEncoding | undefined) => one && columns % encodings[one].block.elements === 0;
  const wanted = wantedType(layout, type, config);
  const other = placeOf(wanted)?.otherwise;
  return fits(wanted) ? wanted : fits(other) ? other! : "F16";
}

/**
 * Returns a note for each type that stands for another one, since rows are no whole blocks of that.
 * Tensors of one kind and shape in several layers are named together.
 */
export function otherTypes(layouts: readonly TensorLayout[], type: GgufEncoding, config: ModelConfig): string[] {
  const notes = new Map<string, Map<string, Set<string>>>();
  for (const layout of layouts) {
    const [wanted, chosen] = [wantedType(layout, type, config), chooseType(layout, type, config)];
    if (chosen === wanted) continue;
    const { elements } = encodings[wanted].block;
    const reason = `${chosen.toLowerCase()} instead of ${wanted.toLowerCase()}, since rows are no whole blocks of ${elements}`;
    const named = (name: string) => `${name} [${fileShape(layout)}]`;
    const kinds = notes.get(reason) ?? new Map<string, Set<string>>();
    const kind = named(layout.gguf.replace(/\d+/, "*"));
    kinds.set(kind, (kinds.get(kind) ?? new Set()).add(named(layout.gguf)));
    notes.set(reason, kinds);
  }
  const together = (names: Set<string>, kind: string) => (names.size > 1 ? `${names.size} of ${kind}` : [...names][0]);
  return Array.from(notes, ([reason, kinds]) => {
    return `${reason}: ${Array.from(kinds, ([kind, names]) => together(names, kind)).join(", ")}`;
  });
}
