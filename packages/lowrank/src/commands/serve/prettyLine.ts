import { styleText } from "node:util";

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
