/** Matches the name suffix of additional entries of a weight that bitsandbytes quantised. */
export const partKey: RegExp = /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+)$/;

/** Returns true if a checkpoint entry is an additional entry of a quantised weight. */
export function isPartOfQuantized(entry: string): boolean {
  return partKey.test(entry);
}
