import { expect, it } from "vitest";
import { nearestName } from "../internal.ts";

it("finds the name that was meant, and none where nothing is like it", () => {
  const known = ["q_proj", "k_proj", "down_proj"];
  expect(nearestName("q_porj", known)).toBe("q_proj");
  expect(nearestName("downproj", known)).toBe("down_proj");
  expect(nearestName("embedding", known)).toBe(null);
  expect(nearestName("q_proj", [])).toBe(null);
  expect(nearestName("", ["a", ""])).toBe("");
});

it("takes a name with as many changes as half its letters, of equals the first", () => {
  expect(nearestName("abcd", ["abxy", "xbcd"])).toBe("xbcd");
  expect(nearestName("abcd", ["xbcd", "axcd"])).toBe("xbcd");
  expect(nearestName("abcd", ["abxy"])).toBe("abxy");
  expect(nearestName("abcd", ["axyz"])).toBe(null);
  // The limit is half of 5, rounded up.
  expect(nearestName("abcde", ["abxyz"])).toBe("abxyz");
  expect(nearestName("abcde", ["axyzw"])).toBe(null);
  expect(nearestName("ab", ["abc", "b", "a"])).toBe("abc");
  expect(nearestName("abcd", ["cdab"])).toBe(null);
  expect(nearestName("abcd", ["abc", "abcde"])).toBe("abc");
  expect(nearestName("abcd", ["abcde", "abc"])).toBe("abcde");
  expect(nearestName("abcd", ["xbcd", "abc"])).toBe("xbcd");
  expect(nearestName("abcdef", ["bcdefa"])).toBe("bcdefa");
});
