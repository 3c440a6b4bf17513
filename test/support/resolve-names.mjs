// Resolves the names given as a daemon with this firewall mark does, and prints addresses or the error's code for each.
// Runs from built output (`npm run build`).
//
//   node test/support/resolve-names.mjs MARK NAME…
const dist = new URL("../../dist/", import.meta.url);
const { underlaySockets } = await import(new URL("host/underlay/underlay-sockets.js", dist));

const [mark, ...names] = process.argv.slice(2);
const { resolve } = underlaySockets(Number(mark));
const results = {};
for (const name of names) results[name] = await resolve(name).catch(({ code }) => code);
process.stdout.write(`${JSON.stringify(results)}\n`);
