// Panels of quantised weights for the register tiles of integer products.

/** Columns of a panel; each is a row of the weight. */
export const Q4_COLUMNS: i32 = 8;
export const Q8_COLUMNS: i32 = 4;

/** Bytes of a block of a panel: for each four of its 32 elements four bytes of each column, then scales, and minima. */
export const Q4_PANEL: usize = 320;
export const Q8_PANEL: usize = 144;

/** Bytes of a block of a panel of Q4_COLUMNS with 16-bit codes, and the number of blocks at a time. */
export const WIDE_PANEL: usize = 576;
export const WIDE_DEPTH: i32 = 64;
