/** The ending that marks an entry beside a weight that bitsandbytes quantised. */
export const partKey: RegExp = /\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+)$/;

/** Returns true if a checkpoint's entry stands beside a quantised weight and is part of it. */
export function isPartOfQuantized(entry: string): boolean {
  return partKey.test(entry);
}
