/** The number of elements that share a scale in 8-bit optimiser moments, as in bitsandbytes. */
export const adam8bitBlockSize = 256;
