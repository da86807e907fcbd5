import { blockFormats } from "@lowrank/core";
import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { TensorLayout } from "../../gguf/ggufForm.ts";
import { encodings, type GgufEncoding } from "../../gguf/types/ggmlTypes.ts";
import { fileShape } from "./tensorLayout.ts";

/**
 * Returns the preferred type of a tensor, without checking that the length of its rows is a multiple of that type's
 * block size.
 */
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
 * Returns the type of a tensor in a file whose matrices have type `type`, as llama.cpp's converter and quantize command
 * select it. If the row length is not a multiple of that type's block size, llama.cpp's fallback type is used. If it is
 * not a multiple of the fallback's block size either, the type is F16.
 */
export function chooseType(layout: TensorLayout, type: GgufEncoding, config: ModelConfig): GgufEncoding {
  const columns = fileShape(layout).at(-1)!;
  const fits = (one: GgufEncoding | undefined) => one && columns % encodings[one].block.elements === 0;
  const wanted = wantedType(layout, type, config);
  const other = placeOf(wanted)?.otherwise;
  return fits(wanted) ? wanted : fits(other) ? other! : "F16";
}

/**
 * Returns notes for the user: one for each kind of tensor whose type was replaced because its rows are not whole
 * blocks. A note covers tensors with the same name and shape in several layers.
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
