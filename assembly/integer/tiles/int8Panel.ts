// Panels of quantised weights for the register tiles of integer products.

/**
 * Number of columns in a panel of low-bit codes, and of 8-bit codes. A column of the product is a row of the weight.
 */
export const Q4_COLUMNS: i32 = 8;
export const Q8_COLUMNS: i32 = 4;

/**
 * Bytes of a block of a panel: the codes of 32 elements of each column (four bytes of each column alternate), the
 * columns' scales and, for low-bit codes, their minima.
 */
export const Q4_PANEL: usize = 320;
export const Q8_PANEL: usize = 144;

/** Bytes of a block of eight columns with 16-bit codes, and the number of such blocks that are processed at a time. */
export const WIDE_PANEL: usize = 576;
export const WIDE_DEPTH: i32 = 64;
