/**
 * Returns true for an address of the Hugging Face hub. A file of its own: pages that read no such
 * address load no more than this.
 */
export function isHubAddress(place: string | URL): boolean {
  return /^hf:/i.test(String(place));
}
