/** Where `package.json` and `native/` stand: two folders up, from the sources and from both forms of the build. */
export const PACKAGE_ROOT = new URL("../../", import.meta.url);
