import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/**
 * A text in a colour or style where the stream shows it: on terminals, unless NO_COLOR is set, and
 * elsewhere if FORCE_COLOR is.
 */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream): string {
  return styleText(style, text, { stream });
}
