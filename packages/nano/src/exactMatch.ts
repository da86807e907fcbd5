/**
 * Returns the fraction of predictions, in [0, 1], that equal their reference exactly. Throws `RangeError` if the lists
 * differ in length or are empty.
 */
export function exactMatch(predictions: readonly string[], references: readonly string[]): number {
  if (predictions.length !== references.length || references.length === 0) {
    throw new RangeError(
      `exactMatch: ${predictions.length} predictions for ${references.length} references: give one prediction for each of at least one reference`,
    );
  }
  return predictions.filter((prediction, at) => prediction === references[at]).length / references.length;
}
