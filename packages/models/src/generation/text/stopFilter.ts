import type { Stops } from "../settings/stops.ts";
import { Holdback } from "./holdback.ts";
import type { StopFilter } from "./rowText.ts";

/** Returns a filter that finds these stop sequences in one generated sequence. */
export function stopFilter({ sequences, texts, kept }: Stops): StopFilter {
  const tokens = new Holdback<number>(sequences);
  const units = new Holdback<string>(texts);
  const longest = Math.max(...kept.map((stop) => stop.length));
  /** The last characters of the text, in which a stop text of `stopStrings` may have begun. */
  let tail = "";
  let keptEnds = false;
  return {
    get stopped() {
      return tokens.stopped || units.stopped || keptEnds;
    },
    pushToken: (token) => tokens.push(token),
    pushText: (text) => {
      tail += text;
      if (kept.some((stop) => tail.includes(stop))) keptEnds = true;
      tail = tail.slice(-longest);
      return text
        .split("")
        .flatMap((unit) => units.push(unit))
        .join("");
    },
    flushTokens: () => tokens.flush(),
    flushText: () => units.flush().join(""),
  };
}
