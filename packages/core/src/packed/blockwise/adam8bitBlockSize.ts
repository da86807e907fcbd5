/** Number of elements that share one scale in 8-bit optimiser moments, as in bitsandbytes. */
export const adam8bitBlockSize = 256;
