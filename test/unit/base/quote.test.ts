import { expect, it } from "vitest";
import { quote } from "../../../src/base/quote.ts";

it("repeats what was sent in short, and harmless to a terminal", () => {
  expect(quote("alice")).toBe('"alice"');
  expect(quote('a"b')).toBe('"a\\"b"');
  expect(quote("naïve 日本")).toBe('"naïve 日本"');
  expect(quote("\u001b[2J\u0000\r\n\u007f\u009b\u202e\u2028\ufeff")).toBe(
    '"\\u001b[2J\\u0000\\r\\n\\u007f\\u009b\\u202e\\u2028\\ufeff"',
  );
  expect(quote("\u{f0000}")).toBe('"\\udb80\\udc00"');
  expect(quote("x".repeat(10_000))).toBe(`"${"x".repeat(63)}"`);
  // Cut in the middle of a character that takes two units.
  expect(quote(`${"x".repeat(62)}😀`)).toBe(`"${"x".repeat(62)}\\ud83d"`);
});
