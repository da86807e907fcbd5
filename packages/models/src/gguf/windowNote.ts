/** Returns the note about a window that a file says and llama.cpp takes for none. */
export function windowNote(config: { slidingWindow: number | null; maxPositionEmbeddings: number }): string[] {
  const { slidingWindow, maxPositionEmbeddings } = config;
  return slidingWindow === null || slidingWindow >= maxPositionEmbeddings
    ? []
    : [`llama.cpp does not heed the sliding window of ${slidingWindow} positions, so longer texts differ there`];
}
