import { blockFormats } from "@lowrank/core";
import type { ModelConfig } from "../config/architectureConfig.ts";
import { encodings, type GgufEncoding } from "./ggmlTypes.ts";
import type { TensorLayout } from "./ggufForm.ts";
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
 */
export function otherTypes(layouts: readonly TensorLayout[], type: GgufEncoding, config: ModelConfig): string[] {
  const names = new Map<string, Set<string>>();
  for (const layout of layouts) {
    const [wanted, chosen] = [wantedType(layout, type, config), chooseType(layout, type, config)];
    if (chosen === wanted) continue;
    const { elements } = encodings[wanted].block;
    const reason = `${chosen.toLowerCase()} instead of ${wanted.toLowerCase()}, since rows are no whole blocks of ${elements}`;
    names.set(reason, (names.get(reason) ?? new Set()).add(`${layout.gguf} [${fileShape(layout)}]`));
  }
  return Array.from(names, ([reason, found]) => `${reason}: ${[...found].join(", ")}`);
}
