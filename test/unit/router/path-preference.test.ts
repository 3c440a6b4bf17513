import { beforeEach, describe, expect, it } from "vitest";
import { NO_PREFERENCE } from "../../../src/router/paths/events.ts";
import { PathsToBob } from "./paths-to-bob.ts";

let to: PathsToBob;

beforeEach(() => {
  to = new PathsToBob();
});

describe("a peer's preference among transports", () => {
  it("has everything among the candidates where nobody asked for anything", () => {
    expect(to.configure()).toEqual(["relay", "ssh", "udp", "udp"]);
  });

  it("leaves out what is excluded, and what is not in the order", () => {
    expect(to.configure({ ...NO_PREFERENCE, excluded: ["udp"] })).toEqual(["relay", "ssh"]);
    expect(to.configure({ ...NO_PREFERENCE, order: ["udp"] })).toEqual(["udp", "udp"]);
  });

  it("takes candidates back when they are allowed again", () => {
    to.configure({ ...NO_PREFERENCE, excluded: ["udp", "ssh"] });
    expect(to.configure()).toEqual(["relay", "ssh", "udp", "udp"]);
  });

  it("counts from the first choice on, for a peer that is configured with it", () => {
    to.configure({ ...NO_PREFERENCE, preferred: "relay" });
    to.note(to.paths.sessionUp(to.id));
    expect(to.decisions).toEqual(["relay: relay is open"]);
  });

  it("makes path selection leave a path at once, and say why", () => {
    to.configure();
    const { id } = to;
    to.note(to.paths.sessionUp(id));
    expect(to.decisions.map((decision) => decision.split(":")[0])).toEqual(["udp"]);
    to.configure({ ...NO_PREFERENCE, excluded: ["udp"] });
    expect(to.decisions.at(-1)).toBe("ssh: UDP is excluded for this peer");
    expect(
      to.paths
        .statusOf(id)
        ?.all.map(({ transport }) => transport)
        .sort(),
    ).toEqual(["relay", "ssh"]);
  });
});
