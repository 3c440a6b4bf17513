/**
 * Watches the network of the namespace it runs in, for lab tests, and writes a line of JSON for every change that counts:
 * `["what", …]`. Runs from built output (`npm run build`) until it is killed.
 *
 *     node test/support/watch-network.mjs OUR-INTERFACE
 */
const dist = new URL("../../dist/", import.meta.url);
const { NetlinkWatch } = await import(new URL("host/network/netlink-watch.js", dist));
const { systemClock } = await import(new URL("base/clock.js", dist));

const say = (words) => process.stdout.write(`${JSON.stringify(words)}\n`);
const logger = { debug() {}, info() {}, warn: (_fields, message) => say([message]), error() {} };
new NetlinkWatch({ interfaceName: process.argv[2] }, { clock: systemClock, logger, onChange: say });
say(["ready"]);
// Where there is no netlink nothing else keeps the process alive.
process.stdin.resume();
