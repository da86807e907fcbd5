/** Upper bounds, in seconds, of the buckets in the histogram of adapter load times. */
export const loadBounds: readonly number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
