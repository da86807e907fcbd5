/**
 * Returns a note for the user if the config has a sliding window, which llama.cpp ignores for this architecture;
 * otherwise no note.
 */
export function windowNote(config: { slidingWindow: number | null; maxPositionEmbeddings: number }): string[] {
  const { slidingWindow, maxPositionEmbeddings } = config;
  return slidingWindow === null || slidingWindow >= maxPositionEmbeddings
    ? []
    : [`llama.cpp does not heed the sliding window of ${slidingWindow} positions, so longer texts differ there`];
}
