import type { LabHost } from "./lab-host.ts";

/** What dockerd asks of iptables(8) when it starts with its bridge alone (moby, libnetwork's `setupIPTables`). */
const COMMANDS = `
-t nat -N DOCKER
-t filter -N DOCKER
-t filter -N DOCKER-ISOLATION-STAGE-1
-t filter -N DOCKER-ISOLATION-STAGE-2
-t filter -A DOCKER-ISOLATION-STAGE-1 -j RETURN
-t filter -A DOCKER-ISOLATION-STAGE-2 -j RETURN
-t nat -I POSTROUTING -s NETWORK ! -o docker0 -j MASQUERADE
-t nat -I DOCKER -i docker0 -j RETURN
-I FORWARD -i docker0 -o docker0 -j ACCEPT
-I FORWARD -i docker0 ! -o docker0 -j ACCEPT
-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-t nat -A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER ! --dst LOOPBACK
-t filter -I FORWARD -o docker0 -j DOCKER
-t filter -I FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-t filter -I FORWARD -j DOCKER-ISOLATION-STAGE-1
-t filter -I DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-t filter -I DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-t filter -N DOCKER-USER
-t filter -A DOCKER-USER -j RETURN
-t filter -I FORWARD -j DOCKER-USER
-t filter -P FORWARD DROP`;

/** Has the host's `iptables` and `ip6tables`, whichever they are, do it. */
export async function startDockerRules(host: LabHost): Promise<void> {
  const script = (["iptables", "ip6tables"] as const).flatMap((program) => {
    const [network, loopback] = program === "iptables" ? ["172.17.0.0/16", "127.0.0.0/8"] : ["fd17::/64", "::1/128"];
    const commands = COMMANDS.trim().replace("NETWORK", network).replace("LOOPBACK", loopback).split("\n");
    return commands.map((words) => `${program} --wait ${words}`);
  });
  await host.must("sh", "-ec", script.join("\n"));
}

/** What dockerd does at a restart to what it finds: its own chain comes first again. */
export async function restartDockerRules(host: LabHost): Promise<void> {
  const again = ["-D FORWARD -j DOCKER-USER", "-I FORWARD -j DOCKER-USER"];
  const script = again.flatMap((words) => [`iptables --wait ${words}`, `ip6tables --wait ${words}`]);
  await host.must("sh", "-ec", script.join("\n"));
}
