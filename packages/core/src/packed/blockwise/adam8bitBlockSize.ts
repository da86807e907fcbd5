/** Elements that share a scale of the 8-bit moments, as in bitsandbytes. */
export const adam8bitBlockSize = 256;
