/** Everything is let through: the programs of one host are alone on it. */
const POLICY = ["method_call", "signal", "method_return", "error"]
  .map((type) => `<allow send_type="${type}"/><allow receive_type="${type}"/>`)
  .join("");

/** For `dbus-daemon --config-file`: a system bus of one host's own, at this socket. */
export function systemBusConfig(socket: string): string {
  const listen = `<type>system</type><listen>unix:path=${socket}</listen><auth>EXTERNAL</auth>`;
  return `<busconfig>${listen}<policy context="default"><allow user="*"/><allow own="*"/>${POLICY}</policy></busconfig>\n`;
}
