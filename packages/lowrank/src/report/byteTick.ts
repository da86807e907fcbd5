import { byteText } from "./table.ts";

/** Formats bytes for an axis, without a trailing ".0": "20 GB". */
export const byteTick = (bytes: number): string => byteText(bytes).replace(".0 ", " ");
