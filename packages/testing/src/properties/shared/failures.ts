import { describeMismatch, type LayerMismatch } from "../../comparing/compareLayers.ts";
import type { BitMismatch } from "../../comparing/exactBits.ts";
import { type PropertyCode, PropertyError } from "../../errors/propertyError.ts";

/** Facts that all failures of one run of a property share. */
export interface Failing {
  readonly code: PropertyCode;
  readonly property: string;
  /** Null if the values were not drawn. */
  readonly seed: number | null;
}

/** Throws the error for a layer whose outputs differ. `when` begins the sentence, `names` name both values. */
export function failOnLayer(
  failing: Failing,
  found: LayerMismatch | null,
  when: string,
  names: readonly [string, string],
): void {
  if (!found) return;
  const { path: layer, difference, bound, position } = found;
  const detail = `${when}, ${describeMismatch(found, names)}`;
  throw new PropertyError({ ...failing, layer, difference, bound, position, detail });
}

/** Throws the error for a tensor whose bits differ. `when` begins the sentence. */
export function failOnBits(failing: Failing, found: BitMismatch | null, when: string): void {
  if (!found) return;
  const { name: layer, difference, position, text } = found;
  throw new PropertyError({ ...failing, layer, difference, position, detail: `${when}, ${text}` });
}
