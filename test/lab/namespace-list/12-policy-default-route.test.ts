import { describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { ExitGuard } from "../../../src/exit/use/guard.ts";
import { HostChanges } from "../../../src/host/changes/host-changes.ts";
import { identityOf } from "../../../src/host/interface-setup.ts";
import { labSysctls } from "../../support/lab/lab-sysctls.ts";
import { countPackets } from "../../support/wireguard-lab/packet-counter.ts";
import { TunnelLab } from "../../support/wireguard-lab/tunnel-lab.ts";
import { INTERFACE, LISTEN_PORT } from "../../support/wireguard-lab/wireguard-end.ts";

const FWMARK = 0x77;
const FAR_AWAY = { v4: "203.0.113.7", v6: "2001:db8:77::7" } as const;
const FLOOD = 2000;

describe("12: a default route into the tunnel by policy, the main table's own suppressed", () => {
  it.each(["v4", "v6"] as const)(
    "%s outside: carries floods of both families, and what carries them goes around it",
    async (outer) => {
      await using tunnel = await TunnelLab.withStock({ outer, ours: { fwmark: FWMARK } });
      const { first: ours, second: stock, settings } = tunnel;
      const { host } = ours;
      await ours.setPeers([{ ...settings[0], allowedIps: [...settings[0].allowedIps, "0.0.0.0/0", "::/0"] }]);
      for (const [family, bits] of [
        ["v4", 32],
        ["v6", 128],
      ] as const) {
        await stock.host.ip("address", "add", `${FAR_AWAY[family]}/${bits}`, "dev", "lo");
      }
      await host.sysctl("net.ipv4.conf.all.rp_filter", 1);
      await tunnel.connected();

      await using changes = await HostChanges.open(`${host.scratchDirectory}/journal`, {
        logger: silentLogger,
        run: host.runner,
        sysctls: labSysctls(host),
      });
      const options = {
        network: "lab",
        interfaceName: INTERFACE,
        fwmark: FWMARK,
        meshRanges: [],
        allowLan: false,
        carried: [],
        meshes: [],
      };
      const guard = new ExitGuard({ ...options, hasIpv6: true }, changes);
      await guard.putIn([]);
      await guard.lead(["ipv4", "ipv6"], await identityOf(INTERFACE, changes));
      const carried = await countPackets(
        host,
        "postrouting",
        `oifname "eth0" udp dport ${LISTEN_PORT} meta mark ${FWMARK}`,
      );

      for (const address of Object.values(FAR_AWAY)) {
        const said = await host.must("ping", "-n", "-f", "-c", String(FLOOD), "-W", "2", address);
        expect(Number(/(\d+) received/.exec(said)?.[1])).toBeGreaterThan(FLOOD * 0.99);
      }
      expect(await carried()).toBeGreaterThan(2 * FLOOD * 0.99);
      expect(await guard.blocked()).toEqual({ ipv4: 0, ipv6: 0 });
      expect(await guard.takeOut()).toBe(0);
      expect(changes.list()).toEqual([]);
    },
  );
});
