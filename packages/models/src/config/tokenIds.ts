/** Returns `eos_token_id` as Hugging Face writes it: null, one number, or a list. */
export function eosToHf(ids: readonly number[]): null | number | number[] {
  if (ids.length === 0) return null;
  return ids.length === 1 ? ids[0] : [...ids];
}
