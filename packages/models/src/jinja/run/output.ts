import { checkLength } from "../values/limits.ts";

/** Collects the text that a template writes. */
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
