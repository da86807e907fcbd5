// The declaration that `jest.ts` extends, for the compiler. Users have Jest's own one, and this file is not published.
declare module "expect" {
  export interface Matchers<R extends void | Promise<void>, T = unknown> {}
}
