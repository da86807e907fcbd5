import stringWidth from "string-width";

/** The end of a terminal: lines that stay, and above them all that is written. */
export class TerminalView {
  readonly #stream: NodeJS.WriteStream;
  #lines: readonly string[] = [];

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  get columns(): number {
    // Some terminals do not tell.
    return this.#stream.columns || 80;
  }

  get rows(): number {
    return this.#stream.rows || 24;
  }

  /** Writes text above the view. */
  write(text: string): void {
    this.#stream.write(`${this.#erase()}${text}${this.#drawn()}`);
  }

  /** Draws lines in the place of those before. Each should be at most `columns` wide. */
  show(lines: readonly string[]): void {
    const erase = this.#erase();
    this.#lines = lines;
    this.#stream.write(`${erase}${this.#drawn()}`);
  }

  /** Leaves the lines as they stand: what is written next comes below them. */
  leave(): void {
    this.#lines = [];
  }

  /** A terminal that became narrower shows a line of before in several rows. */
  #erase(): string {
    const rows = this.#lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / this.columns)), 0);
    return rows === 0 ? "" : `\x1b[${rows}A\x1b[0J`;
  }

  #drawn(): string {
    return this.#lines.map((line) => `${line}\n`).join("");
  }
}
