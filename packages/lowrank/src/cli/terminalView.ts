import { styleText } from "node:util";
import stringWidth from "string-width";

/** Lines that stay at the bottom of a terminal, with all other output above them. */
export class TerminalView {
  readonly #stream: NodeJS.WriteStream;
  #lines: readonly string[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  get columns(): number {
    // Some terminals do not report their width.
    return this.#stream.columns || 80;
  }

  get rows(): number {
    return this.#stream.rows || 24;
  }

  /** Writes text above the view. */
  write(text: string): void {
    this.#stream.write(`${this.#erase()}${text}${this.#drawn()}`);
  }

  /** Draws lines instead of the previous ones. Each should be at most `columns` wide. */
  show(lines: readonly string[]): void {
    const erase = this.#erase();
    this.#lines = lines;
    this.#stream.write(`${erase}${this.#drawn()}`);
  }

  /** Keeps the current lines on the terminal. Later output appears below them. */
  leave(): void {
    this.#lines = [];
  }

  /**
   * Returns the text that erases the view. If the terminal has become narrower, a line of the view takes several rows.
   */
  #erase(): string {
    const rows = this.#lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / this.columns)), 0);
    return rows === 0 ? "" : `\x1b[${rows}A\x1b[0J`;
  }

  #drawn(): string {
    return this.#lines.map((line) => `${line}\n`).join("");
  }
}

type Style = Parameters<typeof styleText>[0];

/**
 * Returns a text in a colour or style if the stream is a terminal and NO_COLOR is not set, or if FORCE_COLOR is set;
 * otherwise returns the text unchanged.
 */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream): string {
  return styleText(style, text, { stream });
}
