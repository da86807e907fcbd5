/** Matches the suffix of an additional entry of a quantised weight, as bitsandbytes names them. */
export const partKey: RegExp = /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+)$/;

/** Returns true if an entry of a checkpoint is an additional entry of a quantised weight, such as `weight.absmax`. */
export function isPartOfQuantized(entry: string): boolean {
  return partKey.test(entry);
}
