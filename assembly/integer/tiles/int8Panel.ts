// Panels of quantised weights for the register tiles of integer products.

/** Number of columns in a panel of low-bit codes. A column of the product is a row of the weight. */
export const Q4_COLUMNS: i32 = 8;
/** Number of columns in a panel of 8-bit codes. */
export const Q8_COLUMNS: i32 = 4;

/**
 * Bytes of a block of a panel of low-bit codes. It holds the codes of 32 elements of each column (four bytes of each
 * column alternate), the columns' scales and their minima.
 */
export const Q4_PANEL: usize = 320;
/** Bytes of a block of a panel of 8-bit codes, which has no minima. */
export const Q8_PANEL: usize = 144;

/** Bytes of a block of eight columns, as 16-bit codes with scales and minima. */
export const WIDE_PANEL: usize = 576;
/** Number of blocks with 16-bit codes that are processed at a time. */
export const WIDE_DEPTH: i32 = 64;
