import { checkLength } from "../values/limits.ts";

/** The text that a template has written. */
export class Output {
  #text = "";

  write(text: string): void {
    if (text === "") return;
    this.#text += text;
    checkLength(this.#text.length);
  }

  get length(): number {
    return this.#text.length;
  }

  toString(): string {
    return this.#text;
  }
}
