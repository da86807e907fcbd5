import { styleText } from "node:util";
import type { ServingEngine, ServingStats } from "@lowrank/serve";
import type { TerminalView } from "../../cli/terminalView.ts";

/** Milliseconds between updates of the live view. */
const interval = 250;

/** Maximum number of requests that the view lists. If there are more, the view shows how many are not listed. */
const listed = 8;

/** Two snapshots of the engine's statistics: the current one (`stats`) and one from `seconds` seconds before. */
export interface ViewedStats {
  readonly stats: ServingStats;
  readonly before: ServingStats;
  readonly seconds: number;
}

/** Returns the lines of the view, each at most `columns` wide. */
export function viewLines(title: string, { stats, before, seconds }: ViewedStats, columns: number): string[] {
  const { pages, adapters } = stats;
  const rate = seconds > 0 ? (stats.newTokens - before.newTokens) / seconds : 0;
  const uses = adapters.hits + adapters.loads;
  const hitRate = uses === 0 ? "-" : `${((100 * adapters.hits) / uses).toFixed(0)} %`;
  const requests = stats.requests.slice(0, listed).map(({ adapter, state, promptTokens, newTokens }) => {
    return `  ${(adapter ?? "(base)").padEnd(24)} ${state.padEnd(8)} ${promptTokens} prompt, ${newTokens} new`;
  });
  const more = stats.requests.length - requests.length;
  return [
    title,
    `${stats.running} running, ${stats.waiting} waiting | ${stats.batchRows} rows, ${stats.decodeRows} decode | ${rate.toFixed(1)} tokens/s`,
    `pages ${pages.used} of ${pages.total}, ${pages.cached} kept | adapters ${adapters.resident} of ${adapters.registered} in memory, ` +
      `${(adapters.bytes / 1e6).toFixed(1)} MB, hits ${hitRate}, ${adapters.evictions} evicted`,
    ...requests,
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].map((line) => plain(line).slice(0, columns));
}

/** Replaces control characters by "?", so that a name cannot send commands to the terminal. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}

/**
 * Shows the statistics of an engine in a view, and updates them at intervals. Returns the timer; clear it to end the
 * updates.
 */
export function watchEngine(
  view: Pick<TerminalView, "show" | "columns">,
  title: string,
  engine: Pick<ServingEngine, "stats">,
): NodeJS.Timeout {
  let before: { stats: ServingStats; at: number } | null = null;
  let asking = false;
  return setInterval(async () => {
    if (asking) return;
    asking = true;
    try {
      const stats = await engine.stats();
      const at = performance.now();
      const seconds = before ? (at - before.at) / 1000 : 0;
      view.show(viewLines(title, { stats, before: before?.stats ?? stats, seconds }, view.columns));
      before = { stats, at };
    } catch {
      // The Worker has ended, and so does the command.
    } finally {
      asking = false;
    }
  }, interval);
}

/** Names and colours of pino's log levels. */
const levels: Readonly<Record<number, readonly [name: string, color: "gray" | "blue" | "green" | "yellow" | "red"]>> = {
  10: ["TRACE", "gray"],
  20: ["DEBUG", "blue"],
  30: ["INFO", "green"],
  40: ["WARN", "yellow"],
  50: ["ERROR", "red"],
  60: ["FATAL", "red"],
};

/** Parsed line of pino's log. */
interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { readonly stack?: string; readonly message?: string };
}

/**
 * Formats a line of pino's JSON log for reading: local time, level, message, and the other fields as JSON. An error's
 * stack follows on separate lines.
 */
export function prettyLine(line: string, { colors }: { readonly colors: boolean }): string {
  const { level, time, msg = "", err, ...others } = JSON.parse(line) as LogLine;
  const { pid: _, hostname: __, ...fields } = others as Record<string, unknown>;
  const [name, color] = levels[level] ?? [String(level), "gray"];
  const written = colors ? styleText(color, name, { validateStream: false }) : name;
  const facts = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : "";
  const stack = err ? `\n    ${visible(err.stack ?? err.message ?? "").replaceAll("\n", "\n    ")}` : "";
  const clock = new Date(time).toTimeString().slice(0, 8);
  return `[${clock}] ${written}: ${visible(msg).replaceAll("\n", " ")}${facts}${stack}\n`;
}

/** Escapes control characters, since a client's text could otherwise move the terminal's cursor. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return text.replace(/[\0-\x09\x0b-\x1f\x7f-\x9f]/g, (character) => JSON.stringify(character).slice(1, -1));
}
