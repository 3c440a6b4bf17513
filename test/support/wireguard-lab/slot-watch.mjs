/**
 * Loaded before a tunnel (`node --import`): says on SIGUSR2 how many key slots hold anything but zeros, as a line
 * `{"event": "slots", "filled": 2}`.
 */
const dist = new URL(process.env.MESH_DIST ?? "../../dist/", new URL("../", import.meta.url));
const { KeySlots } = await import(new URL("wireguard/shared-state.js", dist));

const tables = new Set();
const { sendKey } = KeySlots.prototype;
KeySlots.prototype.sendKey = function (slot) {
  tables.add(this);
  return sendKey.call(this, slot);
};

function isFilled(slots, slot) {
  return [...slots.sendKey(slot), ...slots.receiveKey(slot)].some((byte) => byte !== 0);
}

process.on("SIGUSR2", () => {
  let filled = 0;
  for (const slots of tables) for (let slot = 0; slot < slots.count; slot++) if (isFilled(slots, slot)) filled++;
  process.stdout.write(`${JSON.stringify({ event: "slots", filled })}\n`);
});
